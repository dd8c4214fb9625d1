//! A session whose server's half moves to another machine, whenever that is.

use bytes::Bytes;

use super::{
    super::{
        droppable::WhenBehind,
        machine::State,
        moving::{MovedMachine, TakeError},
    },
    *,
};
use crate::{config::RateLimit, packet::Packet, simulation::random::Random};

/// Moves through bytes, as between two nodes.
fn carried(moved: &MovedMachine) -> MovedMachine {
    let bytes = Bytes::from(moved.encode());
    let read = MovedMachine::decode(&bytes).expect("what was written");
    assert_eq!(&read, moved);
    read
}

fn moved(machine: &mut Machine, now: u64) -> Machine {
    let moved = machine.give(now).expect("it can move");
    Machine::taken(config(Role::Server), None, carried(&moved), now).expect("the same family")
}

#[test]
fn numbers_go_on_and_what_is_not_acknowledged_comes_again() {
    let mut pair = Pair::opened();
    send_all(&mut pair.server, 1, 3);
    pair.talk(1);
    send_all(&mut pair.server, 4, 5);
    receive(&mut pair.server, 1, pair.down, [numbered(1, "up"), Frame::Ack { received: 2 }]);
    let mut taken_over = moved(&mut pair.server, 2);
    assert_eq!(taken(&mut taken_over), "up");
    let attach = Attach { received: 3, ..resume(2) };
    let down = taken_over.attach(3, attach).expect("a new link");
    send(&mut taken_over, "6");
    assert_eq!(sent_text(&mut taken_over, 3, down), "sfull1 m4:4 m5:5 m6:6");
    receive(&mut taken_over, 3, down, [numbered(1, "up"), numbered(2, "more")]);
    assert_eq!(taken(&mut taken_over), "more");
}

#[test]
fn who_has_given_says_nothing_more_and_takes_nothing() {
    let mut pair = Pair::opened();
    send_all(&mut pair.server, 1, 2);
    let upload = pair.server.attach(1, upload()).expect("an upload");
    receive(&mut pair.server, 1, upload, [numbered(1, "up"), Frame::AckRequest]);
    pair.server.give(2).expect("it can move");
    assert!(!pair.server.can_move() && pair.server.give(2).is_none());
    receive(&mut pair.server, 2, pair.down, [numbered(2, "late"), Frame::AckRequest]);
    assert_eq!((pair.server.received(), taken(&mut pair.server)), (1, String::new()));
    assert_eq!(sent_text(&mut pair.server, 2, pair.down), "x4000");
    assert_eq!(sent_text(&mut pair.server, 2, upload), "x4000");
    assert!(pair.server.link_is_over(pair.down) && pair.server.link_is_over(upload));
    assert_eq!(code(pair.server.attach(3, resume(2))), 4202);
    assert_eq!(code(pair.server.attach(3, super::upload())), 4202);
    assert_eq!(pair.server.send(Message::from("x").into()), Err(crate::session::SendError::Closed));
    assert_eq!((pair.server.unacknowledged(), pair.server.held()), (0, 0));
}

#[test]
fn a_client_that_polls_goes_on_with_its_next_turn() {
    let mut server = server();
    let first = server.attach(0, Attach { kind: LinkKind::Opening, ..opens(1) }).expect("an opening");
    send(&mut server, "1");
    assert_eq!(sent_text(&mut server, 0, first), "snew0 m1:1");
    server.detach(1, first);
    let mut server = moved(&mut server, 2);
    assert_eq!(server.state(), State::Interrupted);
    let poll = server.attach(3, Attach { received: 1, ..turn(1, 1, POLL) }).expect("the next turn");
    send(&mut server, "2");
    assert_eq!(sent_text(&mut server, 3, poll), "sfull0 m2:2");
    assert_eq!(code(server.attach(3, Attach { received: 1, ..turn(1, 1, POLL) })), 4001, "the same turn again");
}

#[test]
fn a_link_that_is_older_than_the_last_one_comes_too_late() {
    let mut pair = Pair::opened();
    pair.cut(1);
    pair.resume(2, 5);
    let mut server = moved(&mut pair.server, 3);
    assert_eq!(code(server.attach(3, resume(4))), 4002);
    assert!(server.attach(3, resume(6)).is_ok());
    assert!(server.is_proven());
}

