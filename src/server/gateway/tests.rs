//! Opening without an attempt id: what the opening gets, and what it leaves behind.

use std::{future::pending, time::Duration};

use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};

use super::*;
use crate::{
    config::{Config, Origins},
    dialect::Fault,
    server::{
        api::{
            auth::Auth,
            handler::{Handler, erase},
            hooks::Hooks,
        },
        events::Events,
    },
};

fn gateway<T>(config: Config, handler: impl Handler<T, ()>) -> Gateway<()> {
    Gateway { core: Arc::new(Core::new(config)), handler: Some(erase(handler)), hooks: Hooks::default() }
}

fn parts() -> Parts {
    Request::get("/socket").header("host", "a.test").header("cookie", "user=ada").body(()).unwrap().into_parts().0
}

async fn open(gateway: &Gateway<()>, verdict: Verdict, auth: Option<&str>) -> Result<Opened, OpenError> {
    gateway
        .open_new(
            parts(),
            (),
            Page::of_socket(verdict, Names::default()),
            auth.map(Into::into),
            gateway.core.terms(&NATIVE),
        )
        .await
}

/// The answer to an opening that fails.
async fn answer(gateway: &Gateway<()>, verdict: Verdict, auth: Option<&str>) -> (StatusCode, HeaderMap, String) {
    let Err(error) = open(gateway, verdict, auth).await else { panic!("it opened a session") };
    let (parts, body) = error.into_response().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn stay(_: Session) {
    pending().await
}

#[derive(serde::Deserialize)]
struct Token {
    user: String,
}

struct Teapot;

impl<S: Sync> axum::extract::FromRequestParts<S> for Teapot {
    type Rejection = axum::response::Response;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Err((StatusCode::IM_A_TEAPOT, [("x-pot", "short and stout")], "tea only").into_response())
    }
}

fn rooms(gateway: &Gateway<()>, opened: &Opened) -> Vec<String> {
    let member = gateway.core.hub.get(opened.shared.id()).unwrap();
    member.rooms().iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn each_opening_is_a_session_of_its_own() {
    let gateway = gateway(Config::default(), stay);
    let mut first = open(&gateway, Verdict::Allowed, None).await.unwrap();
    let mut second = open(&gateway, Verdict::Allowed, None).await.unwrap();
    first.start();
    second.start();
    assert_ne!(first.shared.id(), second.shared.id());
    drop((first, second));
    assert_eq!(gateway.core.hub.len(), 2, "what was started stays");
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_is_not_started_leaves_no_session() {
    let gateway = gateway(Config::default(), stay);
    let opened = open(&gateway, Verdict::Allowed, None).await.unwrap();
    let shared = opened.shared.clone();
    assert_eq!(gateway.core.hub.len(), 1);
    drop(opened);
    assert_eq!(gateway.core.hub.len(), 0);
    assert!(shared.look(|machine| machine.closed().is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_the_answer_that_the_extractor_made() {
    let gateway = gateway(Config::default(), |_: Teapot, session: Session| stay(session));
    let (status, headers, text) = answer(&gateway, Verdict::Allowed, None).await;
    assert_eq!((status, &*text), (StatusCode::IM_A_TEAPOT, "tea only"));
    assert_eq!(headers["x-pot"], "short and stout");
    assert_eq!(gateway.core.hub.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_place_for_auth_data_auth_rejects_unless_it_is_optional() {
    let strict = gateway(Config::default(), |_: Auth<String>, session: Session| stay(session));
    let (status, _, text) = answer(&strict, Verdict::Allowed, None).await;
    assert_eq!((status, &*text), (StatusCode::UNAUTHORIZED, "no auth data"));
    let mut opened = open(&strict, Verdict::Allowed, Some("")).await.unwrap();
    opened.start();

    let optional = gateway(Config::default(), |auth: Option<Auth<Token>>, session: Session| async move {
        session.join(&auth.map_or("nobody".to_owned(), |Auth(token)| token.user));
        pending::<()>().await;
    });
    for (auth, room) in [(None, "nobody"), (Some(""), "nobody"), (Some(r#"{"user":"ada"}"#), "ada")] {
        let mut opened = open(&optional, Verdict::Allowed, auth).await.unwrap();
        opened.start();
        tokio::task::yield_now().await;
        assert_eq!(rooms(&optional, &opened), [room], "{auth:?}");
    }
    assert_eq!(answer(&optional, Verdict::Allowed, Some("{}")).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_origin_opens_only_where_all_may_and_without_its_cookies() {
    let cookies = |headers: HeaderMap, session: Session| async move {
        session.join(if headers.contains_key("cookie") { "cookie" } else { "none" });
        pending::<()>().await;
    };
    let same = gateway(Config::default(), cookies);
    for verdict in [Verdict::Unknown, Verdict::Refused] {
        assert_eq!(answer(&same, verdict, None).await.0, StatusCode::FORBIDDEN, "{verdict:?}");
    }
    let any = gateway(Config { origins: Origins::Any, ..Config::default() }, cookies);
    assert_eq!(answer(&any, Verdict::Refused, None).await.0, StatusCode::FORBIDDEN);
    for (verdict, room) in [(Verdict::Unknown, "none"), (Verdict::Allowed, "cookie")] {
        let mut opened = open(&any, verdict, None).await.unwrap();
        opened.start();
        tokio::task::yield_now().await;
        assert_eq!(rooms(&any, &opened), [room], "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_are_refused_with_a_status_and_a_text() {
    let gateway = gateway(Config { max_sessions: 0, ..Config::default() }, stay);
    let (status, headers, text) = answer(&gateway, Verdict::Allowed, None).await;
    assert_eq!((status, &*text), (StatusCode::SERVICE_UNAVAILABLE, "as many sessions as there may be (max_sessions)"));
    assert_eq!(
        (&headers["retry-after"], &headers["cache-control"]),
        (&"5".parse().unwrap(), &"no-store".parse().unwrap())
    );
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    gateway.core.drain(0);
    let (status, headers, text) = answer(&gateway, Verdict::Allowed, None).await;
    assert_eq!((status, &*text), (StatusCode::SERVICE_UNAVAILABLE, "the server is going away"));
    assert!(!headers.contains_key("retry-after"), "another server takes over");
}

#[tokio::test(start_paused = true)]
async fn an_extractor_has_only_so_long() {
    struct Slow;
    impl<S: Sync> axum::extract::FromRequestParts<S> for Slow {
        type Rejection = axum::response::Response;

        async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
            pending().await
        }
    }
    let config = Config { open_timeout: Duration::from_secs(3), ..Config::default() };
    let gateway = gateway(config, |_: Slow, session: Session| stay(session));
    let before = gateway.core.runtime.clock().now();
    assert_eq!(answer(&gateway, Verdict::Allowed, None).await.0, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(gateway.core.runtime.clock().now() - before, 3000);
    assert_eq!(gateway.core.hub.len(), 0);
}

#[tokio::test]
async fn the_application_may_refuse_a_session_before_it_is_open() {
    let events = Events::new().on_open(async |session: Session| {
        session.join("room");
        Err::<(), _>(Fault::new("login", "unknown token"))
    });
    let (core, hooks) = (Arc::new(Core::new(Config::default())), Hooks::default());
    let gateway = Gateway { core, handler: Some(events.into_handler()), hooks };
    let (status, headers, body) = answer(&gateway, Verdict::Allowed, None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(body, r#"{"code":"login","message":"unknown token"}"#);
    assert_eq!(gateway.core.hub.len(), 0);
}
