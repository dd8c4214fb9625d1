//! The machine's stories, one theme a file. The simulation, beside this folder, pairs machines under a
//! hostile wire.

use super::{
    Arrival, Attach, CloseReason, Config, Frame, LinkId, LinkKind, Machine, Names, Role, frame::Outcome, rules,
};
use crate::{message::Message, payload::Payload};

mod acknowledging;
mod attaching;
mod closing;
mod droppables;
mod engineio;
mod fuzz;
mod grace;
mod heartbeats;
#[cfg(feature = "cluster")]
mod moving;
mod opening;
mod outbox;
mod parking;
mod pausing;
mod pressure;
mod racing;
mod rating;
mod raw;
mod reasons;
mod replay;
pub(crate) mod saboteur;
mod silence;
mod slow_line;
mod sockjs;
mod stream_probe;
mod stream_terms;
mod taking_over;
mod uploads;

const INTERVAL: u64 = 1_000;
const TIMEOUT: u64 = 500;
const GRACE: u64 = 10_000;
const CONFIRM: u64 = 2_000;

fn config(role: Role) -> Config {
    Config {
        role,
        rules: &rules::NATIVE,
        interval: INTERVAL,
        timeout: TIMEOUT,
        grace: GRACE,
        confirm_timeout: CONFIRM,
        inbox: 4_096,
        outbox: 4_096,
        droppable_mark: 1 << 16,
        floor: 1 << 16,
        takes: crate::session::rules::Takes::All,
        base: 0,
    }
}

fn server() -> Machine {
    Machine::new(config(Role::Server), 0)
}

fn client() -> Machine {
    Machine::new(config(Role::Client), 0)
}

/// A WebSocket that resumes, from a client that has taken nothing.
fn resume(ordinal: u64) -> Attach {
    Attach { ordinal, turn: 0, kind: LinkKind::Duplex, opening: false, seen: false, received: 0, names: None }
}

fn opens(ordinal: u64) -> Attach {
    Attach { opening: true, ..resume(ordinal) }
}

/// A turn of a link over HTTP. Turns after the first come from a client that has received an answer.
fn turn(ordinal: u64, turn: u64, kind: LinkKind) -> Attach {
    Attach { turn, kind, seen: turn > 0, ..resume(ordinal) }
}

fn upload() -> Attach {
    Attach { kind: LinkKind::Upload, ..resume(0) }
}

const POLL: LinkKind = LinkKind::Poll { hold: 5_000 };

fn numbered(number: u64, text: &str) -> Frame {
    Frame::Message { number, message: Message::from(text).into() }
}

fn send(machine: &mut Machine, text: &str) {
    machine.send(Message::from(text).into()).expect("there is room");
}

fn send_all(machine: &mut Machine, from: u64, to: u64) {
    for number in from..=to {
        send(machine, &number.to_string());
    }
}

/// All that a link sends now.
fn sent_frames(machine: &mut Machine, now: u64, link: LinkId) -> Vec<Frame> {
    std::iter::from_fn(|| machine.poll_transmit(now, link)).collect()
}

/// The same in short notation: `m1:hello`, `a3`, `c4:1000`, `x4000`, and the record's letter otherwise.
fn sent_text(machine: &mut Machine, now: u64, link: LinkId) -> String {
    notation(&sent_frames(machine, now, link))
}

