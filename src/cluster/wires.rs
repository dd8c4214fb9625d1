//! How nodes reach each other: byte streams of one kind or another.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::future::BoxFuture;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// A connection is asked for a sign of life when it was silent for this time, by the system.
const SILENCE: Duration = Duration::from_secs(10);

/// The time that the other side has for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest for which bytes may be under way, or wait because the other side takes none. A slow client behind a tunnel
/// is given up sooner, by the node that it is connected to.
#[cfg(any(target_os = "linux", target_os = "android"))]
const STALLED: Duration = Duration::from_secs(60);

/// A connection between two nodes.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// The connections of other nodes, one after another.
pub(crate) trait Accept: Send {
    /// Waits for the next connection. Cancel-safe.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>>;
}

/// One way by which nodes reach each other.
pub(crate) trait Wires: fmt::Debug + Send + Sync {
    /// Listens for the other nodes. Returns the address by which they reach this one.
    fn listen(&self) -> BoxFuture<'_, io::Result<(Box<dyn Accept>, String)>>;

    /// Connects to the node at this address.
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Wire>>>;
}

/// TCP. The others reach this node where it listens.
#[derive(Debug)]
pub(crate) struct Tcp {
    address: SocketAddr,
}

impl Tcp {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Tcp { address }
    }

    /// Whether the address is that of one interface, which others can be told.
    pub(crate) fn is_specific(address: IpAddr) -> bool {
        !address.is_unspecified() && !address.is_multicast()
    }
}

impl Wires for Tcp {
    fn listen(&self) -> BoxFuture<'_, io::Result<(Box<dyn Accept>, String)>> {
        Box::pin(async {
            let listener = TcpListener::bind(self.address).await?;
            let address = listener.local_addr()?.to_string();
            Ok((Box::new(listener) as Box<dyn Accept>, address))
        })
    }

    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            set_up(&stream);
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }
}

impl Accept for TcpListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async {
            let (stream, _) = TcpListener::accept(self).await?;
            set_up(&stream);
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }
}

/// Small segments leave at once, and a connection to a machine that is gone ends. Where the system refuses that, the
/// connection works all the same.
fn set_up(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(SILENCE).with_interval(PATIENCE / 3);
    #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "solaris", target_os = "illumos")))]
    let keepalive = keepalive.with_retries(3);
    let socket = SockRef::from(stream);
    let done = stream.set_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&keepalive));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let done = done.and_then(|()| socket.set_tcp_user_timeout(Some(STALLED)));
    if let Err(error) = done {
        tracing::debug!(%error, "an option of a connection between nodes");
    }
}
