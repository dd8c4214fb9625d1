//! The requests that are refused, on HTTP and as handshakes of WebSockets.

use anywire::{Anywire, Auth, EngineIo, Origins, Session, Transport};
use axum::{Router, http::Method};

use crate::{
    builder,
    client::{Client, sid_of},
    router,
    support::{Everywhere, HOST, attempt, echo, until},
};

fn error(code: u8, message: &str) -> String {
    format!("{{\"code\":{code},\"message\":\"{message}\"}}")
}

#[tokio::test]
async fn each_error_has_its_number_and_on_upgrades_its_text_alone() {
    let client = Client::here(4);
    let sid = client.open().await;
    let moved = client.open().await;
    let mut socket = client.upgrade(&moved).await;
    socket.say("4moved").await;
    socket.hears("4moved").await;
    let known = format!("EIO=4&transport=websocket&sid={sid}");
    let other = format!("EIO=4&transport=polling&sid={moved}");
    let other_digit = if sid.ends_with('0') { '1' } else { '0' };
    let unknown = format!("EIO=4&transport=polling&sid={}{other_digit}", &sid[..sid.len() - 1]);
    let cases = [
        (Method::GET, "EIO=4", 0, "Transport unknown"),
        (Method::GET, "EIO=4&transport=webtransport", 0, "Transport unknown"),
        (Method::GET, "EIO=4&transport=polling&sid=nobody", 1, "Session ID unknown"),
        (Method::GET, &unknown, 1, "Session ID unknown"),
        (Method::GET, &known, 3, "Bad request"),
        (Method::GET, &other, 3, "Bad request"),
        (Method::POST, &other, 3, "Bad request"),
        (Method::POST, "EIO=4&transport=polling", 2, "Bad handshake method"),
        (Method::PUT, "EIO=4&transport=polling", 2, "Bad handshake method"),
        (Method::OPTIONS, "EIO=4&transport=polling", 2, "Bad handshake method"),
        (Method::GET, "EIO=4&transport=websocket", 3, "Bad request"),
        (Method::GET, "transport=polling", 5, "Unsupported protocol version"),
        (Method::GET, "EIO=5&transport=polling", 5, "Unsupported protocol version"),
        (Method::GET, "EIO=3x&transport=polling", 5, "Unsupported protocol version"),
    ];
    for (method, query, code, message) in cases {
        let got = client.ask(method.clone(), query, "").await;
        got.is(400, &error(code, message));
        assert_eq!(got.header("content-type"), Some("application/json"));
        assert_eq!(got.header("cache-control"), Some("no-store"), "{query}");
    }
    let upgrades = [
        ("EIO=4", "Transport unknown"),
        ("EIO=4&transport=websocket&sid=nobody", "Session ID unknown"),
        ("EIO=4&transport=polling", "Bad request"),
        ("transport=websocket", "Unsupported protocol version"),
        (&format!("EIO=4&transport=polling&sid={sid}"), "Bad request"),
    ];
    for (query, message) in upgrades {
        let got = client.try_socket(query).await.err().unwrap();
        got.is(400, message);
        assert_eq!((got.header("content-type"), got.header("connection")), (Some("text/html"), Some("close")));
    }
    let got = client.ask(Method::PUT, &format!("EIO=4&transport=polling&sid={sid}"), "").await;
    got.is(405, "");
    assert_eq!(got.header("allow"), Some("GET, POST"));
    client.say(&sid, &["4unharmed"]).await;
    client.hear(&sid, &["4unharmed"]).await;
    socket.say("4unharmed").await;
    socket.hears("4unharmed").await;
}

