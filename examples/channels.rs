//! The server of the browser tests of namespaces. It keeps a log of what happens in each, which a page may read.
//!
//! `cargo run --example channels`, then open <http://127.0.0.1:8080/page> and call `anywire.connect('/live')` or
//! `io('/room-1', { auth: { key: 'a' } })` in the console. `/room-*` wants `{ key }`; the key `wrong` is refused.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use anywire::{Anywire, Args, Auth, Data, Event, Events, Fault, Reply, Request, Session};
use axum::{Router, body::Bytes, extract::State, response::Html, routing::get};
use serde::Deserialize;

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Anywire channels</title><link rel=icon href=data:,>\
    <script src=/live/client.js></script><script src=/live/io.js></script>";

const MIRRORED: Event<Args<(u32, Bytes)>> = Event::new("mirrored");
const COUNT_BACK: Request<u32, u32> = Request::new("count back");

/// A test of a minute writes a few hundred lines.
const MOST_LINES: usize = 10_000;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn write(&self, session: &Session, what: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < MOST_LINES {
            lines.push(format!("{} {what}", session.namespace()));
        }
    }
}

#[derive(Deserialize)]
struct Login {
    key: String,
}

async fn enter(State(log): State<Log>, Auth(login): Auth<Login>, session: Session) -> Result<(), Fault> {
    if login.key == "wrong" {
        return Err(Fault::new("login", "unknown key").with_data(7));
    }
    log.write(&session, &format!("open {}", login.key));
    Ok(())
}

async fn leave(State(log): State<Log>, session: Session) {
    let code = session.close_reason().map_or(0, |reason| reason.code());
    log.write(&session, &format!("end {code}"));
}

async fn note(State(log): State<Log>, Data(text): Data<String>, session: Session) {
    log.write(&session, &format!("note {text}"));
}

/// Sends the number and the bytes back as an event.
async fn mirror(Args((number, bytes)): Args<(u32, Bytes)>, session: Session) {
    // This fails only if the session is over.
    let _ = session.emit(MIRRORED, Args((number, bytes))).await;
}

/// Asks the page the same back, and answers with what it has answered.
async fn count(Data(number): Data<u32>, session: Session) -> Result<Reply<u32>, Fault> {
    let answer = session.request(COUNT_BACK, number).await;
    answer.map(Reply).map_err(|error| Fault::new("count", error.to_string()))
}

/// Has no end of its own.
async fn hold(State(log): State<Log>, session: Session) {
    log.write(&session, "hold");
    session.closed().await;
}

async fn kick(session: Session) {
    // This fails only if the session is over.
    let _ = session.emit("last", ()).await;
    session.close(3001, "kicked");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = Log::default();
    let lines = log.clone();
    let read = async move || Reply(lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let talk = || Events::new().on("note", note).on("mirror", mirror).on("count", count).on("hold", hold);
    let room = talk().on_open(enter).on_end(leave).on("kick", kick);
    let live = Anywire::builder().events(talk().on("log", read)).namespace("/room-*", room).build();
    let app = Router::new().route("/page", get(Html(PAGE))).nest("/live", live.routes()).with_state(log);

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}
