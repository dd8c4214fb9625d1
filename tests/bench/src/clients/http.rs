//! The client's half of HTTP/1.1: one POST or GET at a time on a connection that is kept alive.

use super::Dial;
use anyhow::{Context, Result, ensure};

pub(super) fn get(dial: &Dial, path: &str, out: &mut Vec<u8>) {
    let host = &dial.host;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\r\n");
    out.extend_from_slice(head.as_bytes());
}

pub(super) fn post(dial: &Dial, path: &str, body: &[&[u8]], out: &mut Vec<u8>) {
    let host = &dial.host;
    let length: usize = body.iter().map(|part| part.len()).sum();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
         Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {length}\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    for part in body {
        out.extend_from_slice(part);
    }
}

/// Appends a text as `encodeURIComponent` writes it.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// The position in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Sized(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailer,
}

/// The result of reading a piece of an answer.
pub(super) struct Progress {
    pub(super) used: usize,
    pub(super) is_done: bool,
}

/// Reads answers; `body` is the body so far, from which the owner may take.
pub(super) struct Answer {
    state: State,
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn new() -> Self {
        Self { state: State::Head, status: 0, body: Vec::new() }
    }

    /// Consumes `input` up to the end of the present answer.
    pub(super) fn feed(&mut self, input: &[u8]) -> Result<Progress> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let is_done = match self.state {
                State::Head => {
                    let Some(head) = head_length(rest) else { break };
                    used += head;
                    self.begin(&rest[..head])?
                }
                State::Sized(left) => {
                    let take = left.min(rest.len());
                    self.take(&rest[..take]);
                    used += take;
                    self.state = State::Sized(left - take);
                    left == take
                }
                State::Chunk(left) => {
                    let take = left.min(rest.len());
                    self.take(&rest[..take]);
                    used += take;
                    self.state = if left == take { State::ChunkEnd } else { State::Chunk(left - take) };
                    false
                }
                State::ChunkSize | State::ChunkEnd | State::Trailer => {
                    let Some(line) = line_length(rest) else { break };
                    used += line;
                    self.line(&rest[..line - 2])?
                }
            };
            if is_done {
                self.state = State::Head;
                return Ok(Progress { used, is_done });
            }
            if used == input.len() {
                break;
            }
        }
        Ok(Progress { used, is_done: false })
    }

    fn take(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }

    /// Reads the head; returns whether the answer ends with it.
    fn begin(&mut self, head: &[u8]) -> Result<bool> {
        let head = std::str::from_utf8(head)?;
        let mut lines = head.split("\r\n");
        let status =
            lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)).context("no status line")?;
        self.status = status.parse()?;
        self.body.clear();
        let mut length = None;
        let mut chunked = false;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.trim().eq_ignore_ascii_case("chunked");
            }
        }
        self.state = match (chunked, length) {
            (true, _) => State::ChunkSize,
            (false, Some(length)) => State::Sized(length),
            (false, None) => State::Sized(0),
        };
        Ok(self.state == State::Sized(0))
    }

    /// Reads one line between chunks; returns whether the answer ends with it.
    fn line(&mut self, line: &[u8]) -> Result<bool> {
        match self.state {
            State::ChunkSize => {
                let size = std::str::from_utf8(line)?;
                let size = size.split(';').next().unwrap_or_default().trim();
                self.state = match usize::from_str_radix(size, 16).context("chunk size")? {
                    0 => State::Trailer,
                    size => State::Chunk(size),
                };
            }
            State::ChunkEnd => {
                ensure!(line.is_empty(), "no line end behind a chunk");
                self.state = State::ChunkSize;
            }
            _ => return Ok(line.is_empty()),
        }
        Ok(false)
    }
}

fn head_length(input: &[u8]) -> Option<usize> {
    let end = input.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(end + 4)
}

fn line_length(input: &[u8]) -> Option<usize> {
    let end = input.windows(2).position(|window| window == b"\r\n")?;
    Some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_encoded() {
        let mut out = Vec::new();
        encode(b"r1,16:a-Z_0.+ %\xff", &mut out);
        assert_eq!(out, b"r1%2C16%3Aa-Z_0.%2B%20%25%FF");
    }

    #[test]
    fn answers_in_any_pieces() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n\
                     HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 410 Gone\r\ncontent-length: 2\r\n\r\nno";
        for size in 1..bytes.len() {
            let mut answer = Answer::new();
            let mut input = Vec::new();
            let mut seen = Vec::new();
            for piece in bytes.chunks(size) {
                input.extend_from_slice(piece);
                while !input.is_empty() {
                    let progress = answer.feed(&input).unwrap();
                    input.drain(..progress.used);
                    if !progress.is_done {
                        break;
                    }
                    seen.push((answer.status, String::from_utf8(answer.body.clone()).unwrap()));
                }
            }
            let expected = [(200, "abc0123456789"), (204, ""), (410, "no")];
            assert!(
                seen.iter().map(|(status, body)| (*status, body.as_str())).eq(expected),
                "pieces of {size}: {seen:?}"
            );
        }
    }
}
