//! Sessions that are carried by hand from one server to another of the same process.
#![allow(clippy::disallowed_methods)]

mod duties;

use std::{
    sync::Mutex,
    task::{Context, Waker},
};

use axum::{extract::Request, http::request::Parts};

use super::*;
use crate::{
    cluster::InProcess,
    config::{Config, Transport},
    server::{
        api::{
            handler::{Handler, erase},
            hooks::Hooks,
            moving::Why,
            session::Session,
        },
        gateway::{Gateway, Opening, Page},
        nodes::Nodes,
    },
    session::{Attach, Attached, Frame, LinkId, LinkKind, Outbound, Outcome, reason},
    shared::Credential,
    sync::lock,
};

/// The lines that handlers write, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        lock(&self.0).push(line.into());
    }

    fn take(&self) -> String {
        std::mem::take(&mut *lock(&self.0)).join(" | ")
    }
}

fn node<T>(engine: &InProcess, config: Config, handler: impl Handler<T, ()>) -> Gateway<()> {
    let core = Arc::new(Core::new(config));
    core.join(Nodes::new(&core, engine.node().into(), None));
    core.nodes().unwrap().start();
    Gateway { core, handler: Some(erase(handler)), hooks: Hooks::default() }
}

fn movable() -> Config {
    Config { movable: true, ..Config::default() }
}

/// Two nodes with the same handler.
fn two<T>(handler: impl Handler<T, ()>) -> (Gateway<()>, Gateway<()>) {
    let engine = InProcess::new();
    (node(&engine, movable(), handler.clone()), node(&engine, movable(), handler))
}

fn parts() -> Parts {
    Request::get("/live").header("host", "a.test").header("x-color", "red").body(()).unwrap().into_parts().0
}

/// A client with one link.
struct Client {
    secret: String,
    shared: Arc<SharedSession>,
    link: LinkId,
    ordinal: u64,
    received: u64,
}

async fn open(gateway: &Gateway<()>) -> Client {
    let attempt = "an attempt of this test".into();
    let opening = gateway.open(parts(), (), Page::OWN, &attempt, "\"key\"".into()).await;
    let Ok(Opening::Here(mut opened)) = opening else { panic!("it opens here") };
    let shared = opened.shared.clone();
    let attach = Attach { opening: true, ..resume(1, 0) };
    let link = shared.attach(Credential::Attempt, attach, Transport::WebSocket).unwrap();
    opened.start();
    let mut client = Client { secret: String::new(), shared, link, ordinal: 1, received: 0 };
    settle().await;
    client.pulls();
    client.sends([Frame::Confirm]);
    client
}

fn resume(ordinal: u64, received: u64) -> Attach {
    Attach { ordinal, turn: 0, kind: LinkKind::Duplex, opening: false, seen: true, received, names: None }
}

/// Lets all tasks run.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

impl Client {
    /// The frames that the link sends now: messages, and other frames by a letter.
    fn pulls(&mut self) -> String {
        let mut all = Vec::new();
        let (secret, received) = (&mut self.secret, &mut self.received);
        let _ = self.shared.pull(self.link, &mut Context::from_waker(Waker::noop()), |outbound| {
            if let Outbound::Message { number, .. } = outbound {
                assert!(number <= *received + 1, "a hole");
                *received = number.max(*received);
            }
            match outbound.into_frame() {
                Frame::Message { message, .. } => {
                    all.push(message.into_payload().into_message().as_text().unwrap().to_owned());
                }
                Frame::Attached(Attached { outcome: Outcome::New, grant, .. }) => {
                    *secret = grant.expect("a new session has one").secret.to_string();
                }
                Frame::Attached(Attached { received, .. }) => all.push(format!("full {received}")),
                Frame::LinkClose(reason) => all.push(format!("x{}", reason.code)),
                Frame::Close { reason, .. } => all.push(format!("c{}", reason.code)),
                _ => {}
            }
            true
        });
        all.join(" ")
    }

    fn sends(&self, frames: impl IntoIterator<Item = Frame>) {
        let mut frames = frames.into_iter().collect();
        let _ = self.shared.input(self.link, &mut frames, None);
    }

