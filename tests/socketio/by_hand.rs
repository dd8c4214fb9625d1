//! The transcript made by hand: each answer of the recording is the answer here, but for those in the table.

use std::collections::{BTreeMap, BTreeSet};

use anywire::{EngineIo, Origins, SocketIo};
use axum::{Router, body::Body, http::Method};
use tokio::task::JoinHandle;

use super::{
    builder,
    client::{Client, Got},
    recording::{Line, Names, Said, is_same, lines, named},
    support::Site,
    transcripts::{Application, Difference, Differences, difference},
};

const REVISION: &str = "revision 3 is for those who say `EIO=3`";
const ORIGIN: &str = "a page of another origin is refused";
const SCRIPTS: &str = "a script has the type of one, and calls the function whose number was asked for";
const BROKEN: &str = "an upload that is no packet, or breaks a rule, is refused, and not the next poll ended";
const TOO_LARGE: &str = "an upload above the limit does not end its session";

/// The uploads that end a session, and the polls behind them.
const UPLOADS: &str = "H24 H31 H34 H39 H44 H49 H54 H59 H64 H69 H74 H79 H84 H89";
const POLLS: &str = "H32 H40 H45 H50 H55 H60 H65 H70 H75 H80 H90";

const TEXT: &str = "200 text/plain; charset=UTF-8";
const JSON: &str = "400 application/json";
const UNKNOWN: &str = "{\"code\":1,\"message\":\"Session ID unknown\"}";
const UNSUPPORTED: &str = "{\"code\":5,\"message\":\"Unsupported protocol version\"}";

const DIFFERENCES: [Difference; 23] = [
    difference("H5 H6", TEXT, JSON, REVISION),
    difference("H5", COOKIES[0], "set-cookie: -", REVISION),
    difference("H6", COOKIES[1], "set-cookie: -", REVISION),
    difference("H5", OPENS[0], UNSUPPORTED, REVISION),
    difference("H6", OPENS[1], UNSUPPORTED, REVISION),
    difference(
        "H7",
        "cache-control: no-store",
        "cache-control: no-store, no-transform",
        "proxies do not change an answer either",
    ),
    difference("H8", TEXT, "403 application/json", ORIGIN),
    difference("H8", "access-control-allow-origin: http://app.test", "access-control-allow-origin: -", ORIGIN),
    difference("H8", "access-control-allow-credentials: true", "access-control-allow-credentials: -", ORIGIN),
    difference("H8", COOKIES[2], "set-cookie: -", ORIGIN),
    difference("H8", OPENS[2], FORBIDDEN, ORIGIN),
    difference("H19 H20 H22", TEXT, "200 text/javascript; charset=utf-8", SCRIPTS),
    difference("H20", "___eio[0](\"2:40\");", "___eio[1](\"2:40\");", SCRIPTS),
    difference(
        "H22",
        "___eio[0](\"19:42[\\\"echo\\\",\\\"a\\\\nb\\u2028é\\\"]\");",
        "___eio[1](\"19:42[\\\"echo\\\",\\\"a\\\\nb\\u2028é\\\"]\");",
        SCRIPTS,
    ),
    difference(UPLOADS, "200 text/html", "400 -", BROKEN),
    difference(UPLOADS, "ok", "", BROKEN),
    difference(POLLS, TEXT, JSON, BROKEN),
    difference(POLLS, "6\u{1e}1", UNKNOWN, BROKEN),
    difference("H100", JSON, "200 text/html", TOO_LARGE),
    difference("H100", UNKNOWN, "ok", TOO_LARGE),
    difference("H101", JSON, TEXT, TOO_LARGE),
    difference("H101", UNKNOWN, "42[\"echo\",1]", TOO_LARGE),
    difference("H103", "500 -", "405 -", "a method that there is not is no error of the server"),
];

const COOKIES: [&str; 3] = [
    "set-cookie: io=<eio-sid-1>; Path=/; HttpOnly; SameSite=Lax",
    "set-cookie: io=<eio-sid-2>; Path=/; HttpOnly; SameSite=Lax",
    "set-cookie: io=<eio-sid-4>; Path=/; HttpOnly; SameSite=Lax",
];

const OPENS: [&str; 3] = [
    "118:0{\"sid\":\"<eio-sid-1>\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}",
    "118:0{\"sid\":\"<eio-sid-2>\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}",
    "0{\"sid\":\"<eio-sid-4>\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}",
];

const FORBIDDEN: &str = "{\"code\":4,\"message\":\"pages of http://other.test may not open sessions at chat.test: if that is \
    this server's own page, let the proxy pass Host on, or name the server with hosts(); if not, list the origin with \
    origins()\"}";

/// The polls that are not answered in the recording. The first one is here: an event without data ends a connection, as
/// the protocol has it.
const WAITING: [&str; 2] = ["H85", "H95"];

/// An exchange of the recording, and what came here.
struct Exchange {
    method: Method,
    query: String,
    content_type: String,
    answer: Option<JoinHandle<Got>>,
    /// The lines of the recorded answer.
    recorded: Vec<Said>,
}

