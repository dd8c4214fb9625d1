//! [`Content`]: a message as all its receivers get it.

use std::str::from_utf8;

use bytes::Bytes;

use super::{Headers, Version, escape::header};
use crate::message::Message;

/// A message without all that differs between its receivers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    /// The sender's own headers: none that belong to the frame, and none that only a server sets.
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

impl Content {
    /// The content as it is shared among its receivers: the headers as STOMP 1.2 spells them, `content-length`, the
    /// blank line and the body, in memory of its own size. It is a text if the body is UTF-8.
    pub(crate) fn encode(&self) -> Message {
        let mut head = String::new();
        self.headers.iter().for_each(|(name, value)| header(Version::V1_2, name, value, &mut head));
        encode(head, &self.body)
    }
}

/// The form that is shared, of headers as STOMP 1.2 spells them and a body.
pub(super) fn encode(mut head: String, body: &[u8]) -> Message {
    header(Version::V1_2, "content-length", &body.len().to_string(), &mut head);
    head.push('\n');
    head.reserve_exact(body.len());
    match from_utf8(body) {
        Ok(body) => {
            head.push_str(body);
            Message::from(String::from(head.into_boxed_str()))
        }
        Err(_) => {
            let mut bytes = head.into_bytes();
            bytes.extend_from_slice(body);
            Message::Binary(bytes.into_boxed_slice().into())
        }
    }
}
