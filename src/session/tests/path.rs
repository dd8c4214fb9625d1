use super::*;

/// Heartbeats are another story.
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
        server.heartbeat.interval = HOUR;
        let up = client.attach(0, Attach { wire: Wire::Opening, ..opens(1) }).expect("a new link");
        let down = server.attach(0, Attach { wire: Wire::Opening, ..opens(1) }).expect("a new link");
        let start = says(&mut server, 0, down);
        hear(&mut client, 0, up, start);
        client.detach(0, up);
        server.detach(0, down);
        let mut streaming = Streaming { client, server, ordinal: 1, turn: 0, up, down };
        streaming.next_turn(gap, Wire::Stream);
        assert_eq!(streaming.arrives(gap), "sfull0");
        streaming
    }

    fn next_turn(&mut self, now: u64, wire: Wire) {
        self.turn += 1;
        let attach = Attach { received: self.client.received(), ..turn(self.ordinal, self.turn, wire) };
        self.up = self.client.attach(now, attach).expect("the next turn");
        self.down = self.server.attach(now, attach).expect("the next turn");
    }

    /// The answer has ended, for both.
    fn ends(&mut self, now: u64) {
        self.client.detach(now, self.up);
        self.server.detach(now, self.down);
    }

    fn say(&mut self, now: u64, text: &str) -> String {
        send(&mut self.server, text);
        spoken(&mut self.server, now, self.down)
    }

    /// What the stream says reaches the client.
    fn arrives(&mut self, now: u64) -> String {
        let frames = says(&mut self.server, now, self.down);
        let told = told(&frames);
        hear(&mut self.client, now, self.up, frames);
        told
    }

    /// An upload acknowledges all that was said up to `number`.
    fn acknowledges(&mut self, now: u64, number: u64) {
        let link = self.server.attach(now, Attach { received: number, ..upload() }).expect("an upload");
        hear(&mut self.server, now, link, [Frame::Ack { received: number }]);
        says(&mut self.server, now, link);
        self.server.detach(now, link);
    }

    /// The deadline passes, on time: when that is, and what is then said.
    fn due(&mut self) -> (u64, String) {
        let now = self.server.poll_timeout().expect("a deadline");
        self.server.handle_timeout(now);
        (now, spoken(&mut self.server, now, self.down))
    }
}

#[test]
fn a_clear_path_is_asked_once_and_not_again() {
    let mut one = Streaming::opened(20);
    assert_eq!(one.say(100, "hello"), "m1:hello w");
    one.acknowledges(120, 1);
    assert_eq!(one.server.poll_timeout(), Some(370), "what is said meanwhile is asked for then");
    assert_eq!(one.due(), (370, String::new()));
    assert_eq!(one.server.poll_timeout(), Some(100 + HOUR), "and nothing but the heartbeat is due");
}

#[test]
fn every_message_is_verified() {
    let mut one = Streaming::opened(20);
    assert_eq!(one.say(100, "a"), "m1:a w");
    assert_eq!(one.say(105, "b"), "m2:b", "one ask at a time");
    one.acknowledges(120, 1);
    assert_eq!(one.say(200, "c"), "m3:c", "not again so soon");
    assert_eq!(one.due(), (370, "w".into()));
    one.acknowledges(390, 3);
    assert_eq!(one.due(), (640, String::new()));
    assert_eq!(one.say(950, "d"), "m4:d w", "after a pause at once");
}

#[test]
fn a_busy_stream_is_asked_three_or_four_times_a_second() {
    let mut one = Streaming::opened(20);
    let (mut asks, mut said) = (0, 0);
    for now in 0..5_000 {
        one.server.handle_timeout(now);
        if now % 3 == 0 {
            said += 1;
            send(&mut one.server, "x");
        }
        let told = spoken(&mut one.server, now, one.down);
        assert!(!told.contains('i'), "{told}");
        if told.contains('w') {
            asks += 1;
        }
        if now % 20 == 0 {
            one.acknowledges(now, said);
        }
    }
    assert!((13..=20).contains(&asks), "{asks} asks in 5 s");
}

