//! The user of a session, and for how long: logins that expire, the sessions of a user, transports that are off.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use anywire::{Anywire, Server, Session, Transport};
use axum::{
    Router,
    body::Body,
    http::{Method, Request, request::Parts},
};
use support::{Everywhere, Peer, Record, Site, attempt, site};
use tokio::time::{Instant, sleep};

/// Sets the user, and the seconds that the login lasts, from the auth data `user.seconds`.
fn server() -> Server {
    let handler = async |anywire::Auth(login): anywire::Auth<String>, session: Session| {
        let (user, seconds) = login.split_once('.').unwrap();
        session.set_user(user);
        if let Ok(seconds) = seconds.parse() {
            session.expires_at(SystemTime::now() + Duration::from_secs(seconds));
        }
        while let Some(message) = session.recv().await {
            match message.as_text() {
                Some("renew") => session.expires_at(SystemTime::now() + Duration::from_secs(100)),
                Some("keep") => session.expires_at(None),
                Some("now") => session.expires_at(SystemTime::UNIX_EPOCH),
                _ => session.set_user("another"),
            }
        }
    };
    Anywire::builder().handler(handler).build()
}

async fn login(server: &Server, login: &str) -> Peer {
    Peer::open_with(&site(server), &attempt(), &format!("\"{login}\"")).await
}

