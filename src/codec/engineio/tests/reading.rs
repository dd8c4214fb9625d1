//! The payloads and packets that clients send.

use super::*;
use Revision::{V3, V4};

fn fine(revision: Revision, carrier: Carrier, input: impl AsRef<[u8]>, expected: &[&str]) {
    let input = input.as_ref();
    let (frames, violation) = read(revision, carrier, input);
    assert_eq!((frames, violation), (expected.iter().map(ToString::to_string).collect(), None), "{input:?}");
}

/// The frames before the violation are taken, and its text is this.
fn broken(revision: Revision, carrier: Carrier, input: impl AsRef<[u8]>, expected: &[&str], why: &str) {
    let input = input.as_ref();
    let (frames, violation) = read(revision, carrier, input);
    assert_eq!(frames, expected, "{input:?}");
    let violation = violation.unwrap_or_else(|| panic!("{input:?} was taken"));
    assert!(violation.code == 4004 && violation.text.contains(why), "{input:?}: {violation}");
}

#[test]
fn each_packet_of_a_websocket_is_a_frame() {
    for revision in [V3, V4] {
        for (packet, frame) in [
            ("4hello", "text hello"),
            ("4", "text "),
            ("4é€😀\u{1e}\u{2028}", "text é€😀\u{1e}\u{2028}"),
            ("1", "close 1000"),
            ("2probe", "probe"),
            ("5", "confirm"),
            ("6", "noop"),
            ("0{}", "noop"),
        ] {
            fine(revision, Carrier::WebSocket, packet, &[frame]);
        }
        for bad in ["", "abc", "7", "9hello", " 4x", "é"] {
            broken(revision, Carrier::WebSocket, bad, &[], "parse error");
        }
        broken(revision, Carrier::WebSocket, b"4\xff", &[], "UTF-8");
    }
    fine(V4, Carrier::WebSocket, "3", &["pong"]);
    fine(V3, Carrier::WebSocket, "2", &["ping"]);
    fine(V4, Carrier::WebSocket, "bAQIDBA==", &["bytes [01, 02, 03, 04]"]);
    fine(V3, Carrier::WebSocket, "b4AQIDBA==", &["bytes [01, 02, 03, 04]"]);
    assert_eq!(read_binary(V4, &[1, 2, 3, 4]), Ok("bytes [01, 02, 03, 04]".into()));
    assert_eq!(read_binary(V4, &[]), Ok("bytes []".into()));
    assert_eq!(read_binary(V3, &[4, 1, 2]), Ok("bytes [01, 02]".into()));
    assert_eq!(read_binary(V3, &[4]), Ok("bytes []".into()));
    for bad in [&[][..], &[2], &[b'4', 1], &[5, 4]] {
        assert_eq!(read_binary(V3, bad).unwrap_err().code, 4004, "{bad:?}");
    }
}

#[test]
fn a_heartbeat_in_the_wrong_direction_is_a_violation() {
    for (revision, carrier, bad) in [
        (V4, Carrier::WebSocket, "2"),
        (V4, Carrier::WebSocket, "2prob"),
        (V4, Carrier::WebSocket, "2probe!"),
        (V4, POLL, "2"),
        (V4, POLL, "2probe"),
        (V3, Carrier::WebSocket, "3"),
        (V3, Carrier::WebSocket, "3probe"),
        (V3, POLL, "1:3"),
    ] {
        broken(revision, carrier, bad, &[], "invalid heartbeat direction");
    }
    fine(V3, POLL, "6:2probe", &["ping"]);
}

#[test]
fn a_body_of_revision_4_is_packets_between_separators() {
    fine(V4, POLL, "4hello", &["text hello"]);
    fine(V4, POLL, "4a\u{1e}4b\u{1e}3\u{1e}1", &["text a", "text b", "pong", "close 1000"]);
    fine(
        V4,
        POLL,
        "4hello\u{1e}bAQIDBA==\u{1e}b\u{1e}b/w==\u{1e}b/w",
        &["text hello", "bytes [01, 02, 03, 04]", "bytes []", "bytes [ff]", "bytes [ff]"],
    );
    fine(V4, POLL, "6\u{1e}0{}\u{1e}5\u{1e}4x", &["text x"]);
    fine(V4, POLL, "4\u{1e}4", &["text ", "text "]);
    fine(V4, POLL_BASE64, "42[\"é€😀\u{2028}\"]\u{1e}bAA==", &["text 2[\"é€😀\u{2028}\"]", "bytes [00]"]);
    broken(V4, POLL, "", &[], "empty packet");
    broken(V4, POLL, "\u{1e}", &[], "empty packet");
    broken(V4, POLL, "4a\u{1e}", &["text a"], "empty packet");
    broken(V4, POLL, "4a\u{1e}\u{1e}4b", &["text a"], "empty packet");
    broken(V4, POLL, "abc", &[], "type");
    broken(V4, POLL, "4a\u{1e}8\u{1e}4b", &["text a"], "type");
    broken(V4, POLL, "b!", &[], "base64");
    broken(V4, POLL, "bAQIDB", &[], "base64");
    broken(V4, POLL, "4a\u{1e}2", &["text a"], "invalid heartbeat direction");
    broken(V4, POLL, b"4a\x1e4\xc3", &["text a"], "UTF-8");
}