#[test]
fn one_chunk_behind_is_recovered_by_a_little_padding_and_stays_so() {
    let mut one = Streaming::opened(20);
    assert_eq!(one.say(100, "a"), "m1:a w");
    assert_eq!(one.due(), (100 + 250 + 20, "i16".into()));
    one.acknowledges(441, 1);
    assert_eq!(one.say(900, "b"), "m2:b w i16", "from now on behind each flush");
    one.acknowledges(921, 2);
    assert_eq!(one.say(930, "c"), "m3:c i16");
    one.acknowledges(940, 3);
    one.ends(950);
    one.next_turn(970, Wire::Stream);
    assert_eq!(one.arrives(970), "sfull0 i16", "on the next turns too");
    one.ends(980);
    (one.ordinal, one.turn) = (2, 0);
    one.next_turn(1_000, Wire::Stream);
    assert_eq!(one.arrives(1_000), "sfull0", "a new ordinal may have a clear path");
}

#[test]
fn a_small_buffer_is_filled() {
    let mut one = Streaming::opened(20);
    assert_eq!(one.say(100, "a"), "m1:a w");
    assert_eq!(one.due(), (370, "i16".into()));
    assert_eq!(one.due(), (570, "i4096".into()));
    one.acknowledges(690, 1);
    assert_eq!(one.say(1_100, "b"), "m2:b w i4096");
    one.acknowledges(1_120, 2);
    assert_eq!(one.say(1_130, "c"), "m3:c i4096");
}

#[test]
fn padding_follows_whatever_is_said() {
    let mut one = Streaming::opened(20);
    one.say(100, "a");
    one.due();
    one.acknowledges(441, 1);
    one.due();
    let (now, told) = one.due();
    assert_eq!(told, format!("p{now} i16"), "a ping must come through");
}

/// What a stream that is held says from `now` on.
fn held(one: &mut Streaming, now: u64) -> (u64, String) {
    assert!(one.say(now, "void").ends_with(":void w"));
    one.due();
    one.due();
    one.due()
}

#[test]
fn a_held_stream_ends_within_a_second_and_two_round_trips() {
    for trip in [0, 5, 60, 400, 2_000] {
        let mut one = Streaming::opened(trip);
        let (now, told) = held(&mut one, trip);
        assert_eq!(told, "x4008");
        // A quarter of a second may pass before what is said is asked for.
        assert!(now - trip + 250 < 1_000 + 2 * trip, "after {} ms, round trip {trip}", now - trip);
        assert!(one.server.link_is_over(one.down));
        assert_eq!(one.server.carrier(), Some(1), "the ordinal is still proven");
        one.ends(now);
        assert_eq!(one.server.poll_timeout(), Some(now + GRACE), "as between two turns");
        one.next_turn(now + trip, POLL);
        assert_eq!(spoken(&mut one.server, now + trip, one.down), "sfull0 m1:void", "nothing is lost");
    }
}

#[test]
fn the_end_takes_what_is_kept_along_and_the_next_turn_goes_on() {
    let mut one = Streaming::opened(20);
    let mut kept = Vec::new();
    send(&mut one.server, "a");
    for _ in 0..4 {
        let now = one.server.poll_timeout().filter(|_| !kept.is_empty()).unwrap_or(100);
        one.server.handle_timeout(now);
        kept.extend(says(&mut one.server, now, one.down));
    }
    assert_eq!(told(&kept), "m1:a w i16 i4096 x4008");
    hear(&mut one.client, 1_040, one.up, kept);
    assert!(!one.client.link_is_over(one.up), "the answer's end is what ends it");
    assert_eq!(taken(&mut one.client), "a");
    one.ends(1_040);
    send(&mut one.server, "b");
    one.next_turn(1_060, POLL);
    assert_eq!(one.arrives(1_060), "sfull0 m2:b");
    assert_eq!((one.server.acknowledged(), taken(&mut one.client)), (1, "b".into()));
}

