//! The function that runs before a session opens.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, Request},
};

use super::*;
use crate::{dialect::Fault, server::Auth};

fn login() -> Events<&'static str> {
    async fn login(
        headers: HeaderMap,
        State(password): State<&'static str>,
        Auth(auth): Auth<String>,
        session: Session,
    ) -> Result<(), Fault> {
        if auth != password {
            return Err(Fault::new("login", "unknown token").with_data(headers.len()));
        }
        session.insert(auth);
        session.join("users");
        let _ = session.send("first").await;
        Ok(())
    }
    Events::new().on_open(login).on("message", async |session: Session| {
        let _ = session.send(session.get::<String>().unwrap()).await;
    })
}

#[tokio::test]
async fn a_session_opens_behind_on_open() {
    let server = Anywire::builder().events(login()).build();
    let mut client = LocalClient::open(&server, "sesame", r#""sesame""#).await.unwrap();
    client.send("who am I");
    assert_eq!(client.recv().await.unwrap().as_text(), Some("first"));
    assert_eq!(client.recv().await.unwrap().as_text(), Some("sesame"));
    assert_eq!(server.members("users").len(), 1);
}

#[tokio::test]
async fn a_fault_refuses_the_session_and_leaves_nothing_behind() {
    let server = Anywire::builder().events(login()).build();
    let parts = Request::post("/open").header("a", "b").body(()).unwrap().into_parts().0;
    let refused = LocalClient::open_with(&server, "sesame", r#""wrong""#, parts).await.unwrap_err();
    assert_eq!(refused.code, 4301);
    assert_eq!(&*refused.text, r#"{"code":"login","message":"unknown token","data":1}"#);
    assert_eq!(server.len(), 0);
}

#[tokio::test]
async fn an_extractor_rejects_before() {
    let notes = Notes::default();
    let reached = notes.clone();
    let events = Events::new().on_open(async move |Auth(_): Auth<u32>, _: Session| reached.add("reached"));
    let server: Server = Anywire::builder().events(events).build();
    let rejected = LocalClient::open(&server, (), r#"{"no": "number"}"#).await.unwrap_err();
    assert_eq!(rejected.code, 4301);
    assert!(!rejected.text.is_empty() && !rejected.text.starts_with('{'), "{}", rejected.text);
    assert_eq!((notes.all(), server.len()), (Vec::new(), 0));
    assert!(LocalClient::open(&server, (), "5").await.is_ok());
    assert_eq!(notes.all(), ["reached"]);
}

#[tokio::test]
async fn a_refused_session_has_no_end() {
    let notes = Notes::default();
    let ended = notes.clone();
    let events = Events::new()
        .on_open(async |_: Session| Err::<(), _>(Fault::new("no", "never")))
        .on_end(async move || ended.add("over"));
    let server: Server = Anywire::builder().events(events).build();
    assert!(LocalClient::open(&server, (), "").await.is_err());
    assert_eq!(notes.all(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn on_open_has_the_open_timeout() {
    let events = Events::new().on_open(async |_: Session| std::future::pending::<()>().await);
    let server: Server = Anywire::builder().open_timeout(Duration::from_secs(3)).events(events).build();
    let refused = LocalClient::open(&server, (), "").await.unwrap_err();
    assert_eq!(refused.code, crate::session::reason::TOOK_TOO_LONG.code);
    assert_eq!(server.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_leaves_nothing_behind() {
    let events = Events::new().on_open(async |session: Session| {
        session.join("room");
        std::future::pending::<()>().await;
    });
    let server: Server = Anywire::builder().events(events).build();
    let opening = LocalClient::open(&server, (), "");
    assert!(tokio::time::timeout(Duration::from_secs(1), opening).await.is_err());
    assert_eq!((server.len(), server.members("room").len()), (0, 0));
}
