//! Random and damaged requests: nothing panics, every status is one that the protocol names, other sessions
//! do not notice and no session is left behind.
//!
//! Seeded: `ANYWIRE_FUZZ` is the number of requests, `ANYWIRE_FUZZ_SEED` the first seed.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use anywire::{Anywire, Server};
use axum::{body::Body as HttpBody, http::Method};
use futures::SinkExt;
use http_body_util::BodyExt;
use support::{Peer, Site, Socket, SocketEvent, Spelling, attempt, echo, site, until};
use tokio_tungstenite::tungstenite::Message;

static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, SeqCst);
        usual(info);
    }));
}

fn environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Xorshift: repeatable, and random enough for this.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const NUMBERS: [&str; 10] =
    ["0", "1", "2", "7", "00", "-1", "9007199254740991", "9007199254740992", "18446744073709551616", ""];
const RECORDS: [&str; 23] = [
    "n1:",
    "n2:",
    "m3:abc",
    "m2:é!",
    "b4:AAAA",
    "b0:",
    "d1,1:",
    "j1,1,same-of-20-characters:",
    "d1,9007199254740991:",
    "a0:",
    "a1:",
    "w:",
    "h0,1:",
    "g0,1:",
    "p1:",
    "q0,0:",
    "v:",
    "c1,1000,0:",
    "z1:",
    "x4310,0:",
    "sfull,0:",
    "m",
    "mrest",
];

/// A request body much like one that a client would send.
fn sentence(random: &mut Random, peer: &Peer) -> Vec<u8> {
    let (id, secret) = (&peer.id, &peer.secret);
    let (ordinal, turn, seen) = (random.below(9), random.below(4), random.below(2));
    let mut text = match random.below(6) {
        0 => format!("o1,{ordinal},{},0:", attempt()),
        1 => format!("o1,{ordinal},same-of-20-characters,4:auth"),
        2 => format!("r1,{ordinal},{turn},{seen},{id},{secret},0:"),
        3 => format!("u1,{id},{secret},0:"),
        4 => format!("j1,{ordinal},same-of-20-characters:"),
        _ => String::new(),
    };
    for _ in 0..random.below(6) {
        text.push_str(random.pick(&RECORDS));
    }
    text.into_bytes()
}

/// Damages a body.
fn spoil(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len() + 1);
        let to = (at + random.below(8)).min(bytes.len());
        match random.below(6) {
            0 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            1 => drop(bytes.drain(at..to)),
            2 => bytes.truncate(at),
            3 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let number = random.pick(&NUMBERS).bytes();
                let digits = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
                bytes.splice(at..at + digits, number);
            }
            _ => drop(bytes.splice(at..at, random.pick(&RECORDS).bytes())),
        }
    }
    bytes
}

struct Stage {
    server: Server,
    site: Site,
    witness: Peer,
    socket: Socket,
    victim: Peer,
}

impl Stage {
    async fn new() -> Self {
        let server = Anywire::builder()
            .hold(Duration::from_millis(50))
            .open_timeout(Duration::from_millis(500))
            .grace(Duration::from_secs(5))
            .message_limit(4096)
            .inbox(8192)
            .outbox(8192)
            .handler(echo)
            .build();
        let site = site(&server);
        let (witness, socket) = Peer::open_socket(&site).await;
        let victim = Peer::open(&site).await;
        Stage { server, site, witness, socket, victim }
    }

    /// Asserts that the witness still gets its echo, and replaces the victim if its session has ended.
    async fn look(&mut self, seed: u64) {
        let count = self.witness.got.len() + 1;
        self.socket.text(format!("n{count}:mhere")).await;
        self.witness.last += 1;
        self.witness.take_until(&mut self.socket, count).await;
        self.socket.text(format!("a{count}:")).await;
        assert_eq!(PANICS.load(SeqCst), 0, "seed {seed}");
        if self.server.session(&self.victim.id).is_none() {
            self.victim = Peer::open(&self.site).await;
        }
    }

    async fn end(mut self) {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.socket.text("w:").await;
        }
        let witness = self.server.session(&self.witness.id).expect("the witness lives");
        until("all others are gone", || self.server.len() == 1).await;
        assert!(witness.is_connected());
        assert_eq!(PANICS.load(SeqCst), 0);
    }
}

const ROUTES: [&str; 13] = [
    "open",
    "send",
    "xhr-poll",
    "poll",
    "xhr-stream",
    "fetch-stream",
    "multipart",
    "eventsource",
    "htmlfile",
    "iframe",
    "jsonp-poll",
    "jsonp-send",
    "form-post",
];
/// The routes whose request or answer is not plain records.
const WRAPPED: [&str; 7] = ["multipart", "eventsource", "htmlfile", "iframe", "jsonp-poll", "jsonp-send", "form-post"];