#[test]
fn a_slow_path_is_no_held_one() {
    let mut one = Streaming::opened(2_000);
    let mut now = 2_000;
    for number in 1..20 {
        assert_eq!(one.say(now, "x"), format!("m{number}:x w"));
        one.server.handle_timeout(now + 1_999);
        assert_eq!(spoken(&mut one.server, now + 1_999, one.down), "");
        one.acknowledges(now + 2_000, number);
        now += 5_000;
    }
}

/// A client whose acknowledgements take `trip` ms, and that goes on with a stream after each end; how often it was ended.
fn ends_of_a_slow_path(trip: u64) -> usize {
    let mut one = Streaming::opened(0);
    let (mut asked, mut ends, mut next) = (None, 0, None);
    for now in 0..120_000 {
        if next.is_some_and(|at| at <= now) {
            // Its head says how far the client has come: all that the ended answer said.
            one.client = client();
            next = None;
            let turn = one.turn + 1;
            one.turn = turn;
            let received = one.server.acknowledged().max(asked.take().map_or(0, |(_, number)| number));
            let attach = Attach { received, ..super::turn(1, turn, Wire::Stream) };
            one.down = one.server.attach(now, attach).expect("the next turn");
        }
        one.server.handle_timeout(now);
        if now % 5_000 == 0 && next.is_none() {
            send(&mut one.server, "x");
        }
        let told = spoken(&mut one.server, now, one.down);
        if told.contains('w') {
            asked = Some((now + trip, one.server.last_number()));
        }
        if told.contains("x4008") {
            ends += 1;
            one.server.detach(now, one.down);
            next = Some(now + trip / 10);
        }
        if let Some((_, number)) = asked.filter(|(at, _)| *at == now && next.is_none()) {
            asked = None;
            one.acknowledges(now, number);
        }
    }
    ends
}

#[test]
fn a_slow_uploader_settles() {
    for (trip, most) in [(500, 0), (1_000, 1), (2_000, 2), (4_000, 3), (6_000, 3)] {
        let ends = ends_of_a_slow_path(trip);
        assert!(ends <= most, "{ends} ends where an acknowledgement takes {trip} ms");
    }
}

#[test]
fn an_end_that_need_not_have_been_makes_patient() {
    let mut one = Streaming::opened(0);
    let mut now = 0;
    for length in [700, 1_400, 2_800, 5_600, 5_600] {
        let (end, told) = held(&mut one, now);
        assert_eq!((end - now, told), (length, "x4008".into()));
        one.ends(end);
        let received = one.server.last_number();
        one.turn += 1;
        one.down = one
            .server
            .attach(end, Attach { received, ..turn(1, one.turn, Wire::Stream) })
            .expect("the client says that it had answered");
        spoken(&mut one.server, end, one.down);
        now = end;
    }
}

#[test]
fn who_polls_after_an_end_was_kept_waiting() {
    let mut one = Streaming::opened(0);
    let (end, _) = held(&mut one, 0);
    one.ends(end);
    one.client = client();
    one.turn += 1;
    let received = one.server.last_number();
    let attach = Attach { received, ..turn(1, one.turn, POLL) };
    one.down = one.server.attach(end, attach).expect("a poll");
    one.server.detach(end + 1, one.down);
    one.turn += 1;
    let attach = Attach { received, ..turn(1, one.turn, Wire::Stream) };
    one.down = one.server.attach(end + 1, attach).expect("a stream, later");
    spoken(&mut one.server, end + 1, one.down);
    assert_eq!(held(&mut one, end + 1), (end + 1 + 700, "x4008".into()));
}

#[test]
fn a_slow_line_has_time_for_much() {
    let mut one = Streaming::opened(0);
    let much = "x".repeat(4_096 + 3_200);
    send(&mut one.server, &much);
    assert!(spoken(&mut one.server, 0, one.down).ends_with(" w"));
    assert_eq!(one.due().0, 250 + (3_200 + 64) / 32);
}

