//! The answers that a client gets before it has a session: the greeting, the facts of the server, and the page for
//! iframes.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    body::Body,
    extract::OriginalUri,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde_json::json;

use super::answer::{CACHED, FAR_AWAY, NOT_CACHED};
use crate::{config::Origins, ids, server::origin::Framing};

/// The page, in which `%` stands for the URL of the script. The protocol fixes it.
const PAGE: &str = include_str!("iframe.html");

const GREETING: &str = "Welcome to SockJS!\n";

pub(super) fn greeting() -> Response {
    typed("text/plain; charset=UTF-8", GREETING.to_owned())
}

/// The facts that a client asks for first. It times this request.
pub(super) fn info(websocket: bool, cookie: bool) -> Response {
    let entropy = ids::below(1 << 32);
    let facts = json!({ "websocket": websocket, "origins": ["*:*"], "cookie_needed": cookie, "entropy": entropy });
    let mut response = typed("application/json; charset=UTF-8", facts.to_string());
    response.headers_mut().insert(header::CACHE_CONTROL, NOT_CACHED);
    response
}

/// The page by which a page of another origin uses transports without CORS: it speaks for that page, so only pages
/// that may open sessions can show it in a frame.
pub(super) fn iframe(parts: &Parts, script: Option<&str>, origins: &Origins) -> Response {
    let script = script.map_or_else(|| beside(parts), str::to_owned);
    let page = PAGE.replace('%', &escaped(&script));
    let tag = tag(&page);
    let known = parts.headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = match known {
        true => Response::new(Body::empty()),
        false => typed("text/html; charset=UTF-8", page),
    };
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, CACHED);
    headers.insert(header::EXPIRES, FAR_AWAY);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Framing::of(origins, false).apply(headers);
    response
}

/// The path of the script beside the mount, as the browser sees it.
fn beside(parts: &Parts) -> String {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let path = uri.path().trim_end_matches('/');
    let mount = path.rsplit_once('/').map_or("", |(mount, _)| mount);
    let folder = mount.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/sockjs.min.js")
}

fn escaped(url: &str) -> String {
    url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

fn tag(page: &str) -> String {
    let mut hasher = DefaultHasher::new();
    page.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn typed(content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
