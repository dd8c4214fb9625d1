//! The grammar of frames.

use super::*;

fn detail(version: impl Into<Option<Version>>, text: &[u8]) -> String {
    read_all(version.into(), &[text]).expect_err(&text.escape_ascii().to_string()).detail
}

#[test]
fn a_frame_has_a_command_headers_and_a_body() {
    for version in Version::ALL {
        let read = frame(version, "SEND\ndestination:/queue/a\nx:y\n\nhello\nqueue a^").unwrap();
        assert_eq!(read.command, "SEND");
        assert_eq!(read.headers, headers(&[("destination", "/queue/a"), ("x", "y")]));
        assert_eq!(read.body, "hello\nqueue a");
        // No header is needed, nor a body.
        let read = frame(version, "DISCONNECT\n\n^").unwrap();
        assert_eq!((&read.command[..], read.headers.iter().count(), read.body.len()), ("DISCONNECT", 0, 0));
    }
}

#[test]
fn a_carriage_return_may_stand_before_each_line_feed() {
    let text = "SEND\r\ndestination:/a\r\nx:y\r\n\r\nbody\r\n^";
    let meant = headers(&[("destination", "/a"), ("x", "y")]);
    for version in [V1_0, V1_2] {
        let read = frame(version, text).unwrap();
        assert_eq!((&read.command[..], &read.headers, &read.body[..]), ("SEND", &meant, &b"body\r\n"[..]));
    }
    assert_eq!(frame(None, "CONNECT\r\nhost:a\r\n\r\n^").unwrap().headers, headers(&[("host", "a")]));
    // Lines may end differently, and one that is escaped stays.
    assert_eq!(frame(V1_2, "SEND\r\na:b\\r\nc:d\r\n\n^").unwrap().headers, headers(&[("a", "b\r"), ("c", "d")]));
}

#[test]
fn in_1_1_a_carriage_return_ends_no_line() {
    assert_eq!(
        detail(V1_1, b"SEND\r\ndestination:/a\r\n\r\nbody^"),
        "a line ends in CR LF: in STOMP 1.1 it ends in LF"
    );
    assert_eq!(frame(V1_1, "SEND\na:b\r\n\n^").unwrap().headers.get("a"), Some("b\r"));
}

#[test]
fn commands_and_names_are_case_sensitive() {
    for version in Version::ALL {
        assert_eq!(frame(version, "SEND\nDestination:/a\n\n^").unwrap().headers.get("destination"), None);
        assert!(refusal(version, "send\ndestination:/a\n\n^").ends_with("has no command send"));
    }
}

#[test]
fn spaces_belong_to_names_and_values() {
    let text = "SEND\nfoo:  a b \n bar\t:\tc\n\n^";
    for version in [V1_1, V1_2] {
        let read = frame(version, text).unwrap().headers;
        assert_eq!(read, headers(&[("foo", "  a b "), (" bar\t", "\tc")]));
    }
    assert_eq!(refusal(V1_2, " SEND\ndestination:/a\n\n^"), "STOMP 1.2 has no command  SEND");
}

#[test]
fn in_1_0_spaces_are_cut_off() {
    let read = frame(V1_0, "SEND \n foo : a b \t\nbar:\n\n^").unwrap();
    assert_eq!((&read.command[..], read.headers), ("SEND", headers(&[("foo", "a b"), ("bar", "")])));
    assert_eq!(detail(V1_0, b"SEND\n  :x\n\n^"), "a header has no name");
}

#[test]
fn the_first_of_a_repeated_header_stands() {
    let read = frame(V1_2, "SEND\nfoo:World\nbar:x\nfoo:Hello\n\n^").unwrap().headers;
    assert_eq!(read.get("foo"), Some("World"));
    assert_eq!(read, headers(&[("foo", "World"), ("bar", "x"), ("foo", "Hello")]));
    let length = frame(V1_2, "SEND\ncontent-length:1\ncontent-length:2\n\nx^").unwrap();
    assert_eq!(length.body, "x");
}

