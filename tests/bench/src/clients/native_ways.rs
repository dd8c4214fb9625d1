//! The transports of the native protocol over HTTP, as its client in the browser uses them.

use super::wrapping::Wrapping;

/// How the requests of a session bring its messages down, and how they are sent.
pub(crate) struct Way {
    /// The transport's name, which is that of its requests.
    pub(super) name: &'static str,
    pub(super) wrapping: Wrapping,
    /// The request has its record in the URL.
    pub(super) is_get: bool,
    /// The answer calls a function that the request names.
    pub(super) has_callback: bool,
    pub(super) pace: Pace,
    /// Requests and answers are in the bytes spelling, and not in that of texts.
    pub(super) has_bytes: bool,
    /// Uploads are forms, whose answers the client cannot read.
    pub(super) by_form: bool,
}

/// The amount that one answer brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Flush after flush.
    Stream,
    /// One flush, for which it waits.
    Poll,
    /// All that is ready. The client asks when it expects an answer to what it has sent, without a delay.
    ShortPoll,
}

const fn way(name: &'static str, wrapping: Wrapping, pace: Pace) -> Way {
    Way { name, wrapping, is_get: false, has_callback: false, pace, has_bytes: false, by_form: false }
}

pub(crate) static FETCH_STREAM: Way = Way { has_bytes: true, ..way("fetch-stream", Wrapping::Plain, Pace::Stream) };
pub(crate) static XHR_STREAM: Way = way("xhr-stream", Wrapping::Plain, Pace::Stream);
pub(crate) static MULTIPART: Way = way("multipart", Wrapping::Parts, Pace::Stream);
pub(crate) static EVENT_SOURCE: Way = Way { is_get: true, ..way("eventsource", Wrapping::Events, Pace::Stream) };
pub(crate) static HTML_FILE: Way =
    Way { is_get: true, has_callback: true, ..way("htmlfile", Wrapping::Page, Pace::Stream) };
pub(crate) static IFRAME: Way = Way { is_get: true, ..way("iframe", Wrapping::Page, Pace::Stream) };
pub(crate) static XHR_POLL: Way = way("xhr-poll", Wrapping::Plain, Pace::Poll);
pub(crate) static JSONP_POLL: Way =
    Way { is_get: true, has_callback: true, by_form: true, ..way("jsonp-poll", Wrapping::Call, Pace::Poll) };
pub(crate) static POLL: Way = way("poll", Wrapping::Plain, Pace::ShortPoll);
