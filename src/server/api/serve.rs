//! A plain HTTP/1.1 server, for applications that need no other.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::{Future, IntoFuture},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    bind::BACKLOG,
    live::Live,
    server::{Server, check_path},
};
use crate::{
    clock::Clock,
    server::{
        connection::{self, App, Full, Most, Order, Places},
        counters::{ACCEPT_ERRORS, CONNECTIONS_REFUSED},
        routes::native::Shortcut,
    },
};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// In all, two connections for each of the most sessions of the default.
const MOST: Most = Most { in_all: 200_000, of_an_address: 2_000 };

/// The system holds about this many bytes for a connection that takes none, and reports what a connection took
/// by halves of it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 64 * 1024;

/// Idle connections are asked to close, in milliseconds, at most so often.
const MAKE_ROOM_INTERVAL: u64 = 1_000;

/// The time between two warnings of the same kind, in milliseconds.
const WARNING_INTERVAL: u64 = 60_000;

/// The time that running requests have to finish when the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted, for example because the process has no file
/// descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves an application over HTTP/1.1, WebSocket included, until the program ends, or until the signal of
/// [`with_graceful_shutdown`](Serve::with_graceful_shutdown).
///
/// It differs from `axum::serve` in points that matter for realtime:
///
/// * Small segments leave at once (`TCP_NODELAY`), the client's address is known
///   ([`Session::remote_address`](crate::Session::remote_address)), a parked poll costs some ten kilobytes less,
///   because no room is made for HTTP/2, and [sessions](Serve::sessions) end in good order when it stops.
/// * A connection ends whose client keeps a write waiting and takes less than 4,800 bytes (240 a second) within
///   20 seconds, whatever was written: a page, a poll, a stream, a WebSocket. The system reports what was taken
///   in pieces of 32 KiB, so a line may need 2 kB a second. A stream whose session or link has ended closes its
///   connection when nothing was taken for 10 seconds.
/// * A request's head has at most 32 KiB (431 otherwise) and must come within 30 seconds of its first byte; a
///   connection may wait 75 seconds for a request.
/// * There is a bound on [connections](Serve::max_connections).
///
/// For TLS or HTTP/2 use `axum::serve`, another server, or a proxy.
///
/// Nothing happens before it is awaited. Then it waits without end, or until it was stopped, or fails.
/// Cancel-safe: dropped, it accepts no more connections, and the open ones end after their current request.
///
/// ```no_run
/// use std::time::Duration;
/// use anywire::{Anywire, Session};
///
/// async fn chat(session: Session) {
///     while let Some(message) = session.recv().await {
///         session.within("lobby").send(message);
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let live = Anywire::builder().handler(chat).build();
/// let app = axum::Router::new().nest("/live", live.routes());
/// let stop = async {
///     let _ = tokio::signal::ctrl_c().await;
/// };
/// anywire::serve(anywire::bind("127.0.0.1:8080").await?, app)
///     .with_graceful_shutdown(stop)
///     .sessions(&live, Duration::from_secs(5))
///     .await
/// # }
/// ```
///
/// # Errors
/// Fails when the listener's address cannot be read. A connection that fails is logged and does not end the
/// server.
pub fn serve(listener: TcpListener, app: Router) -> Serve {
    Serve { listener, app, shortcuts: Vec::new(), signal: None, sessions: Vec::new(), most: MOST }
}

/// A server that [`serve`] returns. Await it to run it.
#[must_use = "a server does nothing until it is awaited"]
pub struct Serve {
    listener: TcpListener,
    app: Router,
    shortcuts: Vec<Shortcut>,
    signal: Option<Boxed<()>>,
    sessions: Vec<(Live, Duration)>,
    most: Most,
}

