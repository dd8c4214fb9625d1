use axum::http::header;

use super::*;

/// The head of a request that a server got.
fn request(uri: &str, headers: &[(&'static str, &[u8])]) -> Parts {
    let mut request = Request::builder().method("GET").version(Version::HTTP_11).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn a_request_is_given_back_as_it_was() {
    let headers: &[(&str, &[u8])] =
        &[("host", b"example.com"), ("cookie", b"a=1"), ("x-own", b""), ("cookie", b"b=2"), ("x-own", b"\xff\t~")];
    for uri in ["/", "/?EIO=4&transport=polling", "*", "https://example.com/a%20b?c", "example.com:443", "//x/y"] {
        let mut parts = request(uri, headers);
        parts.version = Version::HTTP_2;
        parts.method = Method::from_bytes(b"OWN").unwrap();
        parts.headers.insert(header::AUTHORIZATION, {
            let mut value = HeaderValue::from_static("secret");
            value.set_sensitive(true);
            value
        });
        parts.extensions.insert(7_u8);
        parts.extensions.insert(OriginalUri("/socket.io/?x".parse().unwrap()));
        let given = KeptRequest::of(&parts).parts();
        assert_eq!((&given.method, given.version, &given.uri), (&parts.method, parts.version, &parts.uri));
        assert_eq!(given.headers, parts.headers);
        assert_eq!(given.headers.iter().collect::<Vec<_>>(), parts.headers.iter().collect::<Vec<_>>(), "their order");
        assert!(given.headers[header::AUTHORIZATION].is_sensitive() && !given.headers["host"].is_sensitive());
        assert_eq!(given.extensions.get::<u8>(), Some(&7));
        assert_eq!(given.extensions.get::<OriginalUri>().unwrap().0, "/socket.io/?x");
    }
}

#[test]
fn it_has_no_auth_data_and_no_uri_that_the_router_did_not_note() {
    let mut parts = request("/", &[]);
    parts.extensions.insert(AuthData("of the session".into()));
    let given = KeptRequest::from_parts(parts).parts();
    assert!(given.extensions.get::<AuthData>().is_none() && given.extensions.get::<OriginalUri>().is_none());
    assert!(given.headers.is_empty());
}

#[test]
fn the_buffer_of_the_connection_is_not_kept() {
    let buffer = Bytes::from(b"/path?query example.com value".repeat(100));
    let mut parts = request("/", &[]);
    parts.uri = Uri::from_maybe_shared(buffer.slice(0..11)).unwrap();
    parts.headers.insert("host", HeaderValue::from_maybe_shared(buffer.slice(12..23)).unwrap());
    parts.headers.insert("x-own", HeaderValue::from_maybe_shared(buffer.slice(24..29)).unwrap());
    parts.extensions.insert(OriginalUri(parts.uri.clone()));
    let (kept, other) = (KeptRequest::of(&parts), KeptRequest::from_parts(parts));
    assert!(buffer.is_unique(), "nothing but the test has it");
    assert_eq!(kept.parts().headers["x-own"], "value");
    assert_eq!(other.parts().headers, kept.parts().headers);
    assert!(kept.size() < 300, "{}", kept.size());
}