#[tokio::test]
async fn an_origin_is_refused_on_every_transport() {
    let strict = || Anywire::builder().origins(Origins::list(["https://listed.example"]));
    let server = strict().handler(echo).build();
    let mut client = Client::of(&server, 4);
    client.headers = vec![("origin", "https://listed.example".into())];
    let (first, second) = (client.open().await, client.open().await);
    let stranger = Client { headers: vec![("origin", "https://elsewhere.example".into())], ..client.clone() };
    let text = "pages of https://elsewhere.example may not open sessions";
    for got in [
        stranger.handshake().await,
        stranger.poll(&first).await,
        stranger.post(&first, "4x").await,
        stranger.try_socket("EIO=4&transport=websocket").await.err().unwrap(),
        stranger.try_socket(&format!("EIO=4&transport=websocket&sid={second}")).await.err().unwrap(),
        Client { query: "EIO=4&j=0".into(), ..stranger.clone() }.handshake().await,
    ] {
        assert_eq!(got.status, 403, "{}", got.text());
        assert!(got.text().contains(text), "{}", got.text());
        assert_eq!(got.header("access-control-allow-origin"), None);
    }
    assert!(stranger.handshake().await.text().starts_with("{\"code\":4,\"message\":\""));
    let program = Client { headers: Vec::new(), ..client.clone() };
    assert_eq!(program.handshake().await.status, 403, "a program is allowed by and_programs()");
    assert_eq!(program.try_socket("EIO=4&transport=websocket").await.err().map(|got| got.status), Some(403));
    let broken = Client { headers: vec![("origin", "http://\u{e9}".into())], ..client.clone() };
    broken.handshake().await.is(400, &error(3, "Bad request"));

    client.say(&first, &["4x"]).await;
    let got = client.poll(&first).await;
    assert_eq!(got.header("access-control-allow-origin"), Some("https://listed.example"));
    assert_eq!(got.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(got.header("vary"), Some("origin"));
    client.upgrade(&second).await;
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_same_policy() {
    let mut client = Client::of(&Anywire::builder().handler(echo).build(), 4);
    let asks = ("access-control-request-method", "POST".to_owned());
    client.headers = vec![("origin", format!("http://{HOST}")), asks.clone()];
    let got = client.ask(Method::OPTIONS, "EIO=4&transport=polling", "").await;
    got.is(204, "");
    assert_eq!(got.header("access-control-allow-methods"), Some("GET, POST"));
    assert_eq!(got.header("access-control-allow-headers"), Some("content-type"));
    // The clients' option `extraHeaders`.
    let names = ("access-control-request-headers", "authorization,content-type,x-own".to_owned());
    client.headers.push(names.clone());
    let got = client.ask(Method::OPTIONS, "EIO=4&transport=polling", "").await;
    assert_eq!(got.header("access-control-allow-headers"), Some(&*names.1));
    let vary: Vec<_> = got.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["access-control-request-headers", "origin"]);
    client.headers = vec![("origin", "https://elsewhere.example".into()), asks, names];
    let got = client.ask(Method::OPTIONS, "EIO=4&transport=polling", "").await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (204, None));
    assert_eq!(got.header("access-control-allow-headers"), None);
}

#[tokio::test]
async fn an_extractor_that_rejects_is_told_as_forbidden() {
    async fn wants(Auth(_): Auth<String>, _: Session) {}
    let client = Client::of(&builder().handler(wants).build(), 4);
    let got = client.handshake().await;
    assert_eq!(got.status, 401);
    assert!(got.text().starts_with("{\"code\":4,\"message\":\""), "{}", got.text());
    assert_eq!(client.try_socket("EIO=4&transport=websocket").await.err().map(|got| got.status), Some(401));
}

#[tokio::test]
async fn a_full_server_says_when_to_come_back() {
    let server = builder().max_sessions(1).handler(echo).build();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    client.say(&sid, &["4x"]).await;
    let got = client.handshake().await;
    assert_eq!((got.status, got.header("retry-after")), (503, Some("5")));
    assert!(got.text().contains("max_sessions"), "{}", got.text());
}

#[tokio::test]
async fn who_has_only_opened_gives_way_to_others() {
    let server = builder().max_sessions(1).handler(echo).build();
    let client = Client::of(&server, 4);
    let first = client.open().await;
    let second = client.open().await;
    client.poll(&first).await.is(400, &error(1, "Session ID unknown"));
    client.say(&second, &["4x"]).await;
    assert_eq!(client.handshake().await.status, 503, "the second has shown its sid");
}

#[tokio::test]
async fn the_path_has_a_slash_at_its_end_or_none() {
    let server = builder().handler(echo).build();
    let routes = |path: &str| Router::new().merge(server.engineio(path));
    for (routes, paths) in [
        (routes("/a/b"), &["/a/b", "/a/b/"][..]),
        (routes("/a/b/"), &["/a/b", "/a/b/"]),
        (routes("/"), &["/"]),
        (Router::new().nest("/a", routes("/b")), &["/a/b", "/a/b/"]),
    ] {
        let client = Client::of_router(routes, 4);
        for path in paths {
            let got = client.ask_at(path, Method::GET, "EIO=4&transport=polling", "").await;
            sid_of(got.packets());
            assert!(got.text().contains("\"pingInterval\":25000,\"pingTimeout\":20000"), "the builder's times");
        }
    }
}