impl Serve {
    /// Stops when `signal` is ready: it accepts the connections that wait already, which have a second to begin their
    /// request, and no more, and gives its port back at once, so that the next process can listen on it. Then the
    /// [sessions](Self::sessions) end, then the connections: idle ones at once, and running requests have five
    /// seconds.
    ///
    /// Without `sessions` those that are open are cut when the five seconds are over.
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.signal = Some(Box::pin(signal));
        self
    }

    /// When the server stops, the sessions of `live` end as [`Live::shutdown`] does it: every client is asked
    /// to make a new link within `window`, all connections are served until the window is over, then the
    /// sessions end, and their handlers have five seconds to return.
    ///
    /// Several servers of sessions may be named; their windows run at the same time. Without
    /// [`with_graceful_shutdown`](Self::with_graceful_shutdown) this does nothing, and a warning is logged.
    pub fn sessions(mut self, live: &impl AsRef<Live>, window: Duration) -> Self {
        self.sessions.push((live.as_ref().clone(), window));
        self
    }

    /// Answers the requests of open sessions at once, past the router of the application: a message to a client that
    /// polls takes a fifth fewer instructions then. `path` is that at which the [routes](Server::routes) of `live` are
    /// nested.
    ///
    /// The application's layers do not see these requests: nothing traces, counts or limits them, and their answers
    /// have no headers but Anywire's. Each shows the secret of its session. Openings, WebSockets and the client's
    /// scripts take the way through the router, and so does every request where the application is asked or told of
    /// it ([`authorize`](crate::Builder::authorize), [`on_refused`](crate::Builder::on_refused)) or the server is one of
    /// a cluster.
    ///
    /// # Panics
    /// Panics if the path does not begin with a slash, or has parameters.
    ///
    /// ```no_run
    /// # use anywire::{Anywire, Session};
    /// # async fn handler(session: Session) {}
    /// # async fn example() -> std::io::Result<()> {
    /// let live = Anywire::builder().handler(handler).build();
    /// let app = axum::Router::new().nest("/live", live.routes());
    /// anywire::serve(anywire::bind("127.0.0.1:8080").await?, app).shortcut("/live", &live).await
    /// # }
    /// ```
    pub fn shortcut<S: Clone + Send + Sync + 'static>(mut self, path: &str, live: &Server<S>) -> Self {
        check_path(path);
        self.shortcuts.push(Shortcut::new(path, &live.gateway()));
        self
    }

    /// Sets how many connections may be open at a time. Default: 200,000.
    ///
    /// Beyond it a new connection is closed at once, and those that wait for a request are asked to close, so
    /// that the next one finds a place. WebSockets count. The process needs a file descriptor for each
    /// (`ulimit -n`); where it has none left, new connections wait to be accepted.
    ///
    /// # Panics
    /// Panics if it is 0.
    pub fn max_connections(mut self, connections: usize) -> Self {
        assert!(connections > 0, "a server has room for one connection at least");
        self.most.in_all = connections;
        self
    }

    /// Sets how many connections of one address may be open at a time; of IPv6 a network of 64 bits counts as
    /// one. Default: 2,000.
    ///
    /// Beyond it a new connection of that address is closed at once. Loopback, private and link-local
    /// addresses are not counted, since they may be those of a proxy. Raise it where a proxy or many clients
    /// share a public address.
    ///
    /// # Panics
    /// Panics if it is 0.
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        assert!(connections > 0, "an address has room for one connection at least");
        self.most.of_an_address = connections;
        self
    }

    async fn run(self) -> io::Result<()> {
        let Serve { listener, app, shortcuts, signal, sessions, most } = self;
        let address = listener.local_addr()?;
        tracing::info!(%address, "serving");
        prepare(&listener);
        if signal.is_none() && !sessions.is_empty() {
            tracing::warn!("sessions() has no effect without with_graceful_shutdown()");
        }
        // Each connection holds a receiver. It learns through it that the server stops, and the server learns
        // that the last connection has ended.
        let (orders, _) = watch::channel(Order::Serve);
        let mut signal = signal.unwrap_or_else(|| Box::pin(std::future::pending()));
        // The state is set once here, and not for every request.
        let app = App { router: app.with_state(()), shortcuts: shortcuts.into() };
        let acceptor = Acceptor::new(app.clone(), most);
        accept(listener, acceptor, &orders, &mut signal).await;
        tracing::info!(%address, "stopping");
        // Idle connections close now, and the others with their answer: the next request shall reach the next
        // process.
        orders.send_replace(Order::Stop);
        let mut ending: Vec<Boxed<()>> = Vec::new();
        for (live, window) in sessions {
            ending.push(Box::pin(async move {
                live.shutdown(window).await;
            }));
        }
        all(ending).await;
        // Until now other nodes may ask for its routes, also where no connection of its own is left.
        drop(app);
        let _ = tokio::time::timeout(LAST_REQUESTS, orders.closed()).await;
        Ok(())
    }
}

