//! In which order events are handled, and how a session ends.

use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::{
    dialect::{Data, Reply},
    server::{catch::catch, events::concurrent},
    session::reason,
};

/// Handlers wait here until a test lets them go on.
fn gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

/// The source of a session's events, which is over when the sender is dropped.
fn events_channel() -> (mpsc::UnboundedSender<Incoming>, impl Stream<Item = Incoming> + Send) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    (sender, stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}

async fn pass(gate: &Semaphore) {
    gate.acquire().await.expect("it is never closed").forget();
}

/// A handler that notes its beginning and end, and waits in between.
macro_rules! waiting {
    ($notes:expr, $gate:expr) => {{
        let (notes, gate) = ($notes.clone(), $gate.clone());
        async move |Data(number): Data<u32>| {
            notes.add(format!("begin {number}"));
            pass(&gate).await;
            notes.add(format!("end {number}"));
            Reply(number)
        }
    }};
}

#[tokio::test]
async fn the_next_event_waits_for_the_handler_of_the_last() {
    let (bench, notes, gate) = (Bench::new().await, Notes::default(), gate());
    let events = Events::new().on("a", waiting!(notes, gate));
    let (sender, receiver) = events_channel();
    for number in 1..=3 {
        sender.send(bench.event(Some(number), &format!(r#"["a",{number}]"#))).unwrap();
    }
    let mut run = bench.run_stream(events, (), receiver);
    assert!(!settle(&mut run));
    assert_eq!(notes.all(), ["begin 1"]);
    gate.add_permits(1);
    assert!(!settle(&mut run));
    assert_eq!(notes.all(), ["begin 1", "end 1", "begin 2"]);
    assert_eq!(bench.answers(), ["31[1]"]);
    gate.add_permits(2);
    assert!(!settle(&mut run), "the session is not over");
    drop(sender);
    assert!(settle(&mut run));
    assert_eq!(bench.answers(), ["32[2]", "33[3]"]);
}

#[tokio::test]
async fn concurrent_handlers_run_beside_others_up_to_their_limit() {
    let (bench, notes, slow, other) = (Bench::new().await, Notes::default(), gate(), gate());
    let events = Events::new()
        .on("slow", concurrent(2, waiting!(notes, slow)))
        .on("other", concurrent(1, waiting!(notes, other)))
        .on("quick", async |Data(number): Data<u32>| Reply(number));
    let (sender, receiver) = events_channel();
    let send = |number: u64, name: &str| {
        sender.send(bench.event(Some(number), &format!(r#"["{name}",{number}]"#))).unwrap();
    };
    send(1, "slow");
    send(2, "quick");
    send(3, "other");
    send(4, "slow");
    send(5, "quick");
    let mut run = bench.run_stream(events, (), receiver);
    assert!(!settle(&mut run));
    assert_eq!(notes.all(), ["begin 1", "begin 3", "begin 4"]);
    assert_eq!(bench.answers(), ["32[2]", "35[5]"]);

    send(6, "slow");
    send(7, "quick");
    assert!(!settle(&mut run));
    assert_eq!(bench.answers(), [""; 0], "a third one waits, and all behind it");
    other.add_permits(1);
    assert!(!settle(&mut run));
    assert_eq!(bench.answers(), ["33[3]"], "the end of another handler makes no room");
    slow.add_permits(1);
    assert!(!settle(&mut run));
    assert_eq!(bench.answers(), ["31[1]", "37[7]"]);
    assert_eq!(notes.all()[4..], ["end 1", "begin 6"]);
    slow.add_permits(2);
    assert!(!settle(&mut run));
    assert_eq!(bench.answers(), ["34[4]", "36[6]"]);
}

#[tokio::test]
async fn at_the_end_concurrent_handlers_are_dropped_and_the_one_in_order_ends() {
    struct Dropped(Notes);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }

    let (bench, notes, never, gate) = (Bench::new().await, Notes::default(), gate(), gate());
    let (kept, ended) = (notes.clone(), notes.clone());
    let events = Events::new()
        .on(
            "slow",
            concurrent(9, async move |_: Session| {
                let _dropped = Dropped(kept.clone());
                pass(&never).await;
                kept.add("not reached");
            }),
        )
        .on("a", waiting!(notes, gate))
        .on_end(async move |session: Session| ended.add(format!("over {}", session.get::<u8>().unwrap())));
    bench.session.insert(5_u8);
    let (sender, receiver) = events_channel();
    sender.send(bench.event(None, r#"["slow"]"#)).unwrap();
    sender.send(bench.event(Some(1), r#"["a",1]"#)).unwrap();
    drop(sender);
    let mut run = bench.run_stream(events, (), receiver);
    assert!(!settle(&mut run));
    assert_eq!(notes.all(), ["begin 1"]);
    gate.add_permits(1);
    assert!(settle(&mut run));
    assert_eq!(notes.all(), ["begin 1", "end 1", "dropped", "over 5"]);
    assert_eq!(bench.answers(), ["31[1]"]);
}

async fn panics() {
    panic!("as it is meant to");
}

/// Runs a router whose handler panics, and returns what it noted.
async fn panicking(bench: &Bench, beside: bool) -> Vec<String> {
    let notes = Notes::default();
    let ended = notes.clone();
    let events = Events::new().on_end(async move |session: Session| {
        ended.add(format!("over {}", session.close_reason().map_or(0, |reason| reason.code)));
    });
    let events = if beside { events.on("a", concurrent(1, panics)) } else { events.on("a", panics) };
    let incoming = vec![bench.event(Some(1), r#"["a"]"#), bench.event(Some(2), r#"["b"]"#)];
    let panic = catch(bench.run_stream(events, (), stream::iter(incoming))).await.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"as it is meant to"));
    notes.all()
}

#[tokio::test]
async fn a_panic_closes_the_session_and_goes_on_behind_on_end() {
    for beside in [false, true] {
        let bench = Bench::new().await;
        assert_eq!(panicking(&bench, beside).await, [format!("over {}", reason::HANDLER_PANICKED.code)]);
    }
}

#[tokio::test]
async fn a_panic_is_counted_and_reaches_the_client() {
    let events = Events::new().on("message", panics);
    let server: Server = Anywire::builder().events(events).build();
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    client.send("x");
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_reason().unwrap().code, 1011);
    assert_eq!(server.live().stats().handler_panics_total, 1);
}

#[tokio::test]
async fn the_end_of_a_session_is_noted_once() {
    let notes = Notes::default();
    let ended = notes.clone();
    let events = Events::new()
        .on("message", async |session: Session| session.close(3001, "bye"))
        .on_end(async move |session: Session| ended.add(session.close_reason().unwrap().code.to_string()));
    let server: Server = Anywire::builder().events(events).build();
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    client.send("x");
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_reason().unwrap().code, 3001);
    client.idle().await; // The handler has returned.
    assert_eq!(notes.all(), ["3001"]);
}

#[tokio::test(start_paused = true)]
async fn the_values_of_a_session_that_expires_are_there_at_its_end() {
    let notes = Notes::default();
    let ended = notes.clone();
    let events = Events::new()
        .on_open(async |session: Session| {
            session.insert(5_u8);
            session.join("lobby");
        })
        .on_end(async move |session: Session| {
            let (code, value) = (session.close_reason().unwrap().code, session.get::<u8>());
            ended.add(format!("{code} {value:?} in {} rooms", session.rooms().len()));
        });
    let server: Server = Anywire::builder().grace(Duration::from_secs(20)).events(events).build();
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    let session = server.live().sessions().pop().unwrap();
    client.cut();
    tokio::time::sleep(Duration::from_secs(60)).await; // The clock is a fake.
    assert_eq!(notes.all(), [format!("{} Some(5) in 0 rooms", reason::EXPIRED.code)]);
    assert_eq!(session.get::<u8>(), None, "the handler has returned");
}
