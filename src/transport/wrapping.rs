//! How the flushes of an answer are wrapped where a client cannot read them plain (PROTOCOL.md, section 3).
//! The wrappings are data, a row for each.

use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// One kind of wrapping. In its texts `%` stands for the part that varies from request to request.
#[derive(Debug)]
pub(crate) struct Row {
    /// The type of the answer; `None` leaves the one that the codec states.
    pub(super) content_type: Option<&'static str>,
    /// Precedes the first flush.
    pub(super) prelude: &'static str,
    /// It follows the prelude: some browsers show nothing of an answer before it is long enough.
    pub(super) fill: Option<Fill>,
    /// The prelude is sent at once, as a chunk of its own.
    pub(super) prelude_apart: bool,
    /// Precedes each flush.
    pub(super) before: &'static str,
    pub(super) escape: Escape,
    /// Follows each flush.
    pub(super) after: &'static str,
    /// Follows the last flush.
    pub(super) end: &'static str,
}

/// A number of bytes of one kind, and what ends them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    byte: u8,
    count: usize,
    end: &'static str,
}

/// The treatment of a flush between `before` and `after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// It stays as it is.
    None,
    /// It becomes a string that JSON and JavaScript read alike.
    String,
    /// Its percent signs become `%25`, for a reader that undoes the escapes of URLs.
    Percent,
    /// It is left out.
    Omit,
}

/// The row from which the others differ: nothing is added, nothing is changed.
pub(super) const BARE: Row = Row {
    content_type: None,
    prelude: "",
    fill: None,
    prelude_apart: false,
    before: "",
    escape: Escape::None,
    after: "",
    end: "",
};

const HTML: Option<&str> = Some("text/html; charset=utf-8");

/// Flushes as they are.
pub(crate) static PLAIN: Row = BARE;

/// Each flush is a server-sent event.
pub(crate) static EVENTS: Row =
    Row { content_type: Some("text/event-stream"), before: "data: ", escape: Escape::String, after: "\n\n", ..BARE };

/// Each flush is a script of a page, which posts it to the parent of the page. The target is any origin:
/// the page was loaded with the session's secret, and the answer's headers restrict which pages may be the
/// parent.
pub(crate) static PAGE: Row = PAGE_POST;

const PAGE_POST: Row = Row {
    content_type: HTML,
    prelude: "<!doctype html><html><head><meta charset=\"utf-8\">\
        <script>function p(t){parent.postMessage(t,'*')}</script></head><body>",
    fill: Some(Fill { byte: b' ', count: 2048, end: "\n" }),
    before: "<script>p(",
    escape: Escape::String,
    after: ")</script>\n",
    ..BARE
};

/// Each flush is a script of a page, which calls the function `%` of the page's parent.
pub(crate) static PAGE_CALL: Row = Row {
    prelude: "<!doctype html><html><head><meta charset=\"utf-8\">\
        <script>function p(t){parent.%(t)}</script></head><body>",
    ..PAGE_POST
};

/// The answer is a script, which calls the function `%`. It begins with a comment, so that no browser can
/// take its first bytes for those of another type of file.
pub(crate) static CALL: Row = CALL_BY_NAME;

const CALL_BY_NAME: Row = Row {
    content_type: Some("text/javascript; charset=utf-8"),
    before: "/**/%(",
    escape: Escape::String,
    after: ");",
    ..BARE
};

/// The same for Engine.IO's clients: the function is that of the number `%` in their list.
pub(crate) static ENGINE_IO: Row = Row { before: "___eio[%](", ..CALL_BY_NAME };

/// Each flush is a part of a `multipart/x-mixed-replace` with the boundary `%`. Messages are not escaped in
/// it, so the boundary must be random: a sender who guesses it could end a part and begin another.
///
/// A part is complete when its delimiter has come, so that follows at once. Browsers report parts and not the
/// end of the answer, so an empty part marks the end.
pub(crate) static PARTS: Row = Row {
    content_type: Some("multipart/x-mixed-replace;boundary=%"),
    prelude: "--%\r\n",
    before: "Content-Type: text/plain; charset=utf-8\r\n\r\n",
    after: "\r\n--%\r\n",
    end: "Content-Type: text/plain; charset=utf-8\r\n\r\n\r\n--%--\r\n",
    ..BARE
};

