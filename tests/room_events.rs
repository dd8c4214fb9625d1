//! Events in rooms whose members come over several transports, and know events or not.
#![allow(unreachable_pub, clippy::disallowed_methods)]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use anywire::{Anywire, Args, Server, Session};
use axum::Router;
use futures::StreamExt;
use serde::{Serialize, Serializer};
use support::{Site, Socket, attempt, until};

/// The ways in which a member gets its events: the path of its link, and the parameter of its spelling.
const WAYS: [(&str, &str); 3] = [("websocket", ""), ("xhr-poll", "bytes=0"), ("xhr-poll", "bytes=1")];
const NAMES: [&str; 2] = ["events", ""];

/// A member of a room, which acknowledges only what it must to get more.
struct Member {
    names: &'static str,
    line: Line,
    received: u64,
    /// The JSON of each event or message.
    got: Vec<String>,
}

enum Line {
    Socket(Box<Socket>),
    Polls { site: Site, query: String, id: String, secret: String, turn: u64 },
}

impl Member {
    async fn open(site: &Site, (path, spelling): (&str, &str), names: &'static str) -> Self {
        let opening = format!("o1,1,{},0,{names}:", attempt());
        if path == "websocket" {
            let mut socket = site.websocket(path).await;
            socket.text(opening).await;
            assert!(text(&mut socket).await.starts_with("snew,0,"));
            socket.text("v:").await;
            return Member { names, line: Line::Socket(Box::new(socket)), received: 0, got: Vec::new() };
        }
        let answer = site.post(&format!("open?{spelling}"), opening).await;
        let start = String::from_utf8(answer.body.to_vec()).unwrap();
        let fields: Vec<&str> = start.split(',').collect();
        assert_eq!(fields[0], "snew", "{start}");
        let (id, secret) = (fields[2].to_owned(), fields[3].to_owned());
        let query = format!("{path}?session={id}&{spelling}");
        let line = Line::Polls { site: site.clone(), query, id, secret, turn: 0 };
        Member { names, line, received: 0, got: Vec::new() }
    }

    /// Takes events until there are so many.
    async fn take(&mut self, count: usize) {
        while self.got.len() < count {
            let text = match &mut self.line {
                Line::Socket(socket) => text(socket).await,
                Line::Polls { site, query, id, secret, turn } => {
                    *turn += 1;
                    let head = format!("r1,1,{turn},1,{id},{secret},{},{}:", self.received, self.names);
                    let answer = site.post(query, head).await;
                    assert_eq!(answer.status, 200);
                    String::from_utf8(answer.body.to_vec()).unwrap()
                }
            };
            self.read(&text);
        }
    }

    /// Reads records. The tests' texts are ASCII, whose length is the same in all spellings.
    fn read(&mut self, mut text: &str) {
        let on_socket = matches!(self.line, Line::Socket(_));
        while !text.is_empty() {
            let letter = text.as_bytes()[0];
            let is_content = matches!(letter, b'e' | b'm');
            let (head, behind) = if is_content && on_socket { ("", &text[1..]) } else { text.split_once(':').unwrap() };
            let length = match (letter, is_content) {
                (_, true) if on_socket => behind.len(),
                (_, true) | (b'i', _) => head[1..].parse().unwrap(),
                _ => 0,
            };
            if is_content {
                let content = &behind[..length];
                assert_eq!(letter == b'e', self.names == "events", "{content}");
                let json = if letter == b'e' { content.strip_prefix('2').unwrap() } else { content };
                self.got.push(json.to_owned());
                self.received += 1;
            }
            text = &behind[length..];
        }
    }
}

/// The next text of a WebSocket.
async fn text(socket: &mut Socket) -> String {
    loop {
        let message = socket.io.next().await.unwrap().unwrap();
        if message.is_text() {
            return message.into_text().unwrap().to_string();
        }
    }
}

/// A server whose sessions are all in the room `a`, and this many members for each way and each list of names.
async fn members(each: usize) -> (Server, Vec<Member>) {
    async fn join(session: Session) {
        session.join("a");
        while session.recv().await.is_some() {}
    }
    let server = Anywire::builder().handler(join).build();
    let site = Site::of(&server, |server| Router::new().nest("/live", server.routes()));
    let mut members = Vec::new();
    for _ in 0..each {
        for way in WAYS {
            for names in NAMES {
                members.push(Member::open(&site, way, names).await);
            }
        }
    }
    until("all have joined", || server.members("a").len() == members.len()).await;
    (server, members)
}

/// A long text that counts how often it is serialised.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

const LENGTH: usize = 20_000;

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, SeqCst);
        serializer.serialize_str(&"x".repeat(LENGTH))
    }
}

#[tokio::test]
async fn an_event_is_serialised_once_and_encoded_once_for_each_spelling() {
    let expected = format!("[\"tick\",\"{}\"]", "x".repeat(LENGTH));
    for each in [1, 4] {
        let (server, mut members) = members(each).await;
        let before = server.live().stats().bytes;
        let value = Counted::default();
        assert_eq!(server.to("a").emit("tick", value.clone()).sent, members.len());
        for member in &mut members {
            member.take(1).await;
            assert_eq!(member.got, [expected.as_str()]);
        }
        assert_eq!(value.0.load(SeqCst), 1, "for {} members", members.len());
        // Nobody has acknowledged the event, so that it and all its encodings are held, and each counts once.
        let held = || (server.live().stats().bytes - before + LENGTH / 2) / LENGTH;
        let spellings = WAYS.len() * NAMES.len();
        until("the event is held once, and once in each spelling", || held() == 1 + spellings).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_on_all_transports_see_one_order_of_the_events_of_two_senders() {
    const EACH: usize = 300;
    let (server, members) = members(2).await;
    let senders = [0, 1].map(|sender| {
        let live = server.live();
        tokio::spawn(async move {
            for number in 0..EACH {
                live.to("a").emit("sent", Args((sender, number)));
                if number % 16 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    let orders = members.into_iter().map(|mut member| async move {
        member.take(2 * EACH).await;
        member.got
    });
    let orders = futures::future::join_all(orders).await;
    for sender in senders {
        sender.await.unwrap();
    }
    for order in &orders {
        assert_eq!(order, &orders[0], "one order for all");
    }
    for sender in [0, 1] {
        let own = orders[0].iter().filter(|json| json.starts_with(&format!("[\"sent\",{sender},")));
        let expected = (0..EACH).map(|number| format!("[\"sent\",{sender},{number}]"));
        assert!(own.eq(&expected.collect::<Vec<_>>()), "each sender's events keep their order");
    }
}
