//! Another spelling of packets.

use std::cell::Cell;

use super::{super::Packer, *};
use crate::{codec::engineio::parse_error, session::frame::CloseReason};

/// A spelling with angle brackets, in which the limit is that of a packet.
const PACKER: Packer = Packer { read: unpack, write: pack };

thread_local!(static WRITTEN: Cell<usize> = const { Cell::new(0) });

fn unpack(message: &Bytes, limit: usize) -> Result<Packet, CloseReason> {
    assert_eq!(limit, LIMIT);
    let text = message.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">"));
    let text = text.ok_or_else(|| parse_error("parse error: no brackets"))?;
    Ok(Packet::new(String::from_utf8_lossy(text).into_owned(), Vec::new()))
}

fn pack(packet: &Packet) -> Vec<u8> {
    WRITTEN.set(WRITTEN.get() + 1);
    format!("<{} {}>", packet.text(), packet.attachments().len()).into_bytes()
}

fn codec(carrier: Carrier) -> EngineCodec {
    EngineCodec::new(Revision::V4, LIMIT, carrier).packed_by(Some(&PACKER))
}

#[test]
fn a_binary_message_is_a_packet_and_a_text_is_none() {
    let came = |frame: Frame| match frame {
        Frame::Message { number: 0, message } => message.into_payload(),
        other => panic!("{other:?}"),
    };
    let frame = codec(Carrier::WebSocket).read_binary(Bytes::from_static(b"<2[\"x\"]>")).unwrap().unwrap();
    assert_eq!(came(frame), packet("2[\"x\"]", &[]));
    // `PDE+` is `<1>` in base64.
    let (frames, violation) = read_all(&mut codec(POLL), "3\x1ebPDE+\x1eb".as_bytes());
    assert_eq!(frames.len(), 2);
    assert_eq!(frames.into_iter().next_back().map(came), Some(packet("1", &[])));
    assert_eq!(violation.unwrap().text, "parse error: no brackets");
    for input in ["42[\"x\"]", "40", "4"] {
        for carrier in [POLL, Carrier::WebSocket] {
            let (frames, violation) = read_all(&mut codec(carrier), input.as_bytes());
            assert_eq!((frames.len(), &*violation.unwrap().text), (0, "parse error: a text where packets are bytes"));
        }
    }
    let long = Bytes::from(vec![b'<'; LIMIT + 1]);
    assert_eq!(codec(Carrier::WebSocket).read_binary(long).unwrap_err(), reason::TOO_LARGE);
}

/// The other clients of a broadcast have their own spelling of it.
#[test]
fn a_broadcast_is_spelled_once_for_each_carrier() {
    let event = packet("51-[\"x\",{\"_placeholder\":true,\"num\":0}]", &[&[1]]);
    let spelled = format!("<{} 1>", "51-[\"x\",{\"_placeholder\":true,\"num\":0}]");
    for own in [true, false] {
        let said = [if own { Said::from(event.clone()) } else { shared(event.clone()) }];
        let before = WRITTEN.get();
        for _ in 0..3 {
            let mut out = Vec::new();
            let mut buffer = SocketBuffer::new(&mut out);
            codec(Carrier::WebSocket).write_socket(said[0].outbound(true), &mut buffer);
            buffer.finish();
            assert_eq!(frames(&out), [(2, Bytes::from(spelled.clone()))]);
            let (mut codec, mut body) = (codec(POLL), Vec::new());
            codec.write(said[0].outbound(true), &mut body);
            codec.write(Outbound::Frame(Frame::Noop), &mut body);
            assert_eq!(codec.finish(&mut body), TEXT);
            use base64::Engine;
            let encoded = base64::engine::general_purpose::STANDARD.encode(&spelled);
            assert_eq!(String::from_utf8(body).unwrap(), format!("b{encoded}\x1e6"));
            // Those with the usual spelling get it.
            assert_eq!(send(Revision::V4, &said, true).0.len(), 2);
            assert!(write(Revision::V4, POLL, &said, true).0.starts_with(b"451-["));
        }
        assert_eq!(WRITTEN.get() - before, if own { 6 } else { 2 });
    }
}
