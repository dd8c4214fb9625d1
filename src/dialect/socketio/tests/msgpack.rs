//! Packets in MessagePack.

use rmp::encode::*;

use super::*;
use crate::{
    dialect::{Head, socketio::msgpack},
    packet::MAX_ATTACHMENTS,
};

const LIMIT: usize = 1_000_000;

fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn read(message: impl Into<Bytes>) -> Result<Packet, Violation> {
    msgpack::read(&message.into(), LIMIT)
}

/// A message whose data are written by `data`.
fn message(kind: u8, data: impl FnOnce(&mut Vec<u8>), rest: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    write_map_len(&mut out, 3 + rest.len() as u32).unwrap();
    write_str(&mut out, "type").unwrap();
    write_uint(&mut out, kind.into()).unwrap();
    write_str(&mut out, "data").unwrap();
    data(&mut out);
    for (key, value) in rest {
        write_str(&mut out, key).unwrap();
        out.extend_from_slice(value);
    }
    write_str(&mut out, "nsp").unwrap();
    write_str(&mut out, "/").unwrap();
    out
}

/// An event `e` with one argument.
fn event(argument: &[u8]) -> Vec<u8> {
    message(2, |out| out.extend_from_slice(&[b"\x92\xa1e", argument].concat()), &[])
}

/// The JSON of an argument.
#[track_caller]
fn argument(hex: &str) -> String {
    let packet = read(event(&bytes(hex))).unwrap();
    let argument = packet.text().strip_prefix("2[\"e\",").and_then(|text| text.strip_suffix(']'));
    argument.expect("an event with one argument").to_owned()
}

#[track_caller]
fn fails(message: impl Into<Bytes>, why: &str) {
    let message = message.into();
    let shown = message.escape_ascii().to_string();
    let violation = read(message).expect_err(&shown);
    assert!(violation.text().starts_with("parse error: ") && violation.text().contains(why), "{violation} for {shown}");
}

/// A message that the client writes, the packet that it is, and the message that the server writes for that.
#[test]
fn packets_are_those_of_the_transcript() {
    let sent: Vec<Packet> = crate::fuzz::transcripts("socketio")
        .iter()
        .filter(|(name, _)| name == "client4-msgpack")
        .flat_map(|(_, transcript)| transcript.lines())
        .filter_map(|line| line.strip_prefix("W1 > bin "))
        .map(|hex| read(bytes(hex)).unwrap())
        .collect();
    let expected = [
        packet("0{\"token\":\"abc\"}", &[]),
        packet("51-0[\"ask\",\"é\",{\"_placeholder\":true,\"num\":0}]", &[&[1, 2]]),
        packet("0/nobody,", &[]),
        packet("1", &[]),
    ];
    assert_eq!(sent, expected);
}

