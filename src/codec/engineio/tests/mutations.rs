//! Changes of payloads, byte by byte: the codec and a second reader agree on each.

use super::{peer::expected, *};
use Revision::{V3, V4};

#[track_caller]
fn agree(revision: Revision, carrier: Carrier, input: &[u8]) {
    let (frames, violation) = read(revision, carrier, input);
    let (expected, broken) = expected(revision, carrier, input);
    assert_eq!((frames, violation.is_some()), (expected, broken), "{revision:?} {carrier:?} {}", input.escape_ascii());
}

const INPUTS: [(Revision, Carrier, &[u8]); 8] = [
    (V4, POLL, "42[\"é€😀\"]\u{1e}bAQIDBA==\u{1e}3\u{1e}4\u{1e}1".as_bytes()),
    (V4, POLL, b"6\x1eb/w\x1e451-[\"x\",{\"num\":0}]"),
    (V4, Carrier::WebSocket, "4é😀".as_bytes()),
    (V3, Carrier::WebSocket, b"2probe"),
    (V3, POLL, "17:42[\"echo\",\"é€😀\"]10:b4AQIDBA==1:22:4x1:1".as_bytes()),
    (V3, POLL_BASE64, b"2:b413:41234567890123:4ab0:"),
    (V3, POLL, b"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04\x00\x01\xff2"),
    (V3, POLL, b"\x00\x01\x00\xff4\xe2\x82\xac\xf0\x9f\x98\x80xx\x01\x01\xff\x04"),
];

#[test]
fn each_change_of_one_byte_is_read_alike() {
    let bytes = [0, 1, 2, 4, 9, 0x1e, b'0', b'1', b'2', b'4', b'9', b':', b'b', b'=', b'-', 0x80, 0xc3, 0xf0, 0xff];
    for (revision, carrier, input) in INPUTS {
        agree(revision, carrier, input);
        for at in 0..=input.len() {
            agree(revision, carrier, &input[..at]);
            agree(revision, carrier, &input[at..]);
            agree(revision, carrier, &[&input[..at], input].concat());
            for byte in bytes {
                agree(revision, carrier, &[&input[..at], &[byte], &input[at..]].concat());
                agree(revision, carrier, &[&input[..at], &[byte], input.get(at + 1..).unwrap_or(b"")].concat());
            }
            agree(revision, carrier, &[&input[..at], input.get(at + 1..).unwrap_or(b"")].concat());
        }
    }
}
