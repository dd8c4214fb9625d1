//! The HTTP answers of the native routes.

use std::{
    future::poll_fn,
    io::{Cursor, Write},
    sync::LazyLock,
    task::{Poll, ready},
};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;

use super::{
    params,
    table::{Route, Style},
};
use crate::{
    codec::{
        BodyCodec, ContentType,
        native::{NativeCodec, Spelling, write_refusal},
    },
    config::Origins,
    ids,
    server::{
        origin::{Cors, Framing, UsualHeaders},
        parked_requests::Permit,
        refusal::Refusal,
    },
    session::{Frame, Outbound, reason},
    shared::UnderWay,
    transport::{self, FirstFlush, Link, Wait, Wrapper, Wrapping, wrapping},
};

/// The headers of every answer: caches must not keep it, proxies must not compress or buffer it, and browsers must not
/// guess its type.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// The room for headers that an answer gets later: those of CORS, and its length.
const MORE_HEADERS: usize = 5;

/// The headers of answers of one flush, without a wrapping: those of texts, and those of bytes. Those of the second half
/// state a length too, which is still to be set.
static USUAL: LazyLock<[[UsualHeaders; 2]; 2]> = LazyLock::new(|| {
    let length = (header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    [&[][..], &[length]].map(|length| {
        [ContentType::TEXT, ContentType::BYTES].map(|content_type| {
            let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(content_type.0));
            UsualHeaders::new(&[&[content_type][..], length, &HEADERS].concat())
        })
    })
});

/// The format that a request asks for its answer.
#[derive(Debug)]
pub(super) struct ResponseFormat {
    /// The spelling of both the request and the answer.
    pub(super) spelling: Spelling,
    wrapping: Wrapping,
    padding: u64,
    /// The client can read only answers with status 200.
    always_ok: bool,
    /// The client can read nothing of the answer, which is a page.
    is_blank: bool,
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
        let bad_callback = || Box::new(refuse(&reason::BAD_CALLBACK.into()));
        let callback = match style {
            Style::Page | Style::Call => params::query(parts, "callback"),
            Style::Plain | Style::Events | Style::Parts | Style::Blank => None,
        };
        if callback.is_some_and(|name| !params::is_callback(name)) {
            return Err(bad_callback());
        }
        let wrapping = match (style, callback) {
            (Style::Plain, _) => Wrapping::new(&wrapping::PLAIN, ""),
            (Style::Events, _) => Wrapping::new(&wrapping::EVENTS, ""),
            (Style::Page, None) => Wrapping::new(&wrapping::PAGE, ""),
            (Style::Page, Some(name)) => Wrapping::new(&wrapping::PAGE_CALL, name),
            (Style::Call, None) => return Err(bad_callback()),
            (Style::Call, Some(name)) => Wrapping::new(&wrapping::CALL, name),
            (Style::Parts, _) => Wrapping::new(&wrapping::PARTS, &ids::random().simple().to_string()),
            (Style::Blank, _) => Wrapping::new(&wrapping::BLANK, ""),
        };
        let bytes = style == Style::Plain && params::query(parts, "bytes") == Some("1");
        let page = matches!(style, Style::Page | Style::Blank);
        Ok(ResponseFormat {
            spelling: if bytes { Spelling::Bytes } else { Spelling::Text },
            wrapping,
            padding: if route.is_stream() { params::padding(parts) } else { 0 },
            always_ok: route.is_get() || params::query(parts, "soft") == Some("1"),
            is_blank: style == Style::Blank,
            has_secret: route.is_get(),
            framing: page.then(|| Framing::of(origins, route.is_within_htmlfile())),
        })
    }

    /// Returns whether the content type is all that the answer depends on.
    fn is_plain(&self) -> bool {
        self.wrapping.is_plain()
    }

    /// Makes an answer of one flush.
    fn whole(&self, records: Vec<u8>, content_type: ContentType, counter: Option<UnderWay>) -> Response {
        let bytes = transport::counted(self.wrapping.whole(records), counter);
        let mut response = answer(content_type, Body::from(bytes));
        self.set_content_type(&mut response);
        self.set_headers(&mut response);
        response
    }

    /// Makes an answer of flush after flush.
    fn stream(self, link: Link, mut codec: NativeCodec, budget: usize, permit: Option<Permit>) -> Response {
        let mut response = answer(self.spelling.content_type(), Body::empty());
        self.set_content_type(&mut response);
        self.set_headers(&mut response);
        let mut padding = Vec::new();
        if self.is_plain() && self.padding > 0 {
            codec.write(Outbound::Frame(Frame::Padding { length: self.padding }), &mut padding);
        }
        let wrapper = Wrapper::new(self.wrapping, padding);
        response.extensions_mut().insert(link.watch());
        *response.body_mut() = Body::from_stream(transport::stream(link, codec, budget, wrapper, permit));
        response
    }

    pub(super) fn refuse(&self, refusal: &Refusal) -> Response {
        let mut response = refuse(refusal);
        if self.always_ok {
            *response.status_mut() = StatusCode::OK;
        }
        if self.always_ok || self.is_blank {
            *response.body_mut() = Body::from(self.wrapping.whole(write_refusal(&refusal.reason)));
            self.set_content_type(&mut response);
        }
        self.set_headers(&mut response);
        response
    }

    fn set_content_type(&self, response: &mut Response) {
        if let Some(content_type) = self.wrapping.content_type()
            && let Ok(content_type) = HeaderValue::from_str(&content_type)
        {
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
    }

    fn set_headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if self.has_secret {
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        if let Some(framing) = &self.framing {
            framing.apply(headers);
        }
    }
}

