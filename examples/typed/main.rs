//! A list of tasks whose page is checked against the server's types. The test below, which needs the feature
//! `typescript`, writes them to `events.ts`, and TypeScript reads that for `page.js`, which runs as it is,
//! without a build step.
//!
//! `cargo run --example typed`, then open <http://127.0.0.1:8080> in two windows.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anywire::{Anywire, Args, Event, Events, Fault, Reply, Request, Session};
use axum::{Router, body::Bytes, extract::State as With, http::header::CONTENT_TYPE, response::Html, routing::get};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A task of the list. Its picture is sent apart.
#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
struct Task {
    id: u32,
    title: String,
    state: State,
    /// In days from the first of January 1970 on.
    due_day: Option<u32>,
}

#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum State {
    Open,
    InProgress { by: String },
    Done { by: String },
}

#[derive(Clone, Serialize, Deserialize, TS)]
struct Picture {
    task: u32,
    #[ts(type = "ArrayBuffer")]
    data: Bytes,
}

const LIST: Request<(), Vec<Task>> = Request::new("list");
/// A title, and perhaps the day when it is due.
const ADD: Request<Args<(String, Option<u32>)>, Task> = Request::new("add");
const MOVE: Request<Args<(u32, State)>, ()> = Request::new("move");
const DRAW: Event<Args<(u32, Bytes)>> = Event::new("draw");
const CHANGED: Event<Task> = Event::new("changed");
const DRAWN: Event<Picture> = Event::new("picture of a task");
const SURE: Request<String, bool> = Request::new("sure?");

/// All of them, for the page.
#[cfg(all(test, feature = "typescript"))]
fn contract() -> anywire::Contract {
    let contract = anywire::Contract::new().client(&LIST).client(&ADD).client(&MOVE).client(&DRAW);
    contract.server(&CHANGED).server(&DRAWN).server(&SURE)
}

type Tasks = Arc<Mutex<BTreeMap<u32, Task>>>;

fn lock(tasks: &Tasks) -> MutexGuard<'_, BTreeMap<u32, Task>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn enter(session: Session) {
    session.join("list");
}

async fn list(With(tasks): With<Tasks>) -> Reply<Vec<Task>> {
    Reply(lock(&tasks).values().cloned().collect())
}

type Addition = Args<(String, Option<u32>)>;

async fn add(
    With(tasks): With<Tasks>,
    Args((title, due_day)): Addition,
    session: Session,
) -> Result<Reply<Task>, Fault> {
    if title.trim().is_empty() {
        return Err(Fault::new("title", "a task has a title"));
    }
    let task = {
        let mut tasks = lock(&tasks);
        let id = tasks.last_key_value().map_or(1, |(last, _)| last + 1);
        let task = Task { id, title, state: State::Open, due_day };
        tasks.insert(id, task.clone());
        task
    };
    session.to("list").emit(CHANGED, &task);
    Ok(Reply(task))
}

/// Moves a task. Before one is taken back that was done, the page is asked.
async fn change(
    With(tasks): With<Tasks>,
    Args((id, state)): Args<(u32, State)>,
    session: Session,
) -> Result<Reply<()>, Fault> {
    let none = || Fault::new("task", "there is no such task");
    let before = lock(&tasks).get(&id).cloned().ok_or_else(none)?;
    if matches!((&before.state, &state), (State::Done { .. }, State::Open | State::InProgress { .. })) {
        let question = format!("{} is done. Take it back?", before.title);
        if !session.request(SURE, question).await.unwrap_or(false) {
            return Err(Fault::new("kept", "it is still done"));
        }
    }
    let task = Task { state, ..before };
    lock(&tasks).insert(id, task.clone());
    session.within("list").emit(CHANGED, &task);
    Ok(Reply(()))
}

async fn draw(Args((task, data)): Args<(u32, Bytes)>, session: Session) {
    session.within("list").emit(DRAWN, Picture { task, data });
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let events = Events::new().on_open(enter).on(LIST, list).on(ADD, add).on(MOVE, change).on(DRAW, draw);
    let live = Anywire::builder().events(events).build();
    let script = ([(CONTENT_TYPE, "text/javascript")], include_str!("page.js"));
    let app = Router::new()
        .route("/", get(Html(include_str!("page.html"))))
        .route("/page.js", get(script))
        .nest("/live", live.routes())
        .with_state(Tasks::default());

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}

#[cfg(feature = "typescript")]
#[test]
fn the_page_has_the_servers_types() -> std::io::Result<()> {
    let is_changed = contract().write("examples/typed/events.ts")?;
    assert!(!is_changed, "events.ts was old, and is written anew");
    Ok(())
}
