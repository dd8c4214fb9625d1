//! A page of another site can send requests by tags, frames and forms, with the visitor's cookies; none of
//! them opens a session or uses one.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, Origins, Server, Session};
use axum::{
    body::Body as HttpBody,
    http::{HeaderMap, Method, Request},
};
use support::{CALLBACK, DOWNLINKS, HOST, Payload, Peer, Record, Site, Wrapped, attempt, encode, form, site};

/// A server whose handler sends the cookie that it sees, and takes all that comes.
fn server(origins: Origins) -> (Server, Site) {
    let server = Anywire::builder()
        .origins(origins)
        .handler(|headers: HeaderMap, session: Session| async move {
            let cookie = headers.get("cookie").map_or("none", |value| value.to_str().unwrap()).to_owned();
            session.send(cookie).await.unwrap();
            while session.recv().await.is_some() {}
        })
        .build();
    let site = site(&server);
    (server, site)
}

fn list() -> Origins {
    Origins::list(["https://app.test"])
}

/// A request as a tag, a frame or a form makes it, with the visitor's cookie.
async fn ask(site: &Site, route: &str, query: &str, headers: &[(&str, &str)], records: &[u8]) -> Wrapped {
    let headers = [headers, &[("cookie", "user=1")]].concat();
    if route == "form-post" {
        let mut request = Request::builder().method(Method::POST).uri(format!("/live/form-post?{query}"));
        for (name, value) in
            [&headers[..], &[("host", HOST), ("content-type", "application/x-www-form-urlencoded")]].concat()
        {
            request = request.header(name, value);
        }
        let response = site.send(request.body(HttpBody::from(form(records))).unwrap()).await;
        return Wrapped::new(response, support::Wrap::Plain);
    }
    let callback = if route == "eventsource" { String::new() } else { format!("&callback={CALLBACK}") };
    site.get_as(&format!("{route}?{query}&data={}{callback}", encode(records)), &headers).await
}

