//! The server that the browser tests drive: it echoes, counts, checks numbered messages and sends bursts of
//! them. Clients of SockJS do the same at `/sockjs`, where a binary message is base64.
//!
//! `cargo run --example lab -- --port 8000`, then open `/page` and call `anywire.connect('/live')` in the
//! console.
//!
//! A message comes back as it is, unless it begins with `#` or `!`: `#<n> <filler>` is checked for loss,
//! repetition, order and damage and not answered; `!count`, `!check`, `!cookie`, `!burst N`,
//! `!burst N over MS`, `!close CODE REASON` and `!abort` are commands. After `!watch` a session receives
//! `gone CODE` when another one ends. A session and its namespace `/lab` have the event `echo`, the requests
//! `ask back` and `refuse`, and `kick`. `/sessions` is the number of sessions. With `--window-ms` a POST to
//! `/drain` shuts the server down.
#![allow(clippy::disallowed_methods, reason = "an example is a program: it may read the clock")]

use std::{collections::HashSet, error::Error, sync::Arc, time::Duration};

use anywire::{
    Anywire, Args, Fault, Incoming, Message, Origins, Received, Reply, RequestError, SendError, Session, SockJs,
};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderValue, header},
    response::Html,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Anywire lab</title><link rel=icon href=data:,><script src=/live/client.js></script>";

/// The page under a policy, without an icon, which the policy might forbid.
const STRICT_PAGE: &str =
    "<!doctype html><meta charset=utf-8><title>Anywire lab</title><script src=/live/client.js></script>";

/// The room of the sessions that watch for the end of others.
const WATCH: &str = "watch";

struct Flags {
    port: u16,
    heartbeat: Duration,
    timeout: Duration,
    grace: Duration,
    hold: Duration,
    /// The time that sessions have to leave when the server is drained.
    window: Option<Duration>,
    origins: Origins,
    policy: Option<HeaderValue>,
}

impl Flags {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let millis = Duration::from_millis;
        let mut flags = Flags {
            port: 0,
            heartbeat: millis(25_000),
            timeout: millis(20_000),
            grace: millis(60_000),
            hold: millis(25_000),
            window: None,
            origins: Origins::Same,
            policy: None,
        };
        while let Some(flag) = words.next() {
            let word = words.next().ok_or_else(|| format!("{flag} wants a value"))?;
            if flag == "--origins" {
                flags.origins = match word.as_str() {
                    "any" => Origins::Any,
                    list => Origins::list(list.split(',')),
                };
                continue;
            }
            if flag == "--policy" {
                flags.policy = Some(word.parse()?);
                continue;
            }
            let value: u64 = word.parse()?;
            match flag.as_str() {
                "--port" => flags.port = u16::try_from(value)?,
                "--heartbeat-ms" => flags.heartbeat = millis(value),
                "--timeout-ms" => flags.timeout = millis(value),
                "--grace-ms" => flags.grace = millis(value),
                "--hold-ms" => flags.hold = millis(value),
                "--window-ms" => flags.window = Some(millis(value)),
                _ => return Err(format!("unknown flag: {flag}").into()),
            }
        }
        Ok(flags)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse(std::env::args().skip(1))?;
    let live = Anywire::builder()
        .heartbeat_interval(flags.heartbeat)
        .heartbeat_timeout(flags.timeout)
        .grace(flags.grace)
        .hold(flags.hold)
        .origins(flags.origins)
        .keep_headers(["cookie"])
        .handler(talk)
        .namespace_handler("/lab", channel)
        .build();
    let page = match flags.policy {
        Some(policy) => (Some([(header::CONTENT_SECURITY_POLICY, policy)]), Html(STRICT_PAGE)),
        None => (None, Html(PAGE)),
    };
    let app = Router::new()
        .route("/page", get(move || async move { page.clone() }))
        .nest("/live", live.routes())
        .merge(live.sockjs_with("/sockjs", SockJs::new().binary_as_base64(true)))
        .route(
            "/sessions",
            get({
                let live = live.clone();
                move || async move { live.len().to_string() }
            }),
        );
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", flags.port)).await?;
    println!("listening on {}", listener.local_addr()?);
    let Some(window) = flags.window else { return Ok(axum::serve(listener, app).await?) };
    let stop = Arc::new(Notify::new());
    let drain = stop.clone();
    let app = app.route("/drain", post(async move || drain.notify_one()));
    let stopped = async move { stop.notified().await };
    Ok(anywire::serve(listener, app).with_graceful_shutdown(stopped).sessions(&live, window).await?)
}

async fn talk(session: Session) {
    converse(&session).await;
    if let Some(reason) = session.close_reason() {
        session.to(WATCH).send(format!("gone {}", reason.code()));
    }
}

