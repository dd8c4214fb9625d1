//! A plain HTTP/1.1 server, for applications that need no other.

use std::{future::Future, io, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower_service::Service;

/// The time within which a connection must send a request's head, also after the request before it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The time that running requests have to finish when the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted, for example because the process has no file
/// descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves an application over HTTP/1.1, WebSocket included, until the program ends.
///
/// It differs from `axum::serve` in four points that matter for realtime: small segments leave at once
/// (`TCP_NODELAY`), a request's head must come within 30 seconds, the client's address is known
/// ([`Session::remote_address`](crate::Session::remote_address)), and a parked poll costs some
/// ten kilobytes less, because no room is made for HTTP/2. For TLS or HTTP/2 use `axum::serve`, another
/// server, or a proxy.
///
/// Waits without end, or until it fails. Cancel-safe: dropped, it accepts no more connections, and the open
/// ones end after their current request.
///
/// # Errors
/// Fails when the listener's address cannot be read. A connection that fails is logged and does not end the
/// server.
pub async fn serve(listener: TcpListener, app: Router) -> io::Result<()> {
    serve_until(listener, app, std::future::pending()).await
}

/// Serves as [`serve`] does, until `stop` is ready. Then it accepts no more connections and closes idle ones,
/// and running requests have five seconds to finish. Let `stop` await
/// [`Live::shutdown`](crate::Live::shutdown), so that sessions end in good order before.
///
/// Waits for `stop`, then for the running requests. Cancel-safe as `serve` is.
///
/// # Errors
/// Fails as [`serve`] does.
#[expect(clippy::disallowed_methods, reason = "one task a connection, as every HTTP server")]
pub async fn serve_until(listener: TcpListener, app: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving");
    // The state is set once here, and not for every request.
    let app: Router = app.with_state(());
    // Each connection holds a receiver. It learns through it that the server stops, and the server learns
    // that the last connection has ended.
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
                tokio::time::sleep(ACCEPT_PAUSE).await;
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
