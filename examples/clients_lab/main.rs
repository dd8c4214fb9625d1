//! The server that the tests of other people's clients drive: those of Socket.IO at `/socket.io` or,
//! with the parser of MessagePack, `/msgpack`, those of Engine.IO at `/engine.io`, those of SockJS at `/sockjs`, and
//! those of STOMP at `/stomp`, whose application our own clients reach at `/room`.
//!
//! `cargo run --features msgpack --example clients_lab -- --port 8000`. It prints its address.

use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::{
    Anywire, Args, Auth, Data, Events, Fault, Live, Message, Origins, Parser, Reply, Session, SockJs, SocketIo,
};
use axum::{Router, response::Html, routing::get};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

mod any;
mod stomp;

use any::Any;

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Clients</title><link rel=icon href=data:,>";

/// Characters of one to four bytes.
const FILLER: &str = "é€😀x";

/// The value of a number: a text of one of many lengths or, every tenth, its bytes.
fn numbered(n: u64, filler: &str) -> Any {
    let text = format!("#{n} {}", filler.repeat(usize::try_from(n % 13).unwrap_or(0)));
    if n.is_multiple_of(10) { Any::Bytes(text.into()) } else { Any::Text(text) }
}

/// Values in the order of their numbers, from 1.
#[derive(Default)]
struct Tally {
    received: u64,
    wrong: Vec<u64>,
}

impl Tally {
    fn take(&mut self, n: u64, value: &Any, filler: &str) {
        self.received += 1;
        if (n != self.received || *value != numbered(self.received, filler)) && self.wrong.len() < 10 {
            self.wrong.push(n);
        }
    }

    fn json(&self) -> Value {
        json!({ "received": self.received, "wrong": self.wrong })
    }
}

type Shared = Arc<Mutex<Tally>>;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Shown {
    key: String,
    token: String,
    name: String,
}

async fn enter(auth: Option<Auth<Value>>, session: Session) -> Result<(), Fault> {
    let auth = auth.map_or_else(|| json!({}), |Auth(auth)| auth);
    let shown: Shown = serde_json::from_value(auth.clone()).unwrap_or_default();
    if shown.key == "plain" {
        return Err(Fault::new("no", "not you"));
    } else if shown.key == "wrong" || (session.namespace() == "/admin" && shown.token != "sesame") {
        return Err(Fault::new("no", "not you").with_data(json!({ "code": 7 })));
    }
    session.insert(shown.name);
    session.insert(Shared::default());
    let _ = session.emit("auth", auth).await;
    Ok(())
}

async fn gone(session: Session) {
    session.to("watch").emit("left", session.get::<String>().unwrap_or_default());
}

/// Asks the client for its answer to a value; null if none comes.
async fn ask(session: Session, value: Any, time: Duration) -> Option<Any> {
    session.request("question", value).within(time).await.ok()
}

fn events() -> Events {
    let ten = Duration::from_secs(10);
    Events::new()
        .on_open(enter)
        .on_end(gone)
        .on("echo", async |Args(all): Args<Vec<Any>>, session: Session| {
            let _ = session.emit("echo", Args(all)).await;
        })
        .on("message", async |Args(all): Args<Vec<Any>>, session: Session| {
            let _ = session.emit("message-back", Args(all)).await;
        })
        .on("message-with-ack", async |Args(all): Args<Vec<Any>>| Reply(Args(all)))
        .on("where", async |session: Session| Reply(session.namespace().to_owned()))
        .on("nothing", async || {})
        .on("refuse", async || Fault::new("no", "not today").with_data(json!([1])))
        .on("silent", anywire::concurrent(64, std::future::pending::<()>))
        .on("say", async |Data(text): Data<String>, session: Session| {
            let _ = session.send(text).await;
        })
        .on(
            "ask",
            anywire::concurrent(64, async move |Data(value): Data<Any>, session: Session| {
                Reply(ask(session, value, ten).await)
            }),
        )
        .on(
            "ask-within",
            anywire::concurrent(64, async |Data(ms): Data<u64>, session: Session| {
                let answer = ask(session, Any::Whole(ms.cast_signed()), Duration::from_millis(ms)).await;
                Reply(if answer.is_some() { "answered" } else { "timeout" })
            }),
        )
        .on("ask-room", async move |Args((room, value)): Args<(String, Any)>, session: Session| {
            let asked = session.within(room).request::<_, _, Any>("question", value).within(ten).await;
            Reply(asked.into_values().collect::<Vec<Any>>())
        })
        .on("join", async |Data(room): Data<String>, session: Session| {
            session.join(&room);
            Reply(sorted(&session))
        })
        .on("leave", async |Data(room): Data<String>, session: Session| {
            session.leave(&room);
            Reply(sorted(&session))
        })
        .on("to", async |Args((room, text)): Args<(String, String)>, session: Session| {
            session.to(&*room).emit("told", Args((&room, text)));
        })
        .on("within", async |Args((room, text)): Args<(String, String)>, session: Session| {
            session.within(&*room).emit("told", Args((&room, text)));
        })
        .on("except", async |Args((room, without, text)): Args<(String, String, String)>, session: Session| {
            session.within(&*room).except_room(without).emit("told", Args((&room, text)));
        })
        .on("others", async |Data(text): Data<String>, live: Live, session: Session| {
            live.of(session.namespace()).all().except(&session).emit("told", Args(("", text)));
        })
        .on("all", async |Data(text): Data<String>, live: Live, session: Session| {
            live.of(session.namespace()).all().emit("told", Args(("", text)));
        })
        .on("volatile", async |Data(count): Data<u64>, session: Session| {
            for n in 1..=count {
                let _ = session.emit_droppable("tick", n);
            }
            Reply(count)
        })
        .on("count", async |Args((n, value, filler)): Args<(u64, Any, String)>, session: Session| {
            if let Some(tally) = session.get::<Shared>() {
                tally.lock().expect("no panic").take(n, &value, &filler);
            }
        })
        .on("tally", async |session: Session| {
            Reply(session.get::<Shared>().map(|tally| tally.lock().expect("no panic").json()))
        })
        .on("burst", async |Args((from, to, filler)): Args<(u64, u64, String)>, session: Session| {
            for n in from..=to {
                let _ = session.emit("counted", Args((n, numbered(n, &filler)))).await;
            }
        })
        .on("watch", async |session: Session| {
            session.join("watch");
        })
        .on("kick", async |session: Session| session.close(1000, ""))
        .on("kick-all", async |session: Session| session.root().close(1000, ""))
        .on("cut", async |session: Session| session.root().abort())
}