fn notation(frames: &[Frame]) -> String {
    let one = |frame: &Frame| match frame {
        Frame::Attached(start) => {
            format!("s{}{}", if start.outcome == Outcome::New { "new" } else { "full" }, start.received)
        }
        Frame::Message { number, message } => {
            format!("m{number}:{}", message.payload().as_message().and_then(Message::as_text).unwrap_or("binary"))
        }
        Frame::Gap { from, to } => format!("d{from}-{to}"),
        Frame::Ack { received } => format!("a{received}"),
        Frame::AckRequest => "w".into(),
        Frame::Pause { received, epoch } => format!("h{received},{epoch}"),
        Frame::Resume { received, epoch } => format!("g{received},{epoch}"),
        Frame::Ping { id, received: None } => format!("p{id}"),
        Frame::Ping { id, received: Some(received) } => format!("p{id},{received}"),
        Frame::Pong { id, received } => format!("q{id},{received}"),
        Frame::Confirm => "v".into(),
        Frame::Close { number, reason } => format!("c{number}:{}", reason.code),
        Frame::GoAway { delay } => format!("z{delay}"),
        Frame::PollDelay { delay } => format!("y{delay}"),
        Frame::Padding { length } => format!("i{length}"),
        Frame::Probe => "probe".into(),
        Frame::Noop => "noop".into(),
        Frame::LinkClose(reason) => format!("x{}", reason.code),
    };
    frames.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn receive(machine: &mut Machine, now: u64, link: LinkId, frames: impl IntoIterator<Item = Frame>) {
    for frame in frames {
        if machine.handle_frame(now, link, frame).is_err() {
            return;
        }
    }
}

/// All arrivals that the application takes now: texts, and gaps as `5-7`.
fn taken(machine: &mut Machine) -> String {
    let one = |arrival| match arrival {
        Arrival::Message(payload) => payload.into_message().as_text().unwrap_or("binary").to_owned(),
        Arrival::Gap { from, to } => format!("{from}-{to}"),
    };
    std::iter::from_fn(|| machine.poll_arrival()).map(one).collect::<Vec<_>>().join(" ")
}

fn code(result: Result<LinkId, CloseReason>) -> u16 {
    result.expect_err("refused").code
}

/// Two halves and one WebSocket between them.
struct Pair {
    client: Machine,
    server: Machine,
    up: LinkId,
    down: LinkId,
}

impl Pair {
    /// The session is open, the link confirmed, and nothing was sent yet.
    fn opened() -> Pair {
        let (mut client, mut server) = (client(), server());
        let up = client.attach(0, opens(1)).expect("a new link");
        let down = server.attach(0, opens(1)).expect("a new link");
        let mut pair = Pair { client, server, up, down };
        pair.talk(0);
        assert_eq!(pair.server.carrier(), Some(1));
        pair
    }

    /// Carries everything both ways until there is nothing to send.
    fn talk(&mut self, now: u64) {
        loop {
            let up = sent_frames(&mut self.client, now, self.up);
            let down = sent_frames(&mut self.server, now, self.down);
            if up.is_empty() && down.is_empty() {
                return;
            }
            receive(&mut self.server, now, self.down, up);
            receive(&mut self.client, now, self.up, down);
        }
    }

    /// The link is cut, and what it would send now is lost.
    fn cut(&mut self, now: u64) {
        sent_frames(&mut self.client, now, self.up);
        sent_frames(&mut self.server, now, self.down);
        self.client.detach(now, self.up);
        self.server.detach(now, self.down);
    }

    fn resume(&mut self, now: u64, ordinal: u64) {
        let attach = Attach { received: self.client.received(), ..resume(ordinal) };
        self.up = self.client.attach(now, attach).expect("a new link");
        self.down = self.server.attach(now, attach).expect("a new link");
        self.talk(now);
    }
}

/// An interval that keeps heartbeats out of a story.
const HOUR: u64 = 3_600_000;

/// Two halves, a stream that carries down, and uploads.
struct Streaming {
    client: Machine,
    server: Machine,
    ordinal: u64,
    turn: u64,
    up: LinkId,
    down: LinkId,
}

impl Streaming {
    /// Opened by a POST; the stream is its turn 1, which began `gap` ms after the opening's answer had ended.
    fn opened(gap: u64) -> Streaming {
        let (mut client, mut server) = (client(), server());
        server.heartbeat.set_times(HOUR, server.heartbeat.timeout());
        let up = client.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
        let down = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("a new link");
        let start = sent_frames(&mut server, 0, down);
        receive(&mut client, 0, up, start);
        client.detach(0, up);
        server.detach(0, down);
        let mut streaming = Streaming { client, server, ordinal: 1, turn: 0, up, down };
        streaming.next_turn(gap, LinkKind::Stream);
        assert_eq!(streaming.arrives(gap), "sfull0");
        streaming
    }

    fn next_turn(&mut self, now: u64, kind: LinkKind) {
        self.turn += 1;
        let attach = Attach { received: self.client.received(), ..turn(self.ordinal, self.turn, kind) };
        self.up = self.client.attach(now, attach).expect("the next turn");
        self.down = self.server.attach(now, attach).expect("the next turn");
    }

    /// The answer has ended, for both.
    fn ends(&mut self, now: u64) {
        self.client.detach(now, self.up);
        self.server.detach(now, self.down);
    }

    fn send(&mut self, now: u64, text: &str) -> String {
        send(&mut self.server, text);
        sent_text(&mut self.server, now, self.down)
    }

    /// Delivers to the client what the stream sends now.
    fn arrives(&mut self, now: u64) -> String {
        let frames = sent_frames(&mut self.server, now, self.down);
        let sent = notation(&frames);
        receive(&mut self.client, now, self.up, frames);
        sent
    }

    /// An upload acknowledges all that was sent up to `number`.
    fn acknowledges(&mut self, now: u64, number: u64) {
        let link = self.server.attach(now, Attach { received: number, ..upload() }).expect("an upload");
        receive(&mut self.server, now, link, [Frame::Ack { received: number }]);
        sent_frames(&mut self.server, now, link);
        self.server.detach(now, link);
    }

    /// The round trip that the server assumes when a request is sent now.
    fn trip(&mut self, now: u64) -> u64 {
        let sent = self.send(now, "far?");
        assert!(sent.split(' ').any(|one| one == "w"), "{sent}");
        self.server.poll_timeout().expect("a deadline") - now - 250
    }

    /// The same, and all is acknowledged at `answered`; the deadlines before pass on time.
    fn trip_answered(&mut self, now: u64, answered: u64) -> u64 {
        let trip = self.trip(now);
        while self.server.poll_timeout().is_some_and(|deadline| deadline < answered) {
            self.due();
        }
        self.acknowledges(answered, self.server.last_number());
        trip
    }

    /// The deadline passes on time. Returns when that is, and what is sent then.
    fn due(&mut self) -> (u64, String) {
        let now = self.server.poll_timeout().expect("a deadline");
        self.server.handle_timeout(now);
        (now, sent_text(&mut self.server, now, self.down))
    }
}

/// Sends a message at `now` on a stream that is held back. Returns the third deadline, and the frames sent at
/// it.
fn held(one: &mut Streaming, now: u64) -> (u64, String) {
    assert!(one.send(now, "void").ends_with(":void w"));
    one.due();
    one.due();
    one.due()
}
