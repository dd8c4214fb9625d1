//! The client's scripts, below the mount path, so that a page needs one script tag.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;

use super::accept_encoding::{Coding, preferred};

/// A file of the client, with the compressed forms that it is kept in.
pub(super) struct File {
    name: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

macro_rules! dist {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/client-js/dist/", $name))
    };
}

static FILES: [File; 12] = [
    File {
        name: "client.js",
        content_type: JAVASCRIPT,
        plain: dist!("anywire.js"),
        brotli: Some(dist!("anywire.js.br")),
        gzip: Some(dist!("anywire.js.gz")),
    },
    File {
        name: "client.mjs",
        content_type: JAVASCRIPT,
        plain: dist!("anywire.mjs"),
        brotli: Some(dist!("anywire.mjs.br")),
        gzip: Some(dist!("anywire.mjs.gz")),
    },
    File {
        name: "io.js",
        content_type: JAVASCRIPT,
        plain: dist!("io.js"),
        brotli: Some(dist!("io.js.br")),
        gzip: Some(dist!("io.js.gz")),
    },
    File {
        name: "io.mjs",
        content_type: JAVASCRIPT,
        plain: dist!("io.mjs"),
        brotli: Some(dist!("io.mjs.br")),
        gzip: Some(dist!("io.mjs.gz")),
    },
    File {
        name: "socket.js",
        content_type: JAVASCRIPT,
        plain: dist!("socket.js"),
        brotli: Some(dist!("socket.js.br")),
        gzip: Some(dist!("socket.js.gz")),
    },
    File {
        name: "socket.mjs",
        content_type: JAVASCRIPT,
        plain: dist!("socket.mjs"),
        brotli: Some(dist!("socket.mjs.br")),
        gzip: Some(dist!("socket.mjs.gz")),
    },
    // Only a browser's developer tools load the source maps.
    File { name: "anywire.js.map", content_type: JSON, plain: dist!("anywire.js.map"), brotli: None, gzip: None },
    File { name: "anywire.mjs.map", content_type: JSON, plain: dist!("anywire.mjs.map"), brotli: None, gzip: None },
    File { name: "io.js.map", content_type: JSON, plain: dist!("io.js.map"), brotli: None, gzip: None },
    File { name: "io.mjs.map", content_type: JSON, plain: dist!("io.mjs.map"), brotli: None, gzip: None },
    File { name: "socket.js.map", content_type: JSON, plain: dist!("socket.js.map"), brotli: None, gzip: None },
    File { name: "socket.mjs.map", content_type: JSON, plain: dist!("socket.mjs.map"), brotli: None, gzip: None },
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// The names of the files.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.name)
}

/// The file of this name.
pub(super) fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

impl File {
    /// Serves the file in the form that the client prefers. Each form has its own entity tag, so that a
    /// browser which asks again is answered with 304 if its copy is still the same.
    pub(super) fn serve(&self, request: &HeaderMap) -> Response {
        let (content, coding) = self.representation(preferred(request));
        let mut response = answer(request, Bytes::from_static(content), self.content_type);
        if let Some(coding) = coding.filter(|_| response.status() == StatusCode::OK) {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    }

    /// The bytes to send, and their coding if they have one.
    fn representation(&self, preferred: Coding) -> (&'static [u8], Option<&'static str>) {
        match (preferred, self.brotli, self.gzip) {
            (Coding::Brotli, Some(content), _) => (content, Some("br")),
            (Coding::Gzip, _, Some(content)) => (content, Some("gzip")),
            _ => (self.plain, None),
        }
    }
}

/// Serves a script of the application's own, in its one form and with the headers that our scripts have.
pub(super) fn own(request: &HeaderMap, script: Bytes) -> Response {
    answer(request, script, JAVASCRIPT)
}

/// The content, or 304 if the client has it.
fn answer(request: &HeaderMap, content: Bytes, content_type: &'static str) -> Response {
    let tag = format!("\"{:016x}\"", fnv(&content));
    let unchanged = is_known(request, &tag);
    let mut response = Response::new(if unchanged { Body::empty() } else { Body::from(content) });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // A cache must ask again: a page of a newer server contains the newer script's hash.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A module script of another origin needs this header; the file is the same for all clients.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

/// Whether the client has what this tag stands for, by the weak comparison of RFC 9110, section 13.1.2.
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let lines = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut known = lines.flat_map(|line| line.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// The FNV-1a hash. It need only differ between two versions of a file.
const fn fnv(content: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < content.len() {
        hash = (hash ^ content[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}