#[tokio::test]
async fn a_sid_opens_no_other_door_and_no_other_secret_opens_this_one() {
    let server = builder().handler(echo).build();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    let (id, secret) = sid.split_at(sid.len() - 32);
    assert_eq!(server.anywhere(id).map(|session| session.id().to_string()).as_deref(), Some(id));
    assert!(server.anywhere(&sid).is_none(), "the application's id is not the sid");
    let other = client.open().await;
    client.poll(&format!("{id}{}", &other[other.len() - 32..])).await.is(400, &error(1, "Session ID unknown"));

    // A native session, by what its client knows of it, and the other way round.
    let site = crate::support::Site::of(&server, |server| router(server, EngineIo::new()));
    let (peer, _socket) = crate::support::Peer::open_socket_with(&site, &attempt(), "").await;
    client.poll(&format!("{}{}", peer.id, peer.secret)).await.is(400, &error(1, "Session ID unknown"));
    let resume = format!("r0:1 1 {id} {secret} 0");
    let got = client.ask_at(&format!("/live/xhr-poll?session={id}"), Method::POST, "", resume).await;
    assert_ne!(got.status, 200, "{}", got.text());
    client.say(&sid, &["4unharmed"]).await;
    client.hear(&sid, &["4unharmed"]).await;
}

#[tokio::test]
async fn a_native_request_that_names_a_session_does_not_stand_for_its_upload() {
    let server = builder().handler(echo).build();
    let client = Client::of(&server, 4);
    let sid = client.open().await;
    let id = &sid[..sid.len() - 32];
    let site = crate::support::Site::of(&server, |server| router(server, EngineIo::new()));
    let _waits = site.websocket(&format!("websocket?session={id}")).await;
    client.say(&sid, &["4unharmed"]).await;
    client.hear(&sid, &["4unharmed"]).await;
}

#[tokio::test]
async fn transports_and_revisions_can_be_turned_off() {
    let server = builder().without(Transport::WebSocket).handler(echo).build();
    let client = Client::of(&server, 4);
    assert!(client.handshake().await.packets().contains("\"upgrades\":[],"));
    client.try_socket("EIO=4&transport=websocket").await.err().unwrap().is(400, "Transport unknown");
    let server = builder().without(Transport::Polling).handler(echo).build();
    let client = Client::of(&server, 4);
    client.handshake().await.is(400, &error(0, "Transport unknown"));
    sid_of(&client.socket().await.text().await);

    for (served, other) in [(3, 4), (4, 3)] {
        let server = builder().handler(echo).build();
        let routes = router(&server, EngineIo::new().revisions([served]));
        Client::of_router(routes.clone(), served).open().await;
        let other = Client::of_router(routes, other);
        other.handshake().await.is(400, &error(5, "Unsupported protocol version"));
    }
}

#[tokio::test]
async fn a_cookie_is_set_at_the_handshake_alone() {
    let server = builder().handler(echo).build();
    let client = Client::of_router(router(&server, EngineIo::new().cookie("io")), 4);
    let got = client.handshake().await;
    let sid = sid_of(got.packets());
    assert_eq!(got.header("set-cookie"), Some(&*format!("io={sid}; Path=/; HttpOnly; SameSite=Lax")));
    client.say(&sid, &["4x"]).await;
    assert_eq!(client.poll(&sid).await.header("set-cookie"), None);
    let mut socket = client.socket().await;
    let sid = sid_of(&socket.text().await);
    assert!(socket.cookie.is_some_and(|cookie| cookie.to_str().unwrap().contains(&sid)));
    assert_eq!(Client::here(4).handshake().await.header("set-cookie"), None);
}

#[tokio::test]
async fn refusals_are_told_and_counted() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = told.clone();
    let server = builder()
        .on_refused(move |refused| tell.lock().unwrap().push((refused.what().to_owned(), refused.reason().code())))
        .handler(echo)
        .build();
    let client = Client::of(&server, 4);
    client.get("transport=other").await;
    client.poll("nobody").await;
    until("both are told", || told.lock().unwrap().len() == 2).await;
    assert_eq!(*told.lock().unwrap(), [("engineio".to_owned(), 4010), ("engineio".to_owned(), 4100)]);
}
