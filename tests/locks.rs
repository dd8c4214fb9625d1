//! How often a session is locked for an echo: the price of a message beside its system calls. Debug builds trace each lock operation.
#![allow(clippy::disallowed_methods)]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use anywire::{Anywire, Session};
use futures::{SinkExt, StreamExt};
use support::{Peer, Socket, site};
use tokio_tungstenite::tungstenite::Message;
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

/// Counts the events of the target that locks are traced with.
struct Locks(Arc<AtomicU64>);

impl Subscriber for Locks {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "anywire::lock"
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

async fn echo(session: Session) {
    while let Some(message) = session.recv().await {
        let _ = session.send(message).await;
    }
}

/// Sends so many messages in one write and waits for all of the answers.
async fn exchange(socket: &mut Socket, count: usize) {
    for number in 0..count {
        socket.io.feed(Message::text(format!("m{number}"))).await.unwrap();
    }
    socket.io.flush().await.unwrap();
    let mut answers = 0;
    while answers < count {
        if let Some(Ok(Message::Text(text))) = socket.io.next().await {
            answers += usize::from(text.starts_with('m'));
        }
    }
    // The server's tasks come to rest.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_echo_locks_its_session_a_bounded_number_of_times() {
    let locks = Arc::new(AtomicU64::new(0));
    let _guard = tracing::subscriber::set_default(Locks(locks.clone()));
    let server = Anywire::builder().handler(echo).build();
    let (_peer, mut socket) = Peer::open_socket(&site(&server)).await;
    socket.text("n1:").await;
    exchange(&mut socket, 1).await;
    // Several times: each takes the same way, but for an acknowledgement in between.
    for (count, most) in [(1, 9), (16, 39)] {
        for _ in 0..20 {
            let before = locks.load(Relaxed);
            exchange(&mut socket, count).await;
            let counted = locks.load(Relaxed) - before;
            assert!(counted > 0 && counted <= most, "{counted} lock operations for {count} messages");
        }
    }
}
