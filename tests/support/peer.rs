//! The client's half of a session: its numbers, the messages taken and those not yet acknowledged. It panics
//! at a lost, a repeated or a misplaced message.

use std::collections::VecDeque;

use super::{
    records::{Body, Payload, Record, Spelling},
    site::{Answer, Records, Site},
};

/// One client. Its fields are public, so that a test can set false ones.
#[derive(Clone, Debug)]
pub struct Peer {
    pub site: Site,
    pub spelling: Spelling,
    pub id: String,
    pub secret: String,
    pub received: u64,
    /// The number of the last message that the client has numbered.
    pub last: u64,
    /// The messages that are not yet acknowledged.
    pub outbox: VecDeque<(u64, Payload)>,
    pub ordinal: u64,
    pub turn: u64,
    pub seen: bool,
    /// The epoch of the pause in force.
    pub paused: Option<u64>,
    pub got: Vec<Payload>,
    pub gaps: Vec<(u64, u64)>,
    pub closed: Option<(u16, String)>,
    pub go_away: Option<u64>,
}

impl Peer {
    /// A client that has not opened yet.
    pub fn new(site: &Site) -> Self {
        Peer {
            site: site.clone(),
            spelling: Spelling::Text,
            id: String::new(),
            secret: String::new(),
            received: 0,
            last: 0,
            outbox: VecDeque::new(),
            ordinal: 0,
            turn: 0,
            seen: false,
            paused: None,
            got: Vec::new(),
            gaps: Vec::new(),
            closed: None,
            go_away: None,
        }
    }

    /// Opens over POST, and takes the records of the first answer.
    pub async fn open(site: &Site) -> Self {
        Self::open_with(site, &attempt(), "").await
    }

    pub async fn open_with(site: &Site, attempt: &str, auth: &str) -> Self {
        let mut peer = Peer::new(site);
        let records = peer.post_open(attempt, auth).await.records();
        assert!(matches!(records[0], Record::New(..)), "{records:?}");
        peer.take(&records);
        peer
    }

    /// The answer to an opening with the next ordinal and the whole outbox.
    pub async fn post_open(&mut self, attempt: &str, auth: &str) -> Answer {
        self.ordinal += 1;
        (self.turn, self.seen) = (0, false);
        let body = self.body().with_text('o', &[&1, &self.ordinal, &attempt], auth);
        let body = self.flight(body);
        self.site.post(&self.path("open"), body.bytes).await
    }

    pub fn body(&self) -> Body {
        Body::new(self.spelling)
    }

    /// A path with the parameters that the protocol requires.
    pub fn path(&self, route: &str) -> String {
        let bytes = if self.spelling == Spelling::Bytes { "bytes=1" } else { "bytes=0" };
        if self.id.is_empty() { format!("{route}?{bytes}") } else { format!("{route}?session={}&{bytes}", self.id) }
    }

    /// The head record of an attach.
    pub fn resume(&self) -> Body {
        let seen = u64::from(self.seen);
        self.body().record('r', &[&1, &self.ordinal, &self.turn, &seen, &self.id, &self.secret, &self.received])
    }

    /// The head record of an upload.
    pub fn upload_head(&self) -> Body {
        self.body().record('u', &[&1, &self.id, &self.secret, &self.received])
    }

    /// Appends every message that is not acknowledged to a head.
    pub fn flight(&self, mut body: Body) -> Body {
        if let Some((first, _)) = self.outbox.front() {
            body = body.record('n', &[first]);
        }
        for (_, payload) in &self.outbox {
            body = body.payload(payload);
        }
        body
    }

    /// Numbers a message; the next upload or attach sends it.
    pub fn put(&mut self, payload: impl Into<Payload>) {
        self.last += 1;
        self.outbox.push_back((self.last, payload.into()));
    }

    /// Begins the next link over HTTP: a higher ordinal than all before.
    pub fn switch(&mut self) {
        self.ordinal += 1;
        (self.turn, self.seen) = (0, false);
    }

    /// One request of `xhr-poll` on the next turn of the present ordinal; its records are taken.
    pub async fn poll(&mut self) -> Vec<Record> {
        self.turn += 1;
        assert!(self.turn < 10_000, "too many polls brought nothing");
        let answer = self.send_poll().await;
        assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
        let records = answer.records();
        self.take(&records);
        records
    }

    /// One request of `xhr-poll` with the present fields; nothing is taken.
    pub async fn send_poll(&self) -> Answer {
        self.site.post(&self.path("xhr-poll"), self.resume().bytes).await
    }

    /// Requests a stream on the next turn.
    pub async fn stream(&mut self, route: &str) -> Records {
        self.turn += 1;
        self.site.stream(&self.path(route), self.resume().bytes).await
    }

    /// Uploads the whole outbox, and takes the answer.
    pub async fn upload(&mut self) -> Vec<Record> {
        let body = self.flight(self.upload_head());
        let answer = self.site.post(&self.path("send"), body.bytes).await;
        assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
        let records = answer.records();
        self.take(&records);
        records
    }

    /// Sends one message by an upload.
    pub async fn send(&mut self, payload: impl Into<Payload>) {
        self.put(payload);
        self.upload().await;
    }

    /// Takes records in the order in which they came.
    pub fn take(&mut self, records: &[Record]) {
        for record in records {
            self.take_one(record);
        }
    }

    fn take_one(&mut self, record: &Record) {
        match record {
            Record::New(received, grant) => {
                (self.id, self.secret) = (grant.id.clone(), grant.secret.clone());
                self.seen = true;
                self.acknowledged(*received);
            }
            Record::Full(received) => {
                self.seen = true;
                self.acknowledged(*received);
            }
            Record::Ack(received) | Record::PingAck(_, received) => self.acknowledged(*received),
            Record::Pause(received, epoch) => {
                self.acknowledged(*received);
                self.paused = Some(*epoch);
            }
            Record::Resume(received, epoch) => {
                self.acknowledged(*received);
                self.paused = self.paused.filter(|paused| paused > epoch);
            }
            Record::Message(number, payload) => {
                assert!(*number <= self.received + 1, "messages are missing: {number} after {}", self.received);
                if *number == self.received + 1 {
                    self.received = *number;
                    self.got.push(payload.clone());
                }
            }
            Record::Gap(from, to) => {
                assert!(*from <= self.received + 1, "messages are missing before a gap");
                if *to > self.received {
                    self.gaps.push(((*from).max(self.received + 1), *to));
                    self.received = *to;
                }
            }
            Record::Close(number, code, reason) => {
                assert!(*number <= self.received + 1, "messages are missing before a close");
                if *number == self.received + 1 {
                    self.received = *number;
                    self.closed = Some((*code, reason.clone()));
                }
            }
            Record::GoAway(delay) => self.go_away = Some(*delay),
            Record::AckRequest
            | Record::Ping(_)
            | Record::Padding(_)
            | Record::PollDelay(_)
            | Record::LinkClose(..) => {}
        }
    }

    fn acknowledged(&mut self, received: u64) {
        assert!(received <= self.last, "an acknowledgement of a message that was never sent");
        while self.outbox.front().is_some_and(|(number, _)| *number <= received) {
            self.outbox.pop_front();
        }
    }

    /// The texts that were taken, in order.
    pub fn texts(&self) -> Vec<&str> {
        self.got
            .iter()
            .map(|payload| match payload {
                Payload::Text(text) => text.as_str(),
                Payload::Binary(_) => "(binary)",
            })
            .collect()
    }
}

/// A fresh attempt id.
pub fn attempt() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