impl IntoFuture for Serve {
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Accepts connections until the signal is ready, and then those that wait already.
async fn accept(listener: TcpListener, mut acceptor: Acceptor, orders: &watch::Sender<Order>, signal: &mut Boxed<()>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut *signal => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => acceptor.start(stream, peer, orders),
            Err(error) => {
                ACCEPT_ERRORS.add(1);
                if acceptor.may(Rare::WarnOfErrors) {
                    tracing::warn!(%error, "no connection could be accepted");
                }
                acceptor.make_room(orders);
                tokio::select! {
                    () = &mut *signal => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    if let Err(error) = accept_waiting(listener, &mut acceptor, orders) {
        tracing::debug!(%error, "connections that waited to be accepted are lost");
    }
}

/// Accepts the connections that wait, and gives the port back. The system would reset them, though their clients have
/// connected. Tokio's own calls do not look again, and would miss one that has come just now.
fn accept_waiting(listener: TcpListener, acceptor: &mut Acceptor, orders: &watch::Sender<Order>) -> io::Result<()> {
    let listener = listener.into_std()?;
    // Somebody may connect without an end.
    for _ in 0..BACKLOG {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                acceptor.start(TcpStream::from_std(stream)?, peer, orders);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// An action that is done at most once in a while.
#[derive(Clone, Copy)]
enum Rare {
    MakeRoom,
    WarnOfErrors,
    WarnOfPlaces,
}

struct Acceptor {
    app: App,
    places: Arc<Places>,
    clock: Clock,
    /// When each may be done again.
    next: [u64; 3],
}

impl Acceptor {
    fn new(app: App, most: Most) -> Self {
        Acceptor { app, places: Places::new(most), clock: Clock::start(), next: [0; 3] }
    }

    /// Whether it may be done now. It is not asked often enough to matter.
    fn may(&mut self, what: Rare) -> bool {
        let interval = if matches!(what, Rare::MakeRoom) { MAKE_ROOM_INTERVAL } else { WARNING_INTERVAL };
        let (now, next) = (self.clock.now(), &mut self.next[what as usize]);
        let may = now >= *next;
        if may {
            *next = now + interval;
        }
        may
    }

    /// Asks connections that wait for a request to close.
    fn make_room(&mut self, orders: &watch::Sender<Order>) {
        if self.may(Rare::MakeRoom) {
            orders.send_replace(Order::CloseIdle);
        }
    }

    /// Starts the task of a connection, if there is a place for it. Otherwise the connection is closed at once:
    /// who waited would not know whether to try another server.
    #[expect(clippy::disallowed_methods, reason = "one task a connection, as every HTTP server")]
    fn start(&mut self, stream: TcpStream, peer: SocketAddr, orders: &watch::Sender<Order>) {
        let place = match self.places.take(peer.ip()) {
            Ok(place) => place,
            Err(full) => {
                CONNECTIONS_REFUSED.add(1);
                if full == Full::InAll {
                    self.make_room(orders);
                }
                if self.may(Rare::WarnOfPlaces) {
                    let knob = if full == Full::InAll { "max_connections" } else { "max_connections_per_address" };
                    tracing::warn!(%peer, "a connection was closed: there are as many as `{knob}` allows");
                }
                return;
            }
        };
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY");
        }
        tokio::spawn(connection::serve(stream, peer, self.app.clone(), place, orders.subscribe()));
    }
}

/// Sets what the connections inherit. Small segments leave at once, and the system holds little that was not sent yet: a
/// peer that takes nothing costs less, and a slow one is seen to take what it does.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn prepare(listener: &TcpListener) {
    let socket = socket2::SockRef::from(listener);
    if let Err(error) = socket.set_tcp_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    if let Err(error) = socket.set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT");
    }
}

/// Each connection is set by itself.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn prepare(_: &TcpListener) {}

/// Waits for all of them, at the same time.
async fn all(mut futures: Vec<Boxed<()>>) {
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
