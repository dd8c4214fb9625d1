//! The wrappings of the fallback transports, unwrapped as an old browser would, by code that shares nothing
//! with the library.

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode},
};
use http_body_util::BodyExt;

use super::{
    peer::Peer,
    records::{Parser, Record, Spelling},
    site::{HOST, Site},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    Plain,
    Events,
    Page,
    Call,
    Parts,
}

/// The downlink routes, whether each is a GET, and its wrapping.
pub const DOWNLINKS: [(&str, bool, Wrap); 9] = [
    ("xhr-poll", false, Wrap::Plain),
    ("poll", false, Wrap::Plain),
    ("xhr-stream", false, Wrap::Plain),
    ("fetch-stream", false, Wrap::Plain),
    ("multipart", false, Wrap::Parts),
    ("eventsource", true, Wrap::Events),
    ("htmlfile", true, Wrap::Page),
    ("iframe", true, Wrap::Page),
    ("jsonp-poll", true, Wrap::Call),
];

pub const CALLBACK: &str = "aw_1";

pub fn wrap_of(route: &str) -> Wrap {
    match route {
        "jsonp-send" => Wrap::Call,
        _ => DOWNLINKS.iter().find(|(name, ..)| *name == route).map_or(Wrap::Plain, |(.., wrap)| *wrap),
    }
}

/// Encodes as `encodeURIComponent` does.
pub fn encode(text: &[u8]) -> String {
    let mut out = String::new();
    for &byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(byte.into()),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The body of a form whose field `data` is percent-encoded before the form encodes it.
pub fn form(records: &[u8]) -> String {
    format!("other=1&data={}", encode(encode(records).as_bytes()))
}

/// An answer of one of these routes, read as it comes.
pub struct Wrapped {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub raw: Vec<u8>,
    body: Body,
    wrap: Wrap,
    taken: usize,
    parser: Parser,
}

impl Wrapped {
    pub fn new(response: Response<Body>, wrap: Wrap) -> Self {
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        // A refusal with a status of its own is not wrapped.
        let wrap = if status.is_success() { wrap } else { Wrap::Plain };
        Wrapped { status, headers, raw: Vec::new(), body, wrap, taken: 0, parser: Parser::new(Spelling::Text) }
    }

    /// The records that the next chunk completes; `None` at the end.
    pub async fn next(&mut self) -> Option<Vec<Record>> {
        if !self.chunk().await {
            return None;
        }
        if self.wrap == Wrap::Plain {
            return Some(self.parser.feed(&self.raw)); // A chunk may end anywhere.
        }
        let flushes = self.flushes();
        let new = &flushes[self.taken..];
        self.taken = flushes.len();
        Some(new.iter().flat_map(|flush| self.parser.feed(flush.as_bytes())).collect())
    }

    /// All records up to the end.
    pub async fn all(&mut self) -> Vec<Record> {
        let mut all = Vec::new();
        while let Some(records) = self.next().await {
            all.extend(records);
        }
        all
    }

    /// The texts that the wrapping has handed over so far.
    pub fn flushes(&self) -> Vec<String> {
        match self.wrap {
            Wrap::Plain => vec![String::from_utf8(self.raw.clone()).unwrap()],
            Wrap::Events => events(&self.raw),
            Wrap::Page => scripts(&self.raw),
            Wrap::Call => calls(&self.raw),
            Wrap::Parts => parts(&self.raw, self.headers["content-type"].to_str().unwrap()),
        }
    }

    /// Reads a chunk; `false` at the end.
    pub async fn chunk(&mut self) -> bool {
        let Some(frame) = self.body.frame().await else { return false };
        if self.wrap == Wrap::Plain {
            self.raw.clear();
            self.taken = 0;
        }
        self.raw.extend_from_slice(&frame.unwrap().into_data().unwrap());
        true
    }
}

/// Reads a string literal. An engine of 1999 and a JSON parser must read it alike, and a page must be able to
/// contain it.
fn literal(source: &str) -> String {
    for character in source.chars() {
        let forbidden = matches!(character, '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
        assert!(!forbidden, "{character:?} in {source}");
    }
    serde_json::from_str(source).unwrap_or_else(|error| panic!("{error}: {source}"))
}

/// The bytes as text, without a last character that is not complete yet.
fn text(raw: &[u8]) -> &str {
    match std::str::from_utf8(raw) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&raw[..error.valid_up_to()]).unwrap(),
        Err(error) => panic!("{error}: {:?}", String::from_utf8_lossy(raw)),
    }
}

/// Reads an event stream as its specification requires.
fn events(raw: &[u8]) -> Vec<String> {
    let text = text(raw);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut data) = (Vec::new(), None::<String>);
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    for line in lines {
        if line.is_empty() {
            events.extend(data.take().map(|data| literal(&data)));
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data = Some(data.map_or(value.to_owned(), |data| data + "\n" + value)),
            "" => {}
            other => panic!("an unexpected field {other:?}"),
        }
    }
    events
}

