//! Transcripts of real clients with the reference server, packet by packet: what they sent is read, and what the
//! server sent is written alike.

use std::collections::BTreeMap;

use super::{
    peer::{Piece, expected, pieces},
    *,
};
use Revision::{V3, V4};

/// The names of the transcripts stand for ids of this many characters.
const SID: &str = "01234567890123456789";

/// Bodies of clients of revision 4 that the reference server refuses too: two are no packets, one is a ping.
const REFUSED: [&[u8]; 3] = [b"x", b"abc", b"2"];

/// A line of a transcript: who it is about, whether the client sent it, and its text.
struct Line {
    exchange: String,
    from_client: bool,
    text: Vec<u8>,
    /// It is bytes, and `text` has them.
    binary: bool,
}

fn line(text: &str) -> Option<Line> {
    let (exchange, rest) = text.split_once(' ')?;
    let (direction, text) = rest.split_once(' ')?;
    if exchange == "#" {
        return None;
    }
    let from_client = direction == ">";
    let hex = text.strip_prefix("bin").or_else(|| text.strip_prefix("hex")).map(str::trim);
    let bytes = hex.map(|hex| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16)).collect());
    let (text, binary) = match bytes {
        Some(Ok(bytes)) => (bytes, true),
        _ => (unescape(text).into_bytes(), false),
    };
    Some(Line { exchange: exchange.into(), from_client, text, binary })
}

/// Undoes the escapes of a transcript.
fn unescape(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let escapes = [("x1e", '\u{1e}'), ("n", '\n'), ("\\", '\\'), ("u2028", '\u{2028}')];
        let (escape, character) = escapes.iter().find(|(escape, _)| behind.starts_with(escape)).expect(text);
        out.push(*character);
        rest = &behind[escape.len()..];
    }
    out.push_str(rest);
    match out.find("<eio-sid-") {
        Some(at) => {
            let end = at + out[at..].find('>').expect("a name ends") + 1;
            out.replace_range(at..end, SID);
            out
        }
        None => out,
    }
}

/// The type of packets in an exchange, as its first line has it.
#[derive(Clone, Copy)]
struct Speech {
    revision: Revision,
    carrier: Carrier,
    scripts: bool,
    posts: bool,
}

fn speech(first: &str) -> Speech {
    let revision = if first.contains("EIO=4") { V4 } else { V3 };
    let scripts = first.contains("&j=");
    let carrier = match first.starts_with("open") {
        true => Carrier::WebSocket,
        false => Carrier::Body { base64: scripts || first.contains("b64=1") },
    };
    Speech { revision, carrier, scripts, posts: first.starts_with("POST") || first.starts_with("PUT") }
}

/// The content of a packet of the server.
fn said(revision: Revision, piece: &Piece) -> Said {
    match piece {
        Piece::Bytes(bytes) if revision == V3 => Message::from(&bytes[1..]).into(),
        Piece::Bytes(bytes) => Message::from(&bytes[..]).into(),
        Piece::Text(packet) => match packet.as_bytes() {
            b"1" => Said::Frame(Frame::LinkClose(reason::CLOSED)),
            b"2" => Said::Frame(Frame::Ping { id: 1, received: None }),
            b"3" => Said::Frame(Frame::Pong { id: 1, received: 0 }),
            b"3probe" => Said::Frame(Frame::Probe),
            b"6" => Said::Frame(Frame::Noop),
            [b'4', ..] => Message::from(&packet[1..]).into(),
            [b'b', ..] => {
                use base64::Engine;
                let data = &packet[if revision == V3 { 2 } else { 1 }..];
                Message::from(base64::engine::general_purpose::STANDARD.decode(data).unwrap()).into()
            }
            _ => panic!("{packet}"),
        },
    }
}