#[test]
fn a_text_body_of_revision_3_counts_utf_16_units() {
    for carrier in [POLL, POLL_BASE64] {
        fine(V3, carrier, "6:4hello", &["text hello"]);
        fine(V3, carrier, "6:4hello10:b4AQIDBA==", &["text hello", "bytes [01, 02, 03, 04]"]);
        fine(V3, carrier, "10:b4AQIDBA==2:b46:b4/w==", &["bytes [01, 02, 03, 04]", "bytes []", "bytes [ff]"]);
        fine(V3, carrier, "17:42[\"echo\",\"é€😀\"]1:21:1", &["text 2[\"echo\",\"é€😀\"]", "ping", "close 1000"]);
        fine(V3, carrier, "2:4€3:4😀2:4é1:4", &["text €", "text 😀", "text é", "text "]);
        fine(V3, carrier, "0:", &[]);
        fine(V3, carrier, "1:61:54:0abc2:4x", &["text x"]);
        broken(V3, carrier, "", &[], "empty body");
        broken(V3, carrier, "abc", &[], "length");
        broken(V3, carrier, "2:4😀", &[], "shorter");
        broken(V3, carrier, "3:4x", &[], "shorter");
        broken(V3, carrier, "6:4hello6:4hell", &["text hello"], "shorter");
        broken(V3, carrier, "6:4hello12", &["text hello"], "length");
        fine(V3, carrier, "6:4hello0:", &["text hello"]);
        broken(V3, carrier, "6:4hello0:0:", &["text hello"], "empty packet");
        broken(V3, carrier, "0:6:4hello", &[], "empty packet");
        broken(V3, carrier, ":4hello", &[], "length");
        broken(V3, carrier, "-1:4", &[], "decimal");
        broken(V3, carrier, "1e1:4", &[], "decimal");
        broken(V3, carrier, "99999999999999999999999999:4", &[], "length");
        broken(V3, carrier, "9999999999:4", &[], "shorter");
        broken(V3, carrier, "2:b5", &[], "only messages");
        broken(V3, carrier, "1:b", &[], "only messages");
        broken(V3, carrier, "3:b4!", &[], "base64");
        broken(V3, carrier, b"2:4\xff", &[], "shorter");
        broken(V3, carrier, b"2:4\x80", &[], "shorter");
        broken(V3, carrier, b"3:4\x80x", &[], "shorter");
        broken(V3, carrier, b"3:4\x80xx", &[], "UTF-8");
    }
}

#[test]
fn a_binary_body_of_revision_3_counts_bytes() {
    for carrier in [POLL, POLL_BASE64] {
        fine(
            V3,
            carrier,
            b"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04",
            &["text hello", "bytes [01, 02, 03, 04]"],
        );
        fine(V3, carrier, b"\x00\x01\x00\xff4\xe2\x82\xac\xf0\x9f\x98\x80xx", &["text €😀xx"]);
        fine(V3, carrier, b"\x01\x01\xff\x04\x00\x01\xff2", &["bytes []", "ping"]);
        broken(V3, carrier, b"\x00", &[], "no length");
        broken(V3, carrier, b"\x00\xff", &[], "no length");
        broken(V3, carrier, b"\x00\x00\xff", &[], "empty packet");
        broken(V3, carrier, b"\x01\x00\xff", &[], "only messages");
        broken(V3, carrier, b"\x01\x02\xff\x02\x00", &[], "only messages");
        broken(V3, carrier, b"\x00\x02\xff4", &[], "shorter");
        broken(V3, carrier, b"\x00\x0a\xff4", &[], "decimal");
        broken(V3, carrier, [&[0][..], &[9; 310], &[0xff, b'4']].concat(), &[], "no length");
        broken(V3, carrier, b"\x02\x01\xff4", &[], "length");
        broken(V3, carrier, b"\x00\x02\xff4\xff", &[], "UTF-8");
    }
}

