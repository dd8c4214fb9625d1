//! The frames of the server.

use std::str::from_utf8;

use serde::de::IgnoredAny;

use super::{
    VERSIONS, Version,
    escape::{decode, header},
};
use crate::message::Message;

/// The name of the server, in CONNECTED.
const SERVER: &str = "anywire";

/// Room for the command, the names and the numbers of a MESSAGE.
const HEAD_ROOM: usize = 128;

/// All of a MESSAGE that differs between its receivers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageHead<'a> {
    pub(crate) destination: &'a str,
    /// The id of the subscription, if its client has given one.
    pub(crate) subscription: Option<&'a str>,
    /// A number that no other message of the session has.
    pub(crate) id: u64,
    /// Whether the client must acknowledge it.
    pub(crate) ack: bool,
    pub(crate) redelivered: Option<bool>,
    /// Further headers.
    pub(crate) extra: &'a [(&'a str, &'a str)],
}

/// A MESSAGE whose content has the form of [`Content::encode`](super::Content::encode). It is a text if the content is.
///
/// Before STOMP 1.2 the content's headers are spelled anew. One that STOMP 1.0 cannot spell is left out: it has a line
/// feed, or a colon in its name or spaces around that.
pub(crate) fn message(version: Version, head: MessageHead<'_>, content: &Message) -> Message {
    let subscription = head.subscription.unwrap_or_default();
    let names = head.destination.len() + subscription.len();
    let extra: usize = head.extra.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut frame = String::with_capacity(HEAD_ROOM + names + extra + content.len());
    write_head(version, head, &mut frame);
    let at = respelled(version, content.as_bytes());
    match content {
        Message::Text(text) => {
            respell(version, &text[..at], &mut frame);
            frame.push_str(&text[at..]);
            finish(frame)
        }
        Message::Binary(bytes) => {
            // The headers are text, whatever the body is.
            respell(version, from_utf8(&bytes[..at]).unwrap_or_default(), &mut frame);
            let mut frame = frame.into_bytes();
            frame.extend_from_slice(&bytes[at..]);
            frame.push(0);
            Message::Binary(frame.into_boxed_slice().into())
        }
    }
}

/// CONNECTED, whose headers have no escapes in any version. STOMP 1.0 has no heart-beats.
pub(crate) fn connected(version: Version, session: &str, heart_beat: (u64, u64)) -> Message {
    // No character of it may split the line.
    let session = session.replace(['\r', '\n', '\0'], "");
    let mut frame = format!("CONNECTED\nversion:{}\nsession:{session}\nserver:{SERVER}\n", version.name());
    if version > Version::V1_0 {
        frame.push_str(&format!("heart-beat:{},{}\n", heart_beat.0, heart_beat.1));
    }
    frame.push('\n');
    finish(frame)
}

/// The RECEIPT of a frame that asked for one.
pub(crate) fn receipt(version: Version, id: &str) -> Message {
    let mut frame = String::from("RECEIPT\n");
    header(version, "receipt-id", id, &mut frame);
    frame.push('\n');
    finish(frame)
}

/// An ERROR: a short text, and a longer one or an object of JSON as the body. Before CONNECT there is no version, and
/// the versions of the server are named.
pub(crate) fn error(version: Option<Version>, message: &str, detail: &str, receipt: Option<&str>) -> Message {
    let spelling = version.unwrap_or(Version::V1_0);
    let mut frame = String::from("ERROR\n");
    // A line feed in a short text is a space, which all versions can spell.
    header(spelling, "message", &message.replace(['\r', '\n'], " "), &mut frame);
    if let Some(receipt) = receipt {
        header(spelling, "receipt-id", receipt, &mut frame);
    }
    if version.is_none() {
        header(spelling, "version", VERSIONS, &mut frame);
    }
    if !detail.is_empty() {
        let is_json = detail.starts_with('{') && serde_json::from_str::<IgnoredAny>(detail).is_ok();
        header(spelling, "content-type", if is_json { "application/json" } else { "text/plain" }, &mut frame);
    }
    header(spelling, "content-length", &detail.len().to_string(), &mut frame);
    frame.push('\n');
    frame.push_str(detail);
    finish(frame)
}

fn write_head(version: Version, head: MessageHead<'_>, frame: &mut String) {
    frame.push_str("MESSAGE\n");
    if let Some(subscription) = head.subscription {
        header(version, "subscription", subscription, frame);
    }
    header(version, "destination", head.destination, frame);
    let id = head.id.to_string();
    header(version, "message-id", &id, frame);
    if head.ack && version == Version::V1_2 {
        header(version, "ack", &id, frame);
    }
    if let Some(redelivered) = head.redelivered {
        header(version, "redelivered", if redelivered { "true" } else { "false" }, frame);
    }
    head.extra.iter().for_each(|(name, value)| header(version, name, value, frame));
}

/// How much of a content must be spelled anew: nothing in STOMP 1.2, else all before the blank line.
fn respelled(version: Version, content: &[u8]) -> usize {
    if version == Version::V1_2 || content.first() == Some(&b'\n') {
        return 0;
    }
    content.windows(2).position(|two| two == b"\n\n").map_or(0, |at| at + 1)
}

/// Appends headers that STOMP 1.2 has spelled.
fn respell(version: Version, headers: &str, frame: &mut String) {
    if !headers.contains('\\') {
        return frame.push_str(headers);
    }
    for (name, value) in headers.lines().filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (decode(Version::V1_2, name), decode(Version::V1_2, value)) {
            header(version, &name, &value, frame);
        }
    }
}

/// Ends a frame that is text.
fn finish(mut frame: String) -> Message {
    frame.push('\0');
    Message::from(String::from(frame.into_boxed_str()))
}
