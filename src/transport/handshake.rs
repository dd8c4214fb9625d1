//! The opening handshake of a WebSocket: RFC 6455, section 4, and over HTTP/2 RFC 8441.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Checks a request that opens a WebSocket, and makes the answer that accepts it.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn accept(parts: &Parts) -> Result<Response<()>, &'static str> {
    let mut response = Response::new(());
    if parts.headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err("not a WebSocket handshake of version 13");
    }
    if parts.version == Version::HTTP_2 {
        let protocol = parts.extensions.get::<hyper::ext::Protocol>();
        return match protocol {
            Some(protocol) if parts.method == Method::CONNECT && protocol.as_str() == "websocket" => Ok(response),
            _ => Err("over HTTP/2 a WebSocket is opened by an extended CONNECT"),
        };
    }
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
    let (Some(key), true) = (key, parts.method == Method::GET) else { return Err("not a WebSocket handshake") };
    if !has_token(&parts.headers, &header::CONNECTION, "upgrade")
        || !has_token(&parts.headers, &header::UPGRADE, "websocket")
    {
        return Err("not an upgrade to WebSocket");
    }
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(response)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    /// The handshake of RFC 6455, section 1.3, with one header replaced, or left out.
    fn request(name: &str, value: Option<&str>) -> Parts {
        let mut request = Request::get("/chat")
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "WebSocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .unwrap();
        let name = HeaderName::try_from(name).unwrap();
        request.headers_mut().remove(&name);
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request.into_parts().0
    }

    #[test]
    fn the_example_of_the_standard_is_accepted() {
        let response = accept(&request("origin", Some("http://example.com"))).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(
            (&response.headers()["upgrade"], &response.headers()["connection"]),
            (&"websocket".parse().unwrap(), &"upgrade".parse().unwrap())
        );
    }

    #[test]
    fn each_header_is_needed() {
        for (name, value) in [
            ("connection", None),
            ("connection", Some("close")),
            ("upgrade", None),
            ("upgrade", Some("h2c")),
            ("sec-websocket-version", None),
            ("sec-websocket-version", Some("8")),
            ("sec-websocket-key", None),
        ] {
            assert!(accept(&request(name, value)).is_err(), "{name}: {value:?}");
        }
        let mut post = request("origin", None);
        post.method = Method::POST;
        assert!(accept(&post).is_err());
    }

    #[test]
    fn over_http_2_it_is_an_extended_connect() {
        let mut parts =
            Request::connect("/chat").header("sec-websocket-version", "13").body(()).unwrap().into_parts().0;
        parts.version = Version::HTTP_2;
        assert!(accept(&parts).is_err(), "a plain CONNECT");
        parts.extensions.insert(hyper::ext::Protocol::from_static("websocket"));
        assert_eq!(accept(&parts).unwrap().status(), StatusCode::OK);
        parts.method = Method::GET;
        assert!(accept(&parts).is_err(), "a GET");
    }
}
