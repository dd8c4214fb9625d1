//! The answers over HTTP, and their headers.

use std::convert::Infallible;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use futures::stream;

use super::table::{Endpoint, Receiver};
use crate::{
    codec::{
        ContentType,
        sockjs::{self, SockJsCodec},
    },
    config::{SockJs, Transport},
    server::{
        core::Core,
        origin::{Asked, Cors, Framing},
        refusal::guarded,
        routes::answer,
    },
    session::CloseReason,
    shared::UnderWay,
    transport::{self, FirstFlush, Link, Wait, Wrapper, Wrapping},
};

pub(super) type Answer = answer::Answer<SockJsCodec>;

/// Nothing keeps an answer of a session. Some browsers have kept those to POSTs.
pub(super) const NOT_CACHED: HeaderValue =
    HeaderValue::from_static("no-store, no-cache, no-transform, must-revalidate, max-age=0");

/// An answer that is the same for a year.
pub(super) const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=31536000");

/// The same for caches of HTTP/1.0, which know no ages.
pub(super) const FAR_AWAY: HeaderValue = HeaderValue::from_static("Thu, 31 Dec 2099 23:59:59 GMT");

/// The headers of every answer of a session: nothing keeps it, delays it or guesses its type, and its URL, in which
/// the session's name stands, is told to nobody.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, NOT_CACHED),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
];

/// The longest value of a cookie that is echoed.
const LONGEST_COOKIE: usize = 256;

/// An answer of a session with this body.
pub(super) fn respond(
    content_type: ContentType,
    body: Vec<u8>,
    wrapping: Option<&Wrapping>,
    counter: Option<UnderWay>,
) -> Response {
    answer::with_body(&HEADERS, content_type, body, wrapping, counter)
}

/// The answer that carries a link.
pub(super) fn carry(link: Link, codec: SockJsCodec, receiver: &Receiver, wrapping: Wrapping, limit: usize) -> Answer {
    if !receiver.streams {
        return Answer::Flush {
            flush: FirstFlush::new(link, codec, Wait::Anything),
            wrapping: Some(Box::new(wrapping)),
        };
    }
    let mut response = head(&wrapping);
    response.extensions_mut().insert(link.watch());
    let wrapper = Wrapper::new(wrapping, Vec::new());
    *response.body_mut() = Body::from_stream(transport::stream(link, codec, limit, wrapper, ()));
    Answer::ready(response)
}

/// The answer to a client whose session has ended, or that may not receive from it.
pub(super) fn closed(reason: &CloseReason, receiver: &Receiver, wrapping: Wrapping) -> Answer {
    let frame = sockjs::close_frame(reason);
    if !receiver.streams {
        return Answer::ready(respond(sockjs::TEXT, frame, Some(&wrapping), None));
    }
    let mut response = head(&wrapping);
    let chunks = Wrapper::new(wrapping, Vec::new()).only(frame);
    *response.body_mut() = Body::from_stream(stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)));
    Answer::ready(response)
}

/// An answer whose body is yet to come.
fn head(wrapping: &Wrapping) -> Response {
    let mut response = respond(sockjs::TEXT, Vec::new(), None, None);
    if let Some(Ok(content_type)) = wrapping.content_type().map(|text| HeaderValue::from_str(&text)) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// An error, with a text for people.
pub(super) fn error(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(sockjs::TEXT.0));
    guarded(response)
}

/// The answer to a method that an endpoint does not have.
pub(super) fn wrong_method(endpoint: Endpoint) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(endpoint.allows()));
    response
}

/// The answer to a browser that asks whether a page of another origin may use an endpoint.
pub(super) fn preflight(endpoint: Endpoint) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, CACHED);
    headers.insert(header::EXPIRES, FAR_AWAY);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("31536000"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(endpoint.allows()));
    response
}

/// The headers of an answer that depend on its request.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// The allowed origin, `*` if the request names none.
    origin: Option<HeaderValue>,
    /// The headers that a preflight asks for.
    asked: Option<HeaderValue>,
    cors: bool,
    cookie: Option<HeaderValue>,
    framing: Option<Framing>,
}

impl Extras {
    pub(super) fn of(core: &Core, settings: &SockJs, endpoint: Endpoint, parts: &Parts) -> Self {
        let cookie = (settings.cookie && endpoint.is_of_session()).then(|| cookie(&parts.headers)).flatten();
        let page = matches!(endpoint, Endpoint::Receive(receiver) if receiver.transport == Transport::HtmlFile);
        let framing = page.then(|| Framing::of(&core.config.origins, true));
        if !endpoint.has_cors() {
            return Extras { cookie, framing, ..Extras::default() };
        }
        let origin = match parts.headers.contains_key(header::ORIGIN) {
            true => Cors::of(&core.config, Asked::of(parts)).into_origin(),
            false => Some(ANY),
        };
        // An event source whose page has no origin takes no other answer.
        let events = matches!(endpoint, Endpoint::Receive(receiver) if receiver.method == "GET");
        let origin = origin.map(|origin| if events && origin == "null" { ANY } else { origin });
        let asked = parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|asked| !asked.is_empty());
        let asked = asked.and_then(|asked| HeaderValue::from_bytes(asked.as_bytes()).ok());
        Extras { origin, asked, cors: true, cookie, framing }
    }

    pub(super) fn apply(self, headers: &mut HeaderMap, preflight: bool) {
        if let Some(cookie) = self.cookie {
            headers.append(header::SET_COOKIE, cookie);
        }
        if let Some(framing) = self.framing {
            framing.apply(headers);
        }
        if !self.cors {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.origin else { return };
        // Clients send their requests with credentials in any case. Where all origins may open sessions, extractors do
        // not see them.
        if origin != ANY {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if let Some(asked) = self.asked.filter(|_| preflight) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
    }
}

const ANY: HeaderValue = HeaderValue::from_static("*");

/// The cookie by which load balancers route: the one that the request has, so that it stays.
fn cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let value = lines.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix("JSESSIONID="));
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    let value = value.filter(|value| value.len() <= LONGEST_COOKIE && value.bytes().all(fits)).unwrap_or("dummy");
    HeaderValue::from_str(&format!("JSESSIONID={value}; path=/")).ok()
}