/// Sends records by a route for old browsers, and checks that its answer can be unwrapped.
async fn send_wrapped(random: &mut Random, stage: &Stage, route: &str, records: &[u8]) -> u16 {
    let peer = &stage.victim;
    let mut query = format!("&session={}", peer.id);
    if random.one_in(3) {
        let (upload, at, count) = (random.below(3), random.below(4), random.below(4));
        query += &format!("&secret={}&upload={upload}&part={at}.{count}", peer.secret);
    }
    for parameter in ["&soft=1", "&pad=9", "&bytes=1", "&browser=b", "&part=", "&data=%", "&callback=("] {
        if random.one_in(9) {
            query += parameter;
        }
    }
    let spoiled = if random.one_in(4) { spoil(random, query.into_bytes()) } else { query.into_bytes() };
    let query: String =
        spoiled.into_iter().filter(|byte| byte.is_ascii_graphic() && *byte != b'#').map(char::from).collect();
    let mut answer = stage.site.send_records(route, &query.replace(['"', '<', '>', '`'], ""), records).await;
    answer.chunk().await;
    let read = route != "form-post" && query.starts_with('&');
    // A client that aborts on a stream is sent nothing more on it.
    if answer.status == 200 && read && !answer.raw.is_empty() {
        answer.flushes();
    }
    answer.status.into()
}

async fn fuzz_http(requests: u64, first: u64) {
    let mut stage = Stage::new().await;
    let (mut seen, mut old) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
    for seed in first..first + requests {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        stage.victim.spelling = if random.one_in(2) { Spelling::Text } else { Spelling::Bytes };
        let route = random.pick(&ROUTES);
        let sentence = sentence(&mut random, &stage.victim);
        let body = spoil(&mut random, sentence);
        let path = if random.one_in(8) { route.to_owned() } else { stage.victim.path(route) };
        if WRAPPED.contains(&route) {
            let status = send_wrapped(&mut random, &stage, route, &body).await;
            assert!(matches!(status, 200 | 400 | 408 | 409 | 410 | 413), "seed {seed}: {status} for {body:?}");
            *old.entry(status).or_insert(0_u64) += 1;
            if seed % 16 == 0 {
                stage.look(seed).await;
            }
            continue;
        }
        let request = stage.site.request(Method::POST, &path).body(HttpBody::from(body.clone())).unwrap();
        let mut response = stage.site.send(request).await;
        let status = response.status().as_u16();
        *seen.entry(status).or_insert(0) += 1;
        let sent = String::from_utf8_lossy(&body).into_owned();
        assert!(matches!(status, 200 | 400 | 408 | 409 | 410 | 413 | 503), "seed {seed}: {status} for {sent:?}");
        // A stream has no end: its first chunk is enough.
        drop(response.body_mut().frame().await);
        if seed % 16 == 0 {
            stage.look(seed).await;
        }
    }
    let plain: u64 = seen.values().sum();
    assert!(
        seen[&200] > plain / 50 && seen[&400] > plain / 50 && old[&200] > 0,
        "both good and bad requests were among them: {seen:?} {old:?}"
    );
    stage.end().await;
}

async fn fuzz_websocket(connections: u64, first: u64) {
    let mut stage = Stage::new().await;
    let mut codes = std::collections::BTreeMap::new();
    for seed in first..first + connections {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        let mut socket = stage.site.websocket("websocket").await;
        let mut messages = random.below(5) + 1;
        if random.one_in(2) {
            let mut peer = stage.victim.clone();
            peer.ordinal = seed;
            socket.body(peer.resume()).await;
            messages += 1;
        }
        for _ in 0..messages {
            let sentence = sentence(&mut random, &stage.victim);
            let bytes = spoil(&mut random, sentence);
            let message = match String::from_utf8(bytes) {
                Ok(text) if !random.one_in(8) => Message::text(text),
                Ok(text) => Message::binary(text.into_bytes()),
                Err(error) => Message::binary(error.into_bytes()),
            };
            // Behind a message above the limit the framing can read nothing.
            let message = if random.one_in(100) { Message::binary(vec![0; 300_000]) } else { message };
            // The server may have closed the WebSocket meanwhile.
            if socket.io.send(message).await.is_err() {
                break;
            }
        }
        if random.one_in(2) {
            loop {
                match socket.quiet().await {
                    Some(SocketEvent::Closed(code, _)) => *codes.entry(code).or_insert(0) += 1,
                    Some(SocketEvent::Records(_)) => continue,
                    Some(SocketEvent::Broken) | None => {}
                }
                break;
            }
        }
        drop(socket);
        if seed % 16 == 0 {
            stage.look(seed).await;
        }
    }
    assert!(codes.keys().all(|code| matches!(code, 1000 | 1005 | 3000..=3999 | 4000..=4499)), "{codes:?}");
    assert!(codes[&4004] > 0 && codes[&4006] > 0, "{codes:?}");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn no_input_breaks_the_server() {
    count_panics();
    let (requests, first) = (environment("ANYWIRE_FUZZ", 8000), environment("ANYWIRE_FUZZ_SEED", 1));
    fuzz_http(requests, first).await;
    fuzz_websocket(requests / 2, first).await;
}
