//! The transport changes under a live session with traffic in both directions; every message arrives once and
//! in order.
#![allow(clippy::disallowed_methods)]

mod support;

use std::sync::{Arc, Mutex};

use anywire::{Anywire, Message, Server, Session, Transport};
use support::{Everywhere, Peer, Record, Records, Site, Socket, SocketEvent, Spelling, site, until};
use tokio::sync::mpsc;

/// A server whose handler sends numbers on demand, and records the messages that it receives.
struct Talker {
    server: Server,
    site: Site,
    received: Arc<Mutex<Vec<String>>>,
    to_send: mpsc::UnboundedSender<u64>,
    sent: u64,
}

impl Talker {
    fn new() -> Self {
        let (to_send, numbers) = mpsc::unbounded_channel::<u64>();
        let numbers = Arc::new(tokio::sync::Mutex::new(numbers));
        let received = Arc::new(Mutex::new(Vec::new()));
        let keep = received.clone();
        let handler = move |session: Session| {
            let (keep, numbers) = (keep.clone(), numbers.clone());
            async move {
                let mut numbers = numbers.lock().await;
                loop {
                    tokio::select! {
                        message = session.recv() => match message {
                            Some(Message::Text(text)) => keep.lock().unwrap().push(text.to_string()),
                            Some(_) => panic!("a binary message"),
                            None => return,
                        },
                        Some(number) = numbers.recv() => session.send(format!("s{number}")).await.unwrap(),
                    }
                }
            }
        };
        let server = Anywire::builder().handler(handler).build();
        let site = site(&server);
        Talker { server, site, received, to_send, sent: 0 }
    }

    /// The server sends `count` more messages, and the client puts as many into its outbox.
    fn traffic(&mut self, peer: &mut Peer, count: u64) {
        for _ in 0..count {
            self.sent += 1;
            self.to_send.send(self.sent).unwrap();
            peer.put(format!("c{}", peer.last + 1));
        }
    }

    async fn assert_complete(&self, peer: &Peer) {
        until("all was received", || self.received.lock().unwrap().len() as u64 >= peer.last).await;
        let sent: Vec<String> = (1..=self.sent).map(|number| format!("s{number}")).collect();
        assert_eq!(peer.texts(), sent);
        let put: Vec<String> = (1..=peer.last).map(|number| format!("c{number}")).collect();
        assert_eq!(*self.received.lock().unwrap(), put);
    }

    fn transport(&self) -> Transport {
        self.server.everywhere()[0].transport()
    }

    /// Takes records from a WebSocket until every message of the server has come.
    async fn drain_socket(&self, peer: &mut Peer, socket: &mut Socket) {
        while (peer.got.len() as u64) < self.sent || !peer.outbox.is_empty() {
            socket.text("w:").await;
            peer.take(&socket.records().await);
        }
    }

    async fn drain_polls(&self, peer: &mut Peer) {
        while (peer.got.len() as u64) < self.sent || !peer.outbox.is_empty() {
            peer.upload().await;
            if (peer.got.len() as u64) < self.sent {
                peer.poll().await;
            }
        }
    }

    async fn drain_stream(&self, peer: &mut Peer, stream: &mut Records) {
        peer.upload().await;
        while (peer.got.len() as u64) < self.sent {
            peer.take(&stream.next().await.unwrap());
        }
    }
}

/// Attaches a new ordinal over HTTP, so that its next turn confirms it.
async fn attach_http(peer: &mut Peer) {
    peer.switch();
    let answer = peer.send_poll().await;
    assert_eq!(answer.status, 200);
    peer.take(&answer.records());
}

