//! One chat room for four kinds of clients, with one handler: this crate's client, socket.io-client of version 4 and of
//! version 2, and the browser's bare WebSocket.
//!
//! `cd tests/clients && npm ci`, which fetches the clients of Socket.IO, then `cargo run --example everyone`, and open
//! <http://127.0.0.1:8080>.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use anywire::{Anywire, Args, Data, Event, Events, Fault, Live, Session};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{Html, IntoResponse},
    routing::get,
};

const ROOM: &str = "everyone";
const MAX_TEXT: usize = 500;
/// The name and the text. A bare WebSocket receives it as its JSON, `["said","guest 1","hello"]`.
const SAID: Event<Args<(String, String)>> = Event::new("said");

/// How many came so far, of whatever kind.
#[derive(Clone, Default)]
struct Guests(Arc<AtomicU32>);

#[derive(Clone)]
struct Name(String);

async fn enter(State(Guests(count)): State<Guests>, session: Session) {
    let name = format!("guest {}", count.fetch_add(1, Ordering::Relaxed) + 1);
    session.insert(Name(name.clone()));
    session.join(ROOM);
    session.within(ROOM).emit(SAID, Args((name, "came".to_owned())));
}

/// Each kind of client has a way to send a plain text: `session.send` and `socket.send`. It is the event `message`.
async fn said(Data(text): Data<String>, Extension(Name(name)): Extension<Name>, live: Live) -> Result<(), Fault> {
    if !(1..=MAX_TEXT).contains(&text.chars().count()) {
        return Err(Fault::new("text", "a text has 1 to 500 characters"));
    }
    live.to(ROOM).emit(SAID, Args((name, text)));
    Ok(())
}

async fn left(name: Option<Extension<Name>>, live: Live) {
    if let Some(Extension(Name(name))) = name {
        live.to(ROOM).emit(SAID, Args((name, "left".to_owned())));
    }
}

/// A route for the script of a client that npm has installed.
async fn script(folder: &str, file: &str) -> Result<axum::routing::MethodRouter<Guests>, std::io::Error> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node_modules").join(folder).join(file);
    let text = Bytes::from(tokio::fs::read(path).await?);
    Ok(get(async move || ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], text).into_response()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = Events::new().on_open(enter).on("message", said).on_end(left);
    let live = Anywire::builder().events(events).build();
    let mut app = Router::new()
        .route("/", get(Html(include_str!("everyone.html"))))
        .nest("/live", live.routes()) // the client of this crate
        .merge(live.socketio("/socket.io")) // those of Socket.IO, versions 1 to 4
        .nest("/socket", live.raw()); // any other
    for (name, folder) in [("/4.js", "socket.io-client-4"), ("/2.js", "socket.io-client-2")] {
        match script(folder, "dist/socket.io.js").await {
            Ok(script) => app = app.route(name, script),
            Err(error) => eprintln!("without {folder}, which `npm ci` in tests/clients installs: {error}"),
        }
    }

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app.with_state(Guests::default())).await?;
    Ok(())
}
