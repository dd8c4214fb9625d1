//! The client's scripts, below the mount path, so that a page needs one script tag.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

/// A file of the client.
pub(super) struct File {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

static FILES: [File; 3] = [
    File {
        name: "client.js",
        kind: JAVASCRIPT,
        content: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/client-js/dist/anywire.js")),
    },
    File {
        name: "client.mjs",
        kind: JAVASCRIPT,
        content: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/client-js/dist/anywire.mjs")),
    },
    File {
        name: "anywire.js.map",
        kind: "application/json",
        content: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/client-js/dist/anywire.js.map")),
    },
];

/// The file of this name.
pub(super) fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

impl File {
    /// Serves the file with a tag of its content, so that a browser which asks again is told that nothing changed.
    pub(super) fn serve(&self, headers: &HeaderMap) -> Response {
        let tag = format!("\"{:016x}\"", fnv(self.content));
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let known = known.is_some_and(|list| list.split(',').any(|known| known.trim().trim_start_matches("W/") == tag));
        let mut response = Response::new(if known { Body::empty() } else { Body::from(self.content) });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        // Kept and asked for again: a page of a newer server, with the newer script's hash, must not get this one.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // A module script of another origin needs it; the file is the same for everybody.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

/// FNV-1a: tells one version of a file from another, and need do no more.
const fn fnv(content: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < content.len() {
        hash = (hash ^ content[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}
