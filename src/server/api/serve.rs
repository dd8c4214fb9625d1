//! A plain HTTP/1.1 server, for applications that need no other.

use std::{
    fmt,
    future::{Future, IntoFuture},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs},
    sync::watch,
};
use tower_service::Service;

use super::live::Live;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The time within which a connection must send a request's head, also after the request before it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The time that running requests have to finish when the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted, for example because the process has no file
/// descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The number of connections that may wait to be accepted. When a server starts again, all of its clients
/// come at once.
const BACKLOG: u32 = 4096;

/// Listens on an address, for example `"127.0.0.1:8080"` or `("0.0.0.0", 80)`, for [`serve`].
///
/// Up to 4,096 connections may wait to be accepted, if the system allows it: tokio's `TcpListener::bind` asks
/// for 1,024. If the address is a name that stands for several addresses, the first that is free is taken.
/// Waits for the name to be resolved. Cancel-safe.
///
/// # Errors
/// Fails if the address cannot be resolved or listened on. The error's text names the address and the reason,
/// for example "port 3000 of 127.0.0.1 is in use".
pub async fn bind<A: ToSocketAddrs + fmt::Debug>(address: A) -> io::Result<TcpListener> {
    let named = format!("{address:?}");
    let resolved = tokio::net::lookup_host(address).await;
    let addresses = resolved.map_err(|error| explained(&error, format!("{named} is no address: {error}")))?;
    let mut last = None;
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some((address, error)),
        }
    }
    let Some((address, error)) = last else {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{named} stands for no address")));
    };
    let (ip, port) = (address.ip(), address.port());
    Err(match error.kind() {
        io::ErrorKind::AddrInUse => explained(&error, format!("port {port} of {ip} is in use")),
        io::ErrorKind::PermissionDenied => {
            explained(&error, format!("port {port} of {ip} is not permitted to this user"))
        }
        io::ErrorKind::AddrNotAvailable => explained(&error, format!("{ip} is no address of this machine")),
        _ => explained(&error, format!("cannot listen on {address}: {error}")),
    })
}

fn explained(error: &io::Error, text: String) -> io::Error {
    io::Error::new(error.kind(), text)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As tokio's `TcpListener::bind`: on Windows the option means that others may take the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves an application over HTTP/1.1, WebSocket included, until the program ends, or until the signal of
/// [`with_graceful_shutdown`](Serve::with_graceful_shutdown).
///
/// It differs from `axum::serve` in five points that matter for realtime: small segments leave at once
/// (`TCP_NODELAY`), a request's head must come within 30 seconds, the client's address is known
/// ([`Session::remote_address`](crate::Session::remote_address)), a parked poll costs some ten kilobytes less,
/// because no room is made for HTTP/2, and [sessions](Serve::sessions) end in good order when it stops. For
/// TLS or HTTP/2 use `axum::serve`, another server, or a proxy.
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
    Serve { listener, app, signal: None, sessions: Vec::new() }
}

/// A server that [`serve`] returns. Await it to run it.
#[must_use = "a server does nothing until it is awaited"]
pub struct Serve {
    listener: TcpListener,
    app: Router,
    signal: Option<Boxed<()>>,
    sessions: Vec<(Live, Duration)>,
}

impl Serve {
    /// Stops when `signal` is ready: it accepts no more connections and gives its port back at once, so that
    /// the next process can listen on it. Then the [sessions](Self::sessions) end, then the connections: idle
    /// ones at once, and running requests have five seconds.
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

    async fn run(self) -> io::Result<()> {
        let Serve { listener, app, signal, sessions } = self;
        let address = listener.local_addr()?;
        tracing::info!(%address, "serving");
        if signal.is_none() && !sessions.is_empty() {
            tracing::warn!("sessions() has no effect without with_graceful_shutdown()");
        }
        // Each connection holds a receiver. It learns through it that the server stops, and the server learns
        // that the last connection has ended.
        let (over, running) = watch::channel(());
        let mut signal = signal.unwrap_or_else(|| Box::pin(std::future::pending()));
        // The state is set once here, and not for every request.
        accept(&listener, &app.with_state(()), &running, &mut signal).await;
        drop((listener, running));
        tracing::info!(%address, "stopping");
        // Idle connections close now, and the others with their answer: the next request shall reach the next
        // process.
        over.send_replace(());
        let mut ending: Vec<Boxed<()>> = Vec::new();
        for (live, window) in sessions {
            ending.push(Box::pin(async move { live.shutdown(window).await }));
        }
        all(ending).await;
        let _ = tokio::time::timeout(LAST_REQUESTS, over.closed()).await;
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

/// Accepts connections until the signal is ready.
#[expect(clippy::disallowed_methods, reason = "one task a connection, as every HTTP server")]
async fn accept(listener: &TcpListener, app: &Router, running: &watch::Receiver<()>, signal: &mut Boxed<()>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut *signal => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                tokio::spawn(connection(stream, peer, app.clone(), running.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::select! {
                    () = &mut *signal => return,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

/// Waits for all of them, at the same time.
async fn all(mut futures: Vec<Boxed<()>>) {
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, app: Router, mut over: watch::Receiver<()>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // Answers are small, so that one buffer is cheaper than two slices.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut result = tokio::select! {
        result = &mut connection => Some(result),
        _ = over.changed() => None,
    };
    if result.is_none() {
        connection.as_mut().graceful_shutdown();
        result = Some(connection.await);
    }
    if let Some(Err(error)) = result {
        tracing::debug!(%peer, %error, "connection failed");
    }
}
