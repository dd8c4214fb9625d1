//! A chat with rooms, people, typing, pictures and history, and a panel that shows how a session survives.
//!
//! `cargo run --example chat`, then open <http://127.0.0.1:8080> in two windows.

use std::time::Duration;

use anywire::{Anywire, Args, Data, Event, Events, Fault, History, Live, Reply, Session};
use axum::{Extension, Router, body::Bytes, response::Html, routing::get};
use serde::{Deserialize, Serialize};

// The page has the same limits.
const MAX_TEXT: usize = 2_000;
const MAX_NAME: usize = 24;
const MAX_PICTURE: usize = 512 * 1024;
/// The bytes that wait for a page that is away: eight of the largest pictures.
const OUTBOX: usize = 8 * MAX_PICTURE;
/// The time for which a page may be away, cut off or while it reloads, until its person counts as gone.
const GRACE: Duration = Duration::from_secs(20);

/// The events that the server sends to the pages in a room. A page sends the requests `enter`, `say` and `picture`, and
/// the event `typing`.
const JOINED: Event<String> = Event::new("joined");
const LEFT: Event<String> = Event::new("left");
const SAID: Event<Said> = Event::new("said");
const PICTURE: Event<Args<(String, Bytes)>> = Event::new("picture");
const TYPING: Event<String> = Event::new("typing");

/// The person of a page. The key distinguishes one who reloads from one who takes a name twice.
#[derive(Clone, PartialEq, Deserialize)]
struct Person {
    room: String,
    name: String,
    key: String,
}

impl Person {
    /// The room of the people.
    fn people(&self) -> String {
        format!("people:{}", self.room)
    }

    /// The room of their texts, which are kept.
    fn texts(&self) -> String {
        format!("texts:{}", self.room)
    }
}

/// The page gives a text an id, by which it knows its own again.
#[derive(Deserialize)]
struct Text {
    id: String,
    text: String,
}

#[derive(Serialize)]
struct Said {
    id: String,
    from: String,
    text: String,
}

/// A page enters each time that it is loaded or gets a new session. The reply is who is here, behind what was said.
async fn enter(Data(person): Data<Person>, live: Live, session: Session) -> Result<Reply<Vec<String>>, Fault> {
    let fits = |text: &str| (1..=MAX_NAME).contains(&text.chars().count()) && text.trim() == text;
    if !fits(&person.room) || !fits(&person.name) || person.key.len() > 64 {
        return Err(Fault::new("name", "Names and rooms have 1 to 24 characters."));
    }
    if session.get::<Person>().is_some_and(|before| before != person) {
        return Err(Fault::new("name", "This page has a name already."));
    }
    let (people, texts) = (person.people(), person.texts());
    session.insert(person.clone());
    let joined = session.join_as(&people, &person.name);
    let mut others = live.members(&people).into_iter().filter_map(|session| session.get::<Person>());
    if others.any(|other| other.name == person.name && other.key != person.key) {
        session.leave(&people);
        session.remove::<Person>();
        return Err(Fault::new("taken", "Somebody here has that name already. Pick another one, please."));
    }
    if joined {
        session.to(&people).emit(JOINED, &person.name);
    }
    // A page that was reloaded has the session of the page before it, which is in the room already.
    session.leave(&texts);
    session.join_since(&texts, None).await.map_err(|_| Fault::new("full", "There is no room for the last texts."))?;
    Ok(Reply(live.presence(&people).names()))
}

async fn say(
    Data(Text { id, text }): Data<Text>,
    Extension(person): Extension<Person>,
    session: Session,
) -> Result<(), Fault> {
    if !(1..=MAX_TEXT).contains(&text.chars().count()) || id.len() > 64 {
        return Err(Fault::new("text", "A text has 1 to 2,000 characters."));
    }
    session.to(person.texts()).emit(SAID, Said { id, from: person.name, text });
    Ok(())
}

async fn picture(
    Data(picture): Data<Bytes>,
    Extension(person): Extension<Person>,
    session: Session,
) -> Result<(), Fault> {
    let kinds: [&[u8]; 4] = [b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF"];
    if picture.len() > MAX_PICTURE || !kinds.iter().any(|kind| picture.starts_with(kind)) {
        return Err(Fault::new("picture", "Only PNG, JPEG, GIF and WebP pictures, please, of 512 KB at most."));
    }
    session.to(person.people()).emit(PICTURE, Args((person.name, picture)));
    Ok(())
}

/// A page with a slow line can do without this event.
async fn typing(Extension(person): Extension<Person>, session: Session) {
    session.to(person.people()).droppable().emit(TYPING, person.name);
}

/// Runs when a session is over. The same person may have another page here.
async fn left(person: Option<Extension<Person>>, live: Live, session: Session) {
    let Some(Extension(person)) = person else { return };
    let people = person.people();
    session.leave(&people);
    if !live.presence(&people).names().contains(&person.name) {
        live.to(&people).emit(LEFT, person.name);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events =
        Events::new().on("enter", enter).on("say", say).on("picture", picture).on("typing", typing).on_end(left);
    let live = Anywire::builder()
        .events(events)
        .grace(GRACE)
        .message_limit(MAX_PICTURE + 1024)
        .outbox(OUTBOX)
        .rooms("texts:*", History::last(50).bytes(512 * 1024))
        .build();
    let page = get(Html(include_str!("chat.html")));
    let app = Router::new().route("/", page).nest("/live", live.routes());

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    anywire::serve(listener, app).with_graceful_shutdown(stop).sessions(&live, Duration::from_secs(1)).await?;
    Ok(())
}