    fn says(&self, number: u64, text: &str) {
        self.sends([Frame::Message { number, message: crate::message::Message::from(text).into() }]);
    }

    /// A new link at another session of the same name.
    fn comes_to(&mut self, member: &Member) -> Result<(), u16> {
        self.ordinal += 1;
        let credential = Credential::Secret { secret: &self.secret, next: crate::ids::random };
        let attach = resume(self.ordinal, self.received);
        let attached = member.shared.attach(credential, attach, Transport::WebSocket);
        self.link = attached.map_err(|reason| reason.code)?;
        self.shared = member.shared.clone();
        Ok(())
    }
}

fn read(gateway: &Gateway<()>, bytes: &Bytes) -> Result<Parcel, crate::packed::Malformed> {
    Parcel::read(bytes, gateway.core.runtime.pool())
}

/// Another node listens to the rooms of a session.
async fn expected(from: &Gateway<()>, to: &Gateway<()>, id: Uuid) -> Box<dyn Expected> {
    let member = from.core.hub.get(id).unwrap();
    let rooms = from.core.nodes().unwrap().rooms_of(&member);
    to.core.nodes().unwrap().expect(&rooms).await.expect("the engine answers")
}

/// The session moves, with the name that it has.
async fn carried(frozen: Frozen, to: &Gateway<()>, expected: Box<dyn Expected>) -> Arc<Member> {
    let (node, id) = (frozen.member.shared.node().to_owned(), frozen.member.id());
    let parcel = read(to, &frozen.bytes()).expect("what was written");
    let rooms = parcel.rooms().clone();
    let member = take(&to.core, (&node, id), parcel).expect("it is taken");
    assert!(rooms.is_empty() || expected.admit(&member, &rooms).await);
    frozen.given();
    member
}

async fn moves(from: &Gateway<()>, to: &Gateway<()>, id: Uuid) -> Arc<Member> {
    let expected = expected(from, to, id).await;
    let frozen = freeze(&from.core, id).await.expect("it can move");
    carried(frozen, to, expected).await
}

