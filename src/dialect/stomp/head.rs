//! The head of a frame: its command, and its headers as the version spells them.

use std::str::from_utf8;

use bytestring::ByteString;

use super::{
    Headers, Limits, Refusal, Version,
    escape::{SPACES, decode},
};

/// The commands of clients in any version.
const COMMANDS: [&str; 11] =
    ["SEND", "ACK", "NACK", "SUBSCRIBE", "UNSUBSCRIBE", "BEGIN", "COMMIT", "ABORT", "CONNECT", "STOMP", "DISCONNECT"];

/// The parts of a head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) command: ByteString,
    pub(super) headers: Headers,
    /// The length of the body, if a header states it.
    pub(super) length: Option<usize>,
}

impl Head {
    /// Reads a head: all lines before the blank one, each with its line feed. No version is known before CONNECT.
    ///
    /// # Errors
    /// Fails if the head is not UTF-8, has an undefined escape, or a line is no header; or if the body is
    /// to be longer than its limit.
    pub(super) fn read(version: Option<Version>, bytes: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        let text = from_utf8(bytes).map_err(|_| malformed("a command or a header is not UTF-8"))?;
        let mut lines = text.split_terminator('\n').map(|line| cut(version, line));
        let command = command(unpadded(version, lines.next().unwrap_or_default()));
        // CONNECT has no escapes in any version.
        let spelling = version.filter(|_| !is_connect(&command)).unwrap_or(Version::V1_0);
        let mut head = Head { command, headers: Headers::new(), length: None };
        for line in lines {
            if let Err(detail) = read_header(version, spelling, line, &mut head.headers) {
                return Err(malformed(detail).with_receipt(head.receipt()));
            }
        }
        head.length = length(&head.headers, limits).map_err(|refusal| refusal.with_receipt(head.receipt()))?;
        Ok(head)
    }

    /// The receipt that the frame asks for. CONNECT cannot ask for one.
    pub(super) fn receipt(&self) -> Option<ByteString> {
        receipt(&self.command, &self.headers)
    }
}

/// Whether a carriage return before a line feed belongs to the end of the line.
pub(super) fn takes_carriage_returns(version: Option<Version>) -> bool {
    version != Some(Version::V1_1)
}

/// Whether a command asks for a connection. Both do in all versions.
pub(super) fn is_connect(command: &str) -> bool {
    matches!(command, "CONNECT" | "STOMP")
}

/// The receipt that a frame asks for. CONNECT cannot ask for one.
pub(super) fn receipt(command: &str, headers: &Headers) -> Option<ByteString> {
    headers.get("receipt").filter(|_| !is_connect(command)).map(Into::into)
}

/// The refusal of a frame that does not follow the grammar.
pub(super) fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new("malformed frame", detail)
}

/// The refusal of a body over its limit.
pub(super) fn body_too_large(limits: &Limits) -> Refusal {
    let detail = format!("a body has at most {} bytes, the limit of messages (Builder::message_limit)", limits.body);
    Refusal::new("frame too large", detail)
}

/// A line without a carriage return that belongs to its end.
fn cut(version: Option<Version>, line: &str) -> &str {
    line.strip_suffix('\r').filter(|_| takes_carriage_returns(version)).unwrap_or(line)
}

fn command(text: &str) -> ByteString {
    COMMANDS.iter().find(|&&known| known == text).map_or_else(|| text.into(), |known| ByteString::from_static(known))
}

/// A text without the spaces around it that STOMP 1.0 has.
fn unpadded(version: Option<Version>, text: &str) -> &str {
    if version == Some(Version::V1_0) { text.trim_matches(SPACES) } else { text }
}

fn read_header(version: Option<Version>, spelling: Version, line: &str, headers: &mut Headers) -> Result<(), String> {
    let (name, value) = line.split_once(':').ok_or("a line of the head has no colon")?;
    let (name, value) = (unpadded(version, name), unpadded(version, value));
    if name.is_empty() {
        return Err("a header has no name".to_owned());
    }
    let undefined = |escape| format!("STOMP {} has no escape {escape}", spelling.name());
    headers.push(&decode(spelling, name).map_err(undefined)?, &decode(spelling, value).map_err(undefined)?);
    Ok(())
}

fn length(headers: &Headers, limits: &Limits) -> Result<Option<usize>, Refusal> {
    let Some(length) = headers.get("content-length") else { return Ok(None) };
    // A CONNECT of STOMP 1.0 still has its spaces here.
    let digits = length.trim_matches(SPACES);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed("the header content-length is not a number"));
    }
    // A number that is too large to be counted is that of too large a body.
    match digits.parse() {
        Ok(length) if length <= limits.body => Ok(Some(length)),
        _ => Err(body_too_large(limits)),
    }
}
