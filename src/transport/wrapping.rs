//! How an answer's records are handed over where a client cannot read them plain (PROTOCOL.md, section 3). Pure.

use std::borrow::Cow;

use crate::codec::native::write_padding;

/// Some browsers show nothing of a page before so many bytes have come.
const PRELUDE: usize = 2048;

/// What a part of a multipart answer begins with.
const PART: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n\r\n";

/// How a flush is wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// Not at all.
    Plain,
    /// Each is a server-sent event.
    Events,
    /// Each is a script of a page, which calls its parent's function, or posts it a message.
    Page { callback: Option<Box<str>> },
    /// The answer is a script that calls a function.
    Call { callback: Box<str> },
    /// Each is a part of a `multipart/x-mixed-replace`. Messages stand in it as they are, so that nobody who can send one may guess the
    /// boundary: else one could end a part and begin another.
    Parts { boundary: Box<str> },
    /// An empty page, whatever there is to say.
    Blank,
}

impl Wrapping {
    pub(crate) fn content_type(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Wrapping::Parts { boundary } => {
                return format!("multipart/x-mixed-replace;boundary={boundary}").into();
            }
            Wrapping::Plain => "text/plain; charset=utf-8",
            Wrapping::Events => "text/event-stream",
            Wrapping::Page { .. } | Wrapping::Blank => "text/html; charset=utf-8",
            Wrapping::Call { .. } => "text/javascript; charset=utf-8",
        })
    }

    /// Appends what goes before the first flush.
    fn begin(&self, out: &mut Vec<u8>) {
        match self {
            Wrapping::Plain | Wrapping::Events | Wrapping::Call { .. } | Wrapping::Blank => {}
            Wrapping::Page { callback } => {
                push(out, &["<!doctype html><html><head><meta charset=\"utf-8\"><script>function p(t){parent."]);
                match callback {
                    Some(callback) => push(out, &[callback, "(t)"]),
                    // Whom it is meant for holds the session's secret; who may be the parent is said by the answer's headers.
                    None => push(out, &["postMessage(t,'*')"]),
                }
                push(out, &["}</script></head><body>"]);
                out.resize(out.len() + PRELUDE, b' ');
                out.push(b'\n');
            }
            Wrapping::Parts { boundary } => push(out, &["--", boundary, "\r\n"]),
        }
    }

    /// Appends a flush: whole records in the text spelling. `last` says that no other follows.
    fn put(&self, records: &[u8], last: bool, out: &mut Vec<u8>) {
        match self {
            Wrapping::Plain => out.extend_from_slice(records),
            Wrapping::Blank => {}
            Wrapping::Events => {
                push(out, &["data: "]);
                put_string(records, out);
                push(out, &["\n\n"]);
            }
            Wrapping::Page { .. } => {
                push(out, &["<script>p("]);
                put_string(records, out);
                push(out, &[")</script>\n"]);
            }
            Wrapping::Call { callback } => {
                // The comment keeps the answer from being taken for anything but a script by what it begins with.
                push(out, &["/**/", callback, "("]);
                put_string(records, out);
                push(out, &[");"]);
            }
            Wrapping::Parts { boundary } => {
                out.extend_from_slice(PART);
                out.extend_from_slice(records);
                // At once, and not before the next part: a part is complete when its delimiter has come.
                push(out, &["\r\n--", boundary, "\r\n"]);
                if last {
                    // Browsers tell their page of parts, and not of the end of the whole: an empty part is that.
                    out.extend_from_slice(PART);
                    push(out, &["\r\n--", boundary, "--\r\n"]);
                }
            }
        }
    }

    /// The whole of an answer that is one flush.
    pub(crate) fn whole(&self, records: Vec<u8>) -> Vec<u8> {
        if *self == Wrapping::Plain {
            return records;
        }
        let mut out = Vec::with_capacity(records.len() + 128);
        self.begin(&mut out);
        self.put(&records, true, &mut out);
        out
    }
}

/// Wraps one flush of a streamed answer after another.
#[derive(Debug)]
pub(crate) struct Wrapper {
    wrapping: Wrapping,
    /// Bytes of padding before what a plain answer says first.
    padding: usize,
    begun: bool,
}

impl Wrapper {
    pub(crate) fn new(wrapping: Wrapping, padding: usize) -> Self {
        Wrapper { wrapping, padding, begun: false }
    }

    pub(crate) fn wrap(&mut self, records: Vec<u8>, last: bool) -> Vec<u8> {
        let first = !std::mem::replace(&mut self.begun, true);
        let plain = self.wrapping == Wrapping::Plain;
        if plain && !(first && self.padding > 0) {
            return records;
        }
        let mut out = Vec::with_capacity(records.len() + 64);
        if first {
            self.wrapping.begin(&mut out);
            if plain {
                write_padding(self.padding, &mut out);
            }
        }
        self.wrapping.put(&records, last, &mut out);
        out
    }

    /// What an answer has yet to say when it ends without a last flush.
    pub(crate) fn end(&mut self) -> Option<Vec<u8>> {
        let Wrapping::Parts { boundary } = &self.wrapping else { return None };
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            self.wrapping.begin(&mut out);
        }
        out.extend_from_slice(PART);
        push(&mut out, &["\r\n--", boundary, "--\r\n"]);
        Some(out)
    }
}

fn push(out: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Where an escape may be due: at what no JSON string may hold, at what would end a script, and at the first bytes of what a script of old
/// takes for the end of a line, and of what a browser or a proxy may lose.
const SUSPECT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] =
            byte < 0x20 || matches!(byte as u8, b'"' | b'\\' | b'<' | b'>' | b'&' | 0x7f | 0xc2 | 0xe2 | 0xef);
        byte += 1;
    }
    table
};

