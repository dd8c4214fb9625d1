//! Events on the wire: one message of several records, or of several messages of a WebSocket.

use super::*;
use crate::{packet::Packet, payload::Payload};

fn packet(text: &str, attachments: &[&'static [u8]]) -> Packet {
    Packet::new(text, attachments.iter().map(|bytes| Bytes::from_static(bytes)).collect())
}

/// The payloads that a WebSocket brings, as pairs of whether a message is binary, and its bytes.
fn read_all(messages: &[(bool, &'static [u8])], limit: usize) -> Result<Vec<Payload>, CloseReason> {
    let mut codec = NativeCodec::new(Spelling::WebSocket, limit);
    let mut payloads = Vec::new();
    for (binary, bytes) in messages {
        let mut input = Some(Bytes::from_static(bytes));
        let frames: Vec<Frame> = match binary {
            true => codec.read_binary(input.take().expect("it is there"))?.into_iter().collect(),
            false => std::iter::from_fn(|| codec.read(&mut input).transpose()).collect::<Result<_, _>>()?,
        };
        payloads.extend(frames.into_iter().map(|frame| match frame {
            Frame::Message { message, .. } => message.payload().clone(),
            other => panic!("{other:?} was not written"),
        }));
    }
    Ok(payloads)
}

#[test]
fn the_attachments_of_an_event_are_the_next_messages_of_a_websocket() {
    let messages: [(bool, &'static [u8]); 4] = [(false, b"n1:"), (false, b"e52-[\"x\"]"), (true, b"one"), (true, b"")];
    let event = Payload::from(packet("52-[\"x\"]", &[b"one", b""]));
    assert_eq!(read_all(&messages, LIMIT), Ok(vec![event.clone()]));
    let mut out = Vec::new();
    let mut buffer = SocketBuffer::new(&mut out);
    let message = OutMessage::from(event);
    NativeCodec::new(Spelling::WebSocket, LIMIT).write_socket(
        Outbound::Message { number: 1, message: message.borrowed(), events: true, offsets: false },
        &mut buffer,
    );
    assert_eq!(buffer.finish(), None);
    let written: Vec<_> = frames(&out).into_iter().map(|(opcode, payload)| (opcode == 2, payload)).collect();
    assert_eq!(written, messages.map(|(binary, bytes)| (binary, Bytes::from_static(bytes))));
}

#[test]
fn nothing_else_comes_before_an_attachment() {
    for behind in [&b"mtext"[..], b"e2[\"y\"]", b"a1:", b"n2:", b"v:"] {
        let read = read_all(&[(false, b"n1:"), (false, b"e51-[\"x\"]"), (false, behind)], LIMIT);
        assert_eq!(read.expect_err("malformed").code, 4004, "{behind:?}");
    }
}

#[test]
fn the_limit_holds_for_an_event_and_its_attachments_together() {
    let messages: [(bool, &'static [u8]); 4] =
        [(false, b"n1:"), (false, b"e52-[\"x\"]"), (true, b"four"), (true, b"five5")];
    assert!(read_all(&messages, 17).is_ok());
    assert_eq!(read_all(&messages, 16), Err(reason::TOO_LARGE));
    assert_eq!(read_all(&messages[..3], 11), Err(reason::TOO_LARGE), "no attachment is kept in vain");
    assert_eq!(read_all(&messages[..2], 7), Err(reason::TOO_LARGE));
}

#[test]
fn what_has_come_of_an_event_counts() {
    let mut codec = NativeCodec::new(Spelling::WebSocket, LIMIT);
    let read = |codec: &mut NativeCodec, text: &'static str| {
        let mut input = Some(Bytes::from(text));
        while codec.read(&mut input).expect("well-formed").is_some() {}
    };
    read(&mut codec, "n1:");
    assert_eq!(codec.partial(), 0);
    read(&mut codec, "e52-[\"x\"]");
    assert_eq!(codec.partial(), 8);
    assert!(codec.read_binary(vec![0; 1000].into()).expect("well-formed").is_none());
    assert_eq!(codec.partial(), 1008);
    assert!(codec.read_binary(vec![0; 1000].into()).expect("well-formed").is_some());
    assert_eq!(codec.partial(), 0);
}

#[test]
fn a_client_that_knows_no_events_gets_the_json_as_a_text() {
    for (text, plain) in [
        ("2[\"said\",\"hi\"]", "[\"said\",\"hi\"]"),
        ("2/admin,12[\"said\"]", "[\"said\"]"),
        ("2/a[b]/{c},12[\"said\"]", "[\"said\"]"),
        ("51-/admin,[\"x\",{\"_placeholder\":true,\"num\":0}]", "[\"x\",{\"_placeholder\":true,\"num\":0}]"),
        ("37[]", "[]"),
        ("", ""),
        ("2", ""),
        ("2/admin", ""),
    ] {
        assert_eq!(packet(text, &[]).plain(), plain, "{text}");
    }
    let message = Payload::from(packet("2[\"é\"]", &[])).into();
    let shared = OutMessage::shared(packet("2[\"é\"]", &[]), &Pool::new(0, 0));
    for message in [message, shared] {
        for (spelling, wire) in [(Spelling::Text, "n1:m5:[\"é\"]"), (Spelling::Bytes, "n1:m6:[\"é\"]")] {
            let mut out = Vec::new();
            NativeCodec::new(spelling, LIMIT).write(
                Outbound::Message { number: 1, message: message.borrowed(), events: false, offsets: false },
                &mut out,
            );
            assert_eq!(String::from_utf8_lossy(&out), wire);
            out.clear();
            NativeCodec::new(spelling, LIMIT).write(
                Outbound::Message { number: 1, message: message.borrowed(), events: true, offsets: false },
                &mut out,
            );
            assert_eq!(String::from_utf8_lossy(&out), wire.replace("m5:", "e6:2").replace("m6:", "e7:2"));
        }
    }
}
