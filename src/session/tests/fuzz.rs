//! Any sequence of what a network, a clock and an application can do to a machine.

use super::{
    super::{
        droppable::WhenBehind,
        frame::{Attached, Grant, MAX_NUMBER, SessionParams},
    },
    *,
};
use crate::fuzz::Behaviour;

/// The bytes that a machine may hold, in and out.
const BOX: usize = 4_096;
const LARGEST: usize = 1_024;

/// Links that the operations know.
const LINKS: usize = 8;

/// A machine, and the bytes that tell what is done to it.
struct Play<'a> {
    machine: Machine,
    bytes: std::slice::Iter<'a, u8>,
    now: u64,
    links: Vec<LinkId>,
    /// How many numbers the application has received.
    arrived: u64,
    /// The last acknowledgement of our messages, and of the other half's.
    seen: (u64, u64),
}

impl Play<'_> {
    fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or_default()
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn number(&mut self) -> u64 {
        let byte = u64::from(self.byte());
        match byte {
            0..200 => byte,
            200..210 => self.machine.received() + byte - 200,
            210..220 => (self.machine.last_number() + byte - 210).min(MAX_NUMBER),
            220..230 => self.machine.acknowledged() + byte - 220,
            230..245 => 1_000 << (byte - 230),
            245..250 => 1 << (byte - 205),
            _ => MAX_NUMBER - (byte - 250),
        }
        .min(MAX_NUMBER)
    }

    fn time(&mut self) -> u64 {
        self.number().min(1 << 24)
    }

    fn message(&mut self) -> Message {
        Message::from("x".repeat(self.number() as usize % (LARGEST + 1)))
    }

    fn reason(&mut self) -> CloseReason {
        let codes = [1000, 1001, 3000, 4000, 4001, 4003, 4005, 4007, 4100, 4103, 4105, 4201, 4300, 4310, 4400, 0];
        CloseReason::new(codes[usize::from(self.byte() % 16)], "why")
    }

    fn link(&mut self) -> Option<LinkId> {
        let at = usize::from(self.byte());
        (!self.links.is_empty()).then(|| self.links[at % self.links.len()])
    }

    fn attach(&mut self) -> Attach {
        let kind = match self.byte() % 6 {
            0 | 1 => LinkKind::Duplex,
            2 => LinkKind::Opening,
            3 => LinkKind::Poll { hold: self.time() },
            4 => LinkKind::Stream,
            _ => LinkKind::Upload,
        };
        let names = [None, Some(Names::default()), Some(Names::parse(b"ping.cred"))];
        Attach {
            ordinal: self.number(),
            turn: self.number(),
            kind,
            opening: self.flag(),
            seen: self.flag(),
            received: self.number(),
            names: names[usize::from(self.byte() % 3)],
        }
    }

    fn frame(&mut self) -> Frame {
        match self.byte() % 20 {
            18 => Frame::Probe,
            19 => Frame::Noop,
            0..=2 => Frame::Message { number: self.machine.received() + 1, message: self.message().into() },
            3 => Frame::Message { number: self.number().max(1), message: self.message().into() },
            4 => Frame::Gap { from: self.number(), to: self.number() },
            5 => Frame::Ack { received: self.number() },
            6 => Frame::AckRequest,
            7 => Frame::Pause { received: self.number(), epoch: self.number() },
            8 => Frame::Resume { received: self.number(), epoch: self.number() },
            9 => Frame::Ping { id: self.number(), received: self.flag().then(|| self.number()) },
            10 => Frame::Pong { id: self.number(), received: self.number() },
            11 => Frame::Confirm,
            12 => Frame::Close { number: self.number(), reason: self.reason() },
            13 => Frame::GoAway { delay: self.number() },
            14 => Frame::PollDelay { delay: self.number() },
            15 => Frame::Padding { length: self.number() },
            16 => Frame::LinkClose(self.reason()),
            _ => {
                let params =
                    SessionParams { interval: 1, timeout: 1, grace: 1, limit: 1, batch: 1, hold: 1, spread: 1 };
                let grant = Grant { id: "id".into(), secret: "secret".into(), params };
                Frame::Attached(Attached {
                    outcome: if self.flag() { Outcome::New } else { Outcome::Full },
                    received: self.number(),
                    names: Names::default(),
                    grant: self.flag().then(|| Box::new(grant)),
                    secret: None,
                })
            }
        }
    }

    /// Does one thing.
    fn act(&mut self, behaviour: &mut Behaviour) {
        let (now, operation) = (self.now, self.byte() % 20);
        behaviour.note(operation);
        match operation {
            0 | 1 => {
                let attach = self.attach();
                let attached = if operation == 0 || self.flag() {
                    self.machine.attach(now, attach)
                } else {
                    let again = self.flag();
                    self.machine.take_over(now, attach, again)
                };
                match attached {
                    Ok(link) if self.links.len() < LINKS => self.links.push(link),
                    Ok(link) => {
                        let at = usize::from(self.byte()) % LINKS;
                        let before = std::mem::replace(&mut self.links[at], link);
                        self.machine.detach(now, before);
                    }
                    Err(reason) => behaviour.note(reason.code),
                }
            }
            2..=7 => {
                let (link, frame) = (self.link(), self.frame());
                if let Some(link) = link
                    && let Err(reason) = self.machine.handle_frame(now, link, frame)
                {
                    behaviour.note(reason.code);
                    self.machine.end(now, link, reason);
                }
            }
            8 => {
                let (link, reason) = (self.link(), self.reason());
                link.into_iter().for_each(|link| self.machine.end(now, link, reason.clone()));
            }
            9 => self.link().into_iter().for_each(|link| self.machine.detach(now, link)),
            10 => self.now += self.time(),
            11 => self.machine.handle_timeout(now),
            12 | 13 => {
                let message = self.message();
                behaviour.note(self.machine.send(message.into()).is_ok());
            }
            14 => {
                let ways = [WhenBehind::Keep, WhenBehind::KeepOrSkip, WhenBehind::Skip, WhenBehind::Latest("k".into())];
                let (how, message) = (&ways[usize::from(self.byte() % 4)], self.message());
                behaviour.note(self.machine.send_as(now, how, message.into()).is_ok());
            }
            15 => self.receive(),
            16 => self.machine.flush(),
            17 => match (self.byte() % 4, self.reason()) {
                (0, reason) => self.machine.close(reason),
                (1, reason) => self.machine.abort(now, reason),
                _ => {
                    let (delay, ordinal) = (self.time(), self.number());
                    self.machine.go_away(delay, ordinal);
                }
            },
            18 => {
                if self.machine.expect_attach(now) {
                    self.machine.cancel_attach(now);
                }
                // A request takes its time.
                if self.machine.has_sid() && self.machine.expect_upload(now).is_ok() {
                    if self.flag() {
                        behaviour.note(self.machine.expect_upload(now).is_ok());
                    }
                    self.machine.cancel_upload(now + 1);
                }
                behaviour.note((self.machine.stage(), self.machine.take_farewell()));
                if let Some(link) = self.link() {
                    if self.flag() {
                        self.machine.complete(link);
                    }
                    let bytes = self.number() as usize;
                    self.machine.handle_part(now, link, bytes);
                    self.machine.handle_write(now, link);
                }
            }
            _ => self.transmit(behaviour),
        }
    }

    fn receive(&mut self) {
        match self.machine.poll_arrival() {
            Some(Arrival::Message(_)) => self.arrived += 1,
            Some(Arrival::Gap { from, to }) => {
                assert_eq!(from, self.arrived + 1);
                self.arrived = to;
            }
            None => {}
        }
    }

    /// Takes all that each link sends now.
    fn transmit(&mut self, behaviour: &mut Behaviour) {
        for at in 0..self.links.len() {
            let mut last = 0;
            for count in 0.. {
                assert!(count < 10_000, "a link sends for ever");
                let Some(frame) = self.machine.poll_transmit(self.now, self.links[at]) else { break };
                behaviour.note(std::mem::discriminant(&frame));
                if let Frame::Message { number, .. } = frame {
                    assert!(number > last && number <= self.machine.last_number());
                    last = number;
                }
            }
        }
    }

    /// The laws that hold after each operation.
    fn check(&mut self, numbered: bool) {
        let machine = &self.machine;
        assert!(machine.outbox_bytes() <= BOX * 3 / 2 + 2 * LARGEST, "the outbox is bounded");
        let seen = (machine.acknowledged(), machine.received());
        assert!(seen.0 >= self.seen.0 && seen.1 >= self.seen.1, "acknowledgements only grow");
        assert!(seen.0 <= machine.last_number() && machine.last_number() <= MAX_NUMBER);
        assert!(self.arrived <= seen.1, "nothing arrives that was not taken");
        if numbered {
            assert!(machine.inbox.bytes() <= BOX, "the inbox is bounded");
        }
        self.seen = seen;
    }
}

