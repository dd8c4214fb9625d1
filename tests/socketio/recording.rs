//! The recorded transcripts: their lines, the packets in them, and what these mean to an application.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

use super::any::Any;

/// A line of a transcript.
#[derive(Clone, Debug)]
pub enum Line {
    /// A remark of whoever recorded it.
    Comment(String),
    Said {
        /// The exchange: `Hn` for HTTP, `Wn` for a WebSocket.
        exchange: String,
        from_client: bool,
        said: Said,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Text(String),
    Bytes(Vec<u8>),
}

impl Said {
    pub fn text(&self) -> &str {
        match self {
            Said::Text(text) => text,
            Said::Bytes(bytes) => panic!("{bytes:?} is no text"),
        }
    }
}

/// The lines of a transcript behind its head.
pub fn lines(name: &str) -> Vec<Line> {
    let path = format!("{}/tests/vectors/socketio/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let transcript = std::fs::read_to_string(path).unwrap();
    let behind_head = transcript.lines().skip_while(|line| line.starts_with('#'));
    behind_head.map(line).collect()
}

fn line(line: &str) -> Line {
    if let Some(comment) = line.strip_prefix("# ") {
        return Line::Comment(comment.to_owned());
    }
    let mut parts = line.splitn(3, ' ');
    let (exchange, direction, said) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap_or(""));
    let hex = said.strip_prefix("bin").or_else(|| said.strip_prefix("hex"));
    let said = match hex.map(str::trim) {
        Some(hex) => {
            Said::Bytes((0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect())
        }
        None => Said::Text(unescape(said)),
    };
    Line::Said { exchange: exchange.to_owned(), from_client: direction == ">", said }
}

/// Undoes the escapes of a transcript. One body is too long for it, and is described.
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
    out.replace("(999999 times x)", &"x".repeat(999_999))
}

/// A packet of Engine.IO, without its framing. Bytes are those of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    Text(String),
    Bytes(Vec<u8>),
    /// The WebSocket was closed with this code, or the connection ended without one.
    Closed(Option<u16>),
}

/// The packets of a body of text.
pub fn packets(revision: u8, body: &str) -> Vec<Packet> {
    let mut all = Vec::new();
    let mut packet = |packet: &str, base64: &str| {
        all.push(match packet.strip_prefix(base64) {
            Some(data) => Packet::Bytes(STANDARD.decode(data).expect(data)),
            None => Packet::Text(packet.to_owned()),
        });
    };
    if revision == 4 {
        body.split('\u{1e}').for_each(|text| packet(text, "b"));
        return all;
    }
    let mut rest = body;
    while let Some((length, behind)) = rest.split_once(':') {
        let units: Vec<u16> = behind.encode_utf16().collect();
        let text = String::from_utf16(&units[..length.parse::<usize>().unwrap()]).unwrap();
        packet(&text, "b4");
        rest = &behind[text.len()..];
    }
    assert_eq!(rest, "", "{body}");
    all
}

/// The packets as a body of text.
pub fn body(revision: u8, packets: &[Packet]) -> String {
    let texts = packets.iter().map(|packet| match packet {
        Packet::Text(text) => text.clone(),
        Packet::Bytes(bytes) => format!("{}{}", if revision == 4 { "b" } else { "b4" }, STANDARD.encode(bytes)),
        Packet::Closed(_) => panic!("it is none of a body"),
    });
    match revision {
        4 => texts.collect::<Vec<_>>().join("\u{1e}"),
        _ => texts.map(|text| format!("{}:{text}", text.encode_utf16().count())).collect(),
    }
}

/// The parts of a Socket.IO packet in a message: its head up to the id, the id, and its data.
pub fn parts(message: &str) -> Option<(&str, Option<u64>, &str)> {
    let mut at = 2;
    if matches!(message.as_bytes(), [b'4', b'5' | b'6', ..]) {
        at = message.find('-')? + 1;
    }
    message.strip_prefix('4').filter(|rest| !rest.is_empty())?;
    if message[at..].starts_with('/') {
        at = message[at..].find(',').map_or(message.len(), |comma| at + comma + 1);
    }
    let digits = message[at..].bytes().take_while(u8::is_ascii_digit).count();
    Some((&message[..at], message[at..at + digits].parse().ok(), &message[at + digits..]))
}