#[test]
fn who_slept_asks_again() {
    for passed in 0..3 {
        let mut one = Streaming::opened(20);
        one.say(100, "a");
        for _ in 0..passed {
            one.due();
        }
        let late = one.server.poll_timeout().expect("a deadline") + 301;
        one.server.handle_timeout(late);
        assert_eq!(spoken(&mut one.server, late, one.down), "w");
        assert_eq!(one.server.poll_timeout(), Some(late + 270));
    }
}

#[test]
fn terms_that_passed_together_pass_together() {
    let mut one = Streaming::opened(0);
    one.say(0, "a");
    one.server.handle_timeout(480);
    assert_eq!(one.server.poll_timeout(), Some(700));
    assert_eq!(spoken(&mut one.server, 480, one.down), "i4096");
}

#[test]
fn the_end_waits_for_a_request_that_comes_in_but_not_for_ever() {
    let mut one = Streaming::opened(0);
    one.say(0, "a");
    one.due();
    one.due();
    one.server.begin();
    for step in 0..93 {
        assert_eq!(one.due(), (700 + step * 100, String::new()));
    }
    assert_eq!(one.due().1, "x4008");
    one.server.abandon();
}

#[test]
fn a_client_without_room_has_answered() {
    let mut one = Streaming::opened(0);
    one.say(0, "a");
    let link = one.server.attach(50, upload()).expect("an upload");
    hear(&mut one.server, 50, link, [Frame::Hold { received: 0, epoch: 1 }]);
    one.server.detach(50, link);
    assert_eq!(one.due(), (300, String::new()));
    assert_eq!(one.server.poll_timeout(), Some(HOUR));
    let link = one.server.attach(500, upload()).expect("an upload");
    hear(&mut one.server, 500, link, [Frame::Go { received: 0, epoch: 1 }]);
    one.server.detach(500, link);
    assert_eq!(spoken(&mut one.server, 500, one.down), "m1:a w");
}

#[test]
fn an_acknowledgement_before_the_end_has_left_takes_it_back() {
    let mut one = Streaming::opened(0);
    one.say(0, "a");
    one.due();
    one.due();
    one.server.handle_timeout(700);
    one.acknowledges(700, 1);
    assert_eq!(spoken(&mut one.server, 700, one.down), "");
}

#[test]
fn a_late_acknowledgement_is_no_praise_of_the_padding() {
    let mut one = Streaming::opened(200);
    one.say(1_000, "a");
    assert_eq!(one.due(), (1_450, "i16".into()));
    one.acknowledges(1_470, 1);
    assert_eq!(one.say(2_000, "b"), "m2:b w", "it came too soon after it");
    assert_eq!(one.server.poll_timeout(), Some(2_000 + 250 + 470), "so the path is slow");
}

#[test]
fn a_flush_is_an_ask_too() {
    let mut one = Streaming::opened(0);
    send(&mut one.server, "a");
    one.server.flush();
    assert_eq!(spoken(&mut one.server, 0, one.down), "m1:a w");
    assert_eq!(one.due(), (250, "i16".into()));
}

#[test]
fn only_a_stream_that_carries_is_measured() {
    let mut pair = Pair::opened();
    assert_eq!(pair.server.path.as_ref().map(|_| ()), None);
    send(&mut pair.server, "a");
    assert_eq!(spoken(&mut pair.server, 0, pair.down), "m1:a");

    let mut one = Streaming::opened(0);
    one.ends(10);
    one.next_turn(20, POLL);
    assert_eq!(one.say(30, "a"), "sfull0 m1:a");

    let mut one = Streaming::opened(0);
    one.say(0, "a");
    let socket = one.server.attach(10, resume(2)).expect("a better link");
    hear(&mut one.server, 20, socket, [Frame::Proof]);
    assert_eq!(spoken(&mut one.server, 20, one.down), "x4000");
    assert_eq!(spoken(&mut one.server, 20, socket), "sfull0 m1:a");
    assert_eq!(one.server.poll_timeout(), Some(20 + HOUR));
}

#[test]
fn a_session_without_a_stream_pays_a_word() {
    assert!(std::mem::size_of::<Option<Box<super::super::path::Path>>>() <= 8);
    assert!(std::mem::size_of::<super::super::path::Path>() <= 144);
}
