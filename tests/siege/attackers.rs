//! Those that attack, each kind until its process is ended.

use std::{net::SocketAddr, time::Duration};

use futures::{SinkExt, StreamExt, future::join_all};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    random::Random,
    support::{HOST, Peer, Site, attempt},
};

pub(crate) const ATTACKS: [&str; 8] = [
    "openings of one address",
    "openings of many addresses",
    "hoarders",
    "readers that take nothing",
    "small records",
    "small messages",
    "large bodies",
    "garbage",
];

pub(crate) async fn run(attack: &str, address: SocketAddr) {
    let number = ATTACKS.iter().position(|name| *name == attack).expect("there is such an attack");
    let several = async |count: u64| {
        join_all((0..count).map(|each| async move {
            match number {
                0 => openings(address, each, false).await,
                1 => openings(address, each, true).await,
                2 => hoard(&site(address, each)).await,
                3 => take_nothing(address, &site(address, each), each).await,
                4 => flood(&site(address, each), false).await,
                5 => flood(&site(address, each), true).await,
                6 => bodies(&site(address, each)).await,
                _ => garbage(address, each).await,
            }
        }))
        .await;
    };
    several([4, 4, 40, 100, 6, 6, 8, 8][number]).await;
}

/// Each attacker has an address of its own.
fn site(address: SocketAddr, number: u64) -> Site {
    Site::at(address).forwarded_for(&format!("198.51.100.{number}"))
}

/// Opens sessions as fast as one connection can.
async fn openings(address: SocketAddr, connection: u64, many: bool) {
    for round in 0_u64.. {
        let Ok(stream) = TcpStream::connect(address).await else { continue };
        let (mut answers, mut requests) = stream.into_split();
        let reader = tokio::spawn(async move {
            let mut answer = vec![0; 65_536];
            while answers.read(&mut answer).await.is_ok_and(|length| length > 0) {}
        });
        let mut random = Random::new(round * 100 + connection);
        loop {
            let mut batch = String::new();
            for _ in 0..50 {
                let from = if many {
                    format!("10.{}.{}.1", random.below(250), random.below(250))
                } else {
                    "198.51.100.1".into()
                };
                let body = format!("o1,1,{},0:", attempt());
                batch += &format!(
                    "POST /live/open HTTP/1.1\r\nhost: {HOST}\r\norigin: http://{HOST}\r\nx-forwarded-for: {from}\r\n\
                    content-length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
            if requests.write_all(batch.as_bytes()).await.is_err() {
                break;
            }
        }
        reader.abort();
    }
}

/// A session, once the server gives one.
async fn open(site: &Site) -> Peer {
    loop {
        let mut peer = Peer::new(site);
        let answer = peer.post_open(&attempt(), "").await;
        if answer.status.is_success() {
            peer.take(&answer.records());
            return peer;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Asks for large messages and acknowledges none, in a new session when the old one has ended.
async fn hoard(site: &Site) {
    loop {
        let mut peer = open(site).await;
        for _ in 0..8 {
            peer.put("send 500000");
        }
        loop {
            let body = peer.flight(peer.upload_head());
            let answer = site.post(&peer.path("send"), body.bytes).await;
            if !answer.status.is_success() {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Asks for large answers over connections that take a few kilobytes, and reads none.
async fn take_nothing(address: SocketAddr, site: &Site, number: u64) {
    let mut random = Random::new(number);
    loop {
        let mut peer = open(site).await;
        for _ in 0..8 {
            peer.put("send 500000");
        }
        peer.turn = 1;
        let body = peer.flight(peer.resume()).bytes;
        let script = format!("GET /live/client.js HTTP/1.1\r\nhost: {HOST}\r\n\r\n").repeat(40);
        let post = |path: &str| {
            let head = format!("POST /live/{path} HTTP/1.1\r\nhost: {HOST}\r\norigin: http://{HOST}\r\n");
            [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
        };
        let mut held = Vec::new();
        for request in [post(&peer.path("fetch-stream")), script.into_bytes()] {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            if let Ok(mut connection) = socket.connect(address).await {
                let _ = timeout(Duration::from_secs(1), connection.write_all(&request)).await;
                held.push(connection);
            }
        }
        sleep(Duration::from_millis(random.between(2_000, 8_000))).await;
    }
}

/// Sends small records, or small messages that come back, as fast as the connection takes them.
async fn flood(site: &Site, messages: bool) {
    loop {
        let mut socket = Peer::new(site).send_open(&attempt(), "").await;
        let _ = socket.records().await;
        socket.text("v:").await;
        let (mut write, mut read) = socket.io.split();
        let (resumed, mut resumes) = tokio::sync::mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            while let Some(Ok(message)) = read.next().await {
                if let Message::Text(text) = message
                    && let Some(number) = text.strip_prefix('g').and_then(|text| text.split(',').next()?.parse().ok())
                    && resumed.send(number).is_err()
                {
                    break;
                }
            }
        });
        let records = "a0:".repeat(20_000);
        let mut next = 1_u64;
        loop {
            while let Ok(number) = resumes.try_recv() {
                let number: u64 = number;
                next = number + 1;
            }
            let sent = if messages {
                let mut sent = write.feed(Message::text(format!("n{next}:mx"))).await;
                for _ in 1..1_000 {
                    sent = sent.and(write.feed(Message::text("mx")).await);
                }
                next += 1_000;
                sent.and(write.feed(Message::text(format!("a{}:", 0))).await).and(write.flush().await)
            } else {
                write.send(Message::text(records.as_str())).await
            };
            if sent.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        reader.abort();
    }
}

/// Uploads a message of a megabyte again and again; it repeats a number, and is dropped.
async fn bodies(site: &Site) {
    loop {
        let mut peer = open(site).await;
        peer.upload().await;
        peer.send("x").await;
        let body = peer.upload_head().raw("n1:").payload(&"x".repeat(1_000_000).into()).bytes;
        while site.post(&peer.path("send"), body.clone()).await.status.is_success() {}
    }
}

/// Sends what is no HTTP, no record and no frame.
async fn garbage(address: SocketAddr, number: u64) {
    let mut random = Random::new(number);
    let head = |path: &str, length: usize| {
        format!(
            "POST /live/{path} HTTP/1.1\r\nhost: {HOST}\r\norigin: http://{HOST}\r\ncontent-length: {length}\r\n\
            x-forwarded-for: 198.51.100.7\r\n\r\n"
        )
    };
    let upgrade = format!(
        "GET /live/websocket HTTP/1.1\r\nhost: {HOST}\r\norigin: http://{HOST}\r\nconnection: upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    loop {
        let noise: Vec<u8> = (0..random.between(10, 4_000)).map(|_| random.below(256) as u8).collect();
        let start = match random.below(5) {
            0 => String::new(),
            1 => head("open", noise.len()),
            2 => head("send", noise.len()),
            3 => head("xhr-poll?session=nobody", noise.len()),
            _ => upgrade.clone(),
        };
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let _ = stream.write_all(&[start.as_bytes(), &noise].concat()).await;
        let _ = stream.shutdown().await;
        let mut answer = [0; 4096];
        let _ = timeout(Duration::from_secs(1), stream.read(&mut answer)).await;
    }
}