impl Exchange {
    fn begin(line: &str) -> Self {
        let (method, rest) = line.split_once(' ').unwrap();
        let (path, content_type) = rest.split_once("  [").unwrap_or((rest, ""));
        let (_, query) = path.split_once('?').unwrap();
        Exchange {
            method: method.parse().unwrap(),
            query: query.to_owned(),
            content_type: content_type.trim_end_matches(']').to_owned(),
            answer: None,
            recorded: Vec::new(),
        }
    }

    fn send(&mut self, name: &str, client: &Client, names: &Names, body: Vec<u8>) {
        let (mut client, method, query) = (client.clone(), self.method.clone(), named(&self.query, names));
        // The comments say which of them came from another page.
        let origin = if name == "H8" { "http://other.test" } else { "http://app.test" };
        client.headers.push(("origin", origin.to_owned()));
        if !self.content_type.is_empty() {
            client.headers.push(("content-type", self.content_type.clone()));
        }
        if method == Method::OPTIONS {
            client.headers.push(("access-control-request-method", "POST".to_owned()));
        }
        self.answer = Some(tokio::spawn(async move { client.ask(method, &query, Body::from(body)).await }));
    }

    /// Compares the answer line by line.
    fn compare(&self, name: &str, got: &Got, differences: &mut Differences, names: &mut Names) {
        for recorded in &self.recorded {
            let recorded = match recorded {
                Said::Bytes(bytes) => {
                    assert_eq!(got.bytes, *bytes, "{name}");
                    continue;
                }
                Said::Text(text) => text,
            };
            let header = recorded.split_once(": ").filter(|(header, _)| !header.contains(['"', ' ']));
            let ours = match header {
                Some((header, _)) => {
                    let values: Vec<_> =
                        got.headers.get_all(header).iter().map(|value| value.to_str().unwrap()).collect();
                    format!("{header}: {}", if values.is_empty() { "-".to_owned() } else { values.join(", ") })
                }
                None if is_status(recorded) => {
                    format!("{} {}", got.status, got.header("content-type").unwrap_or("-"))
                }
                None => got.text().to_owned(),
            };
            let expected = comparable(&differences.expected(name, recorded));
            let ours = comparable(&ours);
            assert!(is_same(&expected, &ours, names), "{name}: {ours:?} where {recorded:?} was recorded");
        }
    }
}

/// A line without what is no difference: the length before an open packet is that of a longer sid here, and the names of
/// headers have no case and no order.
fn comparable(line: &str) -> String {
    if let Some(names) = line.strip_prefix("vary: ") {
        let names: BTreeSet<_> = names.split(", ").map(str::to_lowercase).collect();
        return format!("{names:?}");
    }
    match line.find(":0{") {
        Some(at) => line[..at].trim_end_matches(|digit: char| digit.is_ascii_digit()).to_owned() + &line[at + 1..],
        None => line.to_owned(),
    }
}

/// Whether a line is a status and a type, as `200 text/html`.
fn is_status(line: &str) -> bool {
    matches!(line.as_bytes(), [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ', ..])
}

#[tokio::test]
async fn answers_to_requests_made_by_hand_are_the_same_here() {
    let application = Application::of(builder().origins(Origins::list(["http://app.test"])));
    let settings = SocketIo::new().engine(EngineIo::new().cookie("io"));
    let router = Router::new().merge(application.server.socketio_with("/socket.io", settings));
    let client = Client { path: "/socket.io/", ..Client::new(Site::socket(router).await, 4) };
    let (mut names, mut differences) = (Names::new(), Differences::new(&DIFFERENCES));
    let mut exchanges: BTreeMap<String, Exchange> = BTreeMap::new();
    let mut answered = BTreeSet::new();
    for line in lines("by-hand") {
        let Line::Said { exchange: name, from_client, said } = line else { continue };
        let Some(exchange) = exchanges.get_mut(&name) else {
            let mut exchange = Exchange::begin(said.text());
            if matches!(exchange.method, Method::GET | Method::OPTIONS) {
                exchange.send(&name, &client, &names, Vec::new());
            }
            exchanges.insert(name, exchange);
            continue;
        };
        match said {
            Said::Text(text) if from_client => exchange.send(&name, &client, &names, text.into_bytes()),
            Said::Bytes(bytes) if from_client => exchange.send(&name, &client, &names, bytes),
            Said::Text(text) if text == "end" => {
                let got = exchange.answer.take().unwrap().await.unwrap();
                exchange.compare(&name, &got, &mut differences, &mut names);
                answered.insert(name);
            }
            said => exchange.recorded.push(said),
        }
    }
    let waiting: Vec<_> = exchanges.keys().filter(|name| !answered.contains(*name)).cloned().collect();
    assert_eq!((&waiting[..], answered.len()), (&WAITING.map(String::from)[..], 105));
    // It is open still, and is answered when its session has something.
    let [broken, open] = WAITING.map(|name| exchanges.get_mut(name).unwrap().answer.take().unwrap());
    let got = broken.await.unwrap();
    assert_eq!((got.status, got.text()), (400, UNKNOWN), "an event without data ends the connection");
    assert!(!open.is_finished());
    application.server.live().all().emit("echo", "from server");
    assert_eq!(open.await.unwrap().text(), "42[\"echo\",\"from server\"]");
    differences.all_met();
}
