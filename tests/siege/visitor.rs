//! A client whose messages are numbered by itself as well, so that what comes back can be checked.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    time::{Instant, Sleep, sleep, sleep_until},
};

use crate::{
    random::Random,
    support::{Body, HOST, Payload, Peer, Record, Site, Socket, SocketEvent, Spelling, attempt},
};

/// The counts of what visitors have done and seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) done: BTreeMap<&'static str, u64>,
    /// The codes with which links ended.
    pub(crate) codes: BTreeMap<u16, u64>,
}

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Tally) {
        self.messages += other.messages;
        for (what, count) in other.done {
            *self.done.entry(what).or_default() += count;
        }
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
    }
}

pub(crate) struct Visitor {
    peer: Peer,
    name: String,
    sent: u64,
    /// The echoes that are still to come: the number of each message and its text.
    expected: VecDeque<(u64, String)>,
    random: Random,
    tally: Tally,
}

/// The ways to use a link.
#[derive(Clone, Copy)]
enum Kind {
    Socket,
    Stream,
    LongPoll,
    Poll,
}

impl Visitor {
    /// Comes and goes until `end`, and finishes in good order.
    pub(crate) async fn live(site: Site, number: u64, seed: u64, end: Instant) -> Tally {
        let random = Random::new(seed * 1_000_003 + number);
        let name = format!("visitor-{number}");
        let (sent, expected, tally) = (0, VecDeque::new(), Tally::default());
        let mut visitor = Visitor { peer: Peer::new(&site), name, sent, expected, random, tally };
        sleep(Duration::from_millis(visitor.random.below(2_000))).await;
        while Instant::now() < end {
            visitor.session(&site, end).await;
        }
        visitor.tally
    }

    /// One session from its opening to its end.
    async fn session(&mut self, site: &Site, end: Instant) {
        self.expected.clear();
        let mut socket = None;
        if self.random.chance(50) {
            let (peer, opened) = Peer::open_socket(site).await;
            self.peer = peer;
            socket = Some(opened);
        } else {
            self.peer = Peer::open(site).await;
        }
        self.tally.count("sessions");
        loop {
            let kind = [Kind::Socket, Kind::Stream, Kind::LongPoll, Kind::Poll];
            let kind = kind[self.random.below(4) as usize];
            let cut = (Instant::now() + Duration::from_millis(self.random.between(500, 12_000))).min(end);
            self.link(socket.take(), kind, cut).await;
            if Instant::now() >= end {
                return self.finish().await;
            }
            match self.random.below(100) {
                0..15 => self.reload().await,
                15..22 => return self.finish().await,
                22..25 => return self.leave().await,
                // The session ends when its grace has passed.
                25..27 => return self.tally.count("abandoned"),
                _ => self.tally.count("cuts"),
            }
        }
    }

    /// Uses one link until it is cut.
    async fn link(&mut self, opened: Option<Socket>, kind: Kind, cut: Instant) {
        if let Some(socket) = opened {
            self.tally.count("WebSocket");
            return self.socket(socket, cut).await;
        }
        match kind {
            Kind::Socket => {
                self.tally.count("WebSocket");
                let socket = self.peer.resume_socket().await;
                self.socket(socket, cut).await;
            }
            Kind::Stream => {
                self.tally.count("stream");
                self.peer.switch();
                self.stream(cut).await;
            }
            Kind::LongPoll => {
                self.tally.count("long poll");
                self.peer.switch();
                self.long_polls(cut).await;
            }
            Kind::Poll => {
                self.tally.count("poll");
                self.peer.switch();
                self.polls(cut).await;
            }
        }
    }

    async fn socket(&mut self, mut socket: Socket, cut: Instant) {
        self.check();
        let mut next = self.pause();
        loop {
            tokio::select! {
                () = sleep_until(cut) => break,
                () = &mut next => {
                    next = self.pause();
                    if self.peer.paused.is_none() {
                        let text = self.compose();
                        let number = self.peer.last;
                        socket.text(format!("n{number}:m{text}")).await;
                    }
                }
                event = socket.next() => {
                    let SocketEvent::Records(records) = event else {
                        return self.ended(&event);
                    };
                    let was_paused = self.peer.paused.is_some();
                    self.peer.take(&records);
                    if was_paused && self.peer.paused.is_none() {
                        socket.flight(&self.peer).await;
                    }
                    for record in &records {
                        match record {
                            Record::Ping(id) | Record::PingAck(id, _) => {
                                socket.text(format!("q{id},{}:", self.peer.received)).await;
                            }
                            Record::AckRequest => socket.text(format!("a{}:", self.peer.received)).await,
                            _ => {}
                        }
                    }
                    self.check();
                }
            }
        }
        if self.random.chance(30) {
            // The first bytes of a frame of 4,000.
            self.tally.count("cuts within a frame");
            let half = [&[0x81, 0xfe, 0x0f, 0xa0, 0, 0, 0, 0, b'm'][..], &[b'x'; 1_000]].concat();
            let _ = socket.io.get_mut().write_all(&half).await;
        }
    }

    fn ended(&mut self, event: &SocketEvent) {
        match event {
            SocketEvent::Closed(code, _) => *self.tally.codes.entry(*code).or_default() += 1,
            _ => self.tally.count("broken by the server"),
        }
    }

