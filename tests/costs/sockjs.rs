//! The same for clients of SockJS.

use anywire::{Anywire, Session};
use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use crate::{
    bench::{Bench, Costs, TEXT, exchange, frames, until, usual},
    echo,
    support::{HOST, Io, Socket},
};

async fn fan_out(session: Session) {
    session.join("all");
    while let Some(message) = session.recv().await {
        session.within("all").send(message);
    }
}

pub async fn idle(session: Session) {
    let _session = session;
    std::future::pending::<()>().await;
}

async fn open(bench: &Bench, name: usize) -> Socket {
    let mut socket = bench.site.websocket(&format!("sockjs/000/{name}/websocket")).await;
    assert_eq!(socket.io.next().await.unwrap().unwrap().into_text().unwrap(), "o");
    socket
}

#[test]
fn an_echo_over_a_websocket() {
    let bench = Bench::of(&Anywire::builder().handler(echo).build());
    let mut socket = bench.runtime.block_on(open(&bench, 0));
    for count in [1, 16] {
        let messages = frames(std::iter::repeat_n(format!("[\"{TEXT}\"]"), count));
        let costs = exchange(&bench, &mut [socket.io.get_mut()], &messages, b'a', count);
        // Its payload, and what lets the part without brackets and quotes be the message.
        let allocations = 2 * count as u64;
        costs.check(Costs { allocations, locks: if count == 1 { 9 } else { 39 }, reads: 1, writes: 1 });
    }
}

#[test]
fn a_message_to_all_over_websockets() {
    for members in [2, 10] {
        let bench = Bench::of(&Anywire::builder().handler(fan_out).build());
        let mut clients: Vec<Socket> =
            bench.runtime.block_on(futures::future::join_all((0..members).map(|name| open(&bench, name))));
        let mut all: Vec<&mut dyn Io> =
            clients.iter_mut().map(|client| client.io.get_mut().as_mut() as &mut dyn Io).collect();
        for count in [1, 10] {
            let messages = frames(std::iter::repeat_n(format!("[\"{TEXT}\"]"), count));
            let costs = exchange(&bench, &mut all, &messages, b'a', count);
            let count = count as u64;
            // Its payload, the part of it that is the message, the name of the room, the message for all, and its frames,
            // which are cut to their length.
            let allocations = 6 * count;
            // One for each message and each member, and one for each member's write.
            let locks = count + 6 + members as u64 * (count + 1);
            costs.check(Costs { allocations, locks, reads: 1, writes: members as u64 });
        }
    }
}

/// A request of a browser's.
fn request(name: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /live/sockjs/000/s/{name} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: http://{HOST}\r\nContent-Type: text/plain\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

#[test]
fn an_echo_over_http() {
    for (receive, streams) in [("xhr_streaming", true), ("xhr", false)] {
        let bench = Bench::of(&Anywire::builder().handler(echo).build());
        let mut buffer = vec![0; 16 * 1024];
        let next = request(receive, "");
        let (mut down, mut up) =
            bench.runtime.block_on(async { (bench.site.connect().await, bench.site.connect().await) });
        bench.runtime.block_on(async {
            down.write_all(&next).await.unwrap();
            until(&mut down, &mut buffer, b"o\n").await;
            if !streams {
                down.write_all(&next).await.unwrap();
            }
        });
        for count in [1, 16] {
            let texts = vec![format!("\"{TEXT}\""); count].join(",");
            let send = request("xhr_send", &format!("[{texts}]"));
            let end = format!("a[{texts}]\n");
            let costs = usual(&bench, async |buffer: &mut [u8]| {
                up.write_all(&send).await.unwrap();
                until(&mut up, buffer, b"HTTP/1.1 204").await;
                until(&mut down, buffer, end.as_bytes()).await;
                if !streams {
                    down.write_all(&next).await.unwrap();
                }
            });
            // Most are of hyper and axum. Of sixteen messages each has memory of its own, and what holds them grows.
            let allocations = match (streams, count) {
                (true, 1) => 20,
                (true, _) => 44,
                (false, 1) => 40,
                (false, _) => 74,
            };
            let (locks, reads) = (if count == 1 { 17 } else { 47 }, if streams { 1 } else { 2 });
            costs.check(Costs { allocations, locks, reads, writes: 2 });
        }
    }
}

/// The number of messages that wait.
const MESSAGES: usize = 50;

/// A part of the buffer that a connection reads into would hold all of it.
#[test]
fn a_message_that_waits_holds_no_more_than_itself() {
    let bench = Bench::of(&Anywire::builder().handler(idle).build());
    let mut buffer = vec![0; 16 * 1024];
    let (mut down, mut up) = bench.runtime.block_on(async { (bench.site.connect().await, bench.site.connect().await) });
    bench.runtime.block_on(async {
        down.write_all(&request("xhr_streaming", "")).await.unwrap();
        until(&mut down, &mut buffer, b"o\n").await;
    });
    let send = request("xhr_send", &format!("[\"{TEXT}\"]"));
    let mut send_all = async || {
        for _ in 0..MESSAGES {
            up.write_all(&send).await.unwrap();
            until(&mut up, &mut buffer, b"HTTP/1.1 204").await;
        }
    };
    // The first ones make the connection's buffers.
    bench.runtime.block_on(send_all());
    let counted = allocation_counter::measure(|| bench.runtime.block_on(send_all()));
    let each = counted.bytes_current / MESSAGES as i64;
    assert!((1..=256).contains(&each), "{each} bytes");
}
