//! The origin policy is the same on every route, WebSocket included.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, Origins, Server, Session};
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request},
};
use support::{Answer, HOST, Peer, Record, Site, attempt, site};

const ROUTES: [&str; 5] = ["open", "xhr-poll", "xhr-stream", "fetch-stream", "send"];

/// A server whose handler sends the cookie that it sees.
fn server(origins: Origins) -> (Server, Site) {
    let server = Anywire::builder()
        .origins(origins)
        .handler(|headers: HeaderMap, session: Session| async move {
            let cookie = headers.get("cookie").map_or("none", |value| value.to_str().unwrap());
            assert_eq!(session.header("cookie").unwrap_or("none"), cookie);
            session.send(cookie).await.unwrap();
            std::future::pending::<()>().await;
        })
        .build();
    let site = site(&server);
    (server, site)
}

fn list() -> Origins {
    Origins::List(vec!["https://app.test".parse().unwrap()])
}

async fn ask(site: &Site, method: Method, route: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("/live/{route}")).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    site.ask(request.body(body.into()).unwrap()).await
}

/// Headers, and whether a page that sends them may open under `Same`, the list and `Any`.
type Opening = (&'static [(&'static str, &'static str)], [bool; 3]);

const OPENINGS: [Opening; 16] = [
    (&[("origin", "http://chat.test")], [true, true, true]),
    (&[("origin", "https://chat.test")], [true, true, true]),
    (&[("origin", "https://app.test")], [false, true, true]),
    (&[("origin", "http://app.test")], [false, false, true]),
    (&[("origin", "https://app.test:8443")], [false, false, true]),
    (&[("origin", "https://evil.test")], [false, false, true]),
    (&[("origin", "https://chat.test.evil.test")], [false, false, true]),
    (&[("origin", "null")], [false, false, true]),
    (&[("origin", "https://evil.test"), ("sec-fetch-site", "same-origin")], [false, false, true]),
    (&[("sec-fetch-site", "same-origin")], [true, true, true]),
    (&[("sec-fetch-site", "same-site")], [false, false, true]),
    (&[("sec-fetch-site", "cross-site")], [false, false, true]),
    (&[("sec-fetch-site", "cross-site"), ("referer", "http://chat.test/")], [false, false, true]),
    (&[("referer", "http://chat.test/page?a")], [true, true, true]),
    (&[("referer", "https://evil.test/http://chat.test/")], [false, false, true]),
    (&[], [false, false, true]),
];

#[tokio::test(start_paused = true)]
async fn the_policy_decides_which_pages_may_open() {
    for (at, policy) in [Origins::Same, list(), Origins::Any].into_iter().enumerate() {
        let (server, site) = server(policy.clone());
        let mut opened = 0;
        for (headers, allowed) in OPENINGS {
            let allowed = allowed[at];
            let context = format!("{policy:?} {headers:?}");
            let answer = ask(&site, Method::POST, "open", headers, format!("o1,1,{},0:", attempt())).await;
            if allowed {
                assert_eq!(answer.status, 200, "{context}");
            } else {
                assert_eq!(answer.refusal(403).0, 4300, "{context}");
            }
            let code = match site.websocket_as("websocket", headers).await {
                Err(status) => {
                    assert_eq!(status, 403, "{context}");
                    4300
                }
                Ok(mut socket) => {
                    socket.text(format!("o1,1,{},0:", attempt())).await;
                    match socket.next().await {
                        support::SocketEvent::Records(records) if matches!(records[0], Record::New(..)) => 0,
                        support::SocketEvent::Closed(code, _) => code,
                        other => panic!("{other:?}"),
                    }
                }
            };
            assert_eq!(code, if allowed { 0 } else { 4300 }, "{context}");
            opened += 2 * usize::from(allowed);
        }
        assert_eq!(server.len(), opened);
    }
}

#[tokio::test(start_paused = true)]
async fn other_origins_are_refused_on_every_route() {
    for policy in [Origins::Same, list()] {
        let (_server, site) = server(policy);
        let mut peer = Peer::open(&site).await;
        for route in ROUTES {
            let path = peer.path(route);
            peer.switch();
            let body = if route == "send" { peer.upload_head() } else { peer.resume() };
            for headers in [&[("origin", "https://evil.test")], &[("sec-fetch-site", "cross-site")]] {
                let answer = ask(&site, Method::POST, &path, headers, body.bytes.clone()).await;
                assert_eq!(answer.refusal(403).0, 4300, "{route}");
            }
        }
        assert_eq!(site.websocket_as("websocket", &[("origin", "https://evil.test")]).await.err().unwrap(), 403);
        // A client with the secret may attach without naming its origin.
        peer.switch();
        let answer = ask(&site, Method::POST, &peer.path("xhr-poll"), &[], peer.resume().bytes).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn cookies_of_unknown_origin_are_not_shown() {
    let (_server, site) = server(Origins::Any);
    for (headers, seen) in [
        (&[("cookie", "user=1")][..], "none"),
        (&[("cookie", "user=1"), ("origin", "http://chat.test")], "user=1"),
        (&[("cookie", "user=1"), ("sec-fetch-site", "same-origin")], "user=1"),
    ] {
        let answer = ask(&site, Method::POST, "open", headers, format!("o1,1,{},0:", attempt())).await;
        assert_eq!(answer.records()[1], Record::Message(1, seen.into()), "{headers:?}");
        let mut socket = site.websocket_as("websocket", headers).await.unwrap();
        socket.text(format!("o1,1,{},0:", attempt())).await;
        let mut peer = Peer::new(&site);
        peer.take_until(&mut socket, 1).await;
        assert_eq!(peer.texts(), [seen], "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_and_preflights_have_the_headers_of_the_policy() {
    for (policy, origin, allowed, credentials) in [
        (list(), "https://app.test", true, true),
        (list(), "https://evil.test", false, false),
        (Origins::Same, "https://app.test", false, false),
        (Origins::Any, "https://evil.test", true, false),
    ] {
        let (_server, site) = server(policy.clone());
        for route in ROUTES {
            let context = format!("{policy:?} {origin} {route}");
            let headers = [("origin", origin), ("access-control-request-method", "POST")];
            let preflight = ask(&site, Method::OPTIONS, route, &headers, "").await;
            let body = format!("o1,1,{},0:", attempt());
            let answer = ask(&site, Method::POST, route, &headers[..1], body).await;
            for (kind, answer) in [("preflight", &preflight), ("answer", &answer)] {
                let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
                assert_eq!(
                    header("access-control-allow-origin").is_some_and(|value| value == origin || value == "*"),
                    allowed,
                    "{context} {kind}: {:?}",
                    answer.headers
                );
                let with = header("access-control-allow-credentials") == Some("true");
                assert!(!with || header("access-control-allow-origin") != Some("*"), "{context} {kind}");
                assert_eq!(with, allowed && credentials, "{context} {kind}");
                if header("access-control-allow-origin") != Some("*") {
                    assert!(
                        header("vary").is_some_and(|vary| vary.to_lowercase().contains("origin")),
                        "{context} {kind}"
                    );
                }
            }
            if allowed {
                assert!(preflight.status.is_success(), "{context}");
                let methods = preflight.headers["access-control-allow-methods"].to_str().unwrap();
                assert!(methods.contains("POST"), "{context}");
                let names = preflight.headers["access-control-allow-headers"].to_str().unwrap().to_lowercase();
                assert!(names.contains("content-type"), "{context}");
            }
        }
    }
}
