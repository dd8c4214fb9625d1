//! The frames that the server sends.

use super::*;

/// A body of these frames, and after which of them the codec was full.
fn body(frames: Vec<Outbound<'_>>) -> (String, Vec<bool>) {
    let (mut codec, mut body) = (SockJsCodec::new(LIMIT), Vec::new());
    let mut full = Vec::new();
    for frame in frames {
        codec.write(frame, &mut body);
        full.push(codec.is_full());
    }
    assert_eq!(codec.finish(&mut body), TEXT);
    assert!(!codec.is_full(), "the next body begins");
    (String::from_utf8(body).unwrap(), full)
}

/// The messages of a WebSocket, and why it is closed.
fn socket(codec: &mut SockJsCodec, frames_written: Vec<Outbound<'_>>) -> (Vec<(u8, String)>, Option<CloseReason>) {
    let mut out = Vec::new();
    let mut buffer = SocketBuffer::new(&mut out);
    for frame in frames_written {
        codec.write_socket(frame, &mut buffer);
    }
    let close = buffer.finish();
    let texts = frames(&out).into_iter().map(|(kind, text)| (kind, String::from_utf8(text.to_vec()).unwrap()));
    (texts.collect(), close)
}

fn said(message: &OutMessage) -> Outbound<'_> {
    Outbound::message(1, message.borrowed(), Names::default())
}

#[test]
fn a_body_is_one_frame() {
    let (one, two) = (message("one"), message("two"));
    assert_eq!(body(vec![attached(Outcome::New)]), ("o".into(), vec![true]));
    assert_eq!(body(vec![attached(Outcome::Full)]), ("h".into(), vec![false]), "a poll that waited in vain");
    assert_eq!(body(vec![]), ("h".into(), vec![]));
    assert_eq!(body(vec![PING]), ("h".into(), vec![true]));
    let all = vec![attached(Outcome::Full), said(&one), Outbound::Frame(Frame::Gap { from: 1, to: 2 }), said(&two)];
    assert_eq!(body(all), (r#"a["one","two"]"#.into(), vec![false; 4]));
    assert_eq!(body(vec![ends(3000, "Go away!")]), (r#"c[3000,"Go away!"]"#.into(), vec![true]));
    for code in [1005, 1006, 4003, 4103] {
        assert_eq!(body(vec![ends(code, "x")]).0, r#"c[1002,"Connection interrupted"]"#);
    }
    let close = Frame::Close { number: 1, reason: CloseReason::new(1000, "\"\n") };
    assert_eq!(body(vec![Outbound::Frame(close)]), (r#"c[1000,"\"\n"]"#.into(), vec![true]));
}

#[test]
fn nothing_follows_messages_in_their_body() {
    let one = message("one");
    for other in [PING, ends(3000, ""), attached(Outcome::New)] {
        assert_eq!(body(vec![said(&one), other]).0, r#"a["one"]"#);
    }
}

#[test]
fn a_websocket_has_a_message_for_each_frame() {
    let (one, two) = (message("one"), message("é\u{2028}"));
    let mut codec = SockJsCodec::new(LIMIT);
    let (texts, close) = socket(&mut codec, vec![said(&one), said(&two), PING, attached(Outcome::New)]);
    let text = |text: &str| (1, text.to_owned());
    assert_eq!(texts, [text(r#"a["one"]"#), text(r#"a["é\u2028"]"#), (9, "7".into()), text("o")]);
    assert_eq!(close, None);
    let (texts, close) = socket(&mut codec, vec![ends(3000, "Go away!")]);
    assert_eq!((texts, close), (vec![text(r#"c[3000,"Go away!"]"#)], Some(CloseReason::new(3000, "Go away!"))));
}

#[test]
fn a_websocket_is_closed_without_a_word_for_what_cannot_be_read() {
    for binary in [false, true] {
        let mut codec = SockJsCodec::new(LIMIT);
        let violation = match binary {
            true => codec.read_binary(Bytes::new()).expect_err("no binary"),
            false => read_by(&mut codec, "[\"x").1.expect("broken"),
        };
        let (texts, close) = socket(&mut codec, vec![Outbound::Frame(Frame::LinkClose(violation.clone()))]);
        assert_eq!((texts, close), (vec![], Some(violation)));
    }
}

#[test]
fn characters_that_are_escaped() {
    let is_escaped = |character: char| {
        matches!(character, '\0'..='\u{1f}' | '"' | '\\' | '\u{200c}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}' | '\u{fff0}'..)
    };
    let all: Vec<char> = (0..=0x0011_0000).filter_map(char::from_u32).collect();
    for few in all.chunks(1009) {
        let text: String = few.iter().collect();
        let string = string(&text);
        assert_eq!(serde_json::from_str::<String>(&string).unwrap(), text, "{string}");
        let bare = string[1..string.len() - 1].replace("\\\\", "").replace("\\\"", "");
        assert!(!bare.chars().any(|character| character != '\\' && is_escaped(character)), "{bare}");
        assert_eq!(read_by(&mut SockJsCodec::new(10_000), format!("[{string}]")), (vec![text], None));
    }
    for character in all.iter().filter(|&&character| !is_escaped(character)).step_by(61) {
        assert_eq!(string(&character.to_string()), format!("\"{character}\""));
    }
    assert_eq!(string("  \0\n\r \t\u{8}\u{c}\"\\"), r#""  \u0000\n\r \t\b\f\"\\""#);
    assert_eq!(string("\u{fff0}\u{ffff}\u{200d}"), r#""\ufff0\uffff\u200d""#, "digits are lower case");
    assert_eq!(string("a😀b\u{10ffff}"), r#""a\ud83d\ude00b\udbff\udfff""#);
}

#[test]
fn a_broadcast_is_encoded_once_for_bodies_and_once_for_websockets() {
    let pool = Pool::new(1 << 20, 1);
    let shared = OutMessage::shared(Message::from("\u{2028}"), &pool);
    assert_eq!(body(vec![said(&shared), said(&shared)]).0, r#"a["\u2028","\u2028"]"#);
    let (texts, _) = socket(&mut SockJsCodec::new(LIMIT), vec![said(&shared), said(&shared)]);
    assert_eq!(texts, vec![(1, r#"a["\u2028"]"#.to_owned()); 2]);
    let OutMessage::Shared(broadcast) = &shared else { panic!("it is shared") };
    for cell in [super::super::STRING, super::super::SOCKET] {
        broadcast.encoded(cell, |_| panic!("it is encoded already"));
    }
}

#[test]
fn bytes_are_base64_and_events_are_their_json() {
    let bytes: OutMessage = Message::from(vec![1, 2, 255]).into();
    assert_eq!(body(vec![said(&bytes)]).0, r#"a["AQL/"]"#);
    let event: OutMessage = Payload::from(Packet::new("2/admin,7[\"said\",\"x\"]", Vec::new())).into();
    assert_eq!(body(vec![said(&event)]).0, r#"a["[\"said\",\"x\"]"]"#);
}