    async fn stream(&mut self, cut: Instant) {
        while Instant::now() < cut {
            let mut stream = self.peer.stream("fetch-stream").await;
            let mut next = self.pause();
            loop {
                tokio::select! {
                    () = sleep_until(cut) => return,
                    () = &mut next => {
                        next = self.pause();
                        self.compose();
                        self.upload().await;
                    }
                    records = stream.next() => {
                        let Some(records) = records else { break };
                        self.take(&records);
                        if records.contains(&Record::AckRequest) {
                            self.upload().await;
                        }
                    }
                }
            }
            self.tally.count("further answers");
        }
    }

    async fn long_polls(&mut self, cut: Instant) {
        let mut next = self.pause();
        while Instant::now() < cut {
            self.peer.turn += 1;
            let asking = self.peer.clone();
            let mut answer = Box::pin(async move { asking.send_poll().await });
            loop {
                tokio::select! {
                    () = sleep_until(cut) => return,
                    () = &mut next => {
                        next = self.pause();
                        self.compose();
                        self.upload().await;
                    }
                    answer = &mut answer => {
                        assert_eq!(answer.status, 200);
                        self.take(&answer.records());
                        break;
                    }
                }
            }
        }
    }

    async fn polls(&mut self, cut: Instant) {
        while Instant::now() < cut {
            self.compose();
            self.peer.turn += 1;
            let body = self.peer.flight(self.peer.resume());
            let answer = self.peer.site.post(&self.peer.path("poll"), body.bytes).await;
            assert_eq!(answer.status, 200);
            self.take(&answer.records());
            self.pause().await;
        }
    }

    /// Uploads what is not acknowledged, as it is or in one of the ways in which that fails.
    async fn upload(&mut self) {
        if self.random.chance(5) {
            self.tally.count("uploads cut");
            let body = self.peer.flight(self.peer.upload_head()).bytes;
            let head = format!(
                "POST /live/{} HTTP/1.1\r\nhost: {HOST}\r\norigin: http://{HOST}\r\ncontent-length: {}\r\n\r\n",
                self.peer.path("send"),
                body.len()
            );
            let mut connection = self.peer.site.connect().await;
            connection.write_all(&[head.as_bytes(), &body[..body.len() / 2]].concat()).await.unwrap();
        }
        if self.random.chance(10) {
            self.tally.count("uploads repeated");
            // The answer is not taken.
            let body = self.peer.flight(self.peer.upload_head()).bytes;
            self.peer.site.post(&self.peer.path("send"), body).await;
        }
        self.peer.upload().await;
        self.check();
    }

    /// A new page takes the session over. What the server has not taken by then is gone with the older page.
    async fn reload(&mut self) {
        self.tally.count("reloads");
        let peer = &mut self.peer;
        peer.ordinal += 16;
        (peer.turn, peer.seen, peer.paused) = (0, false, None);
        peer.outbox.clear();
        let Peer { ordinal, id, secret, received, .. } = &*peer;
        let head = Body::new(Spelling::Text).raw(&format!("t1,{ordinal},{},{id},{secret},{received}:", attempt()));
        let answer = peer.site.post(&format!("open?session={}", peer.id), head.bytes).await;
        assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
        let records = answer.records();
        let Some(Record::New(taken, _)) = records.first() else { panic!("not taken over: {records:?}") };
        peer.last = *taken;
        self.expected.retain(|(number, _)| number <= taken);
        self.take(&records);
    }

    /// Waits for every echo, and closes.
    async fn finish(&mut self) {
        self.peer.switch();
        while !self.expected.is_empty() {
            self.peer.upload().await;
            self.peer.poll().await;
            self.check();
        }
        self.tally.count("sessions to their end");
        self.leave().await;
    }

    /// Closes the session, whatever is under way.
    async fn leave(&mut self) {
        self.tally.count("closes");
        let close = self.peer.last + 1;
        let body = self.peer.flight(self.peer.upload_head()).with_text('c', &[&close, &1000], "bye");
        let answer = self.peer.site.post(&self.peer.path("send"), body.bytes).await;
        assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
    }

    /// Numbers the next message, which comes back.
    fn compose(&mut self) -> String {
        self.sent += 1;
        let length = if self.random.chance(3) { self.random.below(30_000) } else { self.random.below(200) };
        let text = format!("{} {} {}", self.name, self.sent, "x".repeat(length as usize));
        self.peer.put(text.as_str());
        self.expected.push_back((self.peer.last, text.clone()));
        text
    }

    fn take(&mut self, records: &[Record]) {
        self.peer.take(records);
        self.check();
        for record in records {
            if let Record::LinkClose(code, _) = record {
                *self.tally.codes.entry(*code).or_default() += 1;
            }
        }
    }

    /// Checks that what came back is what was sent, in order, once.
    fn check(&mut self) {
        assert!(self.peer.gaps.is_empty() && self.peer.closed.is_none(), "{:?}", self.peer.closed);
        for payload in self.peer.got.drain(..) {
            let (_, text) = self.expected.pop_front().expect("more came back than was sent");
            assert_eq!(payload, Payload::Text(text), "{}: lost, repeated or in another order", self.name);
            self.tally.messages += 1;
        }
    }

    fn pause(&mut self) -> std::pin::Pin<Box<Sleep>> {
        Box::pin(sleep(Duration::from_millis(self.random.between(500, 3_000))))
    }
}
