//! The same for clients of Socket.IO over a WebSocket.

use anywire::{Anywire, Data, Events, Session};
use futures::StreamExt;

use crate::{
    answer,
    bench::{Bench, Costs, TEXT, exchange, frames},
    enter, send_on,
    support::{Io, Socket},
};

async fn send_back(Data(text): Data<String>, session: Session) {
    let _ = session.emit("e", &text).await;
}

/// A client that has opened the namespace `/`.
async fn open(bench: &Bench) -> Socket {
    let mut socket = bench.site.websocket("socket.io/?EIO=4&transport=websocket").await;
    let opened = socket.io.next().await.unwrap().unwrap();
    assert!(opened.into_text().unwrap().starts_with("0{"));
    socket.text("40").await;
    let opened = socket.io.next().await.unwrap().unwrap();
    assert!(opened.into_text().unwrap().starts_with("40{"));
    socket
}

#[test]
fn an_event_back_and_a_request() {
    let events = Events::new().on("e", send_back).on("r", answer);
    let bench = Bench::of(&Anywire::builder().events(events).build());
    let mut socket = bench.runtime.block_on(open(&bench));
    for count in [1, 16] {
        for event in ["42[\"e\",", "421[\"r\","] {
            let messages = frames((0..count).map(|_| format!("{event}\"{TEXT}\"]")));
            let costs = exchange(&bench, &mut [socket.io.get_mut()], &messages, b'4', count);
            // Its text, the future of its handler, the handler's value, and the text that is sent: as for our own
            // client.
            let allocations = 4 * count as u64;
            costs.check(Costs { allocations, locks: if count == 1 { 10 } else { 40 }, reads: 1, writes: 1 });
        }
    }
}

#[test]
fn an_event_in_a_room() {
    for members in [2_u64, 10] {
        let events = Events::new().on_open(enter).on("e", send_on);
        let bench = Bench::of(&Anywire::builder().events(events).build());
        let mut clients: Vec<Socket> =
            bench.runtime.block_on(futures::future::join_all((0..members).map(|_| open(&bench))));
        let mut all: Vec<&mut dyn Io> =
            clients.iter_mut().map(|client| client.io.get_mut().as_mut() as &mut dyn Io).collect();
        for count in [1, 10] {
            let messages = frames(std::iter::repeat_n(format!("42[\"e\",\"{TEXT}\"]"), count));
            let costs = exchange(&bench, &mut all, &messages, b'4', count);
            let count = count as u64;
            // As for our own client. The task of the session asks for further namespaces once a turn.
            let locks = count + 7 + members * (count + 1);
            costs.check(Costs { allocations: 8 * count, locks, reads: 1, writes: members });
        }
    }
}
