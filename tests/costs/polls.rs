//! The same for our own client over HTTP, whose polls wait.

use anywire::Anywire;
use tokio::io::AsyncWriteExt;

use crate::{
    bench::{Bench, Costs, TEXT, TIMES, until, usual, usual_bytes},
    echo,
    sockjs::idle,
    support::{HOST, Peer},
};

/// A request of a browser's, on the connection that it keeps.
fn request(path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /live/{path} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: http://{HOST}\r\nContent-Type: text/plain\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The requests of one echo, which were made before, and the end of the answer to the first.
struct Round {
    send: Vec<u8>,
    sent: String,
    poll: Vec<u8>,
}

/// The next round of a client that sends so many messages at once.
fn next(peer: &mut Peer, count: usize) -> Round {
    let (send, sent) = upload(peer, count);
    peer.received += count as u64;
    Round { send, sent, poll: poll(peer) }
}

/// The request that sends the next messages, and the end of its answer.
fn upload(peer: &mut Peer, count: usize) -> (Vec<u8>, String) {
    (0..count).for_each(|_| peer.put(TEXT));
    let send = request(&peer.path("send"), &peer.flight(peer.upload_head()).bytes);
    peer.outbox.clear();
    (send, format!("a{}:", peer.last))
}

fn poll(peer: &mut Peer) -> Vec<u8> {
    peer.turn += 1;
    request(&peer.path("xhr-poll"), &peer.resume().bytes)
}

/// The costs of an echo of so many messages, and the bytes that it allocates.
fn echoed(bench: &Bench, count: usize) -> (Costs, u64) {
    let (mut peer, mut down, mut up) = bench
        .runtime
        .block_on(async { (Peer::open(&bench.site).await, bench.site.connect().await, bench.site.connect().await) });
    bench.runtime.block_on(async { down.write_all(&poll(&mut peer)).await.unwrap() });
    let rounds: Vec<Round> = (0..2 * TIMES).map(|_| next(&mut peer, count)).collect();
    let mut rounds = rounds.iter();
    let records = format!("m{}:{TEXT}", TEXT.len()).repeat(count).into_bytes();
    let mut exchange = async |buffer: &mut [u8]| {
        let round = rounds.next().unwrap();
        up.write_all(&round.send).await.unwrap();
        until(&mut up, buffer, round.sent.as_bytes()).await;
        until(&mut down, buffer, &records).await;
        down.write_all(&round.poll).await.unwrap();
    };
    let costs = usual(bench, &mut exchange);
    (costs, usual_bytes(bench, &mut exchange))
}

#[test]
fn an_echo() {
    for count in [1, 16] {
        let bench = Bench::of(&Anywire::builder().handler(echo).build());
        let (costs, bytes) = echoed(&bench, count);
        // Most are of axum, which boxes what it nests and parses the path anew, and of hyper. Of sixteen messages each has
        // memory of its own, and what holds them grows, twice for those that go out: the outbox holds none between two turns.
        let (allocations, locks, most_bytes) = if count == 1 { (54, 22, 26_000) } else { (86, 52, 31_200) };
        costs.check(Costs { allocations, locks, reads: 2, writes: 2 });
        assert!((1..=most_bytes).contains(&bytes), "{bytes} bytes");
    }
}

#[test]
fn an_echo_by_the_shortcut() {
    let bench = Bench::with_shortcut(&Anywire::builder().handler(echo).build());
    let (costs, bytes) = echoed(&bench, 1);
    // Two buffers of hyper's are 16,384 of the bytes.
    let (allocations, most_bytes) = (33, 24_300);
    assert!((1..=allocations).contains(&costs.allocations), "{costs:?}");
    assert!((16_384..=most_bytes).contains(&bytes), "{bytes} bytes");
}

/// The number of messages that wait.
const MESSAGES: usize = 50;

/// A part of the buffer that a connection reads into would hold all of it.
#[test]
fn a_message_that_waits_holds_no_more_than_itself() {
    let bench = Bench::of(&Anywire::builder().handler(idle).build());
    let (mut peer, mut up) =
        bench.runtime.block_on(async { (Peer::open(&bench.site).await, bench.site.connect().await) });
    let uploads: Vec<(Vec<u8>, String)> = (0..2 * MESSAGES).map(|_| upload(&mut peer, 1)).collect();
    let mut buffer = vec![0; 16 * 1024];
    let mut send = async |uploads: &[(Vec<u8>, String)]| {
        for (request, answer) in uploads {
            up.write_all(request).await.unwrap();
            until(&mut up, &mut buffer, answer.as_bytes()).await;
        }
    };
    let (first, others) = uploads.split_at(MESSAGES);
    // The first ones make the connection's buffers.
    bench.runtime.block_on(send(first));
    let counted = allocation_counter::measure(|| bench.runtime.block_on(send(others)));
    let each = counted.bytes_current / MESSAGES as i64;
    assert!((1..=256).contains(&each), "{each} bytes");
}
