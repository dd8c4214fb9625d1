//! A chat with rooms, names, a list of people, typing, pictures, the last texts of each room, and a panel that
//! shows how the session survives.
//!
//! `cargo run --example chat`, then open <http://127.0.0.1:8080> in two windows.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anywire::{Anywire, Auth, Live, Message, Session};
use axum::{Router, extract::State, response::Html, routing::get};
use serde::{Deserialize, Serialize};

// The page has the same limits.
const MAX_TEXT: usize = 2_000;
const MAX_NAME: usize = 24;
const MAX_PICTURE: usize = 512 * 1024;
/// How many texts of a room a page gets that comes.
const LAST_TEXTS: usize = 50;
/// What waits for a page that is away: eight of the largest pictures.
const OUTBOX: usize = 8 * MAX_PICTURE;
/// The time for which a page may be away, cut off or while it reloads, until its person counts as gone.
const GRACE: Duration = Duration::from_secs(10);

/// What a page gives as its `auth`. The key distinguishes a person who reloads from one who takes a name twice.
#[derive(Clone, Deserialize)]
struct Person {
    room: String,
    name: String,
    key: String,
}

/// A text of the page, or that it needs to know where it is. A picture is a binary message.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Look,
    Say { id: String, text: String },
    Typing,
}

/// A text has an id, by which a page knows its own again.
#[derive(Clone, Serialize)]
struct Text {
    id: String,
    from: String,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Event<'a> {
    Here(BTreeSet<String>),
    Said(&'a Text),
    Typing(&'a str),
    Sorry(&'a str),
}

impl From<Event<'_>> for Message {
    fn from(event: Event<'_>) -> Self {
        Message::json(&event).expect("events are plain JSON")
    }
}

#[derive(Clone)]
struct App {
    live: Live,
    /// The last texts of each room that has members.
    texts: Arc<Mutex<BTreeMap<String, VecDeque<Text>>>>,
}

impl App {
    fn texts(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Text>>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn people(&self, room: &str) -> impl Iterator<Item = Person> {
        self.live.members(room).into_iter().filter_map(|session| session.get())
    }

    fn here(&self, room: &str) -> Event<'static> {
        Event::Here(self.people(room).map(|person| person.name).collect())
    }
}

async fn chat(Auth(person): Auth<Person>, State(app): State<App>, session: Session) {
    let fits = |text: &str| (1..=MAX_NAME).contains(&text.chars().count()) && text.trim() == text;
    if !fits(&person.room) || !fits(&person.name) || person.key.len() > 64 {
        return session.close(3000, "Names and rooms have 1 to 24 characters.");
    }
    let Person { room, name, key } = person.clone();
    session.insert(person);
    session.join(&room);
    if app.people(&room).any(|other| other.name == name && other.key != key) {
        return session.close(3001, "Somebody here has that name already. Pick another one, please.");
    }
    app.live.to(&room).send(app.here(&room));
    while let Some(message) = session.recv().await {
        let result = match message.as_text().map(serde_json::from_str) {
            None => picture(&session, &room, &name, message.as_bytes()),
            Some(Ok(Request::Look)) => {
                // While it looks nobody speaks, so that no text is left out.
                let texts = app.texts();
                let last = texts.get(&room).into_iter().flatten().map(Event::Said);
                [app.here(&room)].into_iter().chain(last).try_for_each(|event| session.try_send(event)).or(Ok(()))
            }
            Some(Ok(Request::Say { id, text })) => say(&app, &session, &room, Text { id, from: name.clone(), text }),
            Some(Ok(Request::Typing)) => {
                // A member with a slow line can do without this message.
                session.to(&room).droppable().send(Event::Typing(&name));
                Ok(())
            }
            Some(Err(_)) => Err("That was no message of this chat."),
        };
        if let Err(sorry) = result {
            // This fails only if the session is over, and then there is nobody to inform.
            let _ = session.send(Event::Sorry(sorry)).await;
        }
    }
    session.leave(&room);
    let mut texts = app.texts();
    if app.live.members(&room).is_empty() {
        texts.remove(&room);
    }
    drop(texts);
    app.live.to(&room).send(app.here(&room));
}

fn say(app: &App, session: &Session, room: &str, text: Text) -> Result<(), &'static str> {
    if !(1..=MAX_TEXT).contains(&text.text.trim().chars().count()) || text.id.len() > 64 {
        return Err("A text has 1 to 2,000 characters.");
    }
    let mut texts = app.texts();
    session.to(room).send(Event::Said(&text));
    let last = texts.entry(room.to_owned()).or_default();
    last.push_back(text);
    if last.len() > LAST_TEXTS {
        last.pop_front();
    }
    Ok(())
}

/// Forwards a picture: the length of the sender's name, the name, then the picture.
fn picture(session: &Session, room: &str, name: &str, picture: &[u8]) -> Result<(), &'static str> {
    match picture {
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => {}
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {}
        _ => return Err("Only PNG, JPEG, GIF and WebP pictures, please."),
    }
    if picture.len() > MAX_PICTURE {
        return Err("That picture is too large: 512 KB are the most.");
    }
    let length = u8::try_from(name.len()).expect("24 characters are at most 96 bytes");
    session.to(room).send([&[length], name.as_bytes(), picture].concat());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let live = Anywire::builder().grace(GRACE).message_limit(MAX_PICTURE + 1024).outbox(OUTBOX).handler(chat).build();
    let page = Html(include_str!("chat.html"));
    let app = Router::new()
        .route("/", get(page))
        .nest("/live", live.routes())
        .with_state(App { live: live.live(), texts: Arc::default() });

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    anywire::serve(listener, app).with_graceful_shutdown(stop).sessions(&live, Duration::from_secs(1)).await?;
    Ok(())
}
