//! The session of an attempt: openings with one id are one opening only if they come from one client.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, Auth, Server, Session};
use axum::{
    Router,
    http::{HeaderMap, Method, Request},
};
use support::{Answer, Everywhere, HOST, Log, Peer, Record, Site, attempt, echo, site};

/// Greets with the cookies of the opening.
fn mirror() -> Server {
    let handler = async |headers: HeaderMap, session: Session| {
        let cookie = headers.get("cookie").and_then(|cookie| cookie.to_str().ok()).unwrap_or("none");
        let _ = session.send(cookie.to_owned()).await;
        session.closed().await;
    };
    Anywire::builder().handler(handler).build()
}

async fn open(site: &Site, attempt: &str, ordinal: u64, cookie: Option<&str>) -> Answer {
    let mut request = site.request(Method::POST, "open?session=");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    site.ask(request.body(format!("o1,{ordinal},{attempt},0:").into()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn another_opener_does_not_get_the_secret() {
    let server = mirror();
    let site = site(&server);
    let id = attempt();
    let first = open(&site, &id, 1, Some("user=ada")).await.records();
    let [Record::New(..), Record::Message(1, cookie), ..] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!(*cookie, "user=ada".into());
    for cookie in [None, Some("user=eve")] {
        let (code, text) = open(&site, &id, 2, cookie).await.refusal(410);
        assert_eq!(code, 4102);
        assert!(text.contains("cookies"), "{text}");
        let origin = format!("http://{HOST}");
        let mut headers = vec![("origin", origin.as_str())];
        headers.extend(cookie.map(|cookie| ("cookie", cookie)));
        let mut socket = site.websocket_as("websocket?session=", &headers).await.unwrap();
        socket.text(format!("o1,3,{id},0:")).await;
        assert_eq!(socket.closed().await.0, 4102);
    }
    assert_eq!(server.everywhere().len(), 1);
    let again = open(&site, &id, 4, Some("user=ada")).await.records();
    assert_eq!(again[0], first[0], "the same client gets the same session");
    assert_eq!(open(&site, &attempt(), 1, Some("user=eve")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_id_that_could_be_guessed_opens_nothing() {
    let server = mirror();
    let site = site(&server);
    for id in ["1", "1234567890123456789"] {
        let (code, text) = open(&site, id, 1, None).await.refusal(400);
        assert_eq!(code, 4004);
        assert!(text.contains("20 characters"), "{text}");
        let mut socket = site.websocket("websocket?session=").await;
        socket.text(format!("o1,1,{id},0:")).await;
        assert_eq!(socket.closed().await.0, 4004);
    }
    assert!(server.everywhere().is_empty());
}

#[tokio::test(start_paused = true)]
async fn auth_data_that_does_not_fit_is_quoted_nowhere() {
    #[derive(serde::Deserialize)]
    struct Token {
        _user: String,
    }
    let handler = async |_: Auth<Token>, _: Session| {};
    let site = site(&Anywire::builder().handler(handler).build());
    let log = Log::here().receives("4301", async || {
        Peer::new(&site).post_open(&attempt(), "").await.refusal(401);
        Peer::new(&site).send_open(&attempt(), "").await.closed().await;
    });
    let log = log.await;
    for auth in ["t0p-secret", "\"t0p-secret\"", "{\"_user\":{\"t0p-secret\":1}}", "{\"_user\":1,\"t0p-secret\""] {
        let (code, text) = Peer::new(&site).post_open(&attempt(), auth).await.refusal(401);
        assert_eq!(code, 4301);
        assert!(text.starts_with("the auth data is not") && !text.contains("t0p"), "{text}");
        let (code, text) = Peer::new(&site).send_open(&attempt(), auth).await.closed().await;
        assert_eq!((code, text.contains("t0p")), (4301, false));
    }
    let lines: Vec<String> =
        ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].iter().flat_map(|level| log.lines(level)).collect();
    assert!(lines.iter().any(|line| line.contains("4301")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("t0p")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn every_answer_below_the_mount_is_kept_by_nobody() {
    let server = Anywire::builder().handler(echo).build();
    let site = Site::of(&server, |server| Router::new().nest("/live", server.routes()).nest("/raw", server.raw()));
    for (method, path, status) in [
        ("GET", "/live/open", 405),
        ("POST", "/live/eventsource", 405),
        ("POST", "/live/client.js", 405),
        ("OPTIONS", "/live/open", 204),
        ("GET", "/live/websocket", 400),
        ("POST", "/raw", 405),
        ("GET", "/raw", 400),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", HOST);
        let request = request.header("origin", format!("http://{HOST}")).body(axum::body::Body::empty()).unwrap();
        let answer = site.ask(request).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{method} {path}");
        assert!(answer.headers["cache-control"].to_str().unwrap().contains("no-store"), "{method} {path}");
        assert_eq!(answer.headers.get_all("allow").iter().count(), usize::from(status == 405), "{method} {path}");
    }
}
