use super::*;

/// All that is read of bytes that come in pieces of this length.
fn read(bytes: &[u8], piece: usize) -> Result<Vec<Heard>, Malformed> {
    let (mut reader, mut all) = (Reader::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.buffer.extend_from_slice(piece);
        while let Some(heard) = reader.next()? {
            all.push(heard);
        }
    }
    Ok(all)
}

fn message(subject: &'static str, subscription: u64, headers: &'static str, body: &'static str) -> Heard {
    Heard::Message(Message { subject: subject.into(), subscription, headers: headers.into(), body: body.into() })
}

#[test]
fn all_is_read_however_it_is_cut() {
    let bytes = b"INFO {\"a\": 1} \r\nPING\r\npong\r\n+OK\r\nMSG a.b 7 5\r\n\r\nMSG\r\n\
        MSG a 9 reply 0\r\n\r\nHMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG a 1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n\
        -ERR 'Slow Consumer'\r\nmsg  a\t2  1\r\nx\r\n";
    let expected = vec![
        Heard::Info("{\"a\": 1}".into()),
        Heard::Ping,
        Heard::Pong,
        Heard::Fine,
        message("a.b", 7, "", "\r\nMSG"),
        message("a", 9, "", ""),
        message("a", 1, "NATS/1.0\r\n\r\n", "hi"),
        message("a", 1, "NATS/1.0\r\n\r\n", ""),
        Heard::Refused("Slow Consumer".to_owned()),
        message("a", 2, "", "x"),
    ];
    for piece in 1..bytes.len() {
        assert_eq!(read(bytes, piece).as_ref(), Ok(&expected), "in pieces of {piece}");
    }
}

/// Bytes that are nearly right are read alike however they are cut, and nothing that they claim is believed.
#[test]
fn spoiled_bytes_are_read_alike() {
    let right = b"INFO {}\r\nMSG a.b 7 5\r\n01234\r\nHMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n-ERR 'x'\r\nPONG\r\nMSG a 1 r 0\r\n\r\n";
    let spoiling = b"\r\n 0129MSGHP\0\xff'";
    let mut state = 1_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let mut failed = 0;
    for _ in 0..20_000 {
        let mut bytes = right.to_vec();
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            match below(3) {
                0 => bytes[at] = spoiling[below(spoiling.len())],
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, spoiling[below(spoiling.len())]),
            }
        }
        let whole = read(&bytes, bytes.len());
        assert_eq!(read(&bytes, 1 + below(5)), whole, "{}", bytes.escape_ascii());
        failed += u32::from(whole.is_err());
        for heard in whole.iter().flatten() {
            let Heard::Message(message) = heard else { continue };
            assert!(message.body.len() + message.headers.len() <= bytes.len());
        }
    }
    assert!((1_000..19_000).contains(&failed), "{failed} of them are errors");
}

#[test]
fn a_long_payload_is_read() {
    let body = vec![b'x'; 3 * COPIED];
    let mut bytes = format!("MSG a 1 {}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(b"\r\nPING\r\n");
    let read = read(&bytes, 1_000).unwrap();
    assert!(matches!(&read[..], [Heard::Message(message), Heard::Ping] if message.body == body));
}

#[test]
fn what_no_server_sends_is_an_error() {
    let long = "x".repeat(LINE + 2);
    let too_large = format!("MSG a 1 {}\r\n", PAYLOAD + 1);
    let wrong = [
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        "MSG\r\n",
        "MSG a 1\r\n",
        "MSG a b 1\r\n",
        "MSG a 1 r s 1\r\n",
        "MSG a 1 -1\r\n",
        "MSG a 1 18446744073709551616\r\n",
        "MSG a 1 1\r\nxyz",
        "HMSG a 1 2\r\n",
        "HMSG a 1 3 2\r\n",
        "HMSG a 1 r s 1 2\r\n",
        &too_large,
        &long,
        &format!("{long}\n"),
    ];
    for text in wrong {
        assert_eq!(read(text.as_bytes(), text.len()), Err(Malformed), "{}", &text[..text.len().min(80)]);
    }
}

#[test]
fn what_is_written_is_what_a_server_reads() {
    let mut out = Vec::new();
    put_publication(&mut out, "a.b", b"x\r\n");
    put_question(&mut out, "q", "in.1", &[], b"body");
    put_question(&mut out, "q", "in.2", &[("Nats-TTL", "5".to_owned())], b"");
    put_subscription(&mut out, "a.*", 2);
    put_end(&mut out, 2);
    let expected = "PUB a.b 3\r\nx\r\n\r\nPUB q in.1 4\r\nbody\r\nHPUB q in.2 25 25\r\nNATS/1.0\r\nNats-TTL: 5\r\n\r\n\r\n\
        SUB a.* 2\r\nUNSUB 2\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn headers_are_read() {
    let headers = b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 3\r\nempty:\r\nno colon\r\n\xff: x\r\n\r\n";
    assert_eq!(status(headers), Some(204));
    assert_eq!(header(headers, "nats-num-pending"), Some("3"));
    assert_eq!(header(headers, "empty"), Some(""));
    assert_eq!(header(headers, "other"), None);
    for none in ["", "NATS/1.0\r\n\r\n", "NATS/1.0 x\r\n", "HTTP/1.1 204\r\n"] {
        assert_eq!(status(none.as_bytes()), None, "{none}");
    }
}
