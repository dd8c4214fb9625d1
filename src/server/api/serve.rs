//! A plain HTTP/1.1 server for those who need no other.

use std::{future::Future, io, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower_service::Service;

/// How long a connection may take to send a request's head, and be idle between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long running requests may take to finish when the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// How long to wait when no connection can be accepted, as when the process is out of file descriptors.
const BREATH: Duration = Duration::from_millis(200);

/// Serves an application over HTTP/1.1, WebSocket included, until the program ends.
///
/// It does what realtime wants and `axum::serve` does not: small segments leave at once (`TCP_NODELAY`), a request's head must come within
/// 30 seconds, the client's address is known ([`SessionHandle::remote_address`](crate::SessionHandle::remote_address)), and a parked poll
/// costs some ten kilobytes less, since no room is made for HTTP/2. For TLS or HTTP/2 use `axum::serve`, another server, or a proxy.
///
/// Waits for ever, or until it fails. Cancel-safe: dropped, it accepts no more, and connections end after the request that they are at.
///
/// # Errors
/// When the listener's address cannot be read. A connection that fails is no error of the server.
pub async fn serve(listener: TcpListener, app: Router) -> io::Result<()> {
    serve_until(listener, app, std::future::pending()).await
}

/// As [`serve`], until `stop` is ready: then no more connections are accepted, idle ones are closed, and requests that run have five
/// seconds to finish. Let `stop` await [`Live::shutdown`](crate::Live::shutdown), so that sessions end in good order before.
///
/// # Errors
/// As [`serve`].
#[expect(clippy::disallowed_methods, reason = "one task a connection, as every HTTP server")]
pub async fn serve_until(listener: TcpListener, app: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving");
    // Once, and not for every request.
    let app: Router = app.with_state(());
    // Its receivers are the connections: they learn that it is over, and we that the last of them has gone.
    let (over, running) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                tokio::spawn(connection(stream, peer, app.clone(), running.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop((listener, running));
    over.send_replace(());
    let _ = tokio::time::timeout(LAST_REQUESTS, over.closed()).await;
    Ok(())
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
        // Answers are small: one buffer is cheaper than two slices.
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
