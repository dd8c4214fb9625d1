//! The scenario of `rust_socketio`, for the tests of other people's clients: prints its report as JSON.
//!
//! Usage: `anywire-clients-rust URL polling|websocket|upgrade`

use std::{
    error::Error,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use rust_socketio::{ClientBuilder, Payload, RawClient, TransportType, client::Client};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

const TEXT: &str = "é€😀 \u{2028}\u{1e}\0\"\\\n";
const EVENTS: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(20);

/// The content of a payload as JSON: the client hands out bytes and other values apart.
fn shown(payload: Payload) -> Value {
    match payload {
        Payload::Text(values) => Value::Array(values),
        Payload::Binary(bytes) => json!({ "bytes": bytes.to_vec() }),
        #[allow(deprecated)]
        Payload::String(text) => json!(text),
    }
}

/// A client, and the events that it is to hear.
struct Peer {
    client: Client,
    heard: Receiver<(String, Value)>,
}

impl Peer {
    fn connect(url: &str, namespace: &str, transport: &TransportType, auth: Value) -> Outcome<Self> {
        let (note, heard) = channel();
        let mut builder =
            ClientBuilder::new(url).namespace(namespace).transport_type(transport.clone()).auth(auth).reconnect(false);
        for name in ["auth", "echo", "counted", "told", "message-back", "message", "error", "close"] {
            builder = builder.on(name, noting(name, note.clone()));
        }
        Ok(Peer { client: builder.connect()?, heard })
    }

    /// The values of the next event of this name. Others are dropped.
    fn next(&self, wanted: &str) -> Outcome<Value> {
        loop {
            let (name, values) = self.heard.recv_timeout(PATIENCE).map_err(|_| format!("{wanted} did not come"))?;
            if name == wanted {
                return Ok(values);
            }
        }
    }

    fn ask(&self, name: &str, values: impl Into<Payload>) -> Outcome<Value> {
        let (note, answer) = channel();
        let callback = move |payload: Payload, _: RawClient| drop(note.send(shown(payload)));
        self.client.emit_with_ack(name, values.into(), PATIENCE, callback)?;
        answer.recv_timeout(PATIENCE).map_err(|_| format!("no answer to {name}").into())
    }
}

fn noting(name: &'static str, note: Sender<(String, Value)>) -> impl FnMut(Payload, RawClient) + Send {
    move |payload, _| drop(note.send((name.to_owned(), shown(payload))))
}

/// Events that come back one by one: this client breaks its connection where many pass each other, and over
/// WebSocket with the third event of bytes, whatever the server.
fn echoes(peer: &Peer, has_bytes: bool) -> Outcome<Value> {
    for n in 1..=EVENTS {
        // Every tenth is bytes, which this client cannot say among other values.
        let expected = if has_bytes && n % 10 == 0 {
            peer.client.emit("echo", n.to_be_bytes().to_vec())?;
            json!({ "bytes": n.to_be_bytes() })
        } else {
            let values = vec![json!(n), json!(TEXT.repeat(usize::try_from(n % 13)?))];
            peer.client.emit("echo", values.clone())?;
            Value::Array(values)
        };
        let heard = peer.next("echo").map_err(|error| format!("{error}: {n}"))?;
        if heard != expected {
            return Err(format!("{heard} and not {expected}").into());
        }
    }
    Ok(json!(EVENTS))
}

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let (url, way) = (words.next().ok_or("no address")?, words.next().ok_or("no way")?);
    let transport = match way.as_str() {
        "polling" => TransportType::Polling,
        "websocket" => TransportType::Websocket,
        "upgrade" => TransportType::WebsocketUpgrade,
        other => return Err(format!("{other} is no way").into()),
    };
    let peer = Peer::connect(&url, "/", &transport, json!({ "name": "rust" }))?;
    let auth = peer.next("auth")?;
    let room = std::process::id().to_string();
    let other = Peer::connect(&url, "/", &transport, json!({ "name": "other" }))?;
    other.next("auth")?;
    other.ask("join", json!(room))?;
    peer.client.emit("to", vec![json!(room), json!(TEXT)])?;
    let told = other.next("told")?;
    let page = Peer::connect(&url, "/doc-1", &transport, json!({}))?;
    let refused = Peer::connect(&url, "/admin", &transport, json!({ "token": "guess" }))?;
    let report = json!({
        "auth": auth,
        "echoes": echoes(&peer, way == "polling")?,
        "answer": peer.ask("message-with-ack", json!({ "text": TEXT, "list": [1, null, true] }))?,
        "told": told[1],
        "page": page.ask("where", Vec::<Value>::new())?,
        "refused": refused.next("error")?,
    });
    println!("{report}");
    for each in [peer, other, page] {
        each.client.disconnect()?;
    }
    Ok(())
}
