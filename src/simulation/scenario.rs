//! The sizes, times and odds that a seed decides before the world begins.

use bytes::Bytes;
use bytestring::ByteString;

use super::random::Random;
use crate::{
    broadcast::OutMessage,
    codec::native::Spelling,
    dialect::{Head, Kind},
    message::Message,
    packet::Packet,
    payload::Payload,
    pool::Pool,
    session::{Config, Names, Role, rules},
};

/// Each side sends at least this many messages.
const MESSAGES: u64 = 500;

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    pub(crate) grace: u64,
    pub(crate) confirm_timeout: u64,
    pub(crate) hold: u64,
    pub(crate) inbox: usize,
    pub(crate) outbox: usize,
    pub(crate) base: u64,
    /// Whether packets are encoded.
    pub(crate) encoded: bool,
    pub(crate) latency: u64,
    pub(crate) jitter: u64,
    pub(crate) target: u64,
    /// The number of messages between two lulls, in which all must arrive.
    pub(crate) lap: u64,
    /// Milliseconds between two bursts, and the most messages of one.
    pub(crate) client_pause: u64,
    pub(crate) server_pause: u64,
    pub(crate) burst: u64,
    /// The longest payload of most messages.
    pub(crate) large: u64,
    /// Milliseconds between two faults.
    pub(crate) fault_pause: u64,
    /// How many of 8 tries are WebSockets.
    pub(crate) sockets: u64,
    pub(crate) stream_budget: usize,
    pub(crate) upload_limit: usize,
    /// One send in this many is droppable; 0: none is.
    pub(crate) droppable: u64,
    /// One of the server's sends in this many is the newest value of one of a few keys; 0: none is.
    pub(crate) values: u64,
    pub(crate) droppable_mark: usize,
    /// How many of 4 failed uploads are sent again unchanged.
    pub(crate) repeats: u64,
    /// One stream in this many is held back on the way; 0: none is.
    pub(crate) keeping: u64,
    /// One packet in this many arrives just when the receiver has a deadline.
    pub(crate) snap: u64,
    /// The names that the client lists.
    pub(crate) names: Names,
    /// One message in this many is a request; 0: none is.
    pub(crate) requests: u64,
    /// For one event in this many the server's handler asks the client, and waits; 0: it never does.
    pub(crate) asks_back: u64,
    /// One packet with an event in this many is cut before, in or behind it; 0: none is.
    pub(crate) torn: u64,
    /// How many nodes there are.
    pub(crate) nodes: usize,
}

impl Scenario {
    pub(crate) fn new(random: &mut Random) -> Self {
        let keeping = random.pick(&[0, 0, 4, 1]);
        // Where all streams are held back, the heartbeat must not be the first to notice.
        let slowest = if keeping == 1 { 4_000 } else { 1_500 };
        Scenario {
            interval: random.range(300, slowest),
            timeout: random.range(150, 600),
            grace: random.range(1500, 5000),
            confirm_timeout: random.range(300, 1000),
            hold: random.range(100, 1500),
            inbox: random.pick(&[3_000, 12_000, 64_000, 256_000]),
            outbox: random.pick(&[3_000, 12_000, 64_000, 256_000]),
            base: random.pick(&[0, 0, 0, (1 << 31) - 2, (1 << 32) - 2, (1 << 53) - 20_000]),
            encoded: random.one_in(3),
            latency: random.range(1, 40),
            jitter: random.range(0, 30),
            target: MESSAGES + random.below(60),
            lap: random.pick(&[60, 120, 200, 600]),
            client_pause: random.range(10, 200),
            server_pause: random.range(10, 200),
            burst: random.range(2, 16),
            large: random.pick(&[40, 200, 1000]),
            fault_pause: random.range(40, 500),
            sockets: random.below(9),
            stream_budget: random.pick(&[200, 2_000, 20_000]),
            upload_limit: random.pick(&[60, 400, 4_000, 40_000]),
            droppable: random.pick(&[0, 2, 5, 20]),
            values: random.pick(&[0, 2, 5, 20]),
            droppable_mark: random.pick(&[0, 2_000, 1 << 16]),
            repeats: random.pick(&[0, 2, 4]),
            keeping,
            snap: random.pick(&[4, 16, 64]),
            names: random.pick(&[
                Names::default(),
                Names::parse(b""),
                Names::parse(b"ping"),
                Names::parse(b"ping.rotate"),
            ]),
            requests: random.pick(&[0, 3, 8, 20]),
            asks_back: random.pick(&[0, 4, 30]),
            torn: random.pick(&[0, 4, 20]),
            nodes: random.pick(&[1, 1, 2, 3]),
        }
    }