#[test]
fn packets_of_the_server_are_written() {
    for (text, attachments, hex) in [
        ("0{\"sid\":\"ab\"}", vec![], "83 a474797065 00 a464617461 81a3736964a26162 a36e7370a12f"),
        ("0/a,{}", vec![], "83 a474797065 00 a464617461 80 a36e7370a22f61"),
        ("1/a,", vec![], "82 a474797065 01 a36e7370a22f61"),
        ("4{\"message\":\"no\"}", vec![], "83 a474797065 04 a464617461 81a76d657373616765a26e6f a36e7370a12f"),
        ("2[\"x\"]", vec![], "83 a474797065 02 a464617461 91a178 a36e7370a12f"),
        ("2300[\"x\"]", vec![], "84 a474797065 02 a464617461 91a178 a26964cd012c a36e7370a12f"),
        (
            "61-0[{\"a\":{\"_placeholder\":true,\"num\":0}}]",
            vec![&[7_u8, 8][..]],
            "84 a474797065 03 a464617461 9181a161c4020708 a2696400 a36e7370a12f",
        ),
    ] {
        assert_eq!(Bytes::from(msgpack::write(&packet(text, &attachments))), bytes(hex), "{text}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    let long = "x".repeat(70_000);
    let many: Vec<String> = (0..70_000).map(|number| number.to_string()).collect();
    let entries: Vec<String> = (0..70_000).map(|number| format!("\"{number}\":[]")).collect();
    let attachments: Vec<String> =
        (0..MAX_ATTACHMENTS).map(|number| format!("{{\"_placeholder\":true,\"num\":{number}}}")).collect();
    let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
    for data in [
        "0,-1,31,-32,-33,127,128,255,256,65535,65536,4294967295,4294967296,-128,-129,-32768,-32769".to_owned(),
        "18446744073709551615,-9223372036854775808,-2147483648,-2147483649,1.5,-0.25,1e+300,5e-324".into(),
        "null,true,false,\"\",[],{},[[]],{\"a\":{}},{\"\":[{}]}".into(),
        "\"é€😀 \u{2028}\\u001e\\u0000\\\"\\\\\\n{[,:]}\",{\"\\\"\":1,\"a\\\\\":[2]}".into(),
        format!("\"{}\",\"{}\",\"{}\",\"{long}\"", &long[..31], &long[..32], &long[..256]),
        many[..15].join(","),
        many[..16].join(","),
        many.join(","),
        format!("{{{}}}", entries[..16].join(",")),
        format!("{{{}}}", entries.join(",")),
        deep,
    ] {
        for (head, head_of_bytes) in [("2[\"e\",", "510-["), ("3/a,7[", "610-/a,7[")] {
            let text = format!("{head}{data}]");
            let packet = packet(&text, &[]);
            assert_eq!(read(msgpack::write(&packet)).unwrap(), packet);
            let name = if head.starts_with('2') { "\"e\"," } else { "" };
            let text = format!("{head_of_bytes}{name}{},{data}]", attachments.join(","));
            let bytes: Vec<&[u8]> = (0..MAX_ATTACHMENTS).map(|number| &long.as_bytes()[..number * 300]).collect();
            let packet = super::packet(&text, &bytes);
            assert_eq!(read(msgpack::write(&packet)).unwrap(), packet);
        }
    }
}

/// An object that only looks like the place of an attachment is an object. What an application sends may be deeper than
/// what it takes, and have white space.
#[test]
fn data_of_any_kind_are_written() {
    let fake = packet("2[\"e\",{\"_placeholder\":true,\"num\":0}]", &[]);
    assert_eq!(read(msgpack::write(&fake)).unwrap(), fake);
    let deep = format!("2[\"e\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let written = msgpack::write(&packet(&deep, &[]));
    assert_eq!(written.iter().filter(|byte| **byte == 0x91).count(), 99_999);
    let spaced = packet("2[ \"e\" ,\n{ \"a\" :\t1 , \"b\":[ ] } ]\r\n", &[]);
    assert_eq!(msgpack::write(&spaced), msgpack::write(&packet("2[\"e\",{\"a\":1,\"b\":[]}]", &[])));
}

#[test]
fn numbers_are_those_of_json() {
    for (hex, json) in [
        ("00", "0"),
        ("7f", "127"),
        ("e0", "-32"),
        ("cc00", "0"),
        ("cfffffffffffffffff", "18446744073709551615"),
        ("d3ffffffffffffffff", "-1"),
        ("d38000000000000000", "-9223372036854775808"),
        ("ca3fc00000", "1.5"),
        ("cb3fb999999999999a", "0.1"),
        ("cb4059000000000000", "100.0"),
        ("cb7ff8000000000000", "null"),
        ("cbfff0000000000000", "null"),
        ("ca7f800000", "null"),
    ] {
        assert_eq!(argument(hex), json, "{hex}");
    }
}

#[test]
fn times_and_undefined_are_what_json_stringify_makes_of_them() {
    for (hex, json) in [
        ("d40000", "null"),
        ("92d4000001", "[null,1]"),
        ("83a161d40000a16201a163d40000", "{\"b\":1}"),
        ("81a161c0", "{\"a\":null}"),
        ("d7000000000000000000", "\"1970-01-01T00:00:00.000Z\""),
        ("d70000000197e5eb9664", "\"2025-07-07T17:25:11.396Z\""),
        ("d700ffffffffffffffff", "\"1969-12-31T23:59:59.999Z\""),
        ("d700000001941f297bff", "\"2024-12-31T23:59:59.999Z\""),
        ("d700000000dd9aa6e000", "\"2000-02-29T00:00:00.000Z\""),
        ("d700fffffdfed8b2b400", "\"1900-02-28T00:00:00.000Z\""),
        ("d700fffffdfeddd91000", "\"1900-03-01T00:00:00.000Z\""),
        ("d700ffffc776c5f93000", "\"0000-03-01T00:00:00.000Z\""),
        ("d700ffffc7758bd54400", "\"-000001-12-31T00:00:00.000Z\""),
        ("d7000000e677d21fdc00", "\"+010000-01-01T00:00:00.000Z\""),
        ("d700001eb208c2dc0000", "\"+275760-09-13T00:00:00.000Z\""),
        ("d700001eb208c2dc0001", "null"),
        ("d700ffe14df73d240000", "\"-271821-04-20T00:00:00.000Z\""),
        // The extension of MessagePack itself: 32 bits, 30 and 34, 96.
        ("d6ff00000001", "\"1970-01-01T00:00:01.000Z\""),
        ("d7ff773593fc00000001", "\"1970-01-01T00:00:01.499Z\""),
        ("c70cff1dcd6500ffffffffffffffff", "\"1969-12-31T23:59:59.500Z\""),
        ("c70cff000000007fffffffffffffff", "null"),
        // The same in the longest form.
        ("c8000800 0000000000000000", "\"1970-01-01T00:00:00.000Z\""),
    ] {
        assert_eq!(argument(hex), json, "{hex}");
    }
    for hex in ["d401 00", "d500 0000", "d801 00000000000000000000000000000000", "c70001", "d6000000 0000"] {
        fails(event(&bytes(hex)), "an extension");
    }
}

#[test]
fn every_day_of_eight_centuries_has_its_date() {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut month, mut day) = (1600, 1, 1);
    let mut millis = -11_676_096_000_000_i64;
    while year < 2400 {
        let date = argument(&format!("d700{millis:016x}"));
        assert_eq!(date, format!("\"{year}-{month:02}-{day:02}T00:00:00.000Z\""));
        let days = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
        (millis, day) = (millis + 86_400_000, day + 1);
        if day > days {
            (month, day) = (month + 1, 1);
        }
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
}

#[test]
fn keys_are_texts_or_integers() {
    assert_eq!(argument("82 01a161 ff c3"), "{\"1\":\"a\",\"-1\":true}");
    for hex in ["81 c0 01", "81 c3 01", "81 90 01", "81 c4 0161 01", "81 d40000 01"] {
        fails(event(&bytes(hex)), "not a packet in MessagePack");
    }
    let placeholder = "82 ac5f706c616365686f6c646572 c3 a36e756d 00";
    assert_eq!(argument(placeholder), "{\"_placeholder\":true,\"num\":0}");
    fails(event(&bytes(&format!("92 {placeholder} c40101"))), "beside bytes");
}

#[test]
fn what_is_no_packet_is_refused() {
    for (hex, why) in [
        ("", "cut short"),
        ("00", "not a packet"),
        ("90", "not a packet"),
        ("c1", "not a packet"),
        ("80", "not a packet"),
        ("81 a474797065 01", "not a packet"),
        ("81 a36e7370 a12f", "not a packet"),
        ("82 a474797065 01 a36e7370 01", "not a packet"),
        ("82 a474797065 01 a36e7370 a12f 00", "behind a packet"),
        ("82 a474797065 01 a474797065 01", "twice"),
        // Types: of the server, of attachments, and none.
        ("83 a474797065 04 a464617461 80 a36e7370 a12f", "of a client"),
        ("83 a474797065 05 a464617461 91a165 a36e7370 a12f", "of a client"),
        ("82 a474797065 ff a36e7370 a12f", "of a client"),
        ("82 a474797065 cb3ff0000000000000 a36e7370 a12f", "of a client"),
        ("82 a474797065 a131 a36e7370 a12f", "of a client"),
        // Namespaces that cannot be one.
        ("82 a474797065 01 a36e7370 a0", "not a packet"),
        ("82 a474797065 01 a36e7370 a161", "not a packet"),
        ("82 a474797065 01 a36e7370 a42f612c62", "not a packet"),
        ("82 a474797065 01 a36e7370 a22fff", "UTF-8"),
        // Data that the type does not allow.
        ("83 a474797065 00 a464617461 90 a36e7370 a12f", "CONNECT"),
        ("83 a474797065 00 a464617461 05 a36e7370 a12f", "not a packet"),
        ("83 a474797065 01 a464617461 80 a36e7370 a12f", "DISCONNECT"),
        ("82 a474797065 02 a36e7370 a12f", "not a packet"),
        ("83 a474797065 02 a464617461 80 a36e7370 a12f", "not a packet"),
        ("83 a474797065 02 a464617461 90 a36e7370 a12f", "has a name"),
        ("83 a474797065 02 a464617461 91c0 a36e7370 a12f", "has a name"),
        ("83 a474797065 02 a464617461 91a7636f6e6e656374 a36e7370 a12f", "reserved"),
        ("83 a474797065 03 a464617461 90 a36e7370 a12f", "not a packet"),
        // Ids.
        ("84 a474797065 02 a464617461 91a165 a26964 ff a36e7370 a12f", "an id"),
        ("84 a474797065 02 a464617461 91a165 a26964 a130 a36e7370 a12f", "an id"),
        ("84 a474797065 02 a464617461 91a165 a26964 cf0020000000000000 a36e7370 a12f", "an id"),
        ("83 a474797065 01 a26964 01 a36e7370 a12f", "not a packet"),
    ] {
        fails(bytes(hex), why);
    }
    for hex in [
        "82 a36e7370 a12f a474797065 01",
        "83 a474797065 01 a464617461 c0 a36e7370 a12f",
        "84 a474797065 01 a464617461 d40000 a26964 c0 a36e7370 a12f",
        "84 a474797065 01 a464617461 d40000 a26964 d40000 a36e7370 a12f",
        "de0003 a474797065 d000 a36e7370 d9012f a178 9181a16291c0",
    ] {
        assert!(matches!(&**read(bytes(hex)).unwrap().text(), "0" | "1"), "{hex}");
    }
}

/// Each beginning of a message is refused, and every length that promises more than there is.
#[test]
fn what_is_cut_short_is_refused() {
    let whole = msgpack::write(&packet(
        "52-/a,7[\"e\",{\"_placeholder\":true,\"num\":0},[1,-2,1.5,\"x\",null,{\"k\":{\"_placeholder\":true,\"num\":1}}]]",
        &[&[1; 3], &[2; 300]],
    ));
    assert!(read(whole.clone()).is_ok());
    for end in 0..whole.len() {
        fails(whole[..end].to_vec(), "cut short");
    }
    for hex in ["ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c9ffffffff00", "dcffff", "deffff", "bf", "d8"]
    {
        let mut cut = event(&bytes(hex));
        cut.truncate(cut.len() - 6); // the namespace
        fails(cut, "");
    }
}

#[test]
fn packets_are_bounded() {
    let deep = |depth: usize| event(&[vec![0x91; depth], vec![0xc0]].concat());
    assert!(read(deep(127)).is_ok());
    fails(deep(128), "nested");
    fails(deep(500_000), "nested");
    fails(event(&[vec![0x81; 300], vec![0xa0; 1]].concat()), "not a packet");
    let list =
        |count: u8| [&[0x9c_u8][..], &b"\xc4\x01x".repeat(count.into()), &[0xc0; 12][usize::from(count)..]].concat();
    assert_eq!(read(event(&list(10))).unwrap().attachments().len(), 10);
    fails(event(&list(11)), "at most 10 attachments");
    let name = format!("/{}", "x".repeat(255));
    let long = |name: &str| {
        let mut out = bytes("82 a474797065 01 a36e7370").to_vec();
        write_str(&mut out, name).unwrap();
        out
    };
    assert!(read(long(&name)).is_ok());
    fails(long(&format!("{name}x")), "not a packet");
}

/// JSON may be longer than MessagePack; what counts is the packet.
#[test]
fn a_packet_and_its_attachments_have_one_limit() {
    let packets = [
        packet(&format!("2[\"e\",\"{}\"]", "\\u0001".repeat(100)), &[]),
        packet(&format!("2[\"e\",[{}]]", vec!["null"; 100].join(",")), &[]),
        packet("51-[\"e\",{\"_placeholder\":true,\"num\":0}]", &[&[0; 100]]),
        packet("52-[{\"_placeholder\":true,\"num\":0},\"e\",{\"_placeholder\":true,\"num\":1}]", &[&[0; 100], &[0; 9]]),
    ];
    for packet in &packets[..3] {
        let message = Bytes::from(msgpack::write(packet));
        assert_eq!(msgpack::read(&message, packet.len()).as_ref(), Ok(packet));
        for limit in [0, 1, 50, packet.len() / 2, packet.len() - 1] {
            assert_eq!(msgpack::read(&message, limit), Err(Violation::TooLarge));
        }
    }
    // A field that is ignored has the same limit, and counts no more once it is read.
    let options: &[(&str, &[u8])] = &[("options", &[&b"\xc4\x64"[..], &[0; 100]].concat())];
    let message = Bytes::from(message(2, |out| out.extend_from_slice(b"\x91\xa1e"), options));
    assert_eq!(msgpack::read(&message, 140).unwrap().text(), "2[\"e\"]");
    assert_eq!(msgpack::read(&message, 99), Err(Violation::TooLarge));
}

#[test]
fn a_small_attachment_does_not_keep_a_large_message() {
    let message = Bytes::from(msgpack::write(&packet(
        "52-[\"e\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]",
        &[&[1; 10], &[2; 1000]],
    )));
    let packet = msgpack::read(&message, LIMIT).unwrap();
    let is_within = |part: &Bytes| message.as_ptr_range().contains(&part.as_ptr());
    assert_eq!(packet.attachments().iter().map(is_within).collect::<Vec<_>>(), [false, true]);
}

/// An input is a message; what is read is written, and read again as the same.
#[test]
fn fuzz_msgpack() {
    crate::fuzz::run("msgpack", 60_000, |input, behaviour| {
        let message = Bytes::copy_from_slice(input);
        match msgpack::read(&message, 1500) {
            Err(violation) => behaviour.note(violation),
            Ok(packet) => {
                let head = Head::parse(packet.text()).expect("a packet");
                behaviour.note((head.kind, head.attachments, head.id.is_some(), head.namespace.len() > 1));
                behaviour.note((packet.len().ilog2(), head.data.contains("null"), head.data.contains('.')));
                assert!(packet.len() <= 1500 && head.attachments == packet.attachments().len());
                assert!(ClientPacket::read(R5, packet.text().clone()).is_ok(), "{packet:?}");
                let again = msgpack::read(&msgpack::write(&packet).into(), 1500);
                assert_eq!(again.as_ref(), Ok(&packet));
            }
        }
    });
}
