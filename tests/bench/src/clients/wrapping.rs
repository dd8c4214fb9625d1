//! How the server wraps the flushes of an answer for browsers that cannot read it plain, and the way back.

use anyhow::{Context, Result, bail, ensure};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    Plain,
    /// Each flush is a string, in a server-sent event.
    Events,
    /// Each flush is a string, in a script of a page.
    Page,
    /// The answer is a script, which calls a function with the flush, a string.
    Call,
    /// Each flush is a part of a `multipart/x-mixed-replace`.
    Parts,
}

/// The function that an answer calls which is a script.
pub(super) const CALLBACK: &str = "f";

const PART: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n\r\n";

/// Takes the flushes out of one answer after the other.
pub(super) struct Unwrapper {
    wrapping: Wrapping,
    /// The delimiter of the present answer's parts, once it is known.
    delimiter: Vec<u8>,
    /// A flush of the present answer has come.
    has_begun: bool,
}

impl Unwrapper {
    pub(super) fn new(wrapping: Wrapping) -> Self {
        Self { wrapping, delimiter: Vec::new(), has_begun: false }
    }

    /// Moves the flushes that are whole from `body` to `records`, unwrapped.
    pub(super) fn take(&mut self, body: &mut Vec<u8>, records: &mut Vec<u8>) -> Result<()> {
        let mut at = 0;
        loop {
            let rest = &body[at..];
            let used = match self.wrapping {
                Wrapping::Plain => {
                    records.extend_from_slice(rest);
                    rest.len()
                }
                Wrapping::Events => self.string(rest, b"data: ", b"\n\n", records)?,
                Wrapping::Page => self.string(rest, b"<script>p(", b")</script>\n", records)?,
                Wrapping::Call => self.string(rest, b"/**/f(", b");", records)?,
                Wrapping::Parts => self.part(rest, records)?,
            };
            if used == 0 {
                body.drain(..at);
                return Ok(());
            }
            at += used;
        }
    }

    /// The present answer has ended.
    pub(super) fn end(&mut self) {
        self.delimiter.clear();
        self.has_begun = false;
    }

    /// Takes one string between `before` and `after`; returns how much that was, or 0. A page has a beginning.
    fn string(&mut self, rest: &[u8], before: &[u8], after: &[u8], records: &mut Vec<u8>) -> Result<usize> {
        let Some(start) = find(rest, before) else {
            return Ok(0);
        };
        let has_beginning = self.wrapping == Wrapping::Page && !self.has_begun;
        ensure!(start == 0 || has_beginning, "between flushes: {}", String::from_utf8_lossy(&rest[..start]));
        let start = start + before.len();
        let length = records.len();
        let Some(end) = unescape(&rest[start..], records)?.map(|used| start + used) else {
            records.truncate(length);
            return Ok(0);
        };
        let Some(behind) = rest.get(end..end + after.len()) else {
            records.truncate(length);
            return Ok(0);
        };
        ensure!(behind == after, "behind a flush: {}", String::from_utf8_lossy(behind));
        self.has_begun = true;
        Ok(end + after.len())
    }

    /// Takes the delimiter in front of the parts, one part, or the end of the last one.
    fn part(&mut self, rest: &[u8], records: &mut Vec<u8>) -> Result<usize> {
        if self.delimiter.is_empty() {
            let Some(end) = find(rest, b"\r\n") else {
                return Ok(0);
            };
            ensure!(rest.starts_with(b"--") && end > 2, "no boundary");
            self.delimiter = [b"\r\n", &rest[..end]].concat();
            return Ok(end + 2);
        }
        if rest == b"--\r\n" {
            return Ok(rest.len());
        }
        // Behind the delimiter of the last part stand two hyphens, which come with the line's end.
        let Some(end) = find(rest, &self.delimiter).filter(|end| rest.len() >= end + self.delimiter.len() + 2) else {
            return Ok(0);
        };
        let part = rest[..end].strip_prefix(PART).with_context(|| String::from_utf8_lossy(rest).into_owned())?;
        records.extend_from_slice(part);
        let behind = end + self.delimiter.len();
        Ok(if rest[behind..].starts_with(b"\r\n") { behind + 2 } else { behind })
    }
}