/// Appends text as a string that JSON and JavaScript read alike, also within a page.
fn put_string(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + text.len() / 16 + 8);
    out.push(b'"');
    let (mut done, mut at) = (0, 0);
    while let Some(step) = text[at..].iter().position(|&byte| SUSPECT[usize::from(byte)]) {
        at += step;
        let Some((length, unit)) = forbidden(&text[at..]) else {
            at += 1;
            continue;
        };
        out.extend_from_slice(&text[done..at]);
        put_escape(unit, out);
        at += length;
        done = at;
    }
    out.extend_from_slice(&text[done..]);
    out.push(b'"');
}

/// The character that the text begins with, if it must be escaped: its length in bytes, and its UTF-16 unit.
fn forbidden(text: &[u8]) -> Option<(usize, u16)> {
    match *text {
        [0xc2, second @ 0x80..=0x9f, ..] => Some((2, u16::from(second))),
        [0xe2, 0x80, third @ 0xa8..=0xa9, ..] => Some((3, 0x2000 | u16::from(third & 0x3f))),
        [0xef, 0xbb, 0xbf, ..] => Some((3, 0xfeff)),
        [byte @ ..=0x7f, ..] => Some((1, u16::from(byte))),
        _ => None,
    }
}

fn put_escape(unit: u16, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match u8::try_from(unit) {
        Ok(b'\n') => out.extend_from_slice(b"\\n"),
        Ok(b'\r') => out.extend_from_slice(b"\\r"),
        Ok(b'\t') => out.extend_from_slice(b"\\t"),
        Ok(byte @ (b'"' | b'\\')) => out.extend_from_slice(&[b'\\', byte]),
        _ => {
            out.extend_from_slice(b"\\u");
            out.extend([12, 8, 4, 0].map(|shift| DIGITS[usize::from(unit >> shift) & 15]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        put_string(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// What must not stand in a string, wherever it is read.
    fn is_forbidden(character: char) -> bool {
        matches!(character, '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
    }

    fn assert_well(text: &str) {
        let string = string(text);
        assert_eq!(serde_json::from_str::<String>(&string).unwrap(), text, "{string}");
        assert!(!string.chars().any(is_forbidden), "{string:?}");
        let inner = &string[1..string.len() - 1];
        assert!(!inner.replace("\\\\", "").replace("\\\"", "").contains('"'), "{string:?}");
    }

    #[test]
    fn every_character_survives() {
        let all: Vec<char> = (0..=0x0011_0000).filter_map(char::from_u32).collect();
        for few in all.chunks(997) {
            assert_well(&few.iter().collect::<String>());
        }
        for &character in all.iter().filter(|&&character| is_forbidden(character) || "\"\\".contains(character)) {
            assert_well(&character.to_string());
            assert_well(&format!("{character}{character}a{character}"));
        }
    }

    #[test]
    fn neighbours_of_what_is_escaped_stand_as_they_are() {
        for text in
            ["", "plain", "\u{a0}\u{c1}", "\u{2027}\u{202a}\u{2068}", "\u{fefe}\u{ff00}\u{ffff}", "é€😀\u{10ffff}"]
        {
            assert_eq!(string(text), format!("\"{text}\""));
        }
        assert_eq!(string("</script>\r\n"), r#""\u003c/script\u003e\r\n""#);
        assert_eq!(string("\u{2028}\u{feff}\u{85}\0"), r#""\u2028\ufeff\u0085\u0000""#);
    }

    #[test]
    fn whole_answers() {
        let whole = |wrapping: Wrapping| String::from_utf8(wrapping.whole(b"a1:".to_vec())).unwrap();
        assert_eq!(whole(Wrapping::Plain), "a1:");
        assert_eq!(whole(Wrapping::Events), "data: \"a1:\"\n\n");
        assert_eq!(whole(Wrapping::Call { callback: "_f1".into() }), "/**/_f1(\"a1:\");");
        let page = whole(Wrapping::Page { callback: Some("f".into()) });
        let (prelude, flush) = page.split_at(page.find("<script>p(").unwrap());
        assert!(prelude.len() >= 2048 && prelude.contains("{parent.f(t)}"), "{page}");
        assert_eq!(flush, "<script>p(\"a1:\")</script>\n");
        assert!(whole(Wrapping::Page { callback: None }).contains("{parent.postMessage(t,'*')}"));
        let parts = whole(Wrapping::Parts { boundary: "x".into() });
        let head = "Content-Type: text/plain; charset=utf-8\r\n\r\n";
        assert_eq!(parts, format!("--x\r\n{head}a1:\r\n--x\r\n{head}\r\n--x--\r\n"));
    }

    #[test]
    fn what_goes_before_goes_once() {
        let mut wrapper = Wrapper::new(Wrapping::Plain, 3);
        assert_eq!(wrapper.wrap(b"sfull,0:".to_vec(), false), b"i3:   sfull,0:");
        assert_eq!(wrapper.wrap(b"a1:".to_vec(), false), b"a1:");
        let mut wrapper = Wrapper::new(Wrapping::Parts { boundary: "x".into() }, 3);
        assert!(wrapper.wrap(b"a1:".to_vec(), false).starts_with(b"--x\r\nC"));
        let last = wrapper.wrap(b"a2:".to_vec(), true);
        assert!(last.starts_with(b"C") && last.ends_with(b"\r\n\r\n\r\n--x--\r\n"));
    }
}