#[tokio::test(start_paused = true)]
async fn a_login_expires_with_its_own_code() {
    let server = server();
    let start = Instant::now();
    let (mut peer, mut socket) = Peer::open_socket_with(&site(&server), &attempt(), "\"ada.5\"").await;
    let session = server.anywhere(&peer.id).unwrap();
    let (code, text) = socket.closed().await;
    assert_eq!((code, &*text), (4106, "the login has expired"));
    let elapsed = start.elapsed().as_millis();
    assert!((4900..5100).contains(&elapsed), "{elapsed} ms");
    assert_eq!(session.close_reason().unwrap().code(), 4106);
    peer.switch();
    assert_eq!(peer.send_poll().await.refusal(410).0, 4106, "later links learn it too");
    assert!(server.everywhere().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_login_is_renewed_taken_away_or_over_at_once() {
    let server = server();
    for (message, lives) in
        [("renew", [true, true, false]), ("keep", [true, true, true]), ("now", [false, false, false])]
    {
        let mut peer = login(&server, "ada.10").await;
        peer.send(message).await;
        let mut lived = Vec::new();
        for seconds in [5, 50, 50] {
            for _ in 0..seconds / 5 {
                sleep(Duration::from_secs(5)).await;
                if server.anywhere(&peer.id).is_some() {
                    let _ = peer.upload().await;
                }
            }
            lived.push(server.anywhere(&peer.id).is_some());
        }
        assert_eq!(lived, lives, "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sessions_of_a_user_are_found_and_closed() {
    let server = server();
    let live = server.live();
    let mut peers = Vec::new();
    for name in ["ada.", "ada.", "bob."] {
        peers.push(login(&server, name).await);
    }
    let found = |user: &str| {
        let mut ids: Vec<String> = live.find(user).iter().map(|session| session.id().to_string()).collect();
        ids.sort();
        ids
    };
    let mut both = vec![peers[0].id.clone(), peers[1].id.clone()];
    both.sort();
    assert_eq!((found("ada"), found("bob"), found("eve")), (both, vec![peers[2].id.clone()], vec![]));
    assert_eq!(live.find("bob")[0].user().as_deref(), Some("bob"));
    assert_eq!(live.close_user("ada", 3001, "logged out"), 2);
    assert_eq!(found("ada"), Vec::<String>::new());
    let records = peers[0].poll().await;
    assert!(records.iter().any(|record| matches!(record, Record::Close(_, 3001, text) if text == "logged out")));
    assert_eq!(live.close_user("ada", 3001, ""), 0);
    // A session has one user, and none when its handler has returned.
    peers[2].send("change").await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!((found("bob").len(), found("another").len()), (0, 1));
    let session = live.find("another").remove(0);
    session.abort();
    sleep(Duration::from_millis(1)).await;
    assert_eq!((session.user(), live.find("another").len()), (None, 0));
    session.set_user("late");
    assert_eq!((session.user(), live.find("late").len()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_is_off_is_not_served() {
    let off = [Transport::WebSocket, Transport::EventSource, Transport::JsonpPoll, Transport::FetchStream];
    let builder = off.into_iter().fold(Anywire::builder(), anywire::Builder::without);
    let server = builder.handler(support::echo).build();
    let site = site(&server);
    let mut peer = Peer::open(&site).await;
    let head = String::from_utf8(peer.resume().bytes).unwrap();
    for (method, route) in [
        (Method::GET, "websocket"),
        (Method::GET, "eventsource"),
        (Method::GET, "jsonp-poll"),
        (Method::GET, "jsonp-send"),
        (Method::POST, "fetch-stream"),
    ] {
        let request = site.request(method, &format!("{route}?session={}&callback=f&data=x", peer.id));
        let (code, _) = site.ask(request.body(head.clone().into()).unwrap()).await.refusal(404);
        assert_eq!(code, 4010, "{route}");
    }
    peer.send("over the others").await;
    peer.poll().await;
    assert_eq!(peer.texts(), ["over the others"]);
}

/// A server that asks about each new link, and how often it asked. A link without the cookie `login` is refused.
fn asking() -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let authorize = move |parts: Parts, session: Session| {
        count.fetch_add(1, SeqCst);
        async move {
            assert!(!session.is_closed() && parts.uri.path() == "/", "{}", parts.uri);
            parts.headers.contains_key("cookie")
        }
    };
    (Anywire::builder().authorize(authorize).handler(support::echo).build(), asked)
}

async fn poll_with(peer: &Peer, cookie: bool) -> support::Answer {
    let mut request = peer.site.request(Method::POST, &peer.path("xhr-poll"));
    if cookie {
        request = request.header("cookie", "login=1");
    }
    peer.site.ask(request.body(peer.resume().bytes.into()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn each_new_link_is_asked_about_and_no_turn() {
    let (server, asked) = asking();
    let mut peer = Peer::open(&site(&server)).await;
    peer.send("1").await;
    peer.poll().await;
    peer.send("2").await;
    peer.poll().await;
    assert_eq!(asked.load(SeqCst), 0, "the turns and uploads of the link that opened");
    peer.switch();
    let (code, text) = poll_with(&peer, false).await.refusal(410);
    assert_eq!((code, asked.load(SeqCst)), (4101, 1), "{text}");
    assert!(server.anywhere(&peer.id).is_some(), "the session goes on");
    assert_eq!(poll_with(&peer, true).await.status, 200);
    assert_eq!(asked.load(SeqCst), 2);
    peer.turn = 7;
    peer.seen = true;
    peer.send("3").await;
    assert_eq!(poll_with(&peer, false).await.status, 200, "the next turn of a link that was let in");
    assert_eq!(asked.load(SeqCst), 2);
    // A turn other than the first one is no way round.
    peer.ordinal += 1;
    assert_eq!(poll_with(&peer, false).await.refusal(410).0, 4101);
    let mut socket = peer.attach_socket().await;
    assert_eq!(socket.closed().await.0, 4101);
    assert_eq!(asked.load(SeqCst), 4);
    // The application is not asked about a client that does not know the secret.
    peer.secret = "0123456789abcdef".to_owned();
    assert_eq!(poll_with(&peer, true).await.refusal(410).0, 4101);
    assert_eq!(asked.load(SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_takeover_is_asked_about() {
    let (server, asked) = asking();
    let peer = Peer::open(&site(&server)).await;
    let body = format!("t1,9,{},{},{},0:", attempt(), peer.id, peer.secret);
    let open = async |cookie: &str| {
        let request = peer.site.request(Method::POST, "open").header(cookie, "login=1");
        peer.site.ask(request.body(body.clone().into()).unwrap()).await
    };
    assert_eq!(open("x-none").await.refusal(410).0, 4101);
    assert!(matches!(open("cookie").await.records()[0], Record::New(..)));
    assert_eq!(asked.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn the_answer_about_a_link_has_its_time() {
    let never = |_: Parts, _: Session| std::future::pending::<bool>();
    let server = Anywire::builder().authorize(never).handler(support::echo).build();
    let mut peer = Peer::open(&site(&server)).await;
    peer.send("proof").await;
    peer.switch();
    assert_eq!(peer.send_poll().await.refusal(408).0, 4007);
    assert!(server.anywhere(&peer.id).is_some());
}

#[tokio::test(start_paused = true)]
async fn each_refusal_is_told_with_its_request() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let server = Anywire::builder()
        .on_refused(move |refused| {
            let text = format!("{} {} {}", refused.what(), refused.reason().code(), refused.parts().uri.path());
            list.lock().unwrap().push(text);
        })
        .handler(support::echo)
        .build();
    let site = Site::of(&server, |server| Router::new().nest("/live", server.routes()).nest("/raw", server.raw()));
    assert_eq!(site.post("open", "o2,1,an-attempt-of-20-chars,0:").await.status, 400);
    assert_eq!(site.post("send", "u1,a,b,0:").await.status, 410);
    let mut socket = site.websocket("websocket").await;
    socket.text("o1,1,short,0:").await;
    socket.closed().await;
    let foreign = [("origin", "http://evil.test"), ("sec-fetch-site", "cross-site")];
    assert!(site.websocket_as("websocket", &foreign).await.is_err());
    let request = Request::get("/raw").header("host", support::HOST).header("origin", "http://evil.test");
    assert_eq!(site.ask(request.body(Body::empty()).unwrap()).await.status, 403);
    Peer::open(&site).await;
    let told = told.lock().unwrap();
    assert_eq!(
        *told,
        ["open 4400 /open", "send 4100 /send", "websocket 4004 /websocket", "websocket 4300 /websocket", "raw 4300 /"]
    );
}