/// SockJS: a line for each frame, after 2 KiB of heartbeats.
pub(crate) static SOCKJS_LINES: Row =
    Row { fill: Some(Fill { byte: b'h', count: 2048, end: "\n" }), prelude_apart: true, ..SOCKJS_LINE };

/// SockJS: one line.
pub(crate) static SOCKJS_POLL: Row = SOCKJS_LINE;

const SOCKJS_LINE: Row = Row { content_type: Some("application/javascript; charset=UTF-8"), after: "\n", ..BARE };

/// SockJS: each frame is a server-sent event, after an empty line, without which one old browser shows no event. Its
/// clients decode an event like a URL.
pub(crate) static SOCKJS_EVENTS: Row = Row {
    content_type: Some("text/event-stream"),
    prelude: "\r\n",
    prelude_apart: true,
    before: "data: ",
    escape: Escape::Percent,
    after: "\r\n\r\n",
    ..BARE
};

/// SockJS: each frame is a script of a page, which calls a method of the object `%` of the page's parent. The
/// protocol fixes the page.
pub(crate) static SOCKJS_PAGE: Row = Row {
    content_type: Some("text/html; charset=UTF-8"),
    prelude: include_str!("sockjs_page.html"),
    fill: Some(Fill { byte: b' ', count: 1024, end: "\r\n\r\n" }),
    prelude_apart: true,
    before: "<script>\np(",
    escape: Escape::String,
    after: ");\n</script>\r\n",
    ..BARE
};

/// SockJS: the answer is a script, which calls the function `%`.
pub(crate) static SOCKJS_CALL: Row = Row {
    content_type: Some("application/javascript; charset=UTF-8"),
    before: "/**/%(",
    escape: Escape::String,
    after: ");\r\n",
    ..BARE
};

/// An empty page; what was to be sent is left out.
pub(crate) static BLANK: Row = Row { content_type: HTML, escape: Escape::Omit, ..BARE };

/// The wrapping of one answer.
#[derive(Debug)]
pub(crate) struct Wrapping {
    row: &'static Row,
    /// The part that varies.
    name: Box<str>,
}

impl Wrapping {
    /// `name` is a callback or a boundary, of letters, digits, `_`, `-` and `.`; empty where the row has no `%`.
    pub(crate) fn new(row: &'static Row, name: &str) -> Self {
        Wrapping { row, name: name.into() }
    }

    /// Whether answers stay as the codec has written them.
    pub(crate) fn is_plain(&self) -> bool {
        std::ptr::eq(self.row, &PLAIN)
    }

