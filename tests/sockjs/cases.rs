//! The cases of the published suite, but for `haproxy`: no browser of the last decade has the WebSockets of that draft
//! (hixie-76).

#[path = "cases/closing.rs"]
mod closing;
#[path = "cases/http.rs"]
mod http;
#[path = "cases/jsonp.rs"]
mod jsonp;
#[path = "cases/pages.rs"]
mod pages;
#[path = "cases/sockets.rs"]
mod sockets;
#[path = "cases/streams.rs"]
mod streams;
#[path = "cases/xhr.rs"]
mod xhr;

use crate::client::{Client, Head};

const NOT_CACHED: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";

fn is_not_cached(head: &Head) {
    assert_eq!(head.header("cache-control"), Some(NOT_CACHED));
    assert_eq!((head.header("expires"), head.header("last-modified")), (None, None));
}

fn is_cached(head: &Head) {
    let control = head.header("cache-control").unwrap();
    assert!(control.contains("public") && control.contains("max-age=31536000"), "{control}");
    assert!(head.header("expires").is_some());
    assert_eq!(head.header("last-modified"), None);
}

/// A page of this origin may read the answer; `None`: one that states none.
fn has_cors(head: &Head, origin: Option<&str>) {
    assert_eq!(head.header("access-control-allow-origin"), Some(origin.unwrap_or("*")));
    assert_eq!(head.header("access-control-allow-credentials"), origin.map(|_| "true"));
}

/// Asks for the methods of a URL, as browsers do for pages of other origins.
async fn options(client: &Client, path: &str, methods: &str) {
    for origin in ["test", "null"] {
        let headers = [("access-control-request-method", methods), ("origin", origin)];
        let got = client.ask("OPTIONS", path, &headers, "").await;
        got.is(204, "");
        is_cached(&got.head);
        let age: u64 = got.header("access-control-max-age").unwrap().parse().unwrap();
        assert!(age > 1_000_000);
        for method in methods.split(", ") {
            assert!(got.header("access-control-allow-methods").unwrap().contains(method));
        }
        has_cors(&got.head, Some(origin));
    }
}

/// A method that a URL does not have.
fn is_wrong_method(got: &crate::client::Got) {
    got.is(405, "");
    assert_eq!(got.header("content-type"), None);
    assert!(got.header("allow").is_some());
}
