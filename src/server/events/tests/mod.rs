//! The router and its loop, driven by events made by hand.

mod answering;
mod extracting;
mod layering;
mod opening;
mod ordering;
mod routing;

use std::{
    cell::Cell,
    pin::pin,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{Stream, future::BoxFuture, stream};

use super::{incoming::Incoming, router::Events, run::run_with};
use crate::{
    packet::Packet,
    server::{Anywire, Builder, LocalClient, SendError, Server, Session, core::Core},
    sync::lock,
};

/// The page of the session that asks in these tests.
const PAGE: u64 = 7;

/// A session whose events are made by hand.
struct Bench {
    client: LocalClient,
    session: Session,
    answers: Answers,
}

/// The answers that the session would have sent, in order, and how many more it has room for.
#[derive(Clone, Debug, Default)]
struct Answers(Arc<Mutex<Vec<Packet>>>);

/// The fate of the next answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    TooLarge,
    Closed,
}

/// Where answers go instead of the outbox.
fn offer(session: &Session, page: u64, packet: Packet) -> Result<(), (SendError, Packet)> {
    assert_eq!(page, PAGE);
    match session.remove::<Fate>() {
        Some(Fate::TooLarge) => return Err((SendError::TooLarge, packet)),
        Some(Fate::Closed) => return Err((SendError::Closed, packet)),
        None => {}
    }
    let Answers(answers) = session.get().expect("the bench put it in");
    lock(&answers).push(packet);
    Ok(())
}

impl Bench {
    async fn new() -> Self {
        Bench::of(Anywire::builder()).await
    }

    async fn of(builder: Builder) -> Self {
        let server = builder.handler(async |_: Session| std::future::pending::<()>().await).build();
        let client = LocalClient::open(&server, (), "").await.unwrap();
        let session = server.session(client.id()).unwrap();
        let answers = Answers::default();
        session.insert(answers.clone());
        Bench { client, session, answers }
    }

    fn core(&self) -> &Core {
        &self.session.core
    }

    /// An event, and with an id a request. `list` is the JSON list that it carries.
    fn event(&self, id: Option<u64>, list: &str) -> Incoming {
        self.packet(&format!("2{}{list}", id.map(|id| id.to_string()).unwrap_or_default()), Vec::new())
            .expect("an event")
    }

    fn packet(&self, text: &str, attachments: Vec<Bytes>) -> Option<Incoming> {
        Incoming::of_packet(&self.session, Packet::new(text, attachments), PAGE, offer)
    }

    /// Runs a router with these events, until the session is over behind them.
    async fn run<S: Send + Sync + 'static>(&self, events: Events<S>, state: S, incoming: Vec<Incoming>) {
        self.run_stream(events, state, stream::iter(incoming)).await;
    }

    fn run_stream<'a, S: Send + Sync + 'static>(
        &'a self,
        events: Events<S>,
        state: S,
        incoming: impl Stream<Item = Incoming> + Send + 'a,
    ) -> BoxFuture<'a, ()> {
        let (table, state) = (events.into_table(), Arc::new(state));
        Box::pin(async move { run_with(&table, &state, &self.session, pin!(incoming)).await })
    }

    /// Runs a router with these requests, numbered from 1, and returns the answers.
    async fn ask<S: Send + Sync + 'static>(&self, events: Events<S>, state: S, lists: &[&str]) -> Vec<String> {
        let requests = (1..).zip(lists).map(|(id, list)| self.event(Some(id), list)).collect();
        self.run(events, state, requests).await;
        self.answers()
    }

    /// The texts of the answers since the last call.
    fn answers(&self) -> Vec<String> {
        lock(&self.answers.0).drain(..).map(|packet| packet.text().to_string()).collect()
    }

    fn faults(&self) -> u64 {
        self.core().counters.event_faults.get()
    }
}

/// The notes of handlers, in order.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        lock(&self.0).push(note.into());
    }

    fn all(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

/// Polls a future until it can go no further. Returns whether it has ended.
fn settle(future: &mut BoxFuture<'_, ()>) -> bool {
    use std::task::{Context, Wake};

    thread_local!(static WOKEN: Cell<bool> = const { Cell::new(false) });
    struct Waker;
    impl Wake for Waker {
        fn wake(self: Arc<Self>) {
            WOKEN.set(true);
        }
    }
    let waker = Arc::new(Waker).into();
    WOKEN.set(true);
    while WOKEN.replace(false) {
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return true;
        }
    }
    false
}