    pub(crate) fn config(&self, role: Role) -> Config {
        Config {
            role,
            rules: &rules::NATIVE,
            interval: self.interval,
            timeout: self.timeout,
            grace: self.grace,
            confirm_timeout: self.confirm_timeout,
            inbox: self.inbox,
            outbox: self.outbox,
            droppable_mark: self.droppable_mark,
            floor: usize::MAX,
            takes: crate::session::rules::Takes::All,
            base: self.base,
        }
    }

    pub(crate) fn spelling(&self, random: &mut Random, duplex: bool) -> Option<Spelling> {
        match (self.encoded, duplex) {
            (false, _) => None,
            (true, true) => Some(Spelling::WebSocket),
            (true, false) => Some(random.pick(&[Spelling::Text, Spelling::Bytes])),
        }
    }

    /// A key of few, and its `count`th value.
    pub(crate) fn value(&self, random: &mut Random, count: u64) -> (ByteString, OutMessage) {
        let key = format!("k{}", random.below(8));
        let filler = ".".repeat(random.below(self.large) as usize);
        let message = Message::Text(format!("{key}={count}:{filler}").into());
        (key.into(), if random.one_in(4) { OutMessage::shared(message, &Pool::new(0, 0)) } else { message.into() })
    }

    /// The `count`th message of a side, which is sometimes an event. No two are equal.
    pub(crate) fn message(&self, random: &mut Random, side: char, count: u64) -> OutMessage {
        let text = self.text(random, side, count);
        let payload: Payload = match random.below(3) {
            // Some messages are empty.
            0 if random.one_in(24) => Message::Text("".into()).into(),
            1 if random.one_in(24) => Message::Binary(Bytes::new()).into(),
            2 if random.one_in(2) => packet(random, Kind::Event, None, &text).into(),
            0 => Message::Binary(text.into_bytes().into()).into(),
            _ => Message::Text(text.into()).into(),
        };
        if random.one_in(4) { OutMessage::shared(payload, &Pool::new(0, 0)) } else { payload.into() }
    }

    /// The `count`th message of a side as a request.
    pub(crate) fn request(&self, random: &mut Random, side: char, count: u64, id: u64) -> Payload {
        let text = self.text(random, side, count);
        packet(random, Kind::Event, Some(id), &text).into()
    }

    /// Whether the next message of an application is a request.
    pub(crate) fn asks(&self, random: &mut Random) -> bool {
        self.requests > 0 && random.one_in(self.requests)
    }

    fn text(&self, random: &mut Random, side: char, count: u64) -> String {
        let filler = match random.below(16) {
            0..3 => 0,
            3..15 => random.below(self.large),
            _ => random.below(5_000),
        };
        let mut text = format!("{side}{count}:");
        if random.one_in(4) {
            // Texts that a codec may mistake: control characters, separators, characters of two UTF-16 units,
            // its own grammar.
            text += random.pick(&["\0", "\r\n", "\u{2028}", "\u{ffff}", "😀é", "m3:", "\u{feff}", ":,"]);
        }
        text.extend(std::iter::repeat_n('.', filler as usize));
        text
    }
}

/// A packet with this text, with some attachments or none.
pub(crate) fn packet(random: &mut Random, kind: Kind, id: Option<u64>, text: &str) -> Packet {
    let count = if kind == Kind::Refused { 0 } else { random.pick(&[0, 0, 0, 1, 3, 10]) };
    let filler = ".".repeat(random.below(20) as usize);
    let attachments: Vec<Bytes> = (0..count).map(|at| Bytes::from(format!("{at}{text:.4}{filler}"))).collect();
    let kind = match (kind, count) {
        (kind, 0) => kind,
        (Kind::Ack, _) => Kind::BinaryAck,
        _ => Kind::BinaryEvent,
    };
    let data = if kind == Kind::Refused { format!("{{\"{text}\"}}") } else { format!("[\"{text}\"]") };
    let mut packet = String::new();
    Head { kind, attachments: attachments.len(), namespace: "/", id, data: &data }.write(&mut packet);
    Packet::new(packet, attachments)
}
