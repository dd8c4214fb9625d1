//! The protocol of clients of NATS: lines, some of which a payload follows.

use std::{fmt::Display, io::Write};

use bytes::{Buf, Bytes, BytesMut};

/// The longest line. One that tells of the server names all servers of its cluster.
const LINE: usize = 64 << 10;
/// The largest payload that any server may be told to allow.
const PAYLOAD: usize = 64 << 20;
/// Shorter payloads are copied, so that they do not keep what was read with them.
const COPIED: usize = 16 << 10;

/// One thing that a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It tells of itself, as JSON.
    Info(Bytes),
    Message(Message),
    Ping,
    Pong,
    /// It has accepted something.
    Fine,
    /// It has refused something, and closes the connection or not.
    Refused(String),
}

/// A message of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) subject: Bytes,
    /// The number of the subscription.
    pub(super) subscription: u64,
    /// It is empty if there is none.
    pub(super) headers: Bytes,
    pub(super) body: Bytes,
}

/// Bytes that no server of NATS sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads what a server says from its bytes, however they are cut.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The bytes that were not read yet. New ones are appended.
    pub(super) buffer: BytesMut,
    /// The bytes of it that hold no end of a line.
    scanned: usize,
    /// The line of a message whose payload has not come.
    head: Option<Head>,
}

#[derive(Debug)]
struct Head {
    subject: Bytes,
    subscription: u64,
    headers: usize,
    /// The bytes of headers and body.
    total: usize,
}

impl Reader {
    /// The next thing, if it is there whole.
    pub(super) fn next(&mut self) -> Result<Option<Heard>, Malformed> {
        if self.head.is_none() {
            let Some(line) = self.line()? else { return Ok(None) };
            match line_of(&line)? {
                Line::Whole(heard) => return Ok(Some(heard)),
                Line::Head(head) => self.head = Some(head),
            }
        }
        let Some(head) = self.head.take_if(|head| self.buffer.len() >= head.total + 2) else { return Ok(None) };
        let headers = take(&mut self.buffer, head.headers);
        let body = take(&mut self.buffer, head.total - head.headers);
        if !self.buffer.starts_with(b"\r\n") {
            return Err(Malformed);
        }
        self.buffer.advance(2);
        Ok(Some(Heard::Message(Message { subject: head.subject, subscription: head.subscription, headers, body })))
    }

    /// The next line, without its end.
    fn line(&mut self) -> Result<Option<Bytes>, Malformed> {
        let Some(end) = self.buffer[self.scanned..].iter().position(|&byte| byte == b'\n') else {
            self.scanned = self.buffer.len();
            return if self.scanned > LINE { Err(Malformed) } else { Ok(None) };
        };
        let end = self.scanned + end;
        self.scanned = 0;
        if end > LINE {
            return Err(Malformed);
        }
        let line = Bytes::copy_from_slice(self.buffer[..end].trim_ascii_end());
        self.buffer.advance(end + 1);
        Ok(Some(line))
    }
}

fn take(buffer: &mut BytesMut, count: usize) -> Bytes {
    if count >= COPIED {
        return buffer.split_to(count).freeze();
    }
    let taken = Bytes::copy_from_slice(&buffer[..count]);
    buffer.advance(count);
    taken
}

enum Line {
    Whole(Heard),
    /// A payload follows.
    Head(Head),
}

fn line_of(line: &Bytes) -> Result<Line, Malformed> {
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (word, rest) = (&line[..end], line[end..].trim_ascii());
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    Ok(Line::Whole(if is(b"PING") {
        Heard::Ping
    } else if is(b"PONG") {
        Heard::Pong
    } else if is(b"+OK") {
        Heard::Fine
    } else if is(b"INFO") {
        Heard::Info(line.slice_ref(rest))
    } else if is(b"-ERR") {
        let text = String::from_utf8_lossy(rest);
        Heard::Refused(text.trim_matches('\'').to_owned())
    } else if is(b"MSG") {
        return head(line, rest, false);
    } else if is(b"HMSG") {
        return head(line, rest, true);
    } else {
        return Err(Malformed);
    }))
}

/// Reads `subject subscription [reply] [headers] total`.
fn head(line: &Bytes, rest: &[u8], has_headers: bool) -> Result<Line, Malformed> {
    let words: Vec<&[u8]> = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let numbers = if has_headers { 2 } else { 1 };
    let without = words.len().checked_sub(2 + numbers).filter(|replies| *replies <= 1).ok_or(Malformed)?;
    let number = |at: usize| std::str::from_utf8(words[at]).ok().and_then(|word| word.parse::<u64>().ok());
    let size = |at| number(at).and_then(|size| usize::try_from(size).ok()).ok_or(Malformed);
    let subscription = number(1).ok_or(Malformed)?;
    let total = size(words.len() - 1)?;
    let headers = if has_headers { size(2 + without)? } else { 0 };
    if headers > total || total > PAYLOAD {
        return Err(Malformed);
    }
    Ok(Line::Head(Head { subject: line.slice_ref(words[0]), subscription, headers, total }))
}

/// Writes a publication.
pub(super) fn put_publication(out: &mut Vec<u8>, subject: &str, body: &[u8]) {
    write(out, format_args!("PUB {subject} {}\r\n", body.len()));
    put_payload(out, &[], body);
}

/// Writes a question: a publication with headers, whose answers come to a subject of their own.
pub(super) fn put_question(out: &mut Vec<u8>, subject: &str, reply: &str, headers: &[(&str, String)], body: &[u8]) {
    if headers.is_empty() {
        write(out, format_args!("PUB {subject} {reply} {}\r\n", body.len()));
        return put_payload(out, &[], body);
    }
    let mut head = b"NATS/1.0\r\n".to_vec();
    for (name, value) in headers {
        write(&mut head, format_args!("{name}: {value}\r\n"));
    }
    head.extend_from_slice(b"\r\n");
    write(out, format_args!("HPUB {subject} {reply} {} {}\r\n", head.len(), head.len() + body.len()));
    put_payload(out, &head, body);
}

fn put_payload(out: &mut Vec<u8>, headers: &[u8], body: &[u8]) {
    out.reserve(headers.len() + body.len() + 2);
    out.extend_from_slice(headers);
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
}

/// Writes that a subject is asked for.
pub(super) fn put_subscription(out: &mut Vec<u8>, subject: &str, subscription: u64) {
    write(out, format_args!("SUB {subject} {subscription}\r\n"));
}

/// Writes that a subscription ends.
pub(super) fn put_end(out: &mut Vec<u8>, subscription: u64) {
    write(out, format_args!("UNSUB {subscription}\r\n"));
}

/// Writes bytes to memory, which takes them all.
fn write(out: &mut Vec<u8>, text: impl Display) {
    let _ = write!(out, "{text}");
}

/// The number of a status that headers begin with.
pub(super) fn status(headers: &[u8]) -> Option<u16> {
    let line = headers.strip_prefix(b"NATS/1.0")?.split(|&byte| byte == b'\r').next()?;
    let word = std::str::from_utf8(line).ok()?.split_ascii_whitespace().next()?;
    word.parse().ok()
}

/// The value of a header.
pub(super) fn header<'a>(headers: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = headers.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let mut pairs = lines.filter_map(|line| line.split_once(':'));
    pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests;