#[test]
fn fuzz_machine() {
    crate::fuzz::run("machine", 20_000, |input, behaviour| {
        let families = [&rules::NATIVE, &rules::RAW, &rules::ENGINE_IO_4, &rules::ENGINE_IO_3, &rules::SOCKJS];
        let family = usize::from(input.first().copied().unwrap_or_default()) % families.len();
        let rules = families[family];
        let config = Config { rules, ..config(Role::Server) };
        let bytes = input.get(1..).unwrap_or_default().iter();
        let mut play =
            Play { machine: Machine::new(config, 0), bytes, now: 0, links: Vec::new(), arrived: 0, seen: (0, 0) };
        while !play.bytes.as_slice().is_empty() {
            play.act(behaviour);
            play.check(family == 0);
        }
        behaviour.note(play.machine.state());
        behaviour.note(play.machine.closed().map(|reason| reason.code));
        // A machine that nobody links to any more ends.
        for link in std::mem::take(&mut play.links) {
            play.machine.detach(play.now, link);
        }
        for round in 0.. {
            assert!(round < 100, "it never ends");
            let Some(due) = play.machine.poll_timeout() else { panic!("nothing is due") };
            if play.machine.is_over() {
                break;
            }
            play.now = play.now.max(due);
            play.machine.handle_timeout(play.now);
        }
    });
}