/// The arguments of the calls in a page's scripts.
fn scripts(raw: &[u8]) -> Vec<String> {
    let text = text(raw);
    assert!(text.starts_with("<!doctype html>"), "{text}");
    let mut scripts = text.split("<script>").skip(1);
    let function = scripts.next().unwrap_or_default();
    assert!(function.starts_with("function p(t){parent."), "{function}");
    let first = text.find("<script>p(").unwrap_or(text.len());
    assert!(first >= 2048, "a prelude of {first}");
    let whole = scripts.filter_map(|script| script.split_once("</script>"));
    whole.map(|(call, _)| literal(call.strip_prefix("p(").unwrap().strip_suffix(')').unwrap())).collect()
}

fn calls(raw: &[u8]) -> Vec<String> {
    let text = text(raw);
    if !text.ends_with(");") {
        return Vec::new(); // The call is not complete yet.
    }
    let call = text.strip_prefix("/**/").unwrap_or_else(|| panic!("{text}"));
    let argument = call.strip_prefix(CALLBACK).unwrap().strip_prefix('(').unwrap();
    vec![literal(argument.strip_suffix(");").unwrap())]
}

/// The parts that a delimiter has completed.
fn parts(raw: &[u8], kind: &str) -> Vec<String> {
    let boundary = kind.strip_prefix("multipart/x-mixed-replace;boundary=").unwrap();
    assert!(boundary.len() >= 20 && boundary.len() <= 70, "{boundary}");
    let text = text(raw);
    let rest = text.strip_prefix(&format!("--{boundary}\r\n")).unwrap_or_else(|| panic!("{text}"));
    let mut pieces: Vec<&str> = rest.split(&format!("\r\n--{boundary}")).collect();
    let tail = pieces.pop().unwrap();
    assert!(pieces.is_empty() || tail.starts_with("\r\n") || "--\r\n".starts_with(tail), "{tail:?}");
    pieces
        .into_iter()
        .map(|piece| {
            let piece = piece.strip_prefix("\r\n").unwrap_or(piece);
            let (head, body) = piece.split_once("\r\n\r\n").unwrap();
            assert_eq!(head, "Content-Type: text/plain; charset=utf-8");
            body.to_owned()
        })
        .collect()
}

impl Site {
    /// A request that a tag in a page of the same origin makes: it has no `Origin` header.
    pub async fn get(&self, path: &str) -> Wrapped {
        self.get_as(path, &[("referer", &format!("http://{HOST}/page"))]).await
    }

    pub async fn get_as(&self, path: &str, headers: &[(&str, &str)]) -> Wrapped {
        let mut request = Request::get(format!("/live/{path}")).header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.send(request.body(Body::empty()).unwrap()).await;
        Wrapped::new(response, wrap_of(path.split('?').next().unwrap()))
    }

    /// Sends records by GET or by POST, as the route requires.
    pub async fn send_records(&self, route: &str, query: &str, records: &[u8]) -> Wrapped {
        let wrap = wrap_of(route);
        let gets = route == "jsonp-send" || DOWNLINKS.iter().any(|(name, get, _)| *get && *name == route);
        let callback = if matches!(wrap, Wrap::Call | Wrap::Page) { CALLBACK } else { "" };
        if gets {
            let callback = if callback.is_empty() { String::new() } else { format!("&callback={callback}") };
            return self.get(&format!("{route}?data={}{callback}{query}", encode(records))).await;
        }
        let records = if route == "form-post" { form(records).into_bytes() } else { records.to_vec() };
        let request = self.request(Method::POST, &format!("{route}?{query}")).body(records.into()).unwrap();
        Wrapped::new(self.send(request).await, wrap)
    }
}

impl Peer {
    /// Requests the next turn of the present ordinal on this route.
    pub async fn attach(&mut self, route: &str) -> Wrapped {
        self.turn += 1;
        let query = format!("&session={}", self.id);
        self.site.send_records(route, &query, &self.resume().bytes).await
    }

    /// Uploads the whole outbox by this route, and takes the answer's records if the answer can be read.
    pub async fn upload_by(&mut self, route: &str) {
        let query = format!("&session={}", self.id);
        let body = self.flight(self.upload_head());
        // The answer to a form cannot be read, so the acknowledgement is requested on the downlink.
        let body = if route == "form-post" { body.record('w', &[]) } else { body };
        let mut answer = self.site.send_records(route, &query, &body.bytes).await;
        assert_eq!(answer.status, 200);
        let records = answer.all().await;
        self.take(&records);
    }
}
