//! Secrets: none is logged, and one that was in a URL is replaced.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, Auth, Server, Session};
use axum::{
    extract::FromRequestParts,
    http::{Method, StatusCode, request::Parts},
};
use support::{HOST, Log, Peer, Record, Site, attempt, echo, site};

const TOKEN: &str = "t0ken-of-a-user";
const AUTH: &str = "{\"_user\":\"t0ken-of-a-user\"}";
const COOKIE: &str = "c00kie-of-a-user";
const BEARER: &str = "b3arer-of-a-user";
const GETS: [&str; 4] = ["jsonp-poll", "eventsource", "htmlfile", "iframe"];
const POSTS: [&str; 6] = ["xhr-poll", "poll", "fetch-stream", "xhr-stream", "multipart", "open"];

#[derive(serde::Deserialize)]
struct Login {
    _user: String,
}

/// Rejects whoever has the header `x-reject`, with a text that has the token in it.
struct Careless;

impl<S: Sync> FromRequestParts<S> for Careless {
    type Rejection = (StatusCode, String);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        match parts.headers.get("x-reject") {
            Some(_) => Err((StatusCode::FORBIDDEN, format!("{TOKEN} {COOKIE} {BEARER} is not known"))),
            None => Ok(Careless),
        }
    }
}

fn server() -> Server {
    let handler = async |_: Careless, Auth(_): Auth<Login>, session: Session| echo(session).await;
    Anywire::builder().keep_headers(["cookie", "authorization"]).handler(handler).build()
}

/// Opens by a POST with credentials. Returns the page, unless it is rejected.
async fn open(site: &Site, attempt: &str, auth: &str, rejected: bool) -> Option<Peer> {
    let mut peer = Peer::new(site);
    let body = peer.body().with_text('o', &[&1, &17, &attempt], auth);
    let mut request = site.request(Method::POST, "open").header("cookie", COOKIE).header("authorization", BEARER);
    if rejected {
        request = request.header("x-reject", "1");
    }
    let answer = site.ask(request.body(body.bytes.into()).unwrap()).await;
    if answer.status != 200 {
        return None;
    }
    peer.ordinal = 17;
    peer.take(&answer.records());
    Some(peer)
}

/// Sessions open, resume, take over, send and are refused, by each transport. Returns what nobody may log.
async fn play(site: &Site) -> Vec<String> {
    let mut secrets: Vec<String> = [TOKEN, COOKIE, BEARER].map(String::from).to_vec();
    for route in GETS.iter().chain(&POSTS).chain(&["websocket"]) {
        let id = attempt();
        assert!(
            open(site, &attempt(), AUTH, true).await.is_none() && open(site, &attempt(), TOKEN, false).await.is_none()
        );
        let mut peer = open(site, &id, AUTH, false).await.expect("it may open");
        secrets.extend([id.clone(), peer.secret.clone()]);
        peer.ordinal += 1;
        peer.put("a message");
        for upload in ["send", "jsonp-send", "form-post"] {
            peer.upload_by(upload).await;
        }
        for wrong in [false, true] {
            if wrong {
                peer.secret.replace_range(..4, "zzzz");
                secrets.push(peer.secret.clone());
                peer.ordinal += 1;
            }
            if *route == "websocket" {
                resume_by_socket(&peer).await;
            } else if *route != "open" {
                let query = format!("&session={}", peer.id);
                let _ = peer.site.send_records(route, &query, &peer.resume().bytes).await.next().await;
            }
        }
        peer.secret.clone_from(&secrets[secrets.len() - 2]);
        let instance = attempt();
        let head = peer.body().record('t', &[&1, &40, &instance, &peer.id, &peer.secret, &0]);
        let query = format!("&session={}", peer.id);
        let taken = site.send_records("open", &query, &head.bytes).await.all().await;
        let Record::New(_, grant) = &taken[0] else { panic!("{taken:?}") };
        secrets.extend([instance, grant.secret.clone()]);
    }
    secrets
}

/// Attaches a WebSocket, and waits for its first answer.
async fn resume_by_socket(peer: &Peer) {
    let headers = [("origin", &*format!("http://{HOST}")), ("cookie", COOKIE), ("authorization", BEARER)];
    let mut socket = peer.site.websocket_as(&format!("websocket?session={}", peer.id), &headers).await.unwrap();
    socket.body(peer.resume()).await;
    let _ = socket.next().await;
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_logged() {
    let site = site(&server());
    // A line that is logged for the first time just when a log begins is not in it.
    play(&site).await;
    let log = Log::here();
    let secrets = play(&site).await;
    let lines = log.all();
    for line in ["SPAN session", "DEBUG", "TRACE"] {
        assert!(lines.iter().any(|logged| logged.starts_with(line)), "{lines:?}");
    }
    for secret in secrets {
        assert!(!lines.iter().any(|line| line.contains(&secret)), "{secret}: {lines:?}");
    }
}

/// The fields of the `s full` that answers an `r` by this route with the name `rotate`.
async fn resumed(peer: &mut Peer, route: &str, secret: &str) -> Vec<String> {
    peer.ordinal += 1;
    let head = peer.body().record('r', &[&1, &peer.ordinal, &0, &0, &peer.id, &secret, &0, &"rotate"]);
    let query = format!("session={}", peer.id);
    let request = match route {
        "jsonp-poll" => {
            let data = String::from_utf8(head.bytes).unwrap().replace(':', "%3A");
            let path = format!("{route}?data={data}&callback=f&{query}");
            peer.site.request(Method::GET, &path).body(axum::body::Body::empty()).unwrap()
        }
        _ => peer.site.request(Method::POST, &format!("{route}?{query}")).body(head.bytes.into()).unwrap(),
    };
    let body = peer.site.ask(request).await.body;
    let text = String::from_utf8(body.to_vec()).unwrap();
    let start = text.find("sfull").or(text.find('x')).unwrap_or_else(|| panic!("{text}"));
    text[start..].split(':').next().unwrap().split(',').map(String::from).collect()
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_in_a_url_is_replaced_over_http() {
    let site = site(&Anywire::builder().handler(|session: Session| echo(session)).build());
    let mut peer = Peer::open(&site).await;
    let old = peer.secret.clone();
    assert_eq!(resumed(&mut peer, "xhr-poll", &old).await.len(), 3, "it was in no URL");
    assert_eq!(resumed(&mut peer, "jsonp-poll", &old).await.len(), 3);
    let stated = resumed(&mut peer, "xhr-poll", &old).await;
    assert_eq!((&*stated[2], stated.len()), ("rotate", 4), "{stated:?}");
    assert_eq!(resumed(&mut peer, "poll", &old).await, stated, "the answer was lost");
    assert_eq!(resumed(&mut peer, "poll", &stated[3]).await.len(), 3);
    assert_eq!(resumed(&mut peer, "poll", &old).await[0], "x4002");
}