/// Counts what it receives, and saves the count. It takes a second to return.
fn counting(log: &Log) -> impl Handler<(), ()> + use<> {
    let log = log.clone();
    move |session: Session| {
        let log = log.clone();
        async move {
            let mut count: u64 = session.restored().unwrap().unwrap_or(100);
            log.add(format!("{:?} {count} {:?}", session.why(), session.header("x-color")));
            if session.why() == Why::New {
                session.join("room");
                session.set_user("ada");
            }
            while let Some(message) = session.recv().await {
                count += 1;
                log.add(message.as_text().unwrap());
                session.save(&count).unwrap();
                session.send(format!("{count}")).await.unwrap();
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = session.send("last words").await;
            log.add(format!("returns {}", session.is_moving()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_a_session_holds_goes_along() {
    let log = Log::default();
    let (a, b) = two(counting(&log));
    let mut client = open(&a).await;
    assert_eq!(log.take(), "New 100 Some(\"red\")");
    client.says(1, "one");
    settle().await;
    assert_eq!((client.pulls(), log.take()), ("101".to_owned(), "one".to_owned()));
    let id = client.shared.id();
    let expected = expected(&a, &b, id).await;
    let freezing = tokio::spawn({
        let core = a.core.clone();
        async move { freeze(&core, id).await }
    });
    settle().await;
    // The handler has got nothing more to receive, and has not returned. Both halves go on.
    client.says(2, "during");
    let member = a.core.hub.get(id).unwrap();
    member.shared.send(crate::message::Message::from("from outside").into()).unwrap();
    assert_eq!(client.pulls(), "from outside");
    member.shared.send(crate::message::Message::from("unseen").into()).unwrap();
    let frozen = freezing.await.unwrap().expect("it can move");
    assert_eq!(log.take(), "returns true");
    assert_eq!(client.pulls(), "x4000", "what was not sent is the other node's to send");
    client.says(3, "late");
    assert_eq!(client.comes_to(&member), Err(4202));
    let moved = carried(frozen, &b, expected).await;
    assert_eq!((a.core.hub.len(), a.core.runtime.live()), (0, 0));
    assert_eq!((b.core.hub.len(), b.core.runtime.live()), (1, 1));
    assert_eq!(moved.shared.public_id(), member.shared.public_id());
    assert!(b.core.find(&moved.shared.public_id()).here().is_some());
    assert_eq!((moved.rooms(), &*moved.user().unwrap()), (vec!["room".to_owned()], "ada"));

    assert!(is_waiting(&moved));
    client.comes_to(&moved).expect("the secret is good");
    start_if_waiting(&b, &moved, parts(), ()).await.unwrap();
    assert!(!is_waiting(&moved));
    settle().await;
    assert_eq!(log.take(), "Moved 101 Some(\"red\") | during");
    assert_eq!(client.pulls(), "full 2 unseen last words 102");
    client.says(3, "late");
    settle().await;
    assert_eq!((client.pulls(), log.take()), ("103".to_owned(), "late".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn only_who_has_the_secret_finds_the_session_elsewhere() {
    let (a, b) = two(counting(&Log::default()));
    let mut client = open(&a).await;
    let secret = client.secret.clone();
    let moved = moves(&a, &b, client.shared.id()).await;
    client.secret = crate::ids::random().simple().to_string();
    assert_eq!(client.comes_to(&moved), Err(4101));
    client.secret = uuid::Uuid::nil().simple().to_string();
    assert_eq!(client.comes_to(&moved), Err(4101));
    client.secret = secret;
    assert_eq!(client.comes_to(&moved), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_takes_goes_on_where_it_was() {
    let log = Log::default();
    let (a, _) = two(counting(&log));
    let mut client = open(&a).await;
    client.says(1, "one");
    settle().await;
    let before = a.core.hub.get(client.shared.id()).unwrap();
    let frozen = freeze(&a.core, client.shared.id()).await.unwrap();
    assert_eq!(before.shared.close_reason().map(|reason| reason.code), Some(4000));
    frozen.revive();
    settle().await;
    let member = a.core.hub.get(before.id()).expect("it is there again");
    assert!(!Arc::ptr_eq(&before, &member) && is_waiting(&member));
    assert_eq!((a.core.hub.len(), a.core.runtime.live(), member.rooms().len()), (1, 1, 1));
    log.take();
    client.comes_to(&member).unwrap();
    start_if_waiting(&a, &member, parts(), ()).await.unwrap();
    settle().await;
    assert_eq!((log.take().as_str(), client.pulls().as_str()), ("Moved 101 Some(\"red\")", "full 1 101 last words"));
    // It can move again, and its first opening is not taken for one that has ended.
    let frozen = freeze(&a.core, member.id()).await.unwrap();
    drop(frozen);
    while let Some(id) = a.core.runtime.too_old(0) {
        assert_ne!(id, member.id());
    }
    assert!(is_waiting(&a.core.hub.get(member.id()).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_parcel_that_no_node_has_written_is_refused() {
    let (a, b) = two(counting(&Log::default()));
    let client = open(&a).await;
    client.says(1, "one");
    settle().await;
    let frozen = freeze(&a.core, client.shared.id()).await.unwrap();
    let whole = frozen.bytes();
    for length in 0..whole.len() {
        assert!(read(&b, &whole.slice(..length)).is_err(), "{length}");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut wrong = whole.to_vec();
            wrong[at] ^= 1 << bit;
            // Some of these are sessions: other texts, other numbers. None of them breaks anything.
            if let Ok(parcel) = read(&b, &wrong.into()) {
                let id = crate::ids::random();
                let member = take(&b.core, ("other", id), parcel).expect("it is a session");
                member.shared.handle_timeout();
                b.core.forget(id);
            }
        }
    }
    let id = frozen.member.id();
    take(&b.core, ("a", id), read(&b, &whole).unwrap()).expect("it is taken");
    let twice = take(&b.core, ("a", id), read(&b, &whole).unwrap());
    assert_eq!(twice.unwrap_err(), MoveError::Held);
    frozen.given();
    b.core.forget(id);
    assert_eq!((a.core.runtime.pool().bytes(), b.core.runtime.pool().bytes()), (0, 0));
}
