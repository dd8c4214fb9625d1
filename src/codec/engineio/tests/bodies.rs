//! The payloads and packets that a server sends.

use super::*;
use crate::packet::Offset;
use Revision::{V3, V4};

fn text(text: &str) -> Said {
    Message::from(text).into()
}

fn bytes(bytes: &[u8]) -> Said {
    Message::from(bytes).into()
}

fn event(text: &str, attachments: &[&[u8]]) -> Said {
    packet(text, attachments).into()
}

fn ping() -> Said {
    Said::Frame(Frame::Ping { id: 7, received: None })
}

fn pong() -> Said {
    Said::Frame(Frame::Pong { id: LAST_PING, received: 0 })
}

fn close() -> Said {
    Said::Frame(Frame::LinkClose(reason::CLOSED))
}

#[track_caller]
fn body(revision: Revision, carrier: Carrier, said: &[Said], expected: impl AsRef<[u8]>) {
    let (body, content_type) = write(revision, carrier, said, true);
    let expected = expected.as_ref();
    assert_eq!(body, expected, "{} for {}", body.escape_ascii(), expected.escape_ascii());
    let binary = expected.first().is_some_and(|first| *first < 2);
    assert_eq!(content_type, if binary { ContentType::BYTES } else { TEXT });
}

#[test]
fn the_open_packet_has_five_keys() {
    let open = OpenPacket {
        sid: "<eio-sid-1>",
        upgrades: &["websocket"],
        ping_interval: 25_000,
        ping_timeout: 20_000,
        max_payload: 1_000_000,
    };
    let text = "0{\"sid\":\"<eio-sid-1>\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\
                \"maxPayload\":1000000}";
    let written = |revision, open: OpenPacket<'_>| {
        let mut body = Vec::new();
        open.write(revision, &mut body);
        String::from_utf8(body).unwrap()
    };
    assert_eq!(written(V4, open), text);
    // The id of the transcripts has 20 characters, and its name there 11.
    assert_eq!(written(V3, open), format!("109:{text}"));
    assert_eq!(written(V3, OpenPacket { sid: &"x".repeat(20), ..open }).split_once(':').unwrap().0, "118");
    let closed = OpenPacket { upgrades: &[], ..open }.to_text();
    assert!(closed.contains("\"upgrades\":[],"), "{closed}");
    assert!(OpenPacket { sid: "a\"b", ..open }.to_text().contains(r#""sid":"a\"b","#));
}

#[test]
fn a_body_of_revision_4_is_text() {
    for carrier in [POLL, POLL_BASE64] {
        body(V4, carrier, &[text("hello")], "4hello");
        body(V4, carrier, &[text("a"), bytes(&[1, 2, 3, 4]), text("")], "4a\u{1e}bAQIDBA==\u{1e}4");
        body(V4, carrier, &[ping()], "2");
        body(V4, carrier, &[text("x"), ping(), close()], "4x\u{1e}2\u{1e}1");
        body(V4, carrier, &[pong()], "6");
        body(V4, carrier, &[], "6");
        body(V4, carrier, &[Said::Frame(Frame::Noop), close()], "6\u{1e}1");
        body(V4, carrier, &[Said::Frame(Frame::Close { number: 4, reason: reason::CLOSED })], "1");
        body(V4, carrier, &[event("2[\"é€😀\"]", &[])], "42[\"é€😀\"]");
        let both = || event("52-[\"x\",{\"_placeholder\":true,\"num\":0}]", &[&[1, 2, 3], &[]]);
        body(
            V4,
            carrier,
            &[both(), text("y")],
            "452-[\"x\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID\u{1e}b\u{1e}4y",
        );
        // Nothing that the client would not understand.
        body(V4, carrier, &[Said::Frame(Frame::GoAway { delay: 1 }), Said::Frame(Frame::Ack { received: 1 })], "6");
    }
}

#[test]
fn a_text_that_would_be_split_goes_as_bytes_in_a_body_of_revision_4_alone() {
    body(V4, POLL, &[text("a\u{1e}b")], "bYR5i");
    body(V4, POLL, &[shared(Message::from("\u{1e}")), text("x")], "bHg==\u{1e}4x");
    body(V3, POLL, &[text("a\u{1e}b")], "4:4a\u{1e}b");
    let (frames, _) = send(V4, &[text("a\u{1e}b")], true);
    assert_eq!(frames, [(1, Bytes::from("4a\u{1e}b"))]);
}

#[test]
fn a_body_of_revision_3_is_binary_only_with_bytes_for_a_client_that_reads_them() {
    for carrier in [POLL, POLL_BASE64] {
        body(V3, carrier, &[text("hello")], "6:4hello");
        body(V3, carrier, &[text("é€😀"), pong(), close()], "5:4é€😀1:31:1");
        body(V3, carrier, &[], "1:6");
        body(V3, carrier, &[ping()], "1:6");
        body(V3, carrier, &[Said::Frame(Frame::Noop)], "1:6");
        body(V3, carrier, &[event("2[\"x\"]", &[])], "7:42[\"x\"]");
    }
    body(V3, POLL_BASE64, &[text("hello"), bytes(&[1, 2, 3, 4])], "6:4hello10:b4AQIDBA==");
    body(V3, POLL, &[text("hello"), bytes(&[1, 2, 3, 4])], b"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04");
    body(V3, POLL, &[bytes(&[1]), text("hello"), pong()], b"\x01\x02\xff\x04\x01\x00\x06\xff4hello\x00\x01\xff3");
    body(
        V3,
        POLL,
        &[pong(), text("é€😀"), bytes(&[])],
        b"\x00\x01\xff3\x00\x01\x00\xff4\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x01\x01\xff\x04",
    );
    // As the reference server writes it, in the transcript of requests made by hand.
    let echo = event("51-[\"echo\",{\"_placeholder\":true,\"num\":0}]", &[&[1, 2, 3]]);
    let hex =
        "000402ff3435312d5b226563686f222c7b225f706c616365686f6c646572223a747275652c226e756d223a307d5d0104ff04010203";
    let expected: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    body(V3, POLL, &[echo], &expected);
}

#[test]
fn a_payload_begins_anew_behind_each_end() {
    for (revision, expected) in [(V3, &b"..\x00\x02\xff4a\x01\x02\xff\x04\x01|2:4b"[..]), (V4, b"..4a\x1ebAQ==|4b")] {
        let (mut codec, mut out) = (EngineCodec::new(revision, LIMIT, POLL), b"..".to_vec());
        for said in [text("a"), bytes(&[1])] {
            codec.write(said.outbound(true), &mut out);
        }
        let first = codec.finish(&mut out);
        assert_eq!(first == ContentType::BYTES, revision == V3);
        out.push(b'|');
        codec.write(text("b").outbound(true), &mut out);
        assert_eq!(codec.finish(&mut out), TEXT);
        assert_eq!(out, expected, "{}", out.escape_ascii());
    }
}

#[test]
fn each_message_of_a_websocket_is_one_packet() {
    let said = || {
        [
            text("hello"),
            bytes(&[1, 2]),
            ping(),
            pong(),
            Said::Frame(Frame::Probe),
            Said::Frame(Frame::Noop),
            event("51-[\"x\"]", &[&[3]]),
            shared(Message::from(&[9][..])),
            shared(packet("52-[\"y\"]", &[&[4], &[]])),
            close(),
        ]
    };
    let t = |text: &'static str| (1, Bytes::from(text));
    let b = |bytes: &'static [u8]| (2, Bytes::from(bytes));
    let (frames, closed) = send(V4, &said(), true);
    let expected = [
        t("4hello"),
        b(&[1, 2]),
        t("2"),
        t("3probe"),
        t("6"),
        t("451-[\"x\"]"),
        b(&[3]),
        b(&[9]),
        t("452-[\"y\"]"),
        b(&[4]),
        b(&[]),
    ];
    assert_eq!(frames, expected);
    assert_eq!(closed, Some(reason::CLOSED));
    let (frames, _) = send(V3, &said(), true);
    let expected = [
        t("4hello"),
        b(&[4, 1, 2]),
        t("3"),
        t("3probe"),
        t("6"),
        t("451-[\"x\"]"),
        b(&[4, 3]),
        b(&[4, 9]),
        t("452-[\"y\"]"),
        b(&[4, 4]),
        b(&[4]),
    ];
    assert_eq!(frames, expected);
}

#[test]
fn a_client_that_knows_no_events_gets_the_list() {
    for (revision, expected) in [(V3, "14:4[\"said\",\"hi\"]2:4x"), (V4, "4[\"said\",\"hi\"]\u{1e}4x")] {
        for said in [packet("2/chat,7[\"said\",\"hi\"]", &[]), packet("51-[\"said\",\"hi\"]", &[&[1]])] {
            let (body, content_type) = write(revision, POLL, &[said.into(), text("x")], false);
            assert_eq!((String::from_utf8(body).unwrap().as_str(), content_type), (expected, TEXT));
        }
        let (frames, _) = send(revision, &[packet("51-[\"said\",\"hi\"]", &[&[1]]).into()], false);
        assert_eq!(frames, [(1, Bytes::from("4[\"said\",\"hi\"]"))]);
    }
}

/// The message of a session alone and that of many are written alike, in every form, and as often as it is
/// written.
#[test]
fn a_broadcast_is_written_as_a_message_is() {
    let payloads: [Payload; 5] = [
        Message::from("hé\u{1e}").into(),
        Message::from("😀").into(),
        Message::from(vec![1, 2, 3]).into(),
        packet("2[\"x\"]", &[]),
        packet("52-/a,7[\"x\"]", &[&[1], &[2]]),
    ];
    for payload in payloads {
        let broadcast = OutMessage::shared(payload.clone(), &Pool::new(0, 0));
        for (revision, carrier) in [V3, V4].into_iter().flat_map(|it| [(it, POLL), (it, POLL_BASE64)]) {
            for events in [true, false, true] {
                for before in [text("x"), bytes(&[5])] {
                    let own = [before, payload.clone().into()];
                    let [before, _] = &own;
                    let first = match before {
                        Said::Message(message) => Said::Message(message.clone()),
                        Said::Frame(_) => unreachable!("it is a message"),
                    };
                    let many = [first, Said::Message(broadcast.clone())];
                    assert_eq!(write(revision, carrier, &own, events), write(revision, carrier, &many, events));
                    assert_eq!(send(revision, &own, events), send(revision, &many, events));
                }
            }
        }
    }
}

#[test]
fn a_message_for_a_client_that_knows_only_events_is_an_event() {
    let messages: [Payload; 3] =
        [Message::from("a\"é\u{1e}\n").into(), Message::from(vec![1, 2]).into(), packet("2[\"x\"]", &[])];
    let expected4 =
        r#"42["message","a\"é\u001e\n"]\x1e451-["message",{"_placeholder":true,"num":0}]\x1ebAQI=\x1e42["x"]"#;
    let expected3 =
        r#"28:42["message","a\"é\u001e\n"]45:451-["message",{"_placeholder":true,"num":0}]6:b4AQI=7:42["x"]"#;
    for (revision, expected) in [(V3, expected3.to_owned()), (V4, expected4.replace("\\x1e", "\u{1e}"))] {
        for shared in [false, true] {
            let said: Vec<OutMessage> = messages
                .iter()
                .map(|payload| match shared {
                    true => OutMessage::shared(payload.clone(), &Pool::new(0, 0)),
                    false => payload.clone().into(),
                })
                .collect();
            let (mut codec, mut body) = (EngineCodec::new(revision, LIMIT, POLL_BASE64), Vec::new());
            let (mut socket, mut out) = (EngineCodec::new(revision, LIMIT, Carrier::WebSocket), Vec::new());
            let mut buffer = SocketBuffer::new(&mut out);
            for message in &said {
                codec.write(
                    Outbound::Message { number: 1, message: message.borrowed(), events: true, offsets: false },
                    &mut body,
                );
                socket.write_socket(
                    Outbound::Message { number: 1, message: message.borrowed(), events: true, offsets: false },
                    &mut buffer,
                );
            }
            codec.finish(&mut body);
            assert_eq!(buffer.finish(), None);
            assert_eq!(String::from_utf8(body).unwrap(), expected);
            let sent = frames(&out);
            let opcodes: Vec<u8> = sent.iter().map(|(opcode, _)| *opcode).collect();
            assert_eq!(opcodes, [1, 1, 2, 1]);
            assert_eq!(sent[1].1, "451-[\"message\",{\"_placeholder\":true,\"num\":0}]");
            assert_eq!(sent[2].1, if revision == V3 { &[4, 1, 2][..] } else { &[1, 2] });
        }
    }
}

#[test]
fn an_offset_is_written_for_the_clients_that_get_offsets_alone() {
    let OutMessage::Shared(stamped) = OutMessage::shared(packet("51-[\"x\",{}]", &[&[7]]), &Pool::new(0, 0)) else {
        unreachable!("it is shared")
    };
    stamped.stamp(|| Offset::new(71).unwrap());
    let messages = [OutMessage::Shared(stamped), OutMessage::shared(packet("27[\"asks\"]", &[]), &Pool::new(0, 0))];
    for round in 0..2 {
        for (offsets, expected) in [
            (true, "451-[\"x\",{},\"1z\"]\u{1e}bBw==\u{1e}427[\"asks\"]"),
            (false, "451-[\"x\",{}]\u{1e}bBw==\u{1e}427[\"asks\"]"),
        ] {
            let (mut codec, mut body) = (EngineCodec::new(V4, LIMIT, POLL_BASE64), Vec::new());
            let (mut socket, mut out) = (EngineCodec::new(V4, LIMIT, Carrier::WebSocket), Vec::new());
            let mut buffer = SocketBuffer::new(&mut out);
            for message in &messages {
                codec.write(
                    Outbound::Message { number: 1, message: message.borrowed(), events: true, offsets },
                    &mut body,
                );
                socket.write_socket(
                    Outbound::Message { number: 1, message: message.borrowed(), events: true, offsets },
                    &mut buffer,
                );
            }
            codec.finish(&mut body);
            assert_eq!(buffer.finish(), None);
            assert_eq!(String::from_utf8(body).unwrap(), expected, "{round}");
            assert_eq!(frames(&out)[0].1, expected.split('\u{1e}').next().unwrap());
        }
    }
}