#[test]
fn grace_goes_on_where_it_was() {
    let mut pair = Pair::opened();
    pair.cut(20_000);
    let mut server = moved(&mut pair.server, 20_000 + GRACE / 2);
    let end = server.poll_timeout().expect("the end of grace");
    assert_eq!(end, 20_000 + GRACE);
    server.handle_timeout(end);
    assert_eq!(server.closed().map(|reason| reason.code), Some(4103));
}

#[test]
fn pauses_of_both_halves_go_on() {
    let mut pair = Pair::opened();
    receive(&mut pair.server, 1, pair.down, [Frame::Pause { received: 0, epoch: 1 }]);
    send(&mut pair.server, "waits");
    let large = "x".repeat(4_000);
    receive(&mut pair.server, 1, pair.down, [numbered(1, &large), numbered(2, &large)]);
    assert!(pair.server.is_paused());
    let mut server = moved(&mut pair.server, 2);
    let down = server.attach(3, resume(2)).expect("a new link");
    assert_eq!(sent_text(&mut server, 3, down), "sfull1 h1,1");
    receive(&mut server, 3, down, [Frame::Confirm]);
    assert_eq!(taken(&mut server), large);
    receive(&mut server, 3, down, [Frame::Resume { received: 0, epoch: 1 }]);
    assert_eq!(sent_text(&mut server, 3, down), "g1,1 m1:waits");
}

#[test]
fn a_close_under_way_is_still_to_be_acknowledged() {
    let mut pair = Pair::opened();
    send(&mut pair.server, "1");
    pair.server.close(CloseReason::new(3_001, "bye"));
    let mut server = moved(&mut pair.server, 1);
    assert_eq!(server.state(), State::Closing);
    let down = server.attach(2, resume(2)).expect("a new link");
    assert_eq!(sent_text(&mut server, 2, down), "sfull0 m1:1 c2:3001 w");
    receive(&mut server, 2, down, [Frame::Ack { received: 2 }]);
    assert_eq!(server.closed().map(|reason| reason.code), Some(3_001));
}

#[test]
fn what_was_skipped_and_what_waits_goes_on() {
    let mut pair = Pair::opened();
    send(&mut pair.server, &"x".repeat(3_000));
    for value in ["old", "new"] {
        let message = Message::from(value.repeat(800)).into();
        assert_eq!(pair.server.send_as(1, &WhenBehind::Latest("k".into()), message), Ok(true));
    }
    assert_eq!(pair.server.send_as(1, &WhenBehind::Skip, Message::from("x".repeat(2_000)).into()), Ok(false));
    let waiting = pair.server.outbox_bytes();
    let mut server = moved(&mut pair.server, 2);
    assert_eq!((server.outbox_bytes(), server.waits("k")), (waiting, true));
    let down = server.attach(3, resume(2)).expect("a new link");
    sent_frames(&mut server, 3, down);
    receive(&mut server, 3, down, [Frame::Confirm, Frame::Ack { received: 1 }]);
    let sent = sent_text(&mut server, 3, down);
    assert!(sent.contains("d2-2") && sent.contains(&"new".repeat(800)), "{sent}");
}

#[test]
fn the_rate_that_was_used_counts_elsewhere() {
    let limit = || RateLimit::none().messages(1);
    let mut pair = Pair::opened();
    pair.server.limit_rate(limit());
    receive(&mut pair.server, 50_000, pair.down, [numbered(1, "a"), numbered(2, "b")]);
    assert_eq!((pair.server.received(), pair.server.is_paused()), (1, true));
    let state = carried(&pair.server.give(50_000).expect("it can move"));
    let mut server = Machine::taken(config(Role::Server), Some(limit()), state.clone(), 7).expect("native");
    assert!(server.is_paused());
    let due = server.poll_timeout().expect("the end of the pause");
    assert!((500..2_000).contains(&(due - 7)), "{due}");
    server.handle_timeout(due);
    assert!(!server.is_paused());
    let server = Machine::taken(config(Role::Server), None, state, 7).expect("native");
    assert!(!server.is_paused(), "without a limit nothing would end the pause");
}

#[test]
fn only_sessions_of_our_own_protocol_move() {
    for rules in [&rules::RAW, &rules::ENGINE_IO_4, &rules::ENGINE_IO_3, &rules::SOCKJS] {
        let config = Config { rules, ..config(Role::Server) };
        let mut machine = Machine::new(config, 0);
        assert!(machine.give(0).is_none());
        let error = Machine::taken(config, None, MovedMachine::default(), 0).expect_err("another family");
        assert_eq!(error, TakeError::Family);
    }
    let mut pair = Pair::opened();
    pair.server.abort(1, CloseReason::new(4310, ""));
    assert!(pair.server.give(1).is_none(), "it has ended");
}