#[test]
fn a_colon_that_is_not_escaped_is_taken() {
    for version in Version::ALL {
        let read = frame(version, "SEND\ndestination:/queue/a:b\nurl:http://c\n\n^").unwrap().headers;
        assert_eq!(read, headers(&[("destination", "/queue/a:b"), ("url", "http://c")]));
    }
}

#[test]
fn a_body_with_a_length_may_have_nuls() {
    for version in Version::ALL {
        let read = frame(version, "SEND\ncontent-length:5\n\na^b^c^").unwrap();
        assert_eq!(read.body, "a\0b\0c");
        assert_eq!(frame(version, "SEND\ncontent-length:0\n\n^").unwrap().body, "");
        assert_eq!(frame(version, "DISCONNECT\ncontent-length:0\n\n^").unwrap().body, "");
        // Without a length the first NUL ends it.
        let read = read_all(Some(version), &[b"SEND\n\na^SEND\n\nb^"]).unwrap();
        assert_eq!(read.len(), 2);
    }
}

#[test]
fn a_nul_follows_the_body() {
    for version in Version::ALL {
        assert_eq!(detail(version, b"SEND\ncontent-length:2\n\nabc^"), "no NUL is behind the body of 2 bytes");
        assert_eq!(detail(version, b"SEND\ncontent-length:2\n\na^\n"), "no NUL is behind the body of 2 bytes");
    }
    for length in [0, 1, 9, 63] {
        let text = format!("SEND\ncontent-length:{length}\n\n{}^", "x".repeat(length + 1));
        assert_eq!(detail(V1_2, text.as_bytes()), format!("no NUL is behind the body of {length} bytes"));
    }
    let refusal = frame(V1_2, "SEND\nreceipt:5\ncontent-length:0\n\nx^").expect_err("a body");
    assert_eq!(refusal.receipt, some("5"));
}

#[test]
fn a_length_is_a_number_within_the_limit() {
    for length in ["", "x", "-1", "+1", "1.0", "0x1", "１"] {
        let text = format!("SEND\ncontent-length:{length}\nreceipt:r\n\nx^");
        assert_eq!(detail(V1_2, text.as_bytes()), "the header content-length is not a number", "{length}");
    }
    for length in ["65", "18446744073709551616", "99999999999999999999999999"] {
        let text = format!("SEND\ncontent-length:{length}\n\n");
        let refusal = read_all(Some(V1_2), &[text.as_bytes()]).expect_err(length);
        assert_eq!(refusal.message, "frame too large");
        assert_eq!(refusal.detail, "a body has at most 64 bytes, the limit of messages (Builder::message_limit)");
    }
    assert_eq!(frame(V1_2, "SEND\ncontent-length:0001\n\nx^").unwrap().body, "x");
    assert_eq!(frame(V1_0, "SEND\ncontent-length: 1\n\nx^").unwrap().body, "x");
}

#[test]
fn a_line_that_is_no_header_is_refused() {
    for version in Version::ALL {
        assert_eq!(detail(version, b"SEND\nnonsense\n\n^"), "a line of the head has no colon");
        assert_eq!(detail(version, b"SEND\n:value\n\n^"), "a header has no name");
        assert_eq!(detail(version, b"SEND\na:\xff\n\n^"), "a command or a header is not UTF-8");
    }
    assert_eq!(frame(V1_2, "SEND\na:\n\n^").unwrap().headers, headers(&[("a", "")]));
}

#[test]
fn headers_are_utf_8_and_bodies_are_any_bytes() {
    for version in Version::ALL {
        let read = frame(version, "SEND\nñ:é€😀\n\nü^").unwrap();
        assert_eq!((read.headers, &read.body[..]), (headers(&[("ñ", "é€😀")]), "ü".as_bytes()));
        let read = read_all(Some(version), &[b"SEND\n\n\xff\xfe^"]).unwrap();
        assert!(matches!(&read[..], [Input::Frame(frame)] if frame.body[..] == [0xff, 0xfe]));
    }
}