/// Makes an answer of records without a wrapping.
fn answer(content_type: ContentType, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(1 + HEADERS.len() + MORE_HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type.0));
    headers.extend(HEADERS);
    response
}

/// A length as the value of a header, which is made of a number by two allocations and of bytes by one.
fn length(bytes: usize) -> Option<HeaderValue> {
    let mut digits = Cursor::new([0; 20]);
    write!(digits, "{bytes}").ok()?;
    let end = digits.position() as usize;
    HeaderValue::from_bytes(&digits.get_ref()[..end]).ok()
}

/// Makes an answer of records without a wrapping, with all its headers. For a router it states its length, which that would
/// have to insert; the connection itself writes it for less.
pub(super) fn usual(content_type: ContentType, body: Bytes, cors: Cors, for_router: bool) -> Response {
    let mut headers = USUAL[usize::from(for_router)][usize::from(content_type == ContentType::BYTES)].with(cors);
    if for_router && let Some(length) = length(body.len()) {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = headers;
    response
}

/// Makes the answer of a refusal: its status, and one record with the reason.
pub(super) fn refuse(refusal: &Refusal) -> Response {
    let reason = &refusal.reason;
    refusal.log();
    let mut response = answer(ContentType::TEXT, Body::from(write_refusal(reason)));
    refusal.apply(&mut response);
    response
}

/// The result of a request that was understood.
pub(super) enum Accepted {
    Records(Vec<u8>, ContentType),
    /// The answer is the link's first flush.
    Flush {
        link: Link,
        codec: NativeCodec,
        wait: Wait,
        permit: Option<Permit>,
    },
    Stream {
        link: Link,
        codec: NativeCodec,
        permit: Option<Permit>,
    },
}

impl Accepted {
    /// Makes the answer, or names the link that will make it.
    pub(super) fn respond(self, format: ResponseFormat, stream_budget: usize) -> Answer {
        match self {
            Accepted::Records(records, content_type) if format.is_plain() => Answer::Records(records, content_type),
            Accepted::Records(records, content_type) => {
                Answer::Ready(Box::new(format.whole(records, content_type, None)))
            }
            Accepted::Flush { link, codec, wait, permit } => {
                let plain = format.is_plain() && permit.is_none();
                let extras = (!plain).then(|| Box::new(Extras { format, permit }));
                Answer::FirstFlush { flush: FirstFlush::new(link, codec, wait), extras }
            }
            Accepted::Stream { link, codec, permit } => {
                Answer::Ready(Box::new(format.stream(link, codec, stream_budget, permit)))
            }
        }
    }
}

/// The answer to a request, or its source.
pub(super) enum Answer {
    /// The answer is boxed, so that a parked poll does not carry the room for it.
    Ready(Box<Response>),
    /// The answer is these records.
    Records(Vec<u8>, ContentType),
    /// The answer is the link's first flush.
    FirstFlush { flush: FirstFlush<NativeCodec>, extras: Option<Box<Extras>> },
}

/// The parts that few parked requests need. They are boxed to keep the common future small.
pub(super) struct Extras {
    format: ResponseFormat,
    permit: Option<Permit>,
}

/// An answer that is there.
pub(super) enum Finished {
    /// It has the headers of its kind, but for those of CORS.
    Response(Response),
    /// Its headers are the [usual](usual) ones.
    Usual(ContentType, Bytes),
}

/// Waits for the answer to a request. It holds no more than it needs while it waits: an `async fn` would hold
/// much of it twice.
pub(super) fn finish(mut prepared: Answer) -> impl Future<Output = Finished> + Send {
    poll_fn(move |cx| {
        Poll::Ready(match &mut prepared {
            Answer::Ready(response) => Finished::Response(std::mem::take(&mut **response)),
            Answer::Records(records, content_type) => Finished::Usual(*content_type, std::mem::take(records).into()),
            Answer::FirstFlush { flush, extras } => {
                let (records, content_type, counter) = ready!(flush.poll(cx));
                match extras.take() {
                    None => Finished::Usual(content_type, transport::counted(records, counter)),
                    Some(extras) => {
                        drop(extras.permit);
                        Finished::Response(extras.format.whole(records, content_type, counter))
                    }
                }
            }
        })
    })
}
