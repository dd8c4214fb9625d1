//! The HTTP answers of the native routes.

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
    codec::native::write_refusal,
    config::Origins,
    ids,
    message::Spelling,
    server::{origin::Framing, parked_requests::Permit, refusal::Refusal},
    session::CloseReason,
    transport::{self, Link, Wait, Wrapper, Wrapping},
};

const BAD_CALLBACK: CloseReason = CloseReason::fixed(4004, "no callback, or not a name of letters, digits and _");

/// The format that a request asks for its answer.
#[derive(Debug)]
pub(super) struct ResponseFormat {
    /// The spelling of both the request and the answer.
    pub(super) spelling: Spelling,
    wrapping: Wrapping,
    padding: usize,
    /// The client can read only answers with status 200.
    always_ok: bool,
    /// The URL contains the secret.
    has_secret: bool,
    /// The framing headers of an answer that is a page.
    framing: Option<Framing>,
}

impl ResponseFormat {
    /// # Errors
    /// Fails with a refusal for a request whose callback is missing or not a name. The refusal contains no
    /// part of the request.
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

    /// Returns whether the spelling is all that the answer depends on.
    pub(super) fn is_plain(&self) -> bool {
        self.wrapping == Wrapping::Plain
    }

    /// Makes an answer of one flush.
    pub(super) fn whole(&self, records: Vec<u8>) -> Response {
        self.answer(Body::from(self.wrapping.whole(records)))
    }

    /// Returns the wrapper for the flushes of a streamed answer.
    pub(super) fn wrapper(&self) -> Wrapper {
        Wrapper::new(self.wrapping.clone(), self.padding)
    }

    /// Makes an answer whose body is wrapped already.
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

/// Makes an answer of records without a wrapping.
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
    // Caches must not keep it, proxies must not compress or buffer it, and browsers must not guess its type.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Makes the answer of a refusal: its status, and one record with the reason.
pub(super) fn refuse(refusal: &Refusal) -> Response {
    let reason = &refusal.reason;
    tracing::debug!(code = reason.code, reason = &*reason.text, "refused");
    let mut response = answer(Spelling::Text, Body::from(write_refusal(reason)));
    refusal.apply(&mut response);
    response
}

/// The result of a request that was understood.
pub(super) enum Accepted {
    Records(Vec<u8>),
    /// The answer is the link's first flush.
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
    /// Makes the answer, or names the link that will make it.
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

/// The answer to a request, or its source.
pub(super) enum Answer {
    /// The answer is boxed, so that a parked poll does not carry the room for it.
    Ready(Box<Response>),
    /// The answer is the link's first flush.
    FirstFlush { link: Link, spelling: Spelling, wait: Wait, extras: Option<Box<Extras>> },
}

/// The parts that few parked requests need. They are boxed to keep the common future small.
pub(super) struct Extras {
    format: ResponseFormat,
    permit: Option<Permit>,
}

/// Waits for the answer to a request. While it waits it holds only what the waiting needs.
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