#[test]
fn a_nul_in_the_place_of_the_blank_line_ends_a_frame() {
    let read = frame(V1_2, "DISCONNECT\nreceipt:77\n^").unwrap();
    assert_eq!((&read.command[..], read.headers, read.body.len()), ("DISCONNECT", headers(&[("receipt", "77")]), 0));
    assert_eq!(frame(V1_2, "SEND\ncontent-length:0\n^").unwrap().body, "");
    let missing = "the blank line before the body is missing";
    assert_eq!(detail(V1_2, b"SEND\ncontent-length:1\n^x^"), missing);
    // Elsewhere in a head there is none, and nobody waits for its end.
    for text in ["SEND^", "SEND\na:b^", "SEND\na^:b\n\n^", "SEND\na:b\nbody^", "SEND\n\r^"] {
        assert_eq!(detail(V1_2, text.as_bytes()), format!("a NUL is in the head: {missing}"), "{text}");
    }
    assert_eq!(refusal(V1_2, "^"), "STOMP 1.2 has no command ");
}

#[test]
fn line_ends_between_frames_are_heart_beats() {
    let beat = || Input::HeartBeat;
    for version in [None, Some(V1_0), Some(V1_1), Some(V1_2)] {
        assert_eq!(read_all(version, &[b"\n"]), Ok(vec![beat()]));
        assert_eq!(read_all(version, &[b"\n\n\r\n\n", b"\r\n", b"\r", b"\n"]), Ok(vec![beat(), beat(), beat()]));
        // Those behind a frame, in the same message, belong to it.
        let read = read_all(version, &[b"ACK\n\n^\n\r\n\n", b"\n\nACK\n\n^", b"\n"]).unwrap();
        let shape: Vec<bool> = read.iter().map(|input| *input == beat()).collect();
        assert_eq!(shape, [false, true, false, true]);
    }
}

#[test]
fn a_frame_within_its_limits_is_taken_and_one_beyond_is_not() {
    let with_headers = |count: usize| format!("SEND\n{}\n^", "a:b\n".repeat(count));
    assert_eq!(frame(V1_2, &with_headers(8)).unwrap().headers.iter().count(), 8);
    let too_large = "a frame has at most 8 headers, and 256 bytes of them (Stomp::headers)";
    assert_eq!(detail(V1_2, with_headers(9).as_bytes()), too_large);
    let with_bytes = |bytes: usize| format!("SEND\na:{}\n\n^", "x".repeat(bytes - "SEND\na:\n".len()));
    assert!(frame(V1_2, &with_bytes(256)).is_ok());
    assert_eq!(detail(V1_2, with_bytes(257).as_bytes()), too_large);
    let with_body = |length: usize| format!("SEND\n\n{}^", "x".repeat(length));
    assert_eq!(frame(V1_2, &with_body(64)).unwrap().body.len(), 64);
    let with_length = format!("SEND\ncontent-length:64\n\n{}^", "x".repeat(64));
    assert_eq!(frame(V1_2, &with_length).unwrap().body.len(), 64);
    let body_too_large = "a body has at most 64 bytes, the limit of messages (Builder::message_limit)";
    assert_eq!(detail(V1_2, with_body(65).as_bytes()), body_too_large);
    // They are refused before their ends have come.
    assert_eq!(detail(V1_2, "x".repeat(257).as_bytes()), too_large);
    assert_eq!(detail(V1_2, format!("SEND\n\n{}", "x".repeat(65)).as_bytes()), body_too_large);
}

#[test]
fn nothing_is_read_behind_a_frame_that_was_refused() {
    let mut reader = Reader::new(LIMITS);
    reader.push("SEND\nnonsense\n\n\0SEND\n\n\0".into());
    assert!(reader.next().is_err());
    assert_eq!((reader.next(), reader.held()), (Ok(None), 0));
    reader.push("SEND\n\n\0".into());
    assert_eq!((reader.next(), reader.held()), (Ok(None), 0));
}
