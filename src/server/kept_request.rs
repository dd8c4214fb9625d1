//! The request that opened a session, kept for the extractors of its channels, which open later.

#[cfg(test)]
mod tests;

use std::{fmt::Display, io::Write, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, OriginalUri},
    http::{
        Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header::MaxSizeReached,
        request::Parts,
    },
};
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;

use super::api::auth::AuthData;

/// The byte behind a name, and behind each value and each URI. None of them has such bytes inside.
const END: u8 = 0;

/// The byte behind the name of a header whose value is not to be logged.
const SENSITIVE: u8 = 1;

/// The parts of a request in one piece. The request's own are slices of its connection's buffer, which they would keep
/// in memory as a whole for as long as the session lives.
pub(super) struct KeptRequest {
    method: Method,
    version: Version,
    /// How many headers there are.
    headers: usize,
    /// The URI, the one that the application's router got, or nothing if that is not known, and the headers: each
    /// name and its value.
    text: Bytes,
    /// Those of the application's layers too.
    extensions: Extensions,
}

impl KeptRequest {
    /// Keeps a copy. The auth data of the session itself are left out: each channel has its own.
    pub(super) fn of(parts: &Parts) -> Self {
        Self::new(parts, parts.extensions.clone())
    }

    /// Keeps a request, of which nothing else is needed any more.
    pub(super) fn from_parts(mut parts: Parts) -> Self {
        let extensions = std::mem::take(&mut parts.extensions);
        Self::new(&parts, extensions)
    }

    fn new(parts: &Parts, mut extensions: Extensions) -> Self {
        extensions.remove::<AuthData>();
        extensions.remove::<OnUpgrade>();
        let original = extensions.remove::<OriginalUri>();
        if let Some(peer) = extensions.remove::<ConnectInfo<SocketAddr>>() {
            // A map of its own size: that of a request has room for twice as many.
            let rest = std::mem::take(&mut extensions);
            extensions.insert(peer);
            extensions.extend(rest);
        }
        let mut text = Vec::with_capacity(1024);
        put(&mut text, &parts.uri, END);
        match &original {
            Some(OriginalUri(uri)) => put(&mut text, uri, END),
            None => text.push(END),
        }
        for (name, value) in &parts.headers {
            put(&mut text, name, if value.is_sensitive() { SENSITIVE } else { END });
            text.extend_from_slice(value.as_bytes());
            text.push(END);
        }
        // A box has no room behind its end.
        let text = Bytes::from(text.into_boxed_slice());
        KeptRequest {
            method: parts.method.clone(),
            version: parts.version,
            headers: parts.headers.len(),
            text,
            extensions,
        }
    }

    /// The bytes that are kept.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.text.len() + 64 * self.extensions.len()
    }

    /// The request as it was, without auth data.
    ///
    /// # Panics
    /// Panics if what was a URI or a header is none any more, which cannot be.
    pub(super) fn parts(&self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        let mut rest = Fields { text: &self.text, at: 0 };
        (parts.method, parts.version) = (self.method.clone(), self.version);
        parts.uri = rest.uri().unwrap_or_default();
        parts.extensions = self.extensions.clone();
        if let Some(original) = rest.uri() {
            parts.extensions.insert(OriginalUri(original));
        }
        parts.headers = self.read_headers(&mut rest).expect("a map had room for these headers");
        parts
    }

    fn read_headers(&self, rest: &mut Fields<'_>) -> Result<HeaderMap, MaxSizeReached> {
        let mut headers = HeaderMap::try_with_capacity(self.headers)?;
        while let Some((name, end)) = rest.next() {
            let name = HeaderName::from_bytes(&name).expect("it was the name of a header");
            let value = rest.next().map(|(value, _)| value).unwrap_or_default();
            let mut value = HeaderValue::from_maybe_shared(value).expect("it was the value of a header");
            value.set_sensitive(end == SENSITIVE);
            headers.try_append(name, value)?;
        }
        Ok(headers)
    }
}

/// Reads what was kept, piece by piece.
struct Fields<'a> {
    text: &'a Bytes,
    at: usize,
}

impl Fields<'_> {
    /// The next piece, and the byte behind it.
    fn next(&mut self) -> Option<(Bytes, u8)> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| matches!(*byte, END | SENSITIVE))?;
        let piece = self.text.slice(self.at..self.at + length);
        self.at += length + 1;
        Some((piece, rest[length]))
    }

    fn uri(&mut self) -> Option<Uri> {
        let (uri, _) = self.next().filter(|(uri, _)| !uri.is_empty())?;
        Some(Uri::from_maybe_shared(uri).expect("it was a URI"))
    }
}

/// Appends what can be written as text, and the byte behind it.
fn put(text: &mut Vec<u8>, part: &impl Display, end: u8) {
    write!(text, "{part}").expect("a vector can be written to");
    text.push(end);
}
