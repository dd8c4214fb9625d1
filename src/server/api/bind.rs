//! Listening on a port.

use std::{fmt, io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs};

/// The number of connections that may wait to be accepted. When a server starts again, all of its clients
/// come at once.
pub(super) const BACKLOG: u32 = 4096;

/// Listens on an address, for example `"127.0.0.1:8080"` or `("0.0.0.0", 80)`, for [`serve`](crate::serve).
///
/// Up to 4,096 connections may wait to be accepted, if the system allows it: tokio's `TcpListener::bind` asks
/// for 1,024. If the address is a name that stands for several addresses, the first that is free is taken.
/// Waits for the name to be resolved. Cancel-safe.
///
/// # Errors
/// Fails if the address cannot be resolved or listened on. The error's text names the address and the reason,
/// for example "port 3000 of 127.0.0.1 is in use".
pub async fn bind<A: ToSocketAddrs + fmt::Debug>(address: A) -> io::Result<TcpListener> {
    bind_with(address, |_| Ok(())).await
}

/// Listens as [`bind`] does on an address that several processes of this user may share, each of which must listen in
/// this way: an old process serves until a new one is ready, or several share the work.
///
/// On Linux the system gives each new connection to one of them, in about equal parts. On the other systems of UNIX most give
/// all to the process that listened last. A [server that stops](crate::Serve::with_graceful_shutdown) accepts the connections
/// that wait for it before it gives the port back, since nobody else can; one that comes in that very moment is reset,
/// as with every server, and its client connects again. Nothing else is lost when the old process stops while the new
/// one listens.
///
/// A listener that was passed to the process, for example by systemd, is another way: [`serve`](crate::serve) takes any.
///
/// Cancel-safe. Waits for a name to be resolved.
///
/// # Errors
/// Fails as [`bind`] does, also if a process on the port does not share it.
#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
pub async fn bind_shared<A: ToSocketAddrs + fmt::Debug>(address: A) -> io::Result<TcpListener> {
    bind_with(address, |socket| socket.set_reuseport(true)).await
}

async fn bind_with<A: ToSocketAddrs + fmt::Debug>(
    address: A,
    set_up: fn(&TcpSocket) -> io::Result<()>,
) -> io::Result<TcpListener> {
    let named = format!("{address:?}");
    let resolved = tokio::net::lookup_host(address).await;
    let addresses = resolved.map_err(|error| explained(&error, format!("{named} is no address: {error}")))?;
    let mut last = None;
    for address in addresses {
        match listen(address, set_up) {
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

fn listen(address: SocketAddr, set_up: fn(&TcpSocket) -> io::Result<()>) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As tokio's `TcpListener::bind`: on Windows the option means that others may take the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    set_up(&socket)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