fn find(input: &[u8], what: &[u8]) -> Option<usize> {
    input.windows(what.len()).position(|window| window == what)
}

/// Appends the text of the JSON string at the beginning of `input`, and returns the string's length once it is whole. It is
/// one of ASCII, as all that is sent here.
fn unescape(input: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>> {
    let Some((&quote, mut rest)) = input.split_first() else {
        return Ok(None);
    };
    ensure!(quote == b'"', "no string");
    loop {
        match *rest {
            [b'"', ref behind @ ..] => return Ok(Some(input.len() - behind.len())),
            [b'\\', b'u', a, b, c, d, ref behind @ ..] => {
                let digits = [a, b, c, d];
                let code = u16::from_str_radix(std::str::from_utf8(&digits)?, 16)?;
                out.push(u8::try_from(code).ok().filter(u8::is_ascii).context("not of ASCII")?);
                rest = behind;
            }
            [b'\\', letter @ (b'"' | b'\\' | b'/'), ref behind @ ..] => {
                out.push(letter);
                rest = behind;
            }
            [] | [b'\\'] | [b'\\', b'u', ..] => return Ok(None),
            [b'\\', letter, ..] => bail!("the escape {:?} is not expected here", char::from(letter)),
            [byte, ref behind @ ..] => {
                out.push(byte);
                rest = behind;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads two answers, in pieces of any size.
    fn check(wrapping: Wrapping, answer: &str, expected: &str) {
        for size in 1..=answer.len() {
            let mut unwrapper = Unwrapper::new(wrapping);
            for _ in 0..2 {
                let (mut body, mut records) = (Vec::new(), Vec::new());
                for piece in answer.as_bytes().chunks(size) {
                    body.extend_from_slice(piece);
                    unwrapper.take(&mut body, &mut records).unwrap();
                }
                unwrapper.end();
                assert_eq!(String::from_utf8(records).unwrap(), expected, "pieces of {size}");
                assert!(body.is_empty(), "{}", String::from_utf8_lossy(&body));
            }
        }
    }

    #[test]
    fn answers_in_any_pieces() {
        check(Wrapping::Plain, "a1:w:", "a1:w:");
        check(Wrapping::Events, "data: \"a1:\"\n\ndata: \"m1:\\u003cw:\"\n\n", "a1:m1:<w:");
        check(Wrapping::Call, "/**/f(\"m3:);\\\"w:\");", "m3:);\"w:");
        let page = "<html><script>function p(t){parent.postMessage(t,'*')}</script>   \n";
        check(Wrapping::Page, &format!("{page}<script>p(\"a1:\")</script>\n<script>p(\"w:\")</script>\n"), "a1:w:");
        let part = "Content-Type: text/plain; charset=utf-8\r\n\r\n";
        check(
            Wrapping::Parts,
            &format!("--b7\r\n{part}a1:\r\n--b7\r\n{part}m6:\r\n--b6\r\n--b7\r\n{part}\r\n--b7--\r\n"),
            "a1:m6:\r\n--b6",
        );
    }

    #[test]
    fn what_is_not_wrapped_is_seen() {
        for (wrapping, wrong) in [
            (Wrapping::Events, "x4100,0:data: \"\"\n\n"),
            (Wrapping::Events, "data: \"a1:\" \n"),
            (Wrapping::Events, "data: a1:\n\n"),
            (Wrapping::Call, "/**/f(\"\\n\");"),
            (Wrapping::Page, "<script>p(\"a1:\")</script>\nx<script>p(\"\")</script>\n"),
            (Wrapping::Parts, "x4100,0:\r\n"),
            (Wrapping::Parts, "--b\r\na1:\r\n--b\r\n"),
        ] {
            let mut body = wrong.as_bytes().to_vec();
            let taken = Unwrapper::new(wrapping).take(&mut body, &mut Vec::new());
            assert!(taken.is_err(), "{wrapping:?} of {wrong:?}");
        }
    }
}
