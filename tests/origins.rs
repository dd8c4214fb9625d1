//! The origin policy is the same on every route, WebSocket included.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, Origins, Server, Session};
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request},
};
use support::{Answer, HOST, Log, Peer, Record, Site, attempt, site};

const ROUTES: [&str; 5] = ["open", "xhr-poll", "xhr-stream", "fetch-stream", "send"];

/// A server whose handler sends the cookie that it sees.
fn server(origins: Origins) -> (Server, Site) {
    let server = Anywire::builder()
        .origins(origins)
        .keep_headers(["cookie"])
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
    Origins::list(["https://app.test"])
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

const OPENINGS: [Opening; 18] = [
    (&[("origin", "http://chat.test")], [true, true, true]),
    (&[("origin", "https://chat.test")], [true, true, true]),
    (&[("origin", "https://app.test")], [false, true, true]),
    (&[("origin", "http://app.test")], [false, false, true]),
    (&[("origin", "https://app.test:8443")], [false, false, true]),
    (&[("origin", "https://evil.test")], [false, false, true]),
    (&[("origin", "https://chat.test.evil.test")], [false, false, true]),
    (&[("origin", "null")], [false, false, true]),
    // No page can set `Sec-Fetch-Site`: this is the server's own page behind a proxy that changes `Host`.
    (&[("origin", "https://public.test"), ("sec-fetch-site", "same-origin")], [true, true, true]),
    (&[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")], [false, false, true]),
    (&[("origin", "https://app.test"), ("sec-fetch-site", "cross-site")], [false, true, true]),
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
            // Where only `Host` speaks against a page, a request is to tell more: browsers send more with it.
            let doubted = headers.len() == 1 && headers[0].0 == "origin" && headers[0].1 != "null";
            let refused = if doubted { 4009 } else { 4300 };
            assert_eq!(code, if allowed { 0 } else { refused }, "{context}");
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
        let foreign = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
        assert_eq!(site.websocket_as("websocket", &foreign).await.err().unwrap(), 403);
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
            let exposed = answer.headers.get("access-control-expose-headers").map(|value| value.to_str().unwrap());
            assert_eq!(exposed, allowed.then_some("retry-after"), "{context}: the time to wait is for the client");
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

#[tokio::test(start_paused = true)]
async fn a_page_that_is_refused_is_named_in_the_log_once_a_minute_on_every_route() {
    for (hosts, way_out) in [(&[][..], "list the origin"), (&["chat.test"], "hosts()")] {
        for route in ["open", "websocket"] {
            let log = Log::here();
            let site = site(&Anywire::builder().hosts(hosts).handler(support::echo).build());
            let headers = [("origin", "http://localhost:5173"), ("sec-fetch-site", "same-site")];
            for _ in 0..3 {
                match route {
                    "open" => drop(ask(&site, Method::POST, route, &headers, format!("o1,1,{},0:", attempt())).await),
                    _ => assert!(site.websocket_as(route, &headers).await.is_err()),
                }
            }
            let warnings = log.lines("WARN");
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains("http://localhost:5173") && warnings[0].contains(way_out), "{warnings:?}");
        }
    }
}

/// The answer to the first records of a WebSocket whose `Origin` is that of another page than `Host`.
async fn on_a_doubted_socket(site: &Site, records: &[u8]) -> support::SocketEvent {
    let mut socket = site.websocket_as("websocket", &[("origin", "https://public.test")]).await.unwrap();
    socket.text(String::from_utf8(records.to_vec()).unwrap()).await;
    socket.next().await
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_does_not_prove_its_page_needs_the_secret() {
    for policy in [Origins::Same, list()] {
        let (server, site) = server(policy);
        let closed = |event| match event {
            support::SocketEvent::Closed(code, _) => code,
            // The session is unknown: another may be opened on this WebSocket, by a page that may.
            support::SocketEvent::Records(records) => match records[..] {
                [Record::LinkClose(code, _)] => code,
                _ => panic!("{records:?}"),
            },
            other => panic!("{other:?}"),
        };
        let opening = format!("o1,1,{},0:", attempt());
        assert_eq!(closed(on_a_doubted_socket(&site, opening.as_bytes()).await), 4009);
        assert_eq!(server.len(), 0);
        // The page opens by a request, with which its browser proves that it is the server's own.
        let own = [("origin", "https://public.test"), ("sec-fetch-site", "same-origin")];
        let answer = ask(&site, Method::POST, "open", &own, opening).await;
        let mut peer = Peer::new(&site);
        peer.take(&answer.records());
        peer.ordinal = 1;
        peer.switch();
        let guesses = [
            (4101, {
                let mut guess = peer.clone();
                guess.secret = "0".repeat(32);
                guess.resume()
            }),
            (4100, {
                let mut guess = peer.clone();
                guess.id.push('0');
                guess.resume()
            }),
        ];
        for (code, guess) in guesses {
            assert_eq!(closed(on_a_doubted_socket(&site, &guess.bytes).await), code);
        }
        // A session that is unknown may be followed by an opening, to which the same applies.
        let mut socket = site.websocket_as("websocket", &[("origin", "https://public.test")]).await.unwrap();
        let mut guess = peer.clone();
        guess.id.push('0');
        socket.body(guess.resume()).await;
        assert_eq!(closed(socket.next().await), 4100);
        socket.text(format!("o1,1,{},0:", attempt())).await;
        assert_eq!(closed(socket.next().await), 4009);
        let takeover = format!("t1,9,{},{},{},0:", attempt(), peer.id, "0".repeat(32));
        assert_eq!(closed(on_a_doubted_socket(&site, takeover.as_bytes()).await), 4101);
        match on_a_doubted_socket(&site, &peer.resume().bytes).await {
            support::SocketEvent::Records(records) => assert!(matches!(records[0], Record::Full(_)), "{records:?}"),
            other => panic!("the page that has the secret is kept out: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn programs_open_where_they_are_allowed_and_other_pages_do_not() {
    for policy in [Origins::Same.and_programs(), list().and_programs()] {
        let (_server, site) = server(policy);
        let opening = || format!("o1,1,{},0:", attempt());
        let program = ask(&site, Method::POST, "open", &[("cookie", "user=1")], opening()).await;
        assert_eq!(program.records()[1], Record::Message(1, "none".into()));
        let mut socket = site.websocket_as("websocket", &[]).await.unwrap();
        socket.text(opening()).await;
        assert!(matches!(socket.records().await[0], Record::New(..)));
        let evil = ask(&site, Method::POST, "open", &[("origin", "https://evil.test")], opening()).await;
        assert_eq!(evil.refusal(403).0, 4300);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_credentials_reach_the_handler_over_every_transport() {
    let cookie = ("cookie", "user=1");
    let (own, app, evil) = ("http://chat.test", "https://app.test", "https://evil.test");
    for (policy, origin, names, by_request, by_socket) in [
        (Origins::Same, own, "", true, true),
        (Origins::Same, own, "ping", true, true),
        (list(), own, "ping", true, true),
        (list(), app, "ping.cred", true, true),
        (list(), app, "ping", false, false),
        // A client that does not know the name: its requests bring cookies only if they are meant.
        (list(), app, "", true, false),
        (Origins::Any, own, "ping", true, true),
        (Origins::Any, evil, "ping.cred", false, false),
        (Origins::Any, evil, "", false, false),
    ] {
        let context = format!("{policy:?} {origin} {names:?}");
        let (_server, site) = server(policy);
        let seen = |shown| if shown { "user=1" } else { "none" };
        let opening = || match names {
            "" => format!("o1,1,{},0:", attempt()),
            names => format!("o1,1,{},0,{names}:", attempt()),
        };
        let headers = [cookie, ("origin", origin)];
        let answer = ask(&site, Method::POST, "open", &headers, opening()).await;
        assert_eq!(answer.records()[1], Record::Message(1, seen(by_request).into()), "{context}");
        let mut socket = site.websocket_as("websocket", &headers).await.unwrap();
        socket.text(opening()).await;
        let mut peer = Peer::new(&site);
        peer.take_until(&mut socket, 1).await;
        assert_eq!(peer.texts(), [seen(by_socket)], "{context}");
    }
}
