//! What the native routes answer over HTTP.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};

use super::{
    params,
    table::{Route, Style},
};
use crate::{
    codec::native::{Spelling, write_refusal},
    config::Origins,
    ids,
    server::{origin::Framing, parked_requests::Permit, refusal::Refusal},
    session::CloseReason,
    transport::{self, Link, Wait, Wrapper, Wrapping},
};

/// Seconds after which a client that was refused for want of room may try again; it spreads its tries itself.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

const BAD_CALLBACK: CloseReason = CloseReason::fixed(4004, "no callback, or not a name of letters, digits and _");

/// How a request wants to be answered.
#[derive(Debug)]
pub(super) struct ResponseFormat {
    /// Of both the request and the answer.
    pub(super) spelling: Spelling,
    wrapping: Wrapping,
    padding: usize,
    /// The client can read only what has status 200.
    always_ok: bool,
    /// The secret stood in the URL.
    has_secret: bool,
    /// The answer is a page.
    framing: Option<Framing>,
}

impl ResponseFormat {
    /// # Errors
    /// With the answer to a request that could not read any other. Nothing of the request is in it.
    pub(super) fn of(route: Route, parts: &Parts, origins: &Origins) -> Result<Self, Box<Response>> {
        let style = route.style();
        let bad_callback = || Box::new(refuse(&BAD_CALLBACK.into()));
        let callback = params::query(parts, "callback");
        let callback = match callback.filter(|_| matches!(style, Style::Page | Style::Call)) {
            Some(name) if !params::is_callback(name) => return Err(bad_callback()),
            name => name.map(Box::from),
        };
        let wrapping = match style {
            Style::Plain => Wrapping::Plain,
            Style::Events => Wrapping::Events,
            Style::Page => Wrapping::Page { callback },
            Style::Call => Wrapping::Call { callback: callback.ok_or_else(bad_callback)? },
            Style::Parts => Wrapping::Parts { boundary: ids::random().simple().to_string().into() },
            Style::Blank => Wrapping::Blank,
        };
        let bytes = style == Style::Plain && params::query(parts, "bytes") == Some("1");
        let page = matches!(style, Style::Page | Style::Blank);
        Ok(ResponseFormat {
            spelling: if bytes { Spelling::Bytes } else { Spelling::Text },
            wrapping,
            padding: params::padding(parts),
            always_ok: route.is_get() || params::query(parts, "soft") == Some("1"),
            has_secret: route.is_get(),
            framing: page.then(|| Framing::of(origins, route.is_within_htmlfile())),
        })
    }

    /// Whether an answer needs to know no more than the spelling.
    pub(super) fn is_plain(&self) -> bool {
        self.wrapping == Wrapping::Plain
    }

    /// An answer that is one flush.
    pub(super) fn whole(&self, records: Vec<u8>) -> Response {
        self.answer(Body::from(self.wrapping.whole(records)))
    }

    /// What wraps the flushes of a streamed answer.
    pub(super) fn wrapper(&self) -> Wrapper {
        Wrapper::new(self.wrapping.clone(), self.padding)
    }

    /// An answer whose body is wrapped already.
    pub(super) fn answer(&self, body: Body) -> Response {
        let mut response = answer(self.spelling, body);
        self.set_headers(&mut response);
        response
    }

    pub(super) fn refuse(&self, refusal: &Refusal) -> Response {
        let mut response = refuse(refusal);
        if !self.is_plain() {
            *response.body_mut() = Body::from(self.wrapping.whole(write_refusal(&refusal.reason)));
        }
        if self.always_ok {
            *response.status_mut() = StatusCode::OK;
        }
        self.set_headers(&mut response);
        response
    }

    fn set_headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if !self.is_plain()
            && let Ok(content_type) = HeaderValue::from_str(&self.wrapping.content_type())
        {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if self.has_secret {
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        if let Some(framing) = &self.framing {
            framing.apply(headers);
        }
    }
}

/// An answer of records, as they are.
pub(super) fn answer(spelling: Spelling, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(6);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(match spelling {
            Spelling::Bytes => "application/octet-stream",
            _ => "text/plain; charset=utf-8",
        }),
    );
    // Neither caches nor compressing or buffering proxies may touch it, nor browsers guess its type.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A refusal: a status, and one record that says why.
pub(super) fn refuse(Refusal { reason, status }: &Refusal) -> Response {
    tracing::debug!(code = reason.code, reason = &*reason.text, "refused");
    let mut response = answer(Spelling::Text, Body::from(write_refusal(reason)));
    *response.status_mut() = *status;
    if *status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

/// What a request that was understood is to be told.
pub(super) enum Accepted {
    Records(Vec<u8>),
    /// What the link says in its first flush.
    Flush {
        link: Link,
        wait: Wait,
        permit: Option<Permit>,
    },
    Stream {
        link: Link,
        permit: Option<Permit>,
    },
}

impl Accepted {
    /// How a request goes on that has been understood.
    pub(super) fn respond(self, format: ResponseFormat, stream_budget: usize) -> Answer {
        match self {
            Accepted::Records(records) => Answer::Ready(Box::new(format.whole(records))),
            Accepted::Flush { link, wait, permit } => {
                let spelling = format.spelling;
                let plain = format.is_plain() && permit.is_none();
                let extras = (!plain).then(|| Box::new(Extras { format, permit }));
                Answer::FirstFlush { link, spelling, wait, extras }
            }
            Accepted::Stream { link, permit } => {
                let stream = transport::stream(link, format.spelling, stream_budget, format.wrapper(), permit);
                Answer::Ready(Box::new(format.answer(Body::from_stream(stream))))
            }
        }
    }
}

/// How a request goes on.
pub(super) enum Answer {
    /// Boxed: a poll that waits has no need of the room.
    Ready(Box<Response>),
    /// The answer is what the link says in its first flush.
    FirstFlush { link: Link, spelling: Spelling, wait: Wait, extras: Option<Box<Extras>> },
}

/// What only some of the answers have that wait; the others shall not carry the room for it.
pub(super) struct Extras {
    format: ResponseFormat,
    permit: Option<Permit>,
}

/// The answer to a request. While it waits for something to say it holds no more than that takes.
pub(super) async fn finish(prepared: Answer) -> Response {
    match prepared {
        Answer::Ready(response) => *response,
        Answer::FirstFlush { link, spelling, wait, extras } => {
            let records = transport::answer(link, spelling, wait).await;
            match extras {
                None => answer(spelling, Body::from(records)),
                Some(extras) => {
                    drop(extras.permit);
                    extras.format.whole(records)
                }
            }
        }
    }
}