const EVIL: [&[(&str, &str)]; 9] = [
    // A script tag or a frame, in an old browser and then in a new one.
    &[("referer", "https://evil.test/page")],
    &[("referer", "https://evil.test/http://chat.test/")],
    &[("referer", "https://chat.test.evil.test/")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")],
    &[("sec-fetch-site", "same-site"), ("referer", "https://other.chat.test/")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
    // A page may leave its address out, but it cannot claim our origin.
    &[("sec-fetch-site", "cross-site"), ("referer", "http://chat.test/page")],
    // A form in a page and in a sandboxed frame.
    &[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")],
    &[("origin", "null"), ("referer", "http://chat.test/page")],
];

/// No header names an origin.
const SILENT: &[(&str, &str)] = &[];

const OURS: [&[(&str, &str)]; 4] = [
    &[("referer", "http://chat.test/page")],
    &[("sec-fetch-site", "same-origin"), ("referer", "http://chat.test/page")],
    &[("sec-fetch-site", "same-origin")],
    &[("origin", "http://chat.test")],
];

async fn code(mut answer: Wrapped, route: &str) -> Option<u16> {
    if route == "form-post" {
        return match answer.status.as_u16() {
            200 => None,
            403 => Some(4300),
            other => panic!("{other}"),
        };
    }
    assert_eq!(answer.status, 200, "{route}");
    match answer.next().await.unwrap()[..] {
        [Record::LinkClose(code, _)] => Some(code),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_another_site_opens_nothing() {
    for policy in [Origins::Same, list()] {
        for route in ["jsonp-poll", "form-post"] {
            let (server, site) = server(policy.clone());
            let open = async |headers| {
                let head = format!("o1,1,{},0:", attempt());
                code(ask(&site, route, "", headers, head.as_bytes()).await, route).await
            };
            for headers in EVIL.into_iter().chain([SILENT]) {
                assert_eq!(open(headers).await, Some(4300), "{route} {policy:?} {headers:?}");
            }
            assert_eq!(server.len(), 0);
            for headers in OURS {
                assert_eq!(open(headers).await, None, "{route} {policy:?} {headers:?}");
            }
            assert_eq!(server.len(), OURS.len());
        }
    }
    // Origins on the list may.
    let (_server, site) = server(list());
    for (headers, expected) in [
        (&[("referer", "https://app.test/page")][..], None),
        (&[("origin", "https://app.test")], None),
        (&[("referer", "http://app.test/page")], Some(4300)),
        // The browser itself reports another site; only the referrer tells which.
        (&[("sec-fetch-site", "cross-site"), ("referer", "https://app.test/")], None),
        (&[("sec-fetch-site", "cross-site"), ("referer", "https://evil.test/https://app.test/")], Some(4300)),
        (&[("sec-fetch-site", "cross-site")], Some(4300)),
    ] {
        let head = format!("o1,1,{},0:", attempt());
        assert_eq!(
            code(ask(&site, "jsonp-poll", "", headers, head.as_bytes()).await, "").await,
            expected,
            "{headers:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_another_site_uses_nothing() {
    for policy in [Origins::Same, list()] {
        let (server, site) = server(policy);
        let mut peer = Peer::open(&site).await;
        peer.upload().await; // The client has shown the secret, so that the session is kept.
        peer.put("smuggled");
        let name = attempt();
        let head = format!("o1,1,{name},0:");
        assert_eq!(ask(&site, "form-post", "", OURS[0], head.as_bytes()).await.status, 200);
        let gets = DOWNLINKS.iter().filter(|(_, get, _)| *get).map(|(route, ..)| *route);
        for route in gets.chain(["form-post", "jsonp-send"]) {
            // The requests fail even if the page had the secret.
            for headers in EVIL {
                let up = route == "form-post" || route == "jsonp-send";
                let records = if up { peer.flight(peer.upload_head()) } else { peer.flight(peer.resume()) };
                let query = format!("session={}", peer.id);
                let answer = ask(&site, route, &query, headers, &records.bytes).await;
                assert_eq!(code(answer, route).await, Some(4300), "{route} {headers:?}");
                let query = format!("{query}&secret={}&part=0.2&upload=1", peer.secret);
                let answer = ask(&site, "jsonp-send", &query, headers, b"u1,").await;
                assert_eq!(code(answer, route).await.or(Some(4300)), Some(4300));
                let join = format!("j1,9,{name}:");
                let answer = ask(&site, "jsonp-poll", "", headers, join.as_bytes()).await;
                assert_eq!(code(answer, "jsonp-poll").await, Some(4300), "{headers:?}");
            }
        }
        let session = server.session(&peer.id).unwrap();
        assert!(!session.is_connected());
        // A client with the secret may attach without naming its origin, and no message was taken before.
        peer.ordinal += 1;
        let mut answer = ask(&site, "jsonp-poll", "", SILENT, &peer.resume().bytes).await;
        assert_eq!(answer.all().await[0], Record::Full(0));
        // So may a client with the attempt id.
        let name = attempt();
        let head = format!("o1,1,{name},0:");
        assert_eq!(ask(&site, "form-post", "", OURS[0], head.as_bytes()).await.status, 200);
        let mut answer = ask(&site, "jsonp-poll", "", SILENT, format!("j1,9,{name}:").as_bytes()).await;
        let answer = answer.all().await;
        assert!(matches!(answer[0], Record::New(..)), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn cookies_of_unknown_origin_are_hidden_where_any_origin_may_open() {
    let (_server, site) = server(Origins::Any);
    for (headers, seen) in [(SILENT, "none"), (OURS[0], "user=1"), (OURS[1], "user=1")] {
        let head = format!("o1,1,{},0:", attempt());
        let mut answer = ask(&site, "jsonp-poll", "", headers, head.as_bytes()).await;
        assert_eq!(answer.all().await[1], Record::Message(1, Payload::from(seen)), "{headers:?}");
        let name = attempt();
        let head = format!("o1,1,{name},0:");
        assert_eq!(ask(&site, "form-post", "", headers, head.as_bytes()).await.status, 200);
        let mut answer = ask(&site, "jsonp-poll", "", headers, format!("j1,2,{name}:").as_bytes()).await;
        assert_eq!(answer.all().await[1], Record::Message(1, Payload::from(seen)), "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_allowed_origins_may_read_and_frame_an_answer() {
    for (policy, ancestors, same) in [
        (Origins::Same, "frame-ancestors 'self'", true),
        (list(), "frame-ancestors 'self' https://app.test", false),
        (Origins::Any, "frame-ancestors *", false),
    ] {
        let (_server, site) = server(policy.clone());
        for origin in ["http://chat.test", "https://app.test", "https://evil.test"] {
            let allowed = match policy {
                Origins::Any => true,
                Origins::Same => origin == "http://chat.test",
                _ => origin != "https://evil.test",
            };
            for (route, get, _) in DOWNLINKS.into_iter().chain([("form-post", false, support::Wrap::Plain)]) {
                let context = format!("{policy:?} {origin} {route}");
                let method = if get { Method::GET } else { Method::POST };
                let preflight = Request::builder()
                    .method(Method::OPTIONS)
                    .uri(format!("/live/{route}"))
                    .header("host", HOST)
                    .header("origin", origin)
                    .header("access-control-request-method", method.as_str());
                let preflight = site.ask(preflight.body(HttpBody::empty()).unwrap()).await;
                let request = Request::builder()
                    .method(method.clone())
                    .uri(format!("/live/{route}?callback={CALLBACK}&data=x"))
                    .header("host", HOST)
                    .header("origin", origin);
                let answer = site.ask(request.body(HttpBody::empty()).unwrap()).await;
                for headers in [&preflight.headers, &answer.headers] {
                    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
                    assert_eq!(header("access-control-allow-origin"), allowed.then_some(origin), "{context}");
                    let credentials = (allowed && policy != Origins::Any).then_some("true");
                    assert_eq!(header("access-control-allow-credentials"), credentials, "{context}");
                }
                if allowed {
                    let methods = preflight.headers["access-control-allow-methods"].to_str().unwrap();
                    assert!(methods.split(", ").any(|allowed| allowed == method), "{context}: {methods}");
                }
                let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
                let page = ["htmlfile", "iframe", "form-post"].contains(&route);
                assert_eq!(header("content-security-policy"), page.then_some(ancestors), "{context}");
                let older = page && same && route != "htmlfile";
                assert_eq!(header("x-frame-options"), older.then_some("SAMEORIGIN"), "{context}");
            }
        }
    }
}
