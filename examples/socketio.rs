//! The chat with which everybody begins in Socket.IO: its page is as it was, and its server is ten lines.
//!
//! `cargo run --example socketio`, then open <http://127.0.0.1:8080> in two windows. At `/live.html` is the same page
//! with one changed `src`, for a server that has the native routes alone.

use anywire::{Anywire, Args, Events, Live, Reply};
use axum::{Router, response::Html, routing::get};

/// `socket.on("chat message", (text, id, ack) => { io.emit("chat message", text, id); ack(); })`
async fn said(Args((text, id)): Args<(String, Option<String>)>, live: Live) -> Reply<()> {
    live.all().emit("chat message", Args((text, id)));
    Reply(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let live = Anywire::builder().events(Events::new().on("chat message", said)).build();
    let page = include_str!("socketio.html");
    let changed = page.replace("/socket.io/socket.io.js", "/live/io.js");
    let app: Router = Router::new()
        .route("/", get(Html(page)))
        .route("/live.html", get(Html(changed)))
        .merge(live.socketio("/socket.io"))
        .nest("/live", live.routes());

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}
