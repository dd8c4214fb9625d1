//! A slow line, and values and frames that come faster than it carries, in virtual time.

use std::collections::VecDeque;

use super::*;
use crate::session::droppable::WhenBehind;

/// Two halves and a line between them. The kernel takes what the server writes as long as its buffers have
/// room, and the line carries so many bytes a second.
struct Line {
    pair: Pair,
    kernel: usize,
    rate: usize,
    delay: u64,
    buffered: VecDeque<(usize, Frame)>,
    /// The thousandths of a byte that the line may carry now.
    credit: usize,
    down: VecDeque<(u64, Frame)>,
    up: VecDeque<(u64, Frame)>,
    carried: usize,
}

impl Line {
    fn new(rate: usize, delay: u64, kernel: usize) -> Line {
        let mut pair = Pair::opened();
        pair.server = Machine::new(Config { outbox: 4 << 20, interval: HOUR, ..config(Role::Server) }, 0);
        pair.client = Machine::new(Config { inbox: 1 << 20, interval: HOUR, ..config(Role::Client) }, 0);
        pair.up = pair.client.attach(0, opens(1)).expect("a new link");
        pair.down = pair.server.attach(0, opens(1)).expect("a new link");
        pair.talk(0);
        let (buffered, down, up) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Line { pair, kernel, rate, delay, buffered, credit: 0, down, up, carried: 0 }
    }

    /// A millisecond passes. Returns the messages that arrive at the client.
    fn step(&mut self, now: u64) -> Vec<String> {
        while self.buffered.iter().map(|(size, _)| size).sum::<usize>() < self.kernel
            && let Some(frame) = self.pair.server.poll_transmit(now, self.pair.down)
        {
            self.buffered.push_back((size_of_frame(&frame), frame));
        }
        self.credit = if self.buffered.is_empty() { 0 } else { self.credit + self.rate };
        while self.buffered.front().is_some_and(|(size, _)| *size * 1_000 <= self.credit) {
            let (size, frame) = self.buffered.pop_front().expect("it was just there");
            self.credit -= size * 1_000;
            self.carried += size;
            self.down.push_back((now + self.delay, frame));
        }
        receive(&mut self.pair.client, now, self.pair.up, arrived(&mut self.down, now));
        for frame in sent_frames(&mut self.pair.client, now, self.pair.up) {
            self.up.push_back((now + self.delay, frame));
        }
        receive(&mut self.pair.server, now, self.pair.down, arrived(&mut self.up, now));
        assert_eq!((self.pair.server.closed(), self.pair.client.closed()), (None, None), "no session is lost");
        let arrivals = std::iter::from_fn(|| self.pair.client.poll_arrival());
        let text = |arrival| match arrival {
            Arrival::Message(payload) => payload.into_message().as_text().map(str::to_owned),
            Arrival::Gap { .. } => None,
        };
        arrivals.filter_map(text).collect()
    }

    fn send(&mut self, now: u64, how: &WhenBehind, text: String) {
        self.pair.server.send_as(now, how, Message::Text(text.into()).into()).expect("the session is open");
    }
}

fn arrived(frames: &mut VecDeque<(u64, Frame)>, now: u64) -> Vec<Frame> {
    let count = frames.iter().take_while(|(at, _)| *at <= now).count();
    frames.drain(..count).map(|(_, frame)| frame).collect()
}

/// About what a frame takes on a WebSocket.
fn size_of_frame(frame: &Frame) -> usize {
    match frame {
        Frame::Message { message, .. } => message.len() + 5,
        _ => 16,
    }
}

/// The time at which a message was sent, which it begins with.
fn time_of(text: &str) -> u64 {
    text.split(' ').next().and_then(|time| time.parse().ok()).expect("it begins with a time")
}

const MINUTE: u64 = 60_000;

/// 500 prices a second of so many symbols over a line. Returns the greatest age that any price had once all
/// had come, and what the line carried.
fn ticker(symbols: usize, rate: usize, delay: u64, kernel: usize) -> (u64, usize) {
    let mut line = Line::new(rate, delay, kernel);
    let mut prices = vec![0; symbols];
    let mut oldest = 0;
    for now in 1..=MINUTE {
        if now % 2 == 0 {
            let symbol = (now / 2) as usize % symbols;
            let how = WhenBehind::Latest(symbol.to_string().into());
            line.send(now, &how, format!("{now:>6} {symbol:>4} a price of 40 bytes: 123.45").trim_start().to_owned());
        }
        for text in line.step(now) {
            let symbol: usize = text.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a symbol");
            let time = time_of(&text);
            assert!(time > prices[symbol], "a price goes never back");
            prices[symbol] = time;
        }
        if now > 5_000 {
            oldest = oldest.max(prices.iter().map(|time| now - time).max().expect("symbols"));
        }
    }
    (oldest, line.carried)
}

#[test]
fn prices_stay_fresh_over_a_slow_line_whatever_the_kernel_buffers() {
    for kernel in [4_096, 65_536, 4 << 20] {
        for delay in [1, 50, 300] {
            let (oldest, carried) = ticker(50, 5_000, delay, kernel);
            println!("kernel {kernel}, delay {delay}: {oldest} ms, {carried} bytes");
            assert!(oldest <= 2_000 + delay, "kernel {kernel}, delay {delay}: {oldest} ms");
            assert!(carried >= 5 * 60_000 * 8 / 10, "kernel {kernel}, delay {delay}: the line is used: {carried}");
        }
    }
}

#[test]
fn prices_that_all_fit_all_arrive() {
    let mut line = Line::new(1_000_000, 5, 1 << 20);
    let mut count = 0;
    for now in 1..=10_000 {
        let key = WhenBehind::Latest((now % 20).to_string().into());
        line.send(now, &key, format!("{now} x"));
        count += line.step(now).len();
    }
    assert!(count > 9_900, "{count} of 10,000");
}

/// 20 frames a second of this size over 60 kB/s. Returns the greatest age of a frame at its arrival, and what
/// the line carried.
fn video(how: &WhenBehind, frame: usize, kernel: usize) -> (u64, usize) {
    let mut line = Line::new(60_000, 20, kernel);
    let mut oldest = 0;
    for now in 1..=MINUTE {
        if now % 50 == 0 {
            line.send(now, how, format!("{now} {}", "x".repeat(frame - 6)));
        }
        for text in line.step(now) {
            oldest = oldest.max(now - time_of(&text));
        }
    }
    (oldest, line.carried)
}

#[test]
fn video_over_a_slow_line_is_about_a_second_behind_with_all_that_the_kernel_buffers() {
    for kernel in [16_384, 4 << 20] {
        for frame in [4_000, 10_000, 16_000, 25_000] {
            for how in [WhenBehind::Skip, WhenBehind::Latest("frame".into())] {
                let (oldest, carried) = video(&how, frame, kernel);
                println!("kernel {kernel}, frames of {frame}, {how:?}: {oldest} ms, {carried} bytes");
                assert!(oldest <= 1_150, "kernel {kernel}, frames of {frame}, {how:?}: {oldest} ms");
                assert!(carried >= 60 * 60_000 * 8 / 10, "the line is used: {carried}");
            }
        }
    }
}
