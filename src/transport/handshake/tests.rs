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
        ("sec-websocket-key", Some("")),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ")),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25j!Q==")),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQQQ==")),
        ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ===")),
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
    let mut parts = Request::connect("/chat").header("sec-websocket-version", "13").body(()).unwrap().into_parts().0;
    parts.version = Version::HTTP_2;
    assert_eq!(accept(&parts).unwrap().status(), StatusCode::OK);
    parts.method = Method::GET;
    assert!(accept(&parts).is_err(), "a GET");
}
