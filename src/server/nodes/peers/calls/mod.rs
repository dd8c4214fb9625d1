//! Calls: requests whose body is short, with answers that are short. Those of a connection share one stream of HTTP/2, as
//! messages with a length and a number, so that none of them has the costs of a stream: most of what is forwarded are polls
//! and uploads of a few bytes.
//!
//! A request whose body is long or comes late has a stream of its own. An answer that is long or goes on, the other node
//! keeps, and it is asked for on such a stream.

mod answering;
mod asking;
mod frame;
mod reader;
#[cfg(test)]
mod tests;

use axum::http::{HeaderName, HeaderValue, Method, Request, Uri, request};

pub(super) use self::{
    answering::Answering,
    asking::{Begun, Called, Calls, Short, shorten},
    frame::Call,
};

/// The longest body of a request that is a call.
const MOST_BODY: u64 = 16 * 1024;

/// The longest body of an answer that is sent at once.
const MOST_ANSWER: u64 = 64 * 1024;

/// It names the call whose answer is asked for; without a number, the request is the stream of the calls.
static CALLS: HeaderName = HeaderName::from_static("anywire-calls");

/// The value of [`CALLS`] on the stream of the calls.
const ALL: HeaderValue = HeaderValue::from_static("all");

/// The meaning of a request with [`CALLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is the stream of the calls.
    All,
    /// The answer to this call, which was kept.
    Kept(u32),
}

/// Reads what a request of another node asks for. The result is `None` if it has nothing to do with calls.
pub(super) fn asked(parts: &request::Parts) -> Option<Asked> {
    let value = parts.headers.get(&CALLS)?;
    if value == ALL {
        return Some(Asked::All);
    }
    Some(Asked::Kept(value.to_str().ok()?.parse().ok()?))
}

/// The head of a request for this.
fn ask(asked: Asked) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/");
    let value = match asked {
        Asked::All => ALL,
        Asked::Kept(number) => HeaderValue::from(number),
    };
    request.headers_mut().insert(&CALLS, value);
    request
}
