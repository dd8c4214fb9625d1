//! A chat with rooms, people, typing, pictures and history, and a panel that shows how a session survives.
//!
//! `cargo run --example chat`, then open <http://127.0.0.1:8080> in two windows.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anywire::{Anywire, Auth, Live, Message, Session};
use axum::{Router, extract::State, response::Html, routing::get};
use serde::Deserialize;
use serde_json::json;

// The page has the same limits.
const MAX_TEXT: usize = 2_000;
const MAX_NAME: usize = 24;
const MAX_PICTURE: usize = 512 * 1024;
/// How many texts of its room a page gets when it comes.
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

/// The last texts of each room that has members.
type Texts = BTreeMap<String, VecDeque<Message>>;
type Refused = Result<(), &'static str>;

#[derive(Clone)]
struct App {
    live: Live,
    texts: Arc<Mutex<Texts>>,
}

impl App {
    fn texts(&self) -> MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn people(&self, room: &str) -> impl Iterator<Item = Person> {
        self.live.members(room).into_iter().filter_map(|session| session.get())
    }

    fn here(&self, room: &str) -> String {
        json!({ "here": self.people(room).map(|person| person.name).collect::<BTreeSet<_>>() }).to_string()
    }
}

async fn chat(Auth(person): Auth<Person>, State(app): State<App>, session: Session) {
    let fits = |text: &str| (1..=MAX_NAME).contains(&text.chars().count()) && text.trim() == text;
    if !fits(&person.room) || !fits(&person.name) || person.key.len() > 64 {
        return session.close(3000, "Names and rooms have 1 to 24 characters.");
    }
    let Person { room, name, key } = &person;
    session.insert(person.clone());
    session.join(room);
    if app.people(room).any(|other| other.name == *name && other.key != *key) {
        return session.close(3001, "Somebody here has that name already. Pick another one, please.");
    }
    app.live.to(room).send(app.here(room));
    while let Some(message) = session.recv().await {
        let result = match message.as_text().map(serde_json::from_str) {
            None => picture(&session, room, name, message.as_bytes()),
            Some(Ok(Request::Look)) => look(&app, &session, room),
            Some(Ok(Request::Say { id, text })) => say(&app, &session, &person, &id, &text),
            Some(Ok(Request::Typing)) => {
                session.to(room).droppable().send(json!({ "typing": name }).to_string());
                Ok(())
            }
            Some(Err(_)) => Err("That was no message of this chat."),
        };
        if let Err(sorry) = result {
            // This fails only if the session is over, and then there is nobody to inform.
            let _ = session.send(json!({ "sorry": sorry }).to_string()).await;
        }
    }
    session.leave(room);
    app.texts().retain(|room, _| !app.live.members(room).is_empty());
    app.live.to(room).send(app.here(room));
}

fn look(app: &App, session: &Session, room: &str) -> Refused {
    // While this page looks, nobody speaks: so it misses no text.
    let texts = app.texts();
    let mut all = [app.here(room).into()].into_iter().chain(texts.get(room).into_iter().flatten().cloned());
    all.try_for_each(|message| session.try_send(message)).map_err(|_| "There was no room for the last texts.")
}

fn say(app: &App, session: &Session, person: &Person, id: &str, text: &str) -> Refused {
    if !(1..=MAX_TEXT).contains(&text.chars().count()) || id.len() > 64 {
        return Err("A text has 1 to 2,000 characters.");
    }
    let said = Message::from(json!({ "said": { "id": id, "from": person.name, "text": text } }).to_string());
    let mut texts = app.texts();
    session.to(&person.room).send(said.clone());
    let last = texts.entry(person.room.clone()).or_default();
    last.push_back(said);
    last.drain(..last.len().saturating_sub(LAST_TEXTS));
    Ok(())
}

/// Forwards a picture: the length of the sender's name, the name, then the picture.
fn picture(session: &Session, room: &str, name: &str, picture: &[u8]) -> Refused {
    let kinds: [&[u8]; 4] = [b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF"];
    if picture.len() > MAX_PICTURE || !kinds.iter().any(|kind| picture.starts_with(kind)) {
        return Err("Only PNG, JPEG, GIF and WebP pictures, please, of 512 KB at most.");
    }
    let length = u8::try_from(name.len()).expect("24 characters are at most 96 bytes");
    session.to(room).send([&[length], name.as_bytes(), picture].concat());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let live = Anywire::builder().grace(GRACE).message_limit(MAX_PICTURE + 1024).outbox(OUTBOX).handler(chat).build();
    let state = App { live: live.live(), texts: Arc::default() };
    let page = get(Html(include_str!("chat.html")));
    let app = Router::new().route("/", page).nest("/live", live.routes()).with_state(state);
    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    anywire::serve(listener, app).with_graceful_shutdown(stop).sessions(&live, Duration::from_secs(1)).await?;
    Ok(())
}
