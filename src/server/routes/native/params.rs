//! The parameters of a query or a form.

#[cfg(test)]
mod tests;

use axum::{
    extract::OriginalUri,
    http::{Uri, Version, request::Parts},
};
use bytes::Bytes;
use percent_encoding::percent_decode;

use crate::{
    session::{CloseReason, reason},
    shared::Chunk,
};

/// Upper bound on the name of a callback, in bytes.
const CALLBACK: usize = 64;
/// Upper bound on the name of a browser, in bytes.
const BROWSER: usize = 128;
/// Upper bound on the padding that a client may ask for, in bytes.
const PADDING: u64 = 8192;

/// Returns a parameter of the query without decoding it. Ids need no decoding.
pub(super) fn query<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    field(parts.uri.query()?, name)
}

/// The parameters of the protocol. An application cannot use these names in the query of its address.
const OURS: [&str; 10] = ["session", "bytes", "data", "callback", "soft", "pad", "browser", "part", "upload", "secret"];

/// Returns the request as the application's extractors see it, the same on every transport: for the address that
/// the page connects to, without what the protocol has added to its path and its query.
pub(super) fn seen(mut parts: Parts) -> Parts {
    parts.uri = address(&parts.uri);
    if let Some(OriginalUri(uri)) = parts.extensions.get_mut() {
        *uri = address(uri);
    }
    parts
}

/// The address of which a URL of the protocol was made.
fn address(uri: &Uri) -> Uri {
    let path = uri.path().rsplit_once('/').map_or("", |(path, _)| path);
    let path = if path.is_empty() { "/" } else { path };
    let pairs = uri.query().unwrap_or_default().split('&');
    let theirs = pairs.filter(|pair| !pair.is_empty() && !OURS.contains(&pair.split('=').next().unwrap_or_default()));
    let query = theirs.collect::<Vec<_>>().join("&");
    let mut address = uri.clone().into_parts();
    let text = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    address.path_and_query = text.try_into().ok();
    Uri::from_parts(address).unwrap_or_else(|_| uri.clone())
}

/// A parameter among these pairs, without decoding it.
pub(super) fn field<'a>(mut pairs: &'a str, name: &str) -> Option<&'a str> {
    loop {
        let (pair, rest) = match pairs.split_once('&') {
            Some((pair, rest)) => (pair, Some(rest)),
            None => (pairs, None),
        };
        if let Some(value) = pair.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value);
        }
        pairs = rest?;
    }
}

/// Returns the data of a GET, which would be the body of a POST.
pub(super) fn data(parts: &Parts) -> Result<Bytes, CloseReason> {
    let data = query(parts, "data").ok_or(reason::NO_DATA)?;
    Ok(decode(data.as_bytes()))
}

/// Returns the data of a form. The client has percent-encoded it so that no browser changes it, and the form
/// has encoded it once more.
pub(super) fn form(body: &[u8]) -> Result<Bytes, CloseReason> {
    let body = std::str::from_utf8(body).map_err(|_| reason::FORM_NOT_ENCODED)?;
    let value = decode(field(body, "data").ok_or(reason::NO_DATA)?.as_bytes());
    // Every record has a colon, and encoded text has none.
    if value.contains(&b':') { Err(reason::FORM_NOT_ENCODED) } else { Ok(decode(&value)) }
}

/// Returns the beginning of a form's data, if it has come: as far as it can be decoded.
pub(super) fn beginning_of_form(body: &[u8]) -> Option<Bytes> {
    let end = body.utf8_chunks().next()?.valid();
    Some(decode(&decode(field(end, "data")?.as_bytes())))
}

fn decode(text: &[u8]) -> Bytes {
    // The data is copied in any case, because a slice of the head would keep the connection's buffer.
    percent_decode(text).collect::<Vec<u8>>().into()
}

/// Returns whether a script may call a function of this name.
pub(super) fn is_callback(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = name.as_bytes().first().is_some_and(|first| !first.is_ascii_digit());
    begins && name.len() <= CALLBACK && name.bytes().all(fits)
}

/// Returns the browser whose parked requests are counted. Over HTTP/2 all requests share one connection, so
/// none of them is counted.
pub(super) fn browser(parts: &Parts) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let browser = query(parts, "browser").filter(|_| parts.version < Version::HTTP_2)?;
    ((1..=BROWSER).contains(&browser.len()) && browser.bytes().all(fits)).then_some(browser)
}

/// Returns the padding that a client asks for, in bytes.
pub(super) fn padding(parts: &Parts) -> u64 {
    query(parts, "pad").and_then(|number| number.parse().ok()).map_or(0, |padding: u64| padding.min(PADDING))
}

/// Returns an upload's piece with the id and the secret of its session, or `None` for an upload that comes
/// whole.
pub(super) fn chunk<'a>(
    parts: &'a Parts,
    data: &'a [u8],
) -> Result<Option<(Chunk<'a>, &'a str, &'a str)>, CloseReason> {
    let Some(part) = query(parts, "part") else { return Ok(None) };
    let chunk = || {
        let (at, count) = part.split_once('.')?;
        let (at, count) = (number(at)?, number(count)?);
        let upload = number(query(parts, "upload")?)?;
        Some((Chunk { upload, at, count, data }, query(parts, "session")?, query(parts, "secret")?))
    };
    chunk().map(Some).ok_or(reason::BAD_CHUNK)
}

/// Parses a number as the protocol writes it.
fn number(field: &str) -> Option<u64> {
    let digits = field.len() <= 16 && field.bytes().all(|byte| byte.is_ascii_digit());
    let number = field.parse().ok().filter(|number| *number < 1 << 53)?;
    (digits && (field == "0" || !field.starts_with('0'))).then_some(number)
}
