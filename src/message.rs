//! [`Message`], which applications send and receive.

use std::{fmt, ops::Deref};

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Serialize, de::DeserializeOwned};

/// A message that an application sends or receives: text or binary. The kind is part of the message and
/// arrives as it was sent.
///
/// Payloads are shared bytes, so a clone costs no copy.
///
/// ```
/// use anywire::Message;
///
/// let hello = Message::from("hello");
/// assert_eq!(hello.as_text(), Some("hello"));
/// assert_eq!(Message::from(vec![1, 2, 3]).as_bytes(), [1, 2, 3]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text: Unicode scalar values.
    Text(Text),
    /// Any bytes, as axum and hyper have them.
    Binary(Bytes),
}

/// The text of a message: a `&str` behind shared bytes. A clone costs no copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub(crate) ByteString);

/// JSON that could not be read or written.
///
/// The error's text names the place and the reason, and may quote the value that did not fit: think of that
/// before it goes into a log.
#[derive(Debug)]
pub struct JsonError(pub(crate) serde_json::Error);

impl Message {
    /// The text; `None` if the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Message::Text(text) => Some(text),
            Message::Binary(_) => None,
        }
    }

    /// The payload. That of a text message is its UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// The payload, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Message::Text(text) => text.0.into_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// The payload's length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty. An empty message is a message: it is numbered and delivered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A text message that holds `value` as JSON.
    ///
    /// # Errors
    /// Fails if the value's `Serialize` fails, or the value has a map whose keys are not strings.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        serde_json::to_string(value).map(Message::from).map_err(JsonError)
    }

    /// Reads the payload, text or binary, as JSON.
    ///
    /// # Errors
    /// Fails if the payload is not JSON, or is not of this type.
    pub fn parse_json<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        serde_json::from_slice(self.as_bytes()).map_err(JsonError)
    }
}

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(text.into())
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Message::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Message::Text(text.into())
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Message::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Message::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Message::Binary(bytes.into())
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Message::Binary(Bytes::copy_from_slice(bytes))
    }
}

/// The longest beginning of `text` that has at most `limit` bytes and does not split a character.
pub(crate) fn truncate(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::truncate;

    #[test]
    fn a_text_is_cut_between_two_characters() {
        assert_eq!(truncate("aé😀", 100), "aé😀");
        let cuts: Vec<&str> = (0..=7).map(|limit| truncate("aé😀", limit)).collect();
        assert_eq!(cuts, ["", "a", "a", "aé", "aé", "aé", "aé", "aé😀"]);
    }
}
