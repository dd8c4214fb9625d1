//! The path of a stream, as bytes on a connection: acknowledgement requests, padding, and the end of an
//! answer.

#![allow(clippy::disallowed_methods, reason = "tests are not part of the server")]

mod support;

use std::time::Duration;

use anywire::{Anywire, Server};
use support::{Peer, echo, site};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, sleep, timeout},
};

/// A client that reads its stream write by write of the server.
struct Raw {
    peer: Peer,
    writes: UnboundedReceiver<String>,
}

impl Raw {
    async fn begin(server: &Server) -> Raw {
        let mut peer = Peer::open(&site(server)).await;
        peer.turn += 1;
        let body = peer.resume().bytes;
        let head = format!(
            "POST /live/{} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncontent-length: {}\r\n\r\n",
            peer.path("fetch-stream"),
            body.len(),
            host = support::HOST
        );
        let mut io = peer.site.connect().await;
        io.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        let (sender, writes) = unbounded_channel();
        tokio::spawn(async move {
            let mut buffer = [0; 16 * 1024];
            // This task always reads, so that two writes are not read as one.
            while let Ok(length @ 1..) = io.read(&mut buffer).await {
                sender.send(String::from_utf8(buffer[..length].to_vec()).unwrap()).unwrap();
            }
        });
        let mut raw = Raw { peer, writes };
        let mut began = String::new();
        while !began.contains("sfull,") {
            began += &raw.next().await;
        }
        raw
    }

    /// The bytes of the next write.
    async fn next(&mut self) -> String {
        timeout(Duration::from_secs(60), self.writes.recv()).await.expect("a write").unwrap()
    }

    /// Acknowledges in an upload that the client has taken messages up to `received`.
    async fn acknowledge(&mut self, received: u64) {
        self.peer.received = received;
        self.peer.upload().await;
    }
}

/// One chunk of HTTP.
fn chunk(content: &str) -> String {
    format!("{:X}\r\n{content}\r\n", content.len())
}

fn padding(length: usize) -> String {
    chunk(&format!("i{length}:{}", " ".repeat(length)))
}

#[tokio::test(start_paused = true)]
async fn padding_has_a_chunk_and_a_write_of_its_own() {
    let mut raw = Raw::begin(&Anywire::builder().handler(echo).build()).await;
    raw.peer.send("a").await;
    assert_eq!(raw.next().await, chunk("n1:m1:aw:"));
    assert_eq!(raw.next().await, padding(16));
    raw.acknowledge(1).await;
    sleep(Duration::from_secs(1)).await;
    for (number, text) in [(2, "b"), (3, "c")] {
        raw.peer.send(text).await;
        assert_eq!(raw.next().await, chunk(&format!("m1:{text}w:")));
        assert_eq!(raw.next().await, padding(16), "behind the message, in a chunk of its own");
        raw.acknowledge(number).await;
        sleep(Duration::from_secs(1)).await;
    }
    raw.peer.send("d").await;
    for expected in [chunk("m1:dw:"), padding(16), padding(16), padding(4096)] {
        assert_eq!(raw.next().await, expected);
    }
    raw.acknowledge(4).await;
    sleep(Duration::from_secs(1)).await;
    raw.peer.send("e").await;
    assert_eq!(raw.next().await, chunk("m1:ew:"));
    assert_eq!(raw.next().await, padding(4096));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_acknowledged_ends_and_the_next_turn_goes_on() {
    let server = Anywire::builder().handler(echo).build();
    let mut raw = Raw::begin(&server).await;
    let began = Instant::now();
    raw.peer.send("a").await;
    let mut all = String::new();
    while !all.ends_with("0\r\n\r\n") {
        all += &raw.next().await;
    }
    assert!(all.contains("x4008,20:held back on the way"), "{all}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    raw.peer.poll().await;
    assert_eq!(raw.peer.texts(), ["a"]);
    assert_eq!(server.sessions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_acknowledged_gets_one_request_and_no_padding() {
    let mut raw = Raw::begin(&Anywire::builder().handler(echo).build()).await;
    raw.peer.send("a").await;
    assert_eq!(raw.next().await, chunk("n1:m1:aw:"));
    raw.acknowledge(1).await;
    let more = timeout(Duration::from_secs(9), raw.writes.recv()).await;
    assert!(more.is_err(), "nothing more is sent");
}