/// Everything at once: a session moves at any moment, again and again.
struct Journey {
    random: Random,
    now: u64,
    client: Machine,
    server: Machine,
    /// The links of both halves with what is on its way up, and down.
    links: Vec<(LinkId, LinkId, Vec<Frame>, Vec<Frame>)>,
    ordinal: u64,
    sent: [u64; 2],
    value: u64,
    got: [u64; 2],
    got_value: u64,
    moves: u64,
}

impl Journey {
    fn new(seed: u64) -> Self {
        let (client, server) = (client(), server());
        let random = Random::new(seed);
        let mut journey = Journey {
            random,
            now: 0,
            client,
            server,
            links: Vec::new(),
            ordinal: 0,
            sent: [0; 2],
            value: 0,
            got: [0; 2],
            got_value: 0,
            moves: 0,
        };
        journey.attach();
        journey
    }

    fn attach(&mut self) {
        self.ordinal += 1;
        let opening = self.ordinal == 1;
        let seen = self.client.received();
        let attach = Attach { received: seen, opening, ..resume(self.ordinal) };
        let up = self.client.attach(self.now, attach).expect("a new link");
        match self.server.attach(self.now, attach) {
            Ok(down) => self.links.push((up, down, Vec::new(), Vec::new())),
            Err(_) => self.client.detach(self.now, up),
        }
    }

    fn cut(&mut self, at: usize) {
        let (up, down, ..) = self.links.remove(at);
        self.client.detach(self.now, up);
        self.server.detach(self.now, down);
    }

    /// Some of what is on its way arrives; more comes on its way.
    fn carry(&mut self, most: u64) {
        for at in 0..self.links.len() {
            let (up, down, ..) = self.links[at];
            let sent = sent_frames(&mut self.client, self.now, up);
            self.links[at].2.extend(sent);
            let sent = sent_frames(&mut self.server, self.now, down);
            self.links[at].3.extend(sent);
            let (upwards, downwards) = (self.random.below(most) as usize, self.random.below(most) as usize);
            let (.., waits_up, waits_down) = &mut self.links[at];
            let upwards: Vec<_> = waits_up.drain(..upwards.min(waits_up.len())).collect();
            let downwards: Vec<_> = waits_down.drain(..downwards.min(waits_down.len())).collect();
            receive(&mut self.server, self.now, down, upwards);
            receive(&mut self.client, self.now, up, downwards);
        }
    }

    /// The server's half moves. Some of what it has said arrives late, or never.
    fn moves(&mut self) {
        let state = carried(&self.server.give(self.now).expect("it can move"));
        self.carry(4);
        let mut given = std::mem::replace(
            &mut self.server,
            Machine::taken(config(Role::Server), None, state, self.now / 2).expect("native"),
        );
        self.moves += 1;
        // The clock of the other node.
        self.server.detached_since = self.now;
        self.server.heartbeat.restart(self.now);
        while let Some((up, down, ..)) = self.links.pop() {
            assert!(sent_text(&mut given, self.now, down).is_empty() || given.link_is_over(down));
            self.client.detach(self.now, up);
        }
    }

    fn step(&mut self) {
        self.now += self.random.below(20);
        match self.random.below(12) {
            0 if self.links.len() < 3 => self.attach(),
            1 if !self.links.is_empty() => {
                let at = self.random.below(self.links.len() as u64) as usize;
                self.cut(at);
            }
            2 | 3 => self.say(0),
            4 | 5 => self.say(1),
            6 => {
                self.value += 1;
                let value = Message::from(format!("v{}", self.value)).into();
                let _ = self.server.send_as(self.now, &WhenBehind::Latest("k".into()), value);
            }
            7 => drop(self.server.send_as(self.now, &WhenBehind::Skip, Message::from("skip").into())),
            8 => self.read(),
            9 if self.random.one_in(3) => self.moves(),
            10 => self.server.handle_timeout(self.now),
            _ => self.carry(6),
        }
    }

    fn say(&mut self, who: usize) {
        let text = format!("{} {}", self.sent[who] + 1, "x".repeat(self.random.below(700) as usize));
        let machine = if who == 0 { &mut self.client } else { &mut self.server };
        self.sent[who] += u64::from(machine.send(Message::from(text).into()).is_ok());
    }

