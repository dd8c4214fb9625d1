//! What tests serve again and again.

use anywire::{Server, Session};
use axum::Router;

use super::Site;

/// Sends back what comes.
pub async fn echo(mut session: Session) {
    while let Some(message) = session.recv().await {
        if session.send(message).await.is_err() {
            break;
        }
    }
}

/// The server in this process.
pub fn site(server: &Server<()>) -> Site {
    Site::here(Router::new().nest("/live", server.routes()))
}
