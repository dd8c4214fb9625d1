//! The codec of bare WebSockets reads and writes.

use super::*;
use crate::{broadcast::OutMessage, codec::tests::frames, pool::Pool};

const LARGE: usize = 10_000;

fn read(input: &'static [u8], limit: usize) -> Result<Option<Frame>, CloseReason> {
    let mut input = Some(Bytes::from_static(input));
    let frame = RawCodec::new(limit).read(&mut input);
    assert_eq!(input, None, "a text message is one frame");
    frame
}

fn message(frame: Result<Option<Frame>, CloseReason>) -> Message {
    match frame {
        Ok(Some(Frame::Message { message, .. })) => message.payload().as_message().unwrap().clone(),
        other => panic!("{other:?} is no message"),
    }
}

/// The frames that are written, and why the connection is to be closed.
fn written(outbound: Vec<Outbound<'_>>) -> (Vec<(u8, Bytes)>, Option<CloseReason>) {
    let mut out = Vec::new();
    let mut buffer = SocketBuffer::new(&mut out);
    for frame in outbound {
        RawCodec::new(9).write_socket(frame, &mut buffer);
    }
    let close = buffer.finish();
    (frames(&out), close)
}

#[test]
fn a_message_is_read_as_it_is_and_an_empty_one_is_a_message() {
    assert_eq!(message(read(b"m1:x", 9)), Message::from("m1:x"));
    assert_eq!(message(read(b"", 9)), Message::from(""));
    assert_eq!(message(RawCodec::new(9).read_binary(Bytes::new())), Message::from(Vec::new()));
    assert!(matches!(RawCodec::new(9).read(&mut None), Ok(None)));
}

#[test]
fn what_may_not_be_read_has_the_code_of_the_standard() {
    assert_eq!(message(read("aé".as_bytes(), 3)), Message::from("aé"));
    assert_eq!(read("éé".as_bytes(), 3).expect_err("too large"), reason::TOO_BIG);
    assert_eq!(RawCodec::new(3).read_binary(Bytes::from_static(b"four")).expect_err("too large"), reason::TOO_BIG);
    assert_eq!(read(b"\xff", 9).expect_err("no text"), reason::NOT_UTF8);
    let codes = [Violation::Framing, Violation::WrongKind, Violation::NotUtf8, Violation::TooLarge]
        .map(|violation| RawCodec::violation(violation).code);
    assert_eq!(codes, [1002, 1003, 1007, 1009]);
}

#[test]
fn pings_and_pongs_are_signs_of_life() {
    let mut codec = RawCodec::new(9);
    assert!(matches!(codec.read_pong(b"1234"), Some(Frame::Pong { id: 1234, received: 0 })));
    for payload in [&b""[..], b"hello", b"-1", b"99999999999999999999", b"\xff", b"1 "] {
        assert!(matches!(codec.read_pong(payload), Some(Frame::Ack { received: 0 })), "{payload:?}");
        assert!(matches!(codec.read_ping(payload), Some(Frame::Ack { received: 0 })), "{payload:?}");
    }
    let (sent, close) = written(vec![
        Outbound::Frame(Frame::Ping { id: 1234, received: None }),
        Outbound::Frame(Frame::Pong { id: 5, received: 7 }),
    ]);
    assert_eq!((sent, close), (vec![(9, "1234".into()), (10, "5".into())], None));
}

#[test]
fn nothing_but_messages_is_written_before_the_close() {
    let (own, shared) =
        (OutMessage::from(Message::from("é")), OutMessage::shared(Message::from(vec![0, 255]), &Pool::new(0, 0)));
    let (sent, close) = written(vec![
        Outbound::Frame(Frame::Ack { received: 1 }),
        Outbound::Message { number: 7, message: own.borrowed(), events: false, offsets: false },
        Outbound::Frame(Frame::AckRequest),
        Outbound::Frame(Frame::Pause { received: 1, epoch: 1 }),
        Outbound::Frame(Frame::Resume { received: 1, epoch: 1 }),
        Outbound::Frame(Frame::Gap { from: 8, to: 9 }),
        Outbound::Message { number: 10, message: shared.borrowed(), events: false, offsets: false },
        Outbound::Message { number: 11, message: shared.borrowed(), events: false, offsets: false },
        Outbound::Frame(Frame::Confirm),
        Outbound::Frame(Frame::GoAway { delay: 1 }),
        Outbound::Frame(Frame::PollDelay { delay: 1 }),
        Outbound::Frame(Frame::Padding { length: 1 }),
        Outbound::Frame(Frame::Close { number: 12, reason: CloseReason::new(3000, "bye") }),
        Outbound::Frame(Frame::LinkClose(reason::CLOSED)),
    ]);
    let binary = || (2, Bytes::from_static(&[0, 255]));
    assert_eq!(sent, [(1, "é".into()), binary(), binary()]);
    assert_eq!(close, Some(CloseReason::new(3000, "bye")));
}

#[test]
fn every_close_code_may_be_sent() {
    let sent = |code| RawCodec::close_reason(CloseReason::new(code, "why")).code;
    for (reason, code) in [
        (reason::CLOSED, 1000),
        (reason::GOING_AWAY, 1001),
        (reason::BAD_FRAMING, 1002),
        (reason::NOT_UTF8, 1007),
        (reason::TOO_BIG, 1009),
        (reason::HANDLER_PANICKED, 1011),
        (reason::HEARTBEAT_TIMEOUT, 1008),
        (reason::UNEXPECTED, 1002),
        (reason::SHUT_DOWN, 1001),
        (reason::TOO_LARGE, 1009),
        (reason::TOO_MANY_SESSIONS, 1013),
        (reason::SHORT_OF_MEMORY, 1013),
        (reason::DRAINING, 1001),
        (reason::ABORTED, 1008),
        (reason::TOO_SLOW, 1008),
        (reason::CUT, 1000),
        (reason::NO_STATUS, 1000),
    ] {
        assert_eq!(RawCodec::close_reason(reason.clone()), CloseReason { code, ..reason });
    }
    for code in [1003, 1012, 1014, 3000, 3999, 4500, 4999] {
        assert_eq!(sent(code), code, "it is the application's");
    }
    for code in 0..=u16::MAX {
        let sent = sent(code);
        let registered = matches!(sent, 1000..=1003 | 1007..=1009 | 1011..=1014 | 3000..=4999);
        assert!(registered && !(4000..=4499).contains(&sent), "{code} is sent as {sent}");
    }
}

#[test]
fn a_small_message_keeps_nothing_of_the_buffer_of_a_large_one() {
    let mut codec = RawCodec::new(LARGE);
    let buffer = Bytes::from(vec![b'x'; LARGE]);
    let is_kept = |message: Message| buffer.as_ptr_range().contains(&message.as_bytes().as_ptr());
    assert!(is_kept(message(codec.read_binary(buffer.clone()))));
    assert!(!is_kept(message(codec.read_binary(buffer.slice(..1)))));
    assert!(!is_kept(message(codec.read(&mut Some(buffer.slice(..LARGE / 2 - 1))))));
    assert!(is_kept(message(codec.read(&mut Some(buffer.slice(..LARGE / 2))))), "half of the buffer");
}