fn check_open(speech: Speech, text: &[u8]) {
    let packet = String::from_utf8(text.to_vec()).unwrap();
    let json = &packet[packet.find("0{").unwrap() + 1..];
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let number = |key: &str| value[key].as_u64().unwrap();
    let upgrades: Vec<&str> = value["upgrades"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let open = OpenPacket {
        sid: value["sid"].as_str().unwrap(),
        upgrades: &upgrades,
        ping_interval: number("pingInterval"),
        ping_timeout: number("pingTimeout"),
        max_payload: number("maxPayload") as usize,
    };
    let mut body = Vec::new();
    match speech.carrier {
        Carrier::WebSocket => body.extend_from_slice(open.to_text().as_bytes()),
        Carrier::Body { .. } => open.write(speech.revision, &mut body),
    }
    assert_eq!(String::from_utf8(body).unwrap(), packet);
}

/// Returns how many packets there were.
fn from_server(speech: Speech, line: &Line) -> usize {
    let Speech { revision, carrier, .. } = speech;
    let mut text = line.text.clone();
    if speech.scripts {
        let call = String::from_utf8(text).unwrap();
        let string = call.strip_prefix("___eio[0](").and_then(|call| call.strip_suffix(");")).expect("a call");
        text = serde_json::from_str::<String>(string).unwrap().into_bytes();
    }
    if text.windows(8).any(|window| window == b"0{\"sid\":") && !text.starts_with(b"4") && !text.contains(&0x1e) {
        let is_message = revision == V3 && text.starts_with(b"2:40");
        if !is_message {
            check_open(speech, &text);
            return 1;
        }
    }
    if carrier == Carrier::WebSocket {
        let piece = match line.binary {
            true => Piece::Bytes(text.clone()),
            false => Piece::Text(String::from_utf8(text.clone()).unwrap()),
        };
        let (frames, closed) = send(revision, &[said(revision, &piece)], true);
        assert_eq!(frames, [(if line.binary { 2 } else { 1 }, Bytes::from(text))]);
        assert_eq!(closed, None);
        return 1;
    }
    let (pieces, whole) = pieces(revision, carrier, &text);
    assert!(whole, "{}", text.escape_ascii());
    let said: Vec<Said> = pieces.iter().map(|piece| said(revision, piece)).collect();
    let (body, content_type) = write(revision, carrier, &said, true);
    assert_eq!(body, text, "{} for {}", body.escape_ascii(), text.escape_ascii());
    assert_eq!(content_type == ContentType::BYTES, line.binary);
    pieces.len()
}

/// Returns how many frames there were.
fn from_client(speech: Speech, line: &Line) -> usize {
    let Speech { revision, carrier, .. } = speech;
    let mut text = line.text.clone();
    if speech.scripts {
        text = form_payload(&text).expect("a form");
    }
    if carrier == Carrier::WebSocket && line.binary {
        read_binary(revision, &text).expect("a message");
        return 1;
    }
    let (frames, violation) = read(revision, carrier, &text);
    let refused = REFUSED.contains(&&text[..]) && revision == V4;
    let shown = text.escape_ascii();
    assert_eq!((&frames, violation.is_some()), (&expected(revision, carrier, &text).0, refused), "{shown}");
    frames.len()
}

/// A header of an answer, which only the transcript made by hand has.
fn is_header(text: &[u8]) -> bool {
    [&b"access-control"[..], b"vary:", b"cache-control:", b"set-cookie:"].iter().any(|name| text.starts_with(name))
}

fn replay(transcript: &str) -> (usize, usize) {
    let mut exchanges: BTreeMap<String, (Speech, bool)> = BTreeMap::new();
    let (mut read, mut written) = (0, 0);
    for line in transcript.lines().filter_map(line) {
        let text = String::from_utf8_lossy(&line.text).into_owned();
        let Some((speech, status)) = exchanges.get_mut(&line.exchange) else {
            exchanges.insert(line.exchange.clone(), (speech(&text), true));
            continue;
        };
        let speech = *speech;
        let socket = speech.carrier == Carrier::WebSocket;
        let closes = socket && text.starts_with("close ");
        if line.from_client {
            // A body of bytes is none for revision 4, which the route judges by its type.
            let is_judged = line.binary && speech.revision == V4 && !socket;
            if !closes && !is_judged {
                read += from_client(speech, &line);
            }
            continue;
        }
        let is_status = std::mem::take(status);
        let is_refusal = text.starts_with("{\"code\"");
        let is_none = is_status || closes || is_refusal || speech.posts || matches!(&*text, "end" | "ok");
        if !is_none && !is_header(&line.text) {
            written += from_server(speech, &line);
        }
    }
    (read, written)
}

#[test]
fn each_packet_of_the_transcripts_is_read_and_written() {
    let (mut files, mut read, mut written) = (0, 0, 0);
    for (name, transcript) in crate::fuzz::transcripts("socketio") {
        let counts = replay(&transcript);
        assert!(counts.0 > 0 && counts.1 > 0, "{name}");
        (files, read, written) = (files + 1, read + counts.0, written + counts.1);
    }
    assert_eq!(files, 26);
    assert!(read > 150 && written > 250, "{read} frames were read and {written} packets written");
}