fn sorted(session: &Session) -> Vec<String> {
    let mut rooms = session.rooms();
    rooms.sort();
    rooms
}

/// Echoes messages, checks those that are numbered, and does what those say that begin with `!`.
async fn raw(session: Session) {
    let mut tally = Tally::default();
    while let Some(message) = session.recv().await {
        let text = message.as_text().map(ToOwned::to_owned);
        let data = match &message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        };
        if let Some(number) = data.strip_prefix(b"#") {
            let number = number.split(|byte| *byte == b' ').next().and_then(|digits| std::str::from_utf8(digits).ok());
            let value = text.map_or_else(|| Any::Bytes(Bytes::copy_from_slice(data)), Any::Text);
            tally.take(number.and_then(|digits| digits.parse().ok()).unwrap_or(0), &value, FILLER);
            continue;
        }
        let sent = match text.as_deref() {
            Some("!check") => session.send(tally.json().to_string()).await,
            Some("!close") => return,
            Some("!abort") => return session.abort(),
            Some(command) if command.starts_with("!burst ") => {
                for n in 1..=command[7..].parse().unwrap_or(0) {
                    let message: Message = match numbered(n, FILLER) {
                        Any::Bytes(bytes) => bytes.into(),
                        Any::Text(text) => text.into(),
                        _ => continue,
                    };
                    let _ = session.send(message).await;
                }
                Ok(())
            }
            _ => session.send(message).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut port, mut interval, mut timeout, mut limit) = (0, 25_000, 20_000, 1_000_000);
    let mut settings = SocketIo::new();
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let value: u64 = words.next().ok_or_else(|| format!("{flag} wants a value"))?.parse()?;
        match flag.as_str() {
            "--port" => port = u16::try_from(value)?,
            "--heartbeat-ms" => interval = value,
            "--timeout-ms" => timeout = value,
            "--recovery-ms" => settings = settings.recovery(Duration::from_millis(value)),
            "--limit" => limit = usize::try_from(value)?,
            _ => return Err(format!("no flag {flag}").into()),
        }
    }
    let builder = || {
        Anywire::builder()
            .origins(Origins::Any)
            .heartbeat_interval(Duration::from_millis(interval))
            .heartbeat_timeout(Duration::from_millis(timeout))
            .message_limit(limit)
    };
    let live = builder()
        .events(events())
        .namespace("/admin", events())
        .namespace("/custom", events())
        .namespace("/doc-*", events())
        .build();
    let engine = builder().handler(raw).build();
    let rooms = builder().events(stomp::events()).build();
    let app: Router = Router::new()
        .route("/page", get(Html(PAGE)))
        .merge(live.socketio_with("/socket.io", settings.clone()))
        .merge(live.socketio_with("/msgpack", settings.parser(Parser::MsgPack)))
        .merge(engine.engineio("/engine.io"))
        .merge(engine.sockjs_with("/sockjs", SockJs::new().binary_as_base64(true)))
        .merge(rooms.stomp_with("/stomp", stomp::settings(Duration::from_millis(interval))))
        .nest("/room", rooms.routes());
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}
