//! The same for our own client over HTTP, whose polls wait.

use anywire::Anywire;
use tokio::io::AsyncWriteExt;

use crate::{
    bench::{Bench, Costs, TEXT, TIMES, until, usual, usual_bytes},
    echo,
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
    (0..count).for_each(|_| peer.put(TEXT));
    let send = request(&peer.path("send"), &peer.flight(peer.upload_head()).bytes);
    peer.outbox.clear();
    peer.received += count as u64;
    Round { send, sent: format!("a{}:", peer.last), poll: poll(peer) }
}

fn poll(peer: &mut Peer) -> Vec<u8> {
    peer.turn += 1;
    request(&peer.path("xhr-poll"), &peer.resume().bytes)
}

#[test]
fn an_echo() {
    for count in [1, 16] {
        let bench = Bench::of(&Anywire::builder().handler(echo).build());
        let (mut peer, mut down, mut up) = bench.runtime.block_on(async {
            (Peer::open(&bench.site).await, bench.site.connect().await, bench.site.connect().await)
        });
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
        let costs = usual(&bench, &mut exchange);
        let bytes = usual_bytes(&bench, &mut exchange);
        // Thirty are of axum, which boxes what it nests and parses the path anew. Of sixteen messages each has memory of
        // its own, and what holds them grows.
        let (allocations, locks, most_bytes) = if count == 1 { (53, 22, 26_000) } else { (80, 52, 31_200) };
        costs.check(Costs { allocations, locks, reads: 2, writes: 2 });
        assert!((1..=most_bytes).contains(&bytes), "{bytes} bytes");
    }
}
