//! The requests that may open a bare WebSocket, and the answers to those that may not.

use anywire::{Anywire, Auth, Builder, Origins, Session};
use axum::http::HeaderMap;

use crate::{
    client::{Came, Client, TEXT},
    router,
    support::{HOST, echo},
};

/// The answer to a page of this origin, or to a program without one.
async fn status(builder: Builder, headers: &str) -> u16 {
    let opened = Client::open_with(&router(&builder.handler(echo).build()), headers).await;
    opened.map_or_else(|refused| refused.status, |_| 101)
}

#[tokio::test]
async fn the_origin_policy_is_that_of_every_transport() {
    let same = format!("origin: http://{HOST}\r\n");
    let other = "origin: https://elsewhere.example\r\n";
    assert_eq!(status(Anywire::builder(), &same).await, 101);
    assert_eq!(status(Anywire::builder(), other).await, 403);
    assert_eq!(status(Anywire::builder(), "").await, 403);
    assert_eq!(status(Anywire::builder(), "sec-fetch-site: same-origin\r\n").await, 101);
    let list = || Anywire::builder().origins(Origins::list(["https://elsewhere.example"]));
    assert_eq!(status(list(), other).await, 101);
    assert_eq!(status(list(), "origin: https://third.example\r\n").await, 403);
    let any = || Anywire::builder().origins(Origins::Any);
    assert_eq!(status(any(), other).await, 101);
    assert_eq!(status(any(), "").await, 101);
}

#[tokio::test]
async fn a_program_without_an_origin_has_no_cookies() {
    async fn cookies(headers: HeaderMap, session: Session) {
        let cookies = headers.get("cookie").map_or("none", |value| value.to_str().unwrap());
        session.send(cookies.to_owned()).await.unwrap();
        session.acknowledged().await.unwrap();
    }
    let server = router(&Anywire::builder().origins(Origins::Any).handler(cookies).build());
    let mut client = Client::open_with(&server, "cookie: a=b\r\n").await.unwrap();
    assert_eq!(client.next().await, Came::Text("none".into()));
    let mut client = Client::open_with(&server, "cookie: a=b\r\norigin: https://x.example\r\n").await.unwrap();
    assert_eq!(client.next().await, Came::Text("none".into()), "nor has a page of another origin");
    let own = format!("cookie: a=b\r\norigin: http://{HOST}\r\n");
    let mut client = Client::open_with(&server, &own).await.unwrap();
    assert_eq!(client.next().await, Came::Text("a=b".into()));
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_refused() {
    let server = router(&Anywire::builder().origins(Origins::Any).handler(echo).build());
    for headers in ["", "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"] {
        assert_eq!(Client::request(&server, headers).await.err().map(|refused| refused.status), Some(400), "{headers}");
    }
    let old = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
               sec-websocket-version: 8\r\n";
    let refused = Client::request(&server, old).await.err().unwrap();
    assert_eq!(refused.status, 426);
    assert!(refused.head.contains("sec-websocket-version: 13"), "{}", refused.head);
}

#[tokio::test]
async fn a_full_or_a_leaving_server_answers_503_before_it_upgrades() {
    let server = Anywire::builder().max_sessions(1).handler(echo).build();
    let routes = router(&server);
    let _first = Client::open(&routes).await;
    let origin = format!("origin: http://{HOST}\r\n");
    let refused = Client::open_with(&routes, &origin).await.err().unwrap();
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    server.shutdown(std::time::Duration::ZERO).await;
    assert_eq!(Client::open_with(&routes, &origin).await.err().map(|refused| refused.status), Some(503));
}

#[tokio::test]
async fn auth_data_has_no_place_here_so_auth_rejects_before_the_upgrade() {
    async fn wants(Auth(name): Auth<String>, session: Session) {
        let _ = session.send(name).await;
    }
    async fn may_have(auth: Option<Auth<String>>, session: Session) {
        let _ = session.send(auth.map_or("nobody".to_owned(), |Auth(name)| name)).await;
        session.recv().await;
    }
    let origin = format!("origin: http://{HOST}\r\n");
    let server = router(&Anywire::builder().handler(wants).build());
    assert_eq!(Client::open_with(&server, &origin).await.err().map(|refused| refused.status), Some(401));
    let server = router(&Anywire::builder().handler(may_have).build());
    let mut client = Client::open(&server).await;
    assert_eq!(client.next().await, Came::Text("nobody".into()));
    client.send(TEXT, "thanks").await;
    assert!(matches!(client.next().await, Came::Close(1000, _)));
}

#[tokio::test]
async fn an_extractor_that_rejects_is_the_answer() {
    struct Never;
    impl<S: Sync> axum::extract::FromRequestParts<S> for Never {
        type Rejection = (axum::http::StatusCode, &'static str);
        async fn from_request_parts(_: &mut axum::http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
            Err((axum::http::StatusCode::IM_A_TEAPOT, "never"))
        }
    }
    async fn handler(_: Never, _: Session) {}
    let server = Anywire::builder().handler(handler).build();
    let refused = Client::open_with(&router(&server), &format!("origin: http://{HOST}\r\n")).await.err().unwrap();
    assert_eq!((refused.status, server.len()), (418, 0));
}
