//! The opening handshake of a WebSocket: RFC 6455, section 4, and over HTTP/2 RFC 8441.

#[cfg(test)]
mod tests;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// An answer has about so many headers when it leaves: the routes add some.
const HEADERS: usize = 10;

/// Checks a request that opens a WebSocket, and makes the answer that accepts it.
///
/// # Errors
/// The text names what is wrong with the request.
pub(crate) fn accept(parts: &Parts) -> Result<Response<()>, &'static str> {
    let mut response = Response::new(());
    if parts.headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err("not a WebSocket handshake of version 13");
    }
    if parts.version == Version::HTTP_2 {
        // A plain CONNECT has no path, so it comes to no route.
        return match parts.method {
            Method::CONNECT => Ok(response),
            _ => Err("over HTTP/2 a WebSocket is opened by an extended CONNECT"),
        };
    }
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
    let (Some(key), true) = (key, parts.method == Method::GET) else { return Err("not a WebSocket handshake") };
    if !is_key(key.as_bytes()) {
        return Err("the key of a WebSocket handshake is 16 bytes in base64");
    }
    if !has_token(&parts.headers, &header::CONNECTION, "upgrade")
        || !has_token(&parts.headers, &header::UPGRADE, "websocket")
    {
        return Err("not an upgrade to WebSocket");
    }
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(response)
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked(parts: &Parts) -> bool {
    parts.method == Method::CONNECT || has_token(&parts.headers, &header::UPGRADE, "websocket")
}

/// Adds the first of these sub-protocols that the client has offered, if it has offered one (RFC 6455, section 4.2.2).
pub(crate) fn with_protocol<B>(mut response: Response<B>, parts: &Parts, protocols: &[&'static str]) -> Response<B> {
    let chosen = protocols.iter().find(|protocol| has_token(&parts.headers, &header::SEC_WEBSOCKET_PROTOCOL, protocol));
    if let Some(protocol) = chosen {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    response
}

/// Whether this is the base64 of 16 bytes. Some clients draw its last digit at random, bits that mean nothing
/// included.
fn is_key(key: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    matches!(key, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(fits))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}
