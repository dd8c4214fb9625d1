//! The extractors of a handler see the request of the page: the parameters of its path and of its query, and
//! nothing that the protocol has added, the same on every transport.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;

use anywire::{Anywire, Session};
use axum::{
    Router,
    body::Body,
    extract::{OriginalUri, Path, Query},
    http::{Method, Uri},
};
use futures::StreamExt;
use support::{CALLBACK, Peer, Record, Site, Wrap, Wrapped, attempt, encode};
use tokio_tungstenite::tungstenite::Message as WsMessage;

async fn tell(
    Path(room): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    OriginalUri(original): OriginalUri,
    uri: Uri,
    session: Session,
) {
    session.send(format!("{room} {query:?} {original} {uri}")).await.unwrap();
    std::future::pending::<()>().await;
}

/// The routes at `/live/room/{room}`, so that requests of the tests' site get there.
fn site() -> Site {
    let live = Anywire::builder().handler(tell).build();
    let routes = Router::new().nest("/room/{room}", live.routes()).nest("/bare/{room}", live.raw());
    Site::here(Router::new().nest("/live", routes))
}

const SEEN: &str = r#"7 {"token": "a b"} /live/room/7?token=a%20b /?token=a%20b"#;

#[tokio::test(start_paused = true)]
async fn of_a_session_that_opens_by_a_request() {
    let site = site();
    for bytes in ["", "&bytes=1&browser=b"] {
        let path = format!("room/7/open?session=&token=a%20b{bytes}");
        let records = site.post(&path, format!("o1,1,{},0:", attempt())).await.records();
        assert_eq!(records[1], Record::Message(1, SEEN.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_session_that_opens_by_a_websocket() {
    let mut socket = site().websocket("room/7/websocket?session=&token=a%20b&").await;
    socket.text(format!("o1,1,{},0:", attempt())).await;
    let mut peer = Peer::new(&site());
    peer.take_until(&mut socket, 1).await;
    assert_eq!(peer.texts(), [SEEN]);
}

#[tokio::test(start_paused = true)]
async fn of_a_session_that_opens_by_a_script() {
    let data = encode(format!("o1,1,{},0:", attempt()).as_bytes());
    let path = format!("room/7/jsonp-poll?session=&token=a%20b&browser=b&data={data}&callback={CALLBACK}");
    let site = site();
    let request = site.request(Method::GET, &path).body(Body::empty()).unwrap();
    let records = Wrapped::new(site.send(request).await, Wrap::Call).next().await.unwrap();
    assert_eq!(records[1], Record::Message(1, SEEN.into()));
}

#[tokio::test(start_paused = true)]
async fn of_a_bare_websocket() {
    let mut socket = site().websocket("bare/7?token=a%20b").await;
    let first = socket.io.next().await.unwrap().unwrap();
    assert_eq!(first, WsMessage::text(r#"7 {"token": "a b"} /live/bare/7?token=a%20b /?token=a%20b"#));
}
