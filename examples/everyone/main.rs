//! One room for clients of every kind, with one handler: native ones, Socket.IO 1 to 4, Engine.IO, SockJS, STOMP, bare
//! WebSockets.
//!
//! `cargo run --example everyone`, then open <http://127.0.0.1:8080> in one window, and its link in others.

use anywire::{Anywire, Args, Data, Events, Origins, Session, Stomp};
use axum::{Extension, Router, extract::OriginalUri, http::Uri, response::Html, routing::get};

/// The kind of a client.
#[derive(Clone, Copy)]
pub struct Kind(pub &'static str);

/// The opening request tells the kinds apart, for those who want to know. Handlers need not.
pub fn kind(uri: &Uri) -> Kind {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    let mut path = uri.path().split('/').skip(1);
    Kind(match (path.next(), path.next()) {
        (Some("socket.io"), Some("anywire")) => "Anywire's io()",
        (Some("socket.io"), _) if parameters.any(|each| each == "EIO=4") => "Socket.IO 3 or 4",
        (Some("socket.io"), _) => "Socket.IO 1 or 2",
        (Some("engine.io"), _) => "Engine.IO",
        (Some("sockjs"), _) => "SockJS",
        (Some("stomp"), _) => "STOMP",
        (Some("ws"), _) => "WebSocket",
        _ => "Anywire",
    })
}

async fn enter(OriginalUri(uri): OriginalUri, session: Session) {
    session.insert(kind(&uri));
    session.join("lobby");
}

/// A message is the event `message`, whatever client sends it: `session.send(text)`, `socket.send(text)`, a SEND of STOMP
/// to `/app/message`.
async fn said(Data(text): Data<String>, Extension(Kind(kind)): Extension<Kind>, session: Session) {
    session.within("lobby").emit("said", Args((kind, session.transport().name(), text)));
}

/// All of it, at its paths.
pub fn app() -> Router {
    // Programs send no `Origin` header. Nothing here trusts a cookie, so any origin may connect.
    let events = Events::new().on_open(enter).on("message", said);
    let live = Anywire::builder().origins(Origins::Any).events(events).build();
    Router::new()
        .route("/", get(Html(include_str!("page.html"))))
        .route("/other", get(Html(include_str!("other.html"))))
        .nest("/live", live.routes()) // the client of this crate
        .nest("/ws", live.raw()) // any WebSocket
        .merge(live.socketio("/socket.io"))
        .merge(live.engineio("/engine.io"))
        .merge(live.sockjs("/sockjs"))
        .merge(live.stomp_with("/stomp", Stomp::new().topic("lobby")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app()).await?;
    Ok(())
}