    fn read(&mut self) {
        for who in 0..2 {
            let machine = if who == 0 { &mut self.server } else { &mut self.client };
            while let Some(arrival) = machine.poll_arrival() {
                let Arrival::Message(payload) = arrival else { continue };
                let message = payload.into_message();
                let text = message.as_text().expect("a text");
                if let Some(value) = text.strip_prefix('v') {
                    let value = value.parse().expect("a number");
                    assert!(value > self.got_value, "an older value, or the same again");
                    self.got_value = value;
                } else if text != "skip" {
                    self.got[who] += 1;
                    assert_eq!(text.split(' ').next(), Some(&*self.got[who].to_string()), "{who}");
                }
            }
        }
    }

    /// One link carries all that there is.
    fn quiet(&mut self) {
        while !self.links.is_empty() {
            self.cut(0);
        }
        self.attach();
        for _ in 0..300 {
            self.now += 1;
            self.carry(50);
            self.read();
        }
    }

    /// The wire is good from now on.
    fn arrive(&mut self) {
        self.quiet();
        assert_eq!(self.got, self.sent, "all of it came, once and in order");
        assert_eq!(self.got_value, self.value, "the newest value came");
        self.say(1);
        self.server.close(CloseReason::new(3_000, "done"));
        self.carry(3);
        if self.random.one_in(2) {
            self.moves();
        }
        self.quiet();
        assert_eq!(self.got, self.sent, "also what came before the close");
        assert_eq!(self.client.closed().map(|reason| reason.code), Some(3_000));
        assert_eq!(self.server.closed().map(|reason| reason.code), Some(3_000));
    }
}

#[test]
fn nothing_is_lost_or_repeated_however_often_a_session_moves() {
    let (mut moves, mut sent) = (0, 0);
    for seed in 0..300 {
        let mut journey = Journey::new(seed);
        for _ in 0..journey.random.range(20, 400) {
            journey.step();
        }
        journey.arrive();
        moves += journey.moves;
        sent += journey.sent.iter().sum::<u64>();
    }
    assert!(moves > 1_000 && sent > 10_000, "{moves} moves, {sent} messages");
}

#[test]
fn bytes_that_are_cut_off_or_go_on_are_refused() {
    let mut pair = Pair::opened();
    send_all(&mut pair.server, 1, 3);
    let event = Packet::new("51-[\"e\",{\"_placeholder\":true,\"num\":0}]", vec![Bytes::from_static(b"bytes")]);
    pair.server.send(Payload::from(event).into()).expect("there is room");
    receive(&mut pair.server, 1, pair.down, [numbered(1, "a"), Frame::Gap { from: 2, to: 9 }]);
    let whole = carried(&pair.server.give(1).expect("it can move")).encode();
    for length in 0..whole.len() {
        assert!(MovedMachine::decode(&Bytes::copy_from_slice(&whole[..length])).is_err(), "{length}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert!(MovedMachine::decode(&longer.into()).is_err());
    let mut later = whole;
    later[0] += 1;
    assert!(MovedMachine::decode(&later.into()).is_err(), "a later version");
}

#[test]
fn fuzz_moved() {
    crate::fuzz::run("moved", 20_000, |input, behaviour| {
        let bytes = Bytes::copy_from_slice(input);
        let Ok(state) = MovedMachine::decode(&bytes) else { return behaviour.note("malformed") };
        assert_eq!(MovedMachine::decode(&state.encode().into()).as_ref(), Ok(&state));
        let now = 1 << 20;
        let mut machine =
            Machine::taken(config(Role::Server), Some(RateLimit::none().messages(100)), state, now).expect("native");
        behaviour.note((machine.state(), machine.is_paused(), machine.arrivals().min(3)));
        // Whatever it is, it lives as a machine does.
        let link = machine.attach(now, Attach { received: machine.acknowledged(), ..resume(1 << 40) });
        if let Ok(link) = link {
            for _ in 0..100 {
                let sent = machine.poll_transmit(now, link);
                behaviour.note(sent.as_ref().map(std::mem::discriminant));
                if sent.is_none() {
                    break;
                }
            }
            let next = numbered(machine.received() + 1, "next");
            receive(&mut machine, now, link, [Frame::Confirm, next]);
            machine.detach(now, link);
        }
        while machine.poll_arrival().is_some() {}
        machine.flush();
        for _ in 0..100 {
            let Some(due) = machine.poll_timeout().filter(|_| !machine.is_over()) else { break };
            machine.handle_timeout(due.max(now));
        }
    });
}
