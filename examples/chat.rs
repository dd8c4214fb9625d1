//! A chat with rooms, names, a list of people, typing, pictures, and a panel that shows how the session
//! survives.
//!
//! `cargo run --example chat`, then open <http://127.0.0.1:8080> in two windows.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anywire::{Anywire, Message, Session};
use axum::{Router, extract::State, response::Html, routing::get};
use serde::{Deserialize, Serialize};

/// The longest text, in characters.
const MAX_TEXT: usize = 2_000;
const MAX_PICTURE: usize = 512 * 1024;
const MAX_NAME: usize = 24;
/// The time for which a session without a connection is kept, and for which a person whose page has gone
/// counts as present.
const GRACE: Duration = Duration::from_secs(10);

/// A message of the page.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// Enters a room. The key distinguishes a person who reloads from one who takes another's name.
    Join {
        room: String,
        name: String,
        key: String,
    },
    Say(String),
    Typing,
}

/// A message to the page.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Event<'a> {
    /// The person is in this room, under this name.
    Joined {
        room: &'a str,
        name: &'a str,
    },
    /// The names of all people in the room.
    Here(Vec<String>),
    Said {
        from: &'a str,
        text: &'a str,
    },
    Typing {
        from: &'a str,
    },
    /// The reason why a message of the page was refused.
    Sorry(&'a str),
}

impl From<Event<'_>> for Message {
    fn from(event: Event<'_>) -> Self {
        Message::json(&event).expect("events are plain JSON")
    }
}

/// The people in each room. A person is present while one of their sessions is, and a while longer, so that a
/// reload does not show as an absence.
#[derive(Default)]
struct People {
    rooms: BTreeMap<String, BTreeMap<String, Person>>,
}

struct Person {
    key: String,
    sessions: usize,
}

type Shared = Arc<Mutex<People>>;

impl People {
    fn enter(&mut self, room: &str, name: &str, key: &str) -> Result<(), &'static str> {
        let room = self.rooms.entry(room.to_owned()).or_default();
        let person = room.entry(name.to_owned()).or_insert_with(|| Person { key: key.to_owned(), sessions: 0 });
        if person.key != key {
            return Err("Somebody here has that name already. Pick another one, please.");
        }
        person.sessions += 1;
        Ok(())
    }

    fn leave(&mut self, room: &str, name: &str) {
        let Some(people) = self.rooms.get_mut(room) else { return };
        if let Some(person) = people.get_mut(name) {
            person.sessions -= 1;
            if person.sessions == 0 {
                people.remove(name);
            }
        }
        if people.is_empty() {
            self.rooms.remove(room);
        }
    }

    fn here(&self, room: &str) -> Vec<String> {
        self.rooms.get(room).map(|people| people.keys().cloned().collect()).unwrap_or_default()
    }
}

/// A session's place: its room and its name.
struct Seat {
    room: String,
    name: String,
}

async fn chat(State(people): State<Shared>, session: Session) {
    let mut seat: Option<Seat> = None;
    while let Some(message) = session.recv().await {
        if let Err(sorry) = handle(&people, &session, &mut seat, &message) {
            // This fails only if the session is over, and then there is nobody to inform.
            let _ = session.send(Event::Sorry(sorry)).await;
        }
    }
    // A person who closed the page may be back at once: a reload is not a departure.
    if session.close_reason().is_some_and(|reason| reason.is_page_gone()) {
        tokio::time::sleep(GRACE).await;
    }
    leave(&people, &session, seat.take());
}

fn handle(people: &Shared, session: &Session, seat: &mut Option<Seat>, message: &Message) -> Result<(), &'static str> {
    let Some(text) = message.as_text() else {
        let seat = seat.as_ref().ok_or("Join a room first.")?;
        return picture(session, seat, message.as_bytes());
    };
    let request = serde_json::from_str(text).map_err(|_| "That was no message of this chat.")?;
    match (request, seat.as_ref()) {
        (Request::Join { room, name, key }, _) => join(people, session, seat, &room, &name, &key),
        (_, None) => Err("Join a room first."),
        (Request::Say(text), Some(seat)) => {
            let text = text.trim();
            match text.chars().count() {
                0 => Err("There is nothing in that message."),
                1..=MAX_TEXT => {
                    session.within(&*seat.room).send(Event::Said { from: &seat.name, text });
                    Ok(())
                }
                _ => Err("That is a bit long: 2,000 characters are the most."),
            }
        }
        (Request::Typing, Some(seat)) => {
            // A member with a slow connection can do without this message.
            session.to(&*seat.room).droppable().send(Event::Typing { from: &seat.name });
            Ok(())
        }
    }
}

fn join(
    people: &Shared,
    session: &Session,
    seat: &mut Option<Seat>,
    room: &str,
    name: &str,
    key: &str,
) -> Result<(), &'static str> {
    let (room, name) = (room.trim(), name.trim());
    let fits = |text: &str| (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if !fits(room) || !fits(name) {
        return Err("Names and rooms have 1 to 24 characters.");
    }
    if key.len() > 64 {
        return Err("That was no message of this chat.");
    }
    lock(people).enter(room, name, key)?;
    leave(people, session, seat.take());
    session.join(room);
    *seat = Some(Seat { room: room.to_owned(), name: name.to_owned() });
    session.within(room).except(session).send(Event::Here(lock(people).here(room)));
    // If the outbox is full so early, the session will be closed as too slow.
    let _ = session.try_send(Event::Joined { room, name });
    let _ = session.try_send(Event::Here(lock(people).here(room)));
    Ok(())
}

fn leave(people: &Shared, session: &Session, seat: Option<Seat>) {
    let Some(Seat { room, name }) = seat else { return };
    session.leave(&room);
    lock(people).leave(&room, &name);
    session.within(&*room).send(Event::Here(lock(people).here(&room)));
}

/// Forwards a picture: the length of the sender's name, the name, then the picture.
fn picture(session: &Session, seat: &Seat, picture: &[u8]) -> Result<(), &'static str> {
    let kind = match picture {
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => Ok(()),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(()),
        _ => Err("Only PNG, JPEG, GIF and WebP pictures, please."),
    };
    kind?;
    if picture.len() > MAX_PICTURE {
        return Err("That picture is too large: 512 KB are the most.");
    }
    let name = seat.name.as_bytes();
    let mut bytes = Vec::with_capacity(1 + name.len() + picture.len());
    bytes.push(u8::try_from(name.len()).expect("24 characters are at most 96 bytes"));
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(picture);
    session.within(&*seat.room).send(bytes);
    Ok(())
}

fn lock(people: &Shared) -> std::sync::MutexGuard<'_, People> {
    people.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let live = Anywire::builder()
        // A person who closes the page is gone after this time; one who reloads it was never away.
        .grace(GRACE)
        .message_limit(MAX_PICTURE + 1024)
        .handler(chat)
        .build();
    let page = Html(include_str!("chat.html"));
    let app = Router::new()
        .route("/", get(move || async move { page }))
        .nest("/live", live.routes())
        .with_state(Shared::default());

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    anywire::serve(listener, app).with_graceful_shutdown(stop).sessions(&live, Duration::from_secs(1)).await?;
    Ok(())
}