/// The meaning that packets have for the application on the other side, in order. A session has one such list for each
/// side.
///
/// The ids of requests are left out: an application sees none. So is the `code` of a refusal, which clients do not
/// hand out.
pub fn meaning(packets: &[Packet]) -> Vec<String> {
    // A ping, or a step of the upgrade, may come between a packet and its attachments.
    let has_meaning = |packet: &&Packet| !matches!(packet, Packet::Text(text) if !text.starts_with(['1', '4']));
    let (mut all, mut rest) = (Vec::new(), packets.iter().filter(has_meaning));
    while let Some(packet) = rest.next() {
        let text = match packet {
            Packet::Text(text) => text,
            Packet::Closed(_) => {
                all.push("closed".to_owned());
                continue;
            }
            Packet::Bytes(bytes) => panic!("{bytes:?} is no attachment"),
        };
        if text == "1" {
            all.push("closed".to_owned());
        }
        let Some((head, id, data)) = parts(text) else { continue };
        let namespace = match head[1..].find('/') {
            Some(at) => head[1 + at..].trim_end_matches(',').split('?').next().unwrap(),
            None => "/",
        };
        let kind = head.as_bytes()[1];
        let count = if matches!(kind, b'5' | b'6') { head[2..].split('-').next().unwrap().parse().unwrap() } else { 0 };
        let attachments: Vec<&[u8]> = rest.by_ref().take(count).map(attachment).collect();
        assert_eq!(attachments.len(), count, "{text}");
        let values = || any(serde_json::from_str(data).expect(text), &attachments);
        all.push(match kind {
            b'0' => format!("{namespace} opens"),
            b'1' => format!("{namespace} ends"),
            b'2' | b'5' => event(namespace, id.is_some(), &values()),
            b'3' | b'6' => format!("{namespace} answer {:?}", values()),
            b'4' => {
                let mut data: Value = serde_json::from_str(data).unwrap();
                if let Value::Object(entries) = &mut data
                    && entries.contains_key("message")
                {
                    entries.remove("code");
                }
                format!("{namespace} is refused {data}")
            }
            _ => panic!("{text}"),
        });
    }
    all
}

/// An event as an application sees it.
pub fn event(namespace: &str, asks: bool, values: &Any) -> String {
    format!("{namespace} {} {values:?}", if asks { "request" } else { "event" })
}

fn attachment(packet: &Packet) -> &[u8] {
    match packet {
        Packet::Bytes(bytes) => bytes,
        other => panic!("{other:?} is no attachment"),
    }
}

/// JSON whose placeholders are bytes.
fn any(json: Value, attachments: &[&[u8]]) -> Any {
    match json {
        Value::Array(items) => Any::List(items.into_iter().map(|item| any(item, attachments)).collect()),
        Value::Object(entries) if entries.contains_key("_placeholder") => {
            let place = entries["num"].as_u64().unwrap();
            Any::Bytes(Bytes::copy_from_slice(attachments[usize::try_from(place).unwrap()]))
        }
        Value::Object(entries) => {
            Any::Object(entries.into_iter().map(|(key, value)| (key, any(value, attachments))).collect())
        }
        plain => serde_json::from_value(plain).unwrap(),
    }
}

/// The values that the names in a transcript have here, as `<sid-1>`.
pub type Names = BTreeMap<String, String>;

/// The next name in a text: what is before it, the name, and what is behind it.
fn name(text: &str) -> Option<(&str, &str, &str)> {
    let at = ["<eio-sid-", "<sid-"].iter().filter_map(|start| text.find(start)).min()?;
    let end = at + text[at..].find('>')? + 1;
    Some((&text[..at], &text[at..end], &text[end..]))
}

/// The text with the values of its names.
pub fn named(text: &str, names: &Names) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, name, behind)) = name(rest) {
        out.push_str(before);
        out.push_str(names.get(name).unwrap_or_else(|| panic!("{name} has no value")));
        rest = behind;
    }
    out + rest
}

/// Whether a text of ours is the recorded one. A name that has no value yet gets the one that is in its place.
pub fn is_same(recorded: &str, ours: &str, names: &mut Names) -> bool {
    let (mut recorded, mut ours) = (recorded, ours);
    while let Some((before, name, behind)) = name(recorded) {
        let Some(rest) = ours.strip_prefix(before) else { return false };
        let end = rest.find(['"', '\\', ';', ',']).unwrap_or(rest.len());
        if names.entry(name.to_owned()).or_insert_with(|| rest[..end].to_owned()) != &rest[..end] {
            return false;
        }
        (recorded, ours) = (behind, &rest[end..]);
    }
    recorded == ours
}
