//! Frames as they are written.

use super::*;
use crate::{broadcast::OutMessage, message::Message, pool::Pool};

const HEADERS: [(usize, &[u8]); 5] = [
    (1, &[0x81, 1]),
    (125, &[0x81, 125]),
    (126, &[0x81, 126, 0, 126]),
    (65_535, &[0x81, 126, 0xff, 0xff]),
    (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
];

#[test]
fn the_header_states_the_length_in_the_shortest_form() {
    for (length, header) in HEADERS {
        let payload = vec![b'x'; length];
        let (mut whole, mut shared) = (vec![7], vec![7]);
        SocketBuffer::new(&mut whole).text(&[&payload]);
        let mut buffer = SocketBuffer::new(&mut shared);
        for byte in &payload {
            buffer.shared_text().push(*byte);
        }
        assert_eq!(buffer.finish(), None);
        assert_eq!(whole, [&[7], header, &payload].concat(), "{length}");
        assert_eq!(shared, whole, "{length}");
        assert!(header.len() <= MAX_HEADER);
    }
}

#[test]
fn a_message_of_another_length_than_expected_has_its_header() {
    for (length, header) in HEADERS {
        for (expected, _) in HEADERS {
            let mut out = vec![7];
            let mut buffer = SocketBuffer::new(&mut out);
            buffer.shared_text().push(b'a');
            buffer.text_by(expected, |out| out.resize(out.len() + length, b'x'));
            buffer.text(&[b"z"]);
            let payload = vec![b'x'; length];
            assert_eq!(out, [&b"\x07\x81\x01a"[..], header, &payload, b"\x81\x01z"].concat(), "{expected}");
        }
    }
}

#[test]
fn what_is_not_shared_text_ends_it() {
    let mut out = Vec::new();
    let mut buffer = SocketBuffer::new(&mut out);
    buffer.shared_text().extend(b"a1:");
    buffer.shared_text().extend(b"w:");
    buffer.text(&[b"m", b"", b"hello"]);
    buffer.shared_text();
    buffer.binary(b"\0");
    buffer.ping(b"1");
    buffer.shared_text().extend(b"q");
    buffer.pong(b"");
    let OutMessage::Shared(broadcast) = OutMessage::shared(Message::from("z"), &Pool::new(0, 0)) else {
        unreachable!()
    };
    buffer.encoded(&Bytes::from_static(b"\x81\x01z"), &broadcast);
    assert_eq!(buffer.finish(), None);
    assert_eq!(out, b"\x81\x05a1:w:\x81\x06mhello\x82\x01\0\x89\x011\x81\x01q\x8a\0\x81\x01z");
}

#[test]
fn the_first_reason_to_close_counts_and_nothing_follows_it() {
    let mut out = Vec::new();
    let mut buffer = SocketBuffer::new(&mut out);
    buffer.binary(b"");
    assert!(buffer.takes_more(3) && !buffer.takes_more(2));
    buffer.close(CloseReason::new(1000, "bye"));
    buffer.close(CloseReason::new(1001, ""));
    assert!(!buffer.takes_more(3));
    assert_eq!(buffer.finish(), Some(CloseReason::new(1000, "bye")));
    assert_eq!(out, b"\x82\0");
}
