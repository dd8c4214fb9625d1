//! Requests both ways: a page asks the server, and the server asks the page back before it changes anything.
//!
//! `cargo run --example rpc`, then open <http://127.0.0.1:8080> in two windows.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anywire::{Anywire, Args, Data, Event, Events, Fault, Live, Reply, Request, Session};
use axum::{Router, body::Bytes, extract::State, response::Html, routing::get};
use serde::{Deserialize, Serialize};

/// A note of the board. The revision counts its changes.
#[derive(Clone, Serialize, Deserialize)]
struct Note {
    title: String,
    text: String,
    revision: u32,
}

/// The names of events and their types, in one place.
const LIST: Request<(), Vec<Note>> = Request::new("list");
const SAVE: Request<Note, u32> = Request::new("save");
const OVERWRITE: Request<Args<(String, u32)>, bool> = Request::new("overwrite?");
const CHANGED: Event<Note> = Event::new("changed");
const MEASURE: Request<Bytes, Args<(usize, Bytes)>> = Request::new("measure");
const COUNT: Request<u32, u32> = Request::new("count");
const COUNT_BACK: Request<u32, u32> = Request::new("count back");

type Board = Arc<Mutex<BTreeMap<String, Note>>>;

fn lock(board: &Board) -> MutexGuard<'_, BTreeMap<String, Note>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn enter(session: Session) {
    session.join("board");
}

async fn list(State(board): State<Board>) -> Reply<Vec<Note>> {
    Reply(lock(&board).values().cloned().collect())
}

/// Saves a note. If somebody else has changed it meanwhile, the page is asked first.
async fn save(State(board): State<Board>, Data(note): Data<Note>, session: Session) -> Result<Reply<u32>, Fault> {
    if note.title.trim().is_empty() {
        return Err(Fault::new("title", "a note has a title"));
    }
    let known = lock(&board).get(&note.title).map_or(0, |known| known.revision);
    if known > note.revision {
        let overwrite = session.request(OVERWRITE, Args((note.title.clone(), known))).await;
        if !overwrite.unwrap_or(false) {
            return Err(Fault::new("conflict", "the other version was kept").with_data(known));
        }
    }
    let saved = Note { revision: known + 1, ..note };
    lock(&board).insert(saved.title.clone(), saved.clone());
    session.to("board").emit(CHANGED, &saved);
    Ok(Reply(saved.revision))
}

/// Bytes may stand anywhere in what is sent and answered.
async fn measure(Data(bytes): Data<Bytes>) -> Reply<Args<(usize, Bytes)>> {
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    Reply(Args((bytes.len(), vec![sum].into())))
}

/// Asks the page the same back, and answers with what it has answered.
async fn count(Data(number): Data<u32>, session: Session) -> Result<Reply<u32>, Fault> {
    let answer = session.request(COUNT_BACK, number).await;
    answer.map(Reply).map_err(|error| Fault::new("count", error.to_string()))
}

async fn online(live: Live) -> Reply<usize> {
    Reply(live.members("board").len())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let events = Events::new()
        .on_open(enter)
        .on(LIST, list)
        .on(SAVE, save)
        .on(MEASURE, measure)
        .on(COUNT, count)
        .on("online", online);
    let live = Anywire::builder().events(events).build();
    let page = Html(include_str!("rpc.html"));
    let app = Router::new().route("/", get(page)).nest("/live", live.routes()).with_state(Board::default());

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}