async fn converse(session: &Session) {
    let mut received = 0u64;
    let mut tally = Tally::default();
    let mut burst = Burst::default();
    loop {
        let message = tokio::select! {
            received = session.recv_any() => match received {
                Some(Received::Message(message)) => message,
                Some(Received::Event(event)) => {
                    if answer(event).await.is_err() {
                        return;
                    }
                    continue;
                }
                Some(_) => continue,
                None => return,
            },
            numbers = burst.due() => {
                for n in numbers {
                    if session.send(numbered(n)).await.is_err() {
                        return;
                    }
                }
                continue;
            }
        };
        received += 1;
        let answer = match message.as_bytes() {
            [b'#', ..] => {
                tally.take(&message);
                continue;
            }
            [b'!', command @ ..] if message.as_text().is_some() => match String::from_utf8_lossy(command).as_ref() {
                "count" => Message::from(received.to_string()),
                "check" => Message::from(tally.json()),
                "cookie" => Message::from(session.header("cookie").unwrap_or("none").to_owned()),
                "watch" => {
                    session.join(WATCH);
                    Message::from("watching")
                }
                "abort" => return session.abort(),
                other => match other.split_once(' ') {
                    Some(("close", words)) => return close(session, words),
                    Some(("burst", words)) => {
                        burst = Burst::parse(words);
                        continue;
                    }
                    _ => Message::from(format!("unknown command: {other}")),
                },
            },
            _ => message,
        };
        if session.send(answer).await.is_err() {
            return;
        }
    }
}

/// The values that events carry: an engine without bytes sends none.
#[derive(Serialize, Deserialize)]
struct Thing {
    text: String,
    bytes: Vec<Bytes>,
}

async fn channel(session: Session) {
    while let Some(event) = session.recv_event().await {
        if answer(event).await.is_err() {
            return;
        }
    }
}

/// Handles one event. All engines receive bytes, behind what they have sent.
async fn answer(event: Incoming) -> Result<(), SendError> {
    let session = event.session().clone();
    let thing = match event.data::<Thing>() {
        Ok(thing) => thing,
        Err(fault) => return event.reply(fault).await,
    };
    let every: Bytes = (0..=255).collect();
    match event.name() {
        "echo" => session.emit("echo", Args((thing, every))).await,
        "ask back" => {
            let asked: Result<Thing, RequestError> = session.request("echo back", Args((thing, every))).await;
            let answer = asked.map(Reply).map_err(|error| match error {
                RequestError::Refused(fault) => fault,
                error => Fault::new("ask back", error.to_string()),
            });
            event.reply(answer).await
        }
        "refuse" => event.reply(Fault::new("refused", "as you wish").with_data(thing.text)).await,
        "kick" => {
            session.close(3001, thing.text);
            Ok(())
        }
        _ => event.reply(Fault::new("unknown", "no such event")).await,
    }
}

fn close(session: &Session, words: &str) {
    let (code, reason) = words.split_once(' ').unwrap_or((words, ""));
    session.close(code.parse().unwrap_or(1000), reason.to_owned());
}

/// The message of a number; the page makes the same one. Every tenth is binary, the length varies, and the
/// filler has characters of one to four bytes.
fn numbered(n: u64) -> Message {
    let text = spell(n);
    if n.is_multiple_of(10) { Message::from(text.into_bytes()) } else { Message::from(text) }
}

fn spell(n: u64) -> String {
    format!("#{n} {}", "é€😀x".repeat(usize::try_from(n % 13).unwrap_or(0)))
}

/// The faults of the numbered messages.
#[derive(Default)]
struct Tally {
    seen: HashSet<u64>,
    last: u64,
    received: u64,
    lost: u64,
    repeated: u64,
    disordered: u64,
    wrong: u64,
}

impl Tally {
    fn take(&mut self, message: &Message) {
        let text = String::from_utf8_lossy(message.as_bytes());
        let n = text[1..].split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        if *message != numbered(n) {
            self.wrong += 1;
        }
        self.received += 1;
        if !self.seen.insert(n) {
            self.repeated += 1;
        } else if n > self.last {
            self.lost += n - self.last - 1;
            self.last = n;
        } else {
            self.disordered += 1;
            self.lost -= 1;
        }
    }

    fn json(&self) -> String {
        let Tally { received, lost, repeated, disordered, wrong, .. } = self;
        format!(
            r#"{{"received":{received},"lost":{lost},"repeated":{repeated},"disordered":{disordered},"wrong":{wrong}}}"#
        )
    }
}

/// Numbered messages spread evenly over a time.
#[derive(Default)]
struct Burst {
    total: u64,
    sent: u64,
    over: Duration,
    ticks: Option<(Instant, tokio::time::Interval)>,
}

impl Burst {
    /// `N` or `N over MS`.
    fn parse(words: &str) -> Self {
        let (total, over) = words.split_once(" over ").unwrap_or((words, "0"));
        let mut interval = tokio::time::interval(Duration::from_millis(5));
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Burst {
            total: total.parse().unwrap_or(0),
            sent: 0,
            over: Duration::from_millis(over.parse().unwrap_or(0)),
            ticks: Some((Instant::now(), interval)),
        }
    }

    /// Waits for the next tick; returns the numbers that are due then. It never returns when all are sent.
    async fn due(&mut self) -> std::ops::RangeInclusive<u64> {
        if self.sent >= self.total {
            self.ticks = None;
        }
        let Some((began, interval)) = &mut self.ticks else { return std::future::pending().await };
        interval.tick().await;
        let part = began.elapsed().as_secs_f64() / self.over.as_secs_f64().max(1e-9);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let due = (self.total as f64 * part.min(1.0)).ceil() as u64;
        let numbers = self.sent + 1..=due;
        self.sent = due.max(self.sent);
        numbers
    }
}
