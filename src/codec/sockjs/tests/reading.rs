//! The JSON that a client sends.

use super::*;

/// The characters that the client escapes, as its source has them.
const BY_CLIENT: &str =
    "\u{22}\u{5c}\0\u{1f}\u{7f}\u{9f}\u{ad}\u{600}\u{70f}\u{17b4}\u{200c}\u{2028}\u{206f}\u{feff}\u{fff0}\u{ffff}";

#[test]
fn arrays_and_single_strings() {
    for (input, texts) in [
        (&br#"["a"]"#[..], &["a"][..]),
        (br#"["a","b",""]"#, &["a", "b", ""]),
        (b" \t\r\n[ \"a\" , \"b\"\n] ", &["a", "b"]),
        (br#""alone""#, &["alone"]),
        (b" \"\" ", &[""]),
        (b"[]", &[]),
        (b" [ ] ", &[]),
        (b"", &[]),
        (b" ", &[]),
        ("[\"é€😀\u{2028}\"]".as_bytes(), &["é€😀\u{2028}"]),
    ] {
        assert_eq!(
            read(input),
            (texts.iter().map(|&text| text.to_owned()).collect(), None),
            "{}",
            input.escape_ascii()
        );
    }
}

#[test]
fn broken_json_is_a_violation_behind_what_was_read() {
    for (input, texts) in [
        (&b"["[..], 0),
        (b"[\"", 0),
        (b"[\"x", 0),
        (b"[\"x\"", 0),
        (b"[,", 0),
        (b"[\"x\",", 1),
        (b"[\"x\",]", 1),
        (b"[\"x\" \"y\"]", 0),
        (b"[\"x\"]]", 0),
        (b"[\"x\"],", 0),
        (b"[]x", 0),
        (b"\"x\" y", 0),
        (b"x", 0),
        (b"]", 0),
        (b"null", 0),
        (b"[1]", 0),
        (b"[\"x\",{}]", 1),
        (b"[[\"x\"]]", 0),
        (b"[\"\n\"]", 0),
        (b"[\"\\x\"]", 0),
        (b"[\"\\u12g4\"]", 0),
        (b"[\"\\u12\"]", 0),
        (b"[\"\\", 0),
        (b"[\"\xff\"]", 0),
        (b"[\"\\n\xff\"]", 0),
    ] {
        let (read, violation) = read(input);
        assert_eq!((read.len(), violation.map(|reason| reason.code)), (texts, Some(4004)), "{}", input.escape_ascii());
        assert!(check(input).is_err(), "{}", input.escape_ascii());
    }
}

#[test]
fn a_body_is_an_array_of_strings() {
    for input in ["[]", " [ ] ", r#"["a"]"#, r#" [ "a" , "\ud800" ] "#, r#"["\\\"\/\b\f\n\r\t\u0000"]"#] {
        assert_eq!(check(input.as_bytes()), Ok(()), "{input}");
    }
    for input in ["", " ", "\"x\"", "1", "{}", "null", "[1]", "[\"a\",null]", "[[]]", "[\"\\ud800\",1]", "\"\\udfff\""]
    {
        assert_eq!(check(input.as_bytes()), Err(Unfit::NoPayload), "{input}");
    }
    for input in [&b"["[..], b"[\"x", b"[\"a\",]", b"x", b"[\"a\"]x", b"\xff", b"[\"\xff\"]", b"{"] {
        assert_eq!(check(input), Err(Unfit::Broken), "{}", input.escape_ascii());
    }
    let deep = "[".repeat(100_000);
    assert_eq!(check(deep.as_bytes()), Err(Unfit::Broken), "it is not followed down");
}

#[test]
fn escapes() {
    let (texts, _) = read(r#"["\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00\uFFFF"]"#);
    assert_eq!(texts, ["\"\\/\u{8}\u{c}\n\r\tAé€😀\u{ffff}"]);
    let escaped: String = BY_CLIENT.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    assert_eq!(read(format!("[\"{escaped}\"]")).0, [BY_CLIENT]);
}

#[test]
fn half_of_a_pair_becomes_the_replacement_character() {
    for (escaped, text) in [
        (r"\ud800", "\u{fffd}"),
        (r"\udfff", "\u{fffd}"),
        (r"\ud800 \udfff ok", "\u{fffd} \u{fffd} ok"),
        (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
        (r"\ud83d\u0041", "\u{fffd}A"),
        (r"\ud83d\n", "\u{fffd}\n"),
        (r"\ud83dx", "\u{fffd}x"),
        (r"\ud83d", "\u{fffd}"),
    ] {
        assert_eq!(read(format!("[\"{escaped}\"]")), (vec![text.to_owned()], None), "{escaped}");
    }
}

#[test]
fn every_unit_is_read_as_the_reference_would_but_for_halves() {
    for units in (0..=0xffff_u16).collect::<Vec<_>>().chunks(256) {
        let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}.")).collect();
        let text: String =
            units.iter().flat_map(|unit| [char::from_u32((*unit).into()).unwrap_or('\u{fffd}'), '.']).collect();
        let mut codec = SockJsCodec::new(10_000);
        assert_eq!(read_by(&mut codec, format!("[\"{escaped}\"]")), (vec![text], None));
    }
}

#[test]
fn messages_above_the_limit_are_not_read() {
    let most = "é".repeat(LIMIT / 2);
    assert_eq!(read(format!("[\"{most}\"]")).0, [&*most]);
    assert_eq!(read(format!("[\"a\",\"{most}x\"]")), (vec!["a".to_owned()], Some(reason::TOO_LARGE)));
    let escaped = "\\u0041".repeat(LIMIT);
    assert_eq!(read(format!("[\"{escaped}\"]")).0, ["A".repeat(LIMIT)], "its characters count, not its escapes");
}

#[test]
fn a_small_text_does_not_hold_a_large_body() {
    let mut input = Some(Bytes::from(format!("[\"small\",\"{}\"]", "x".repeat(900))));
    let buffer = input.clone().unwrap();
    let mut codec = SockJsCodec::new(LIMIT);
    let mut kept = Vec::new();
    while let Ok(Some(Frame::Message { message, .. })) = codec.read(&mut input) {
        kept.push(message.into_payload().into_message().into_bytes().as_ptr() as usize);
    }
    let buffer = buffer.as_ptr() as usize..buffer.as_ptr() as usize + buffer.len();
    assert_eq!(kept.iter().map(|place| buffer.contains(place)).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn what_a_websocket_brings_besides_texts() {
    let mut codec = SockJsCodec::new(LIMIT);
    assert_eq!(codec.read_binary(Bytes::from_static(b"[\"x\"]")).expect_err("no binary"), reason::WRONG_KIND);
    assert!(matches!(codec.read_pong(b"1234"), Some(Frame::Pong { id: 1234, received: 0 })));
    for payload in [&b""[..], b"hello", b"-1", b"\xff"] {
        assert!(matches!(codec.read_pong(payload), Some(Frame::Ack { received: 0 })));
        assert!(matches!(codec.read_ping(payload), Some(Frame::Ack { received: 0 })));
    }
    let codes = [Violation::Framing, Violation::WrongKind, Violation::NotUtf8, Violation::TooLarge]
        .map(|violation| SockJsCodec::violation(violation).code);
    assert_eq!(codes, [1002, 1003, 1007, 1009]);
}

#[test]
fn forms() {
    let data = |form: &str| form_data(form.as_bytes()).map(|data| String::from_utf8(data).unwrap());
    assert_eq!(data("d=%5B%22a%22%2C%22%C3%A9%22%5D").as_deref(), Some("[\"a\",\"é\"]"));
    assert_eq!(data("x=1&d=a+b%2B&d=c").as_deref(), Some("a b+"));
    assert_eq!(data("d=%zz%").as_deref(), Some("%zz%"));
    for form in ["", "d=", "p=p", "d", "xd=1"] {
        assert_eq!(data(form), None, "{form}");
    }
}
