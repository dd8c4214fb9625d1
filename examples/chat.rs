//! A chat with rooms, people, typing, pictures and history, and a panel that shows how a session survives.
//!
//! `cargo run --example chat`, then open <http://127.0.0.1:8080> in two windows.

use std::time::Duration;

use anywire::{Anywire, Auth, History, Live, Session};
use axum::{Router, extract::State, response::Html, routing::get};
use serde::Deserialize;
use serde_json::json;

// The page has the same limits.
const MAX_TEXT: usize = 2_000;
const MAX_NAME: usize = 24;
const MAX_PICTURE: usize = 512 * 1024;
/// What waits for a page that is away: eight of the largest pictures.
const OUTBOX: usize = 8 * MAX_PICTURE;
/// The time for which a page may be away, cut off or while it reloads, until its person counts as gone.
const GRACE: Duration = Duration::from_secs(20);

/// What a page gives as its `auth`. The key distinguishes a person who reloads from one who takes a name twice.
#[derive(Clone, Deserialize)]
struct Person {
    room: String,
    name: String,
    key: String,
}

/// A message of the page. A binary message is a picture.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// Asks who is here and what was said.
    Look,
    /// The page gives a text an id, by which it knows its own again.
    Say {
        id: String,
        text: String,
    },
    Typing,
}

/// The names of a person's two rooms: for the people, and for their texts, which are kept.
struct Rooms {
    people: String,
    texts: String,
}

/// Runs for each page, until its session is over.
async fn chat(Auth(person): Auth<Person>, State(live): State<Live>, session: Session) {
    let fits = |text: &str| (1..=MAX_NAME).contains(&text.chars().count()) && text.trim() == text;
    if !fits(&person.room) || !fits(&person.name) || person.key.len() > 64 {
        return session.close(3000, "Names and rooms have 1 to 24 characters.");
    }
    let Person { room, name, key } = &person;
    let rooms = Rooms { people: format!("people:{room}"), texts: format!("texts:{room}") };
    session.insert(person.clone());
    session.join_as(&rooms.people, name);
    let people = live.members(&rooms.people).into_iter().filter_map(|session| session.get::<Person>());
    if people.into_iter().any(|other| other.name == *name && other.key != *key) {
        return session.close(3001, "Somebody here has that name already. Pick another one, please.");
    }
    let here = || json!({ "here": live.presence(&rooms.people).names() }).to_string();
    live.to(&rooms.people).send(here());
    while let Some(message) = session.recv().await {
        let result = match message.as_text().map(serde_json::from_str) {
            None => picture(&session, &rooms, name, message.as_bytes()),
            Some(Ok(Request::Look)) => look(&session, &rooms, here()),
            Some(Ok(Request::Say { id, text })) => say(&session, &rooms, name, &id, &text),
            Some(Ok(Request::Typing)) => {
                // A page with a slow line can do without this message.
                session.to(&rooms.people).droppable().send(json!({ "typing": name }).to_string());
                Ok(())
            }
            Some(Err(_)) => Err("That was no message of this chat."),
        };
        if let Err(sorry) = result {
            // This fails only if the session is over, and then there is nobody to inform.
            let _ = session.send(json!({ "sorry": sorry }).to_string()).await;
        }
    }
    session.leave(&rooms.people);
    live.to(&rooms.people).send(here());
}

/// Tells a page who is here and what was said. A page that was reloaded has the session of the page before it,
/// which is in the room already.
fn look(session: &Session, rooms: &Rooms, here: String) -> Result<(), &'static str> {
    session.leave(&rooms.texts);
    session.try_send(here).map_err(|_| "Too much is waiting for this page.")?;
    session.join_since(&rooms.texts, None).map_err(|_| "There is no room for the last texts.")?;
    Ok(())
}

fn say(session: &Session, rooms: &Rooms, name: &str, id: &str, text: &str) -> Result<(), &'static str> {
    if !(1..=MAX_TEXT).contains(&text.chars().count()) || id.len() > 64 {
        return Err("A text has 1 to 2,000 characters.");
    }
    session.to(&rooms.texts).send(json!({ "said": { "id": id, "from": name, "text": text } }).to_string());
    Ok(())
}

/// Forwards a picture: the length of the sender's name, the name, then the picture.
fn picture(session: &Session, rooms: &Rooms, name: &str, picture: &[u8]) -> Result<(), &'static str> {
    let kinds: [&[u8]; 4] = [b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF"];
    if picture.len() > MAX_PICTURE || !kinds.iter().any(|kind| picture.starts_with(kind)) {
        return Err("Only PNG, JPEG, GIF and WebP pictures, please, of 512 KB at most.");
    }
    let length = u8::try_from(name.len()).expect("24 characters are at most 96 bytes");
    session.to(&rooms.people).send([&[length], name.as_bytes(), picture].concat());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let live = Anywire::builder()
        .grace(GRACE)
        .message_limit(MAX_PICTURE + 1024)
        .outbox(OUTBOX)
        .rooms("texts:*", History::last(50).bytes(512 * 1024))
        .handler(chat)
        .build();
    let page = get(Html(include_str!("chat.html")));
    let app = Router::new().route("/", page).nest("/live", live.routes()).with_state(live.live());

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    anywire::serve(listener, app).with_graceful_shutdown(stop).sessions(&live, Duration::from_secs(1)).await?;
    Ok(())
}
