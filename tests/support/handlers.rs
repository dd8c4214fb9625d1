//! The handlers that most tests use.

use anywire::{Server, Session};
use axum::Router;

use super::Site;

/// Sends every message back.
pub async fn echo(session: Session) {
    while let Some(message) = session.recv().await {
        if session.send(message).await.is_err() {
            break;
        }
    }
}

/// A site that serves this server in this process.
pub fn site(server: &Server<()>) -> Site {
    Site::of(server, |server| Router::new().nest("/live", server.routes()))
}
