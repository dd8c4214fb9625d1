//! Cameras for everybody: a page sends pictures as binary messages, 20 a second, and all others show them. A
//! viewer with a slow line skips pictures and stays live; nobody waits for it.
//!
//! `cargo run --example video`, then open <http://127.0.0.1:8080> in two windows, and slow one down in its
//! developer tools.

use std::error::Error;

use anywire::{Anywire, Session};
use axum::{Router, response::Html, routing::get};

/// The largest picture, in bytes.
const MAX_PICTURE: usize = 128 * 1024;

async fn studio(session: Session) {
    session.join("viewers");
    while let Some(picture) = session.recv().await {
        if picture.as_text().is_some() {
            return session.close(3000, "only pictures, please");
        }
        session.to("viewers").droppable().send(picture);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let live = Anywire::builder().message_limit(MAX_PICTURE).handler(studio).build();
    let page = Html(include_str!("video.html"));
    let app = Router::new().route("/", get(page)).nest("/live", live.routes());

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}