#[tokio::test(start_paused = true)]
async fn websocket_poll_stream_websocket() {
    for spelling in [Spelling::Text, Spelling::Bytes] {
        let mut talker = Talker::new();
        let (mut peer, mut socket) = Peer::open_socket(&talker.site).await;
        talker.traffic(&mut peer, 40);
        socket.flight(&peer).await;
        talker.drain_socket(&mut peer, &mut socket).await;
        assert_eq!(talker.transport(), Transport::WebSocket);

        // The WebSocket is cut with messages under way in both directions.
        talker.traffic(&mut peer, 40);
        socket.flight(&peer).await;
        until("some was received", || talker.received.lock().unwrap().len() > 41).await;
        drop(socket);
        peer.spelling = spelling;
        attach_http(&mut peer).await;
        talker.traffic(&mut peer, 20);
        talker.drain_polls(&mut peer).await;
        assert_eq!(talker.transport(), Transport::XhrPoll);

        talker.traffic(&mut peer, 20);
        let mut stream = peer.stream("fetch-stream").await;
        talker.drain_stream(&mut peer, &mut stream).await;
        assert_eq!(talker.transport(), Transport::FetchStream);

        // The stream goes on until the WebSocket is confirmed; then it ends with 4000.
        talker.traffic(&mut peer, 30);
        peer.upload().await;
        peer.spelling = Spelling::Text;
        let mut socket = peer.attach_socket().await;
        peer.take(&socket.records().await);
        talker.traffic(&mut peer, 5);
        while (peer.got.len() as u64) < talker.sent {
            peer.take(&stream.next().await.unwrap());
        }
        socket.text("v:").await;
        socket.flight(&peer).await;
        let mut last = Vec::new();
        while let Some(records) = stream.next().await {
            last = records;
        }
        assert!(matches!(last.last(), Some(Record::LinkClose(4000, _))), "{last:?}");
        talker.traffic(&mut peer, 10);
        for number in peer.last - 9..=peer.last {
            socket.payload(&format!("c{number}").into()).await;
        }
        talker.drain_socket(&mut peer, &mut socket).await;
        talker.assert_complete(&peer).await;
        assert_eq!(talker.server.everywhere().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn each_transport_resumes_what_each_other_left() {
    const WAYS: [&str; 4] = ["websocket", "xhr-poll", "xhr-stream", "fetch-stream"];
    let mut talker = Talker::new();
    let mut peer = Peer::open(&talker.site).await;
    for from in WAYS {
        for to in WAYS {
            for way in [from, to] {
                talker.traffic(&mut peer, 7);
                match way {
                    "websocket" => {
                        let mut socket = peer.resume_socket().await;
                        talker.drain_socket(&mut peer, &mut socket).await;
                    }
                    "xhr-poll" => {
                        attach_http(&mut peer).await;
                        talker.drain_polls(&mut peer).await;
                    }
                    route => {
                        attach_http(&mut peer).await;
                        let mut stream = peer.stream(route).await;
                        talker.drain_stream(&mut peer, &mut stream).await;
                    }
                }
                assert_eq!(talker.transport().name(), way);
                // The client leaves this transport with messages that were not taken.
                talker.traffic(&mut peer, 3);
            }
        }
    }
    attach_http(&mut peer).await;
    talker.drain_polls(&mut peer).await;
    talker.assert_complete(&peer).await;
}

#[tokio::test(start_paused = true)]
async fn lost_answers_lose_nothing() {
    let mut talker = Talker::new();
    let mut peer = Peer::open(&talker.site).await;
    for round in 0..30 {
        talker.traffic(&mut peer, 3);
        tokio::task::yield_now().await;
        if round % 3 != 0 {
            // The answer of the upload is lost, or that of the poll.
            let mut lost = peer.clone();
            lost.upload().await;
            peer.turn += 1;
            lost.turn = peer.turn;
            assert_eq!(lost.send_poll().await.status, 200);
        }
    }
    talker.drain_polls(&mut peer).await;
    talker.assert_complete(&peer).await;
}

#[tokio::test(start_paused = true)]
async fn every_link_carries_until_one_is_confirmed() {
    let mut talker = Talker::new();
    let mut peer = Peer::open(&talker.site).await;
    peer.switch();
    let mut low = peer.clone();
    peer.switch();
    let mut high = peer.clone();
    // Two WebSockets race; neither is confirmed, both carry.
    let path = format!("websocket?session={}", peer.id);
    let mut low_socket = low.site.websocket(&path).await;
    low_socket.body(low.resume()).await;
    let mut high_socket = high.site.websocket(&path).await;
    high_socket.body(high.resume()).await;
    talker.traffic(&mut peer, 5);
    (low.last, high.last) = (peer.last, peer.last);
    low.take_until(&mut low_socket, 5).await;
    high.take_until(&mut high_socket, 5).await;
    assert_eq!(low.texts(), high.texts());
    low_socket.text("v:").await;
    talker.traffic(&mut peer, 5);
    low.take_until(&mut low_socket, 10).await;
    // The higher one is not confirmed and carries no longer; once it is confirmed, it replaces the lower one.
    high_socket.text("v:").await;
    assert_eq!(low_socket.closed().await.0, 4000);
    high.last = peer.last;
    high.take_until(&mut high_socket, 10).await;
    high_socket.flight(&peer).await;
    while !peer.outbox.is_empty() {
        high_socket.text("w:").await;
        let records = high_socket.records().await;
        high.last = peer.last;
        high.take(&records);
        peer.take(&records);
    }
    assert_eq!(peer.got.len(), 0, "these records bring no message");
    peer.got = high.got;
    talker.assert_complete(&peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_never_confirmed_is_ended_and_the_session_goes_on() {
    let mut talker = Talker::new();
    let (mut peer, mut socket) = Peer::open_socket(&talker.site).await;
    let mut silent = peer.clone().attach_socket().await;
    assert_eq!(silent.records().await, [Record::Full(0)]);
    assert_eq!(silent.closed().await.0, 4007);
    talker.traffic(&mut peer, 3);
    socket.flight(&peer).await;
    talker.drain_socket(&mut peer, &mut socket).await;
    talker.assert_complete(&peer).await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_may_be_cut_at_any_point_of_a_frame() {
    use futures::SinkExt;
    use tokio::io::AsyncWriteExt;
    use tokio_tungstenite::tungstenite::{
        Message,
        protocol::frame::{
            Frame, FrameHeader,
            coding::{Data, OpCode},
        },
    };

    let mut talker = Talker::new();
    let mut peer = Peer::open(&talker.site).await;
    let mut frame = Vec::new();
    let header = FrameHeader { opcode: OpCode::Data(Data::Text), mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
    Frame::from_payload(header, "mhalf a message".into()).format(&mut frame).unwrap();
    for cut in 0..frame.len() {
        let mut socket = peer.resume_socket().await;
        talker.traffic(&mut peer, 1);
        let number = peer.last;
        socket.io.send(Message::text(format!("n{number}:"))).await.unwrap();
        socket.io.get_mut().write_all(&frame[..cut]).await.unwrap();
        socket.io.get_mut().flush().await.unwrap();
        drop(socket);
    }
    let mut socket = peer.resume_socket().await;
    talker.drain_socket(&mut peer, &mut socket).await;
    talker.assert_complete(&peer).await;
    assert!(matches!(socket.quiet().await, None | Some(SocketEvent::Records(_))));
}

#[tokio::test(start_paused = true)]
async fn when_the_carrying_link_ends_another_carries_at_once() {
    let mut talker = Talker::new();
    let (mut peer, mut socket) = Peer::open_socket(&talker.site).await;
    let mut second = peer.clone();
    let mut second_socket = second.attach_socket().await;
    second.take(&second_socket.records().await);
    talker.traffic(&mut peer, 3);
    peer.take_until(&mut socket, 3).await;
    assert_eq!(second_socket.quiet().await, None, "only the confirmed link carries");
    let before = tokio::time::Instant::now();
    drop(socket);
    // Messages sent on the ended link may be lost with it, so they are sent again.
    second.last = peer.last;
    second.take_until(&mut second_socket, 3).await;
    assert_eq!(before.elapsed().as_millis(), 0, "no timer had to pass");
    assert_eq!(second.texts(), peer.texts());
}

#[tokio::test(start_paused = true)]
async fn the_same_switches_with_messages_of_every_size() {
    let server = Anywire::builder().inbox(1 << 22).outbox(1 << 22).handler(support::echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    let sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 300_000];
    let mut want = Vec::new();
    for (round, way) in ["xhr-poll", "websocket", "fetch-stream", "websocket", "xhr-stream"].into_iter().enumerate() {
        for size in sizes {
            let payload = support::Payload::Binary(vec![u8::try_from(round).unwrap(); size]);
            want.push(payload.clone());
            peer.put(payload);
        }
        if way == "websocket" {
            let mut socket = peer.resume_socket().await;
            peer.take_until(&mut socket, want.len()).await;
        } else {
            attach_http(&mut peer).await;
            peer.upload().await;
            while peer.got.len() < want.len() {
                let mut stream = peer.stream(way).await;
                while peer.got.len() < want.len() {
                    let Some(records) = stream.next().await else { break };
                    peer.take(&records);
                }
            }
        }
    }
    assert_eq!(peer.got, want);
    peer.upload().await;
    assert!(peer.outbox.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_servers_transport_is_that_of_the_link_that_carries() {
    let server = Anywire::builder().handler(support::echo).build();
    let site = site(&server);
    let mut peer = Peer::open(&site).await;
    let transport = || server.everywhere()[0].transport();
    assert_eq!(transport(), Transport::XhrPoll);
    peer.send("confirms").await;
    peer.poll().await;
    let mut socket = peer.attach_socket().await;
    peer.take(&socket.records().await);
    assert_eq!(transport(), Transport::XhrPoll, "the new link is not confirmed yet");
    socket.text("v:n2:").await;
    peer.put("again");
    socket.payload(&"again".into()).await;
    peer.take_until(&mut socket, 2).await;
    assert_eq!(transport(), Transport::WebSocket);
    drop(socket);
    support::until("the link is gone", || !server.everywhere()[0].is_connected()).await;
    assert_eq!(transport(), Transport::WebSocket, "the last that carried");
    peer.switch();
    peer.take(&peer.send_poll().await.records());
    peer.turn = 1;
    peer.put("by a stream");
    peer.upload().await;
    let mut stream = peer.site.stream(&peer.path("fetch-stream"), peer.resume().bytes).await;
    peer.take(&stream.next().await.unwrap());
    assert_eq!(transport(), Transport::FetchStream);
}