#[test]
fn a_message_above_the_limit_is_refused_before_it_is_decoded() {
    let text = |length: usize| "x".repeat(length);
    let encoded = |length: usize| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(vec![7; length])
    };
    for length in [LIMIT - 2, LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2, LIMIT + 3, 3 * LIMIT] {
        let too_large = length > LIMIT;
        let check = |revision, carrier, input: Vec<u8>| {
            let (frames, violation) = read(revision, carrier, &input);
            assert_eq!((frames.len(), violation), if too_large { (0, Some(reason::TOO_LARGE)) } else { (1, None) });
        };
        check(V4, Carrier::WebSocket, format!("4{}", text(length)).into());
        check(V4, POLL, format!("4{}", text(length)).into());
        check(V4, POLL, format!("b{}", encoded(length)).into());
        check(V3, POLL, format!("{}:4{}", length + 1, text(length)).into());
        check(V3, POLL, format!("{}:b4{}", encoded(length).len() + 2, encoded(length)).into());
        let digits: Vec<u8> = (length + 1).to_string().bytes().map(|digit| digit - b'0').collect();
        check(V3, POLL, [&[0], &digits[..], &[0xff, b'4'], text(length).as_bytes()].concat());
        check(V3, POLL, [&[1], &digits[..], &[0xff, 4], &vec![7; length]].concat());
        for (revision, before) in [(V3, &[4][..]), (V4, &[])] {
            let read = read_binary(revision, &[before, &vec![7; length]].concat());
            assert_eq!(read.is_err(), too_large);
        }
    }
}

#[test]
fn a_body_of_delimiters_costs_nothing() {
    for (revision, body) in [
        (V4, vec![0x1e; 1 << 20]),
        (V3, b"0:".repeat(1 << 19)),
        (V3, b":".repeat(1 << 20)),
        (V3, vec![0; 1 << 20]),
        (V3, vec![b'1'; 1 << 20]),
        (V3, [&[0][..], &[1; 1 << 20]].concat()),
    ] {
        let (frames, violation) = read(revision, POLL, body);
        assert!(frames.is_empty() && violation.is_some());
    }
    // Packets without meaning are passed over, and none of them is kept.
    let noops = ["6"; 1 << 19].join("\u{1e}");
    assert_eq!(read(V4, POLL, noops), (vec![], None));
}

#[test]
fn a_small_message_of_a_large_body_does_not_hold_it() {
    let body = Bytes::from(format!("4small\u{1e}4{}", "x".repeat(LIMIT)));
    let mut codec = EngineCodec::new(V4, LIMIT, POLL);
    let mut input = Some(body.clone());
    let at = |frame: Option<Frame>| match frame {
        Some(Frame::Message { message, .. }) => message.payload().as_message().unwrap().clone().into_bytes(),
        other => panic!("{other:?}"),
    };
    let within = |bytes: &Bytes| body.as_ptr_range().contains(&bytes.as_ptr());
    let (small, large) = (at(codec.read(&mut input).unwrap()), at(codec.read(&mut input).unwrap()));
    assert!(!within(&small) && within(&large));
}

#[test]
fn the_lines_of_a_form_are_restored() {
    for (form, payload) in [
        ("d=6%3A4hello", "6:4hello"),
        ("d=6:4hello", "6:4hello"),
        ("x=1&d=4a+b%2Bc&d=no", "4a b+c"),
        ("d=19%3A42%5B%22echo%22%2C%22a%5C%5Cnb%E2%80%A8%C3%A9%22%5D", "19:42[\"echo\",\"a\\nb\u{2028}é\"]"),
        // An end of a line; a backslash and an `n`; both, and what is neither.
        (r"d=a\nb", "a\nb"),
        (r"d=a\\nb", r"a\nb"),
        (r"d=a\\\nb\\\\nc", r"a\\nb\\\nc"),
        (r"d=\t\\t\", r"\t\\t\"),
        ("d=", ""),
        ("d=%zz", "%zz"),
    ] {
        assert_eq!(form_payload(form.as_bytes()).as_deref(), Ok(payload.as_bytes()), "{form}");
    }
    for none in ["", "4hello", "D=4hello", "xd=4hello", "d"] {
        assert_eq!(form_payload(none.as_bytes()).unwrap_err().code, 4004, "{none}");
    }
}
