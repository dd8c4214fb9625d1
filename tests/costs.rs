//! The price of a message, a request and an event in a room: allocations, lock operations, and the reads and writes
//! of the server's connections. Debug builds trace each lock operation. And the memory of a session that is idle.
//!
//! Server and client are tasks of one thread. The client writes bytes that were made before and reads into a buffer
//! of its own, so that it allocates nothing.
#![allow(clippy::disallowed_methods, unreachable_pub)]

#[path = "costs/bench.rs"]
mod bench;
#[path = "costs/idle.rs"]
mod idle;
#[path = "costs/polls.rs"]
mod polls;
#[path = "costs/socketio.rs"]
mod socketio;
#[path = "costs/sockjs.rs"]
mod sockjs;
mod support;

use anywire::{Anywire, Data, Events, Reply, Session};

use bench::{Bench, Costs, TEXT, exchange, frames};
use support::{EventClient, Io, Peer};

async fn echo(session: Session) {
    while let Some(message) = session.recv().await {
        let _ = session.send(message).await;
    }
}

async fn answer(Data(text): Data<String>) -> Reply<String> {
    Reply(text)
}

async fn enter(session: Session) {
    session.join("all");
}

async fn send_on(Data(text): Data<String>, session: Session) {
    session.within("all").emit("e", &text);
}

#[test]
fn an_echo() {
    let bench = Bench::of(&Anywire::builder().handler(echo).build());
    let (_peer, mut socket) = bench.runtime.block_on(async {
        let (peer, mut socket) = Peer::open_socket(&bench.site).await;
        socket.text("n1:").await;
        (peer, socket)
    });
    for count in [1, 16] {
        let messages = frames(std::iter::repeat_n(format!("m{TEXT}"), count));
        let costs = exchange(&bench, &mut [socket.io.get_mut()], &messages, b'm', count);
        // Its payload.
        let allocations = count as u64;
        costs.check(Costs { allocations, locks: if count == 1 { 9 } else { 39 }, reads: 1, writes: 1 });
    }
}

#[test]
fn a_request() {
    let events = Events::new().on("e", answer);
    let bench = Bench::of(&Anywire::builder().events(events).build());
    let mut client = bench.runtime.block_on(EventClient::open(&bench.site, "events"));
    for count in [1, 16] {
        let messages = frames((1..=count).map(|id| format!("e2{id}[\"e\",\"{TEXT}\"]")));
        let costs = exchange(&bench, &mut [client.socket.io.get_mut()], &messages, b'e', count);
        // Its text, the future of its handler, the handler's value, and the answer's text.
        let allocations = 4 * count as u64;
        costs.check(Costs { allocations, locks: if count == 1 { 9 } else { 39 }, reads: 1, writes: 1 });
    }
}

#[test]
fn an_event_in_a_room() {
    for members in [2_u64, 10] {
        let events = Events::new().on_open(enter).on("e", send_on);
        let bench = Bench::of(&Anywire::builder().events(events).build());
        let open = async || EventClient::open(&bench.site, "events").await;
        let mut clients: Vec<EventClient> =
            bench.runtime.block_on(futures::future::join_all((0..members).map(|_| open())));
        let mut all: Vec<&mut dyn Io> =
            clients.iter_mut().map(|client| client.socket.io.get_mut().as_mut() as &mut dyn Io).collect();
        for count in [1, 10] {
            let messages = frames(std::iter::repeat_n(format!("e2[\"e\",\"{TEXT}\"]"), count));
            let costs = exchange(&bench, &mut all, &messages, b'e', count);
            let count = count as u64;
            // Its text, the future of its handler, the handler's value, the name of the room, the text of the event
            // for all, what shares it, and its frames, which are cut to their length.
            let allocations = 8 * count;
            // One for each event and each member, and one for each member's write.
            let locks = count + 6 + members * (count + 1);
            costs.check(Costs { allocations, locks, reads: 1, writes: members });
        }
    }
}