    /// The type of the answer, if it is not the one that the codec states.
    pub(crate) fn content_type(&self) -> Option<Cow<'static, str>> {
        self.row.content_type.map(|text| match text.contains('%') {
            true => text.replace('%', &self.name).into(),
            false => text.into(),
        })
    }

    /// The whole of an answer that is one flush.
    pub(crate) fn whole(&self, flush: Vec<u8>) -> Vec<u8> {
        if self.only_appends() && !self.has_beginning() {
            return self.append(flush, true);
        }
        let mut out = Vec::with_capacity(flush.len() + 128);
        self.begin(&mut out);
        self.put(&flush, true, &mut out);
        out
    }

    /// Whether something goes before the first flush.
    fn has_beginning(&self) -> bool {
        !self.row.prelude.is_empty() || self.row.fill.is_some()
    }

    /// Whether nothing stands before each flush and nothing in it changes, so that it need not be copied.
    fn only_appends(&self) -> bool {
        self.row.before.is_empty() && self.row.escape == Escape::None
    }

    /// Appends to a flush what goes behind it.
    fn append(&self, mut flush: Vec<u8>, last: bool) -> Vec<u8> {
        self.push(self.row.after, &mut flush);
        if last {
            self.push(self.row.end, &mut flush);
        }
        flush
    }

    /// Appends what goes before the first flush.
    fn begin(&self, out: &mut Vec<u8>) {
        self.push(self.row.prelude, out);
        if let Some(Fill { byte, count, end }) = self.row.fill {
            out.resize(out.len() + count, byte);
            out.extend_from_slice(end.as_bytes());
        }
    }

    /// Appends a flush. `last` means that no other follows.
    fn put(&self, flush: &[u8], last: bool, out: &mut Vec<u8>) {
        self.push(self.row.before, out);
        match self.row.escape {
            Escape::None => out.extend_from_slice(flush),
            Escape::String => put_string(flush, out),
            Escape::Percent => put_percent(flush, out),
            Escape::Omit => {}
        }
        self.push(self.row.after, out);
        if last {
            self.push(self.row.end, out);
        }
    }

    fn push(&self, text: &str, out: &mut Vec<u8>) {
        for (at, piece) in text.split('%').enumerate() {
            if at > 0 {
                out.extend_from_slice(self.name.as_bytes());
            }
            out.extend_from_slice(piece.as_bytes());
        }
    }
}

/// Wraps one flush of a streamed answer after another.
#[derive(Debug)]
pub(crate) struct Wrapper {
    wrapping: Wrapping,
    /// Bytes between the prelude and the first flush, which are not wrapped.
    padding: Vec<u8>,
    begun: bool,
}

impl Wrapper {
    pub(crate) fn new(wrapping: Wrapping, padding: Vec<u8>) -> Self {
        Wrapper { wrapping, padding, begun: false }
    }

    /// The prelude, if it is sent alone and was not yet.
    pub(super) fn take_prelude(&mut self) -> Option<Vec<u8>> {
        if self.begun || !self.wrapping.row.prelude_apart {
            return None;
        }
        self.begun = true;
        let mut out = Vec::new();
        self.begin(&mut out);
        Some(out)
    }

    pub(super) fn wrap(&mut self, flush: Vec<u8>, last: bool) -> Vec<u8> {
        let first = !std::mem::replace(&mut self.begun, true);
        let begins = first && (self.wrapping.has_beginning() || !self.padding.is_empty());
        if self.wrapping.only_appends() && !begins {
            return self.wrapping.append(flush, last);
        }
        let mut out = Vec::with_capacity(flush.len() + 64);
        if first {
            self.begin(&mut out);
        }
        self.wrapping.put(&flush, last, &mut out);
        out
    }

    /// The chunks of a streamed answer that is one flush.
    pub(crate) fn only(mut self, flush: Vec<u8>) -> Vec<Vec<u8>> {
        let prelude = self.take_prelude();
        prelude.into_iter().chain([self.wrap(flush, true)]).collect()
    }

    /// The bytes that are still to be sent when an answer ends without a last flush.
    pub(super) fn end(&mut self) -> Option<Vec<u8>> {
        if self.wrapping.row.end.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            self.begin(&mut out);
        }
        self.wrapping.push(self.wrapping.row.end, &mut out);
        Some(out)
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        self.wrapping.begin(out);
        out.append(&mut self.padding);
    }
}

/// The bytes at which an escape may be due: those that a JSON string must not hold, those that could end a
/// script, and the first bytes of characters that an old script takes for the end of a line, or that a
/// browser or a proxy may drop.
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

fn put_percent(text: &[u8], out: &mut Vec<u8>) {
    for (at, piece) in text.split(|&byte| byte == b'%').enumerate() {
        out.extend_from_slice(if at > 0 { b"%25" } else { b"" });
        out.extend_from_slice(piece);
    }
}

/// The first character of the text, if it must be escaped: its length in bytes, and its UTF-16 unit.
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
