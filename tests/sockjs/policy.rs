//! Origins, extractors, cookies, the page for iframes, and what an application sees.

use anywire::{Anywire, Auth, Origins, Session, SockJs, Transport};
use axum::{
    Router,
    extract::{OriginalUri, Path},
};
use tokio::sync::mpsc;

use crate::{
    builder,
    client::{Client, url},
    settings,
    support::echo,
};

const RECEIVERS: [(&str, &str); 5] =
    [("POST", "xhr"), ("POST", "xhr_streaming"), ("GET", "eventsource"), ("GET", "htmlfile?c=x"), ("GET", "jsonp?c=x")];

#[tokio::test(start_paused = true)]
async fn another_origin_is_refused_on_every_transport() {
    let live = Anywire::builder().handler(echo).build();
    let client = Client::of(&live, &SockJs::new());
    let foreign = [("origin", "https://evil.test")];
    for (method, path) in RECEIVERS {
        let got = client.ask(method, &format!("{}/{path}", url("/echo")), &foreign, "").await;
        assert_eq!(got.head.status, 403, "{path}");
        assert_eq!(got.header("access-control-allow-origin"), None);
    }
    let own = [("origin", "http://chat.test")];
    let session = url("/echo");
    client.ask("POST", &format!("{session}/xhr"), &own, "").await.is(200, "o\n");
    for path in ["xhr_send", "jsonp_send"] {
        assert_eq!(client.ask("POST", &format!("{session}/{path}"), &foreign, "[\"x\"]").await.head.status, 403);
    }
    assert_eq!(client.ask("GET", "/echo/info", &foreign, "").await.head.status, 403);
    assert_eq!(client.ask("OPTIONS", "/echo/info", &foreign, "").await.header("access-control-allow-origin"), None);
    for path in [format!("{session}/websocket"), "/echo/websocket".to_owned()] {
        let headers = [
            ("origin", "https://evil.test"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "x3JJHMbDL1EzLkh9GBhXDw=="),
        ];
        assert_eq!(client.ask("GET", &path, &headers, "").await.head.status, 403, "{path}");
    }
    let program = client.post(&format!("{}/xhr", url("/echo")), "").await;
    assert!(program.body.starts_with("c[4300,"), "{program:?}");
}

#[tokio::test(start_paused = true)]
async fn only_pages_that_may_open_sessions_can_show_ours() {
    let site = |origins| Client::here(Anywire::builder().origins(origins).handler(echo).build().sockjs("/echo"));
    let listed = Origins::list(["https://page.test"]);
    for (origins, ancestors, same) in [
        (Origins::Same, "frame-ancestors 'self'", Some("SAMEORIGIN")),
        (listed, "frame-ancestors 'self' https://page.test", None),
        (Origins::Any, "frame-ancestors *", None),
    ] {
        let client = site(origins);
        let got = client.get("/echo/iframe.html").await;
        assert_eq!(got.header("content-security-policy"), Some(ancestors));
        assert_eq!(got.header("x-frame-options"), same);
        let headers = [("origin", "http://chat.test")];
        let (head, _) = client.stream("GET", &format!("{}/htmlfile?c=x", url("/echo")), &headers).await;
        assert_eq!(head.header("content-security-policy"), Some(ancestors));
    }
}

#[tokio::test(start_paused = true)]
async fn the_script_of_the_iframe_is_beside_the_mount_or_where_the_application_says() {
    let live = builder().handler(echo).build();
    let inner = Router::new()
        .merge(live.sockjs("/echo/"))
        .merge(live.sockjs_with("/other", SockJs::new().sockjs_url("https://cdn.test/s.js?a=\"1\"&b=<2>")));
    let client = Client::here(Router::new().merge(inner.clone()).nest("/deep/er", inner));
    for (path, script) in [
        ("/echo/iframe.html", "/sockjs.min.js"),
        ("/deep/er/echo/iframe-1.html", "/deep/er/sockjs.min.js"),
        ("/other/iframe.html", "https://cdn.test/s.js?a=&quot;1&quot;&amp;b=&lt;2&gt;"),
    ] {
        let page = client.get(path).await.body;
        assert!(page.contains(&format!("<script src=\"{script}\"></script>")), "{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listed_origin_may_read_answers_with_credentials() {
    let live = Anywire::builder().origins(Origins::list(["https://page.test"])).handler(echo).build();
    let client = Client::of(&live, &SockJs::new());
    let page = [("origin", "https://page.test")];
    let got = client.ask("POST", &format!("{}/xhr", url("/echo")), &page, "").await;
    got.is(200, "o\n");
    assert_eq!(got.header("access-control-allow-origin"), Some("https://page.test"));
    assert_eq!(got.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(got.header("vary"), Some("Origin"));
    let (head, _) = client.stream("GET", &format!("{}/htmlfile?c=x", url("/echo")), &page).await;
    assert_eq!(head.header("access-control-allow-origin"), None, "scripts cannot read a page");
}

#[tokio::test(start_paused = true)]
async fn an_event_source_of_a_page_without_origin_may_be_read_by_all() {
    let client = Client::of_services();
    let null = [("origin", "null")];
    let (head, _) = client.stream("GET", &format!("{}/eventsource", url("/echo")), &null).await;
    assert_eq!(head.header("access-control-allow-origin"), Some("*"));
    assert_eq!(head.header("access-control-allow-credentials"), None);
    let got = client.ask("POST", &format!("{}/xhr", url("/echo")), &null, "").await;
    assert_eq!(got.header("access-control-allow-origin"), Some("null"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_frame_that_every_transport_can_read() {
    let live = builder().handler(async |_: Auth<String>, session: Session| echo(session).await).build();
    let client = Client::of(&live, &SockJs::new());
    for (method, path) in RECEIVERS {
        let (head, mut connection) = client.stream(method, &format!("{}/{path}", url("/echo")), &[]).await;
        assert_eq!(head.status, 200);
        let body = connection.body(&head).await;
        assert!(body.contains("c[4301,"), "{path}: {body}");
    }
    let name = url("/echo");
    for _ in 0..2 {
        let got = client.post(&format!("{name}/xhr"), "").await;
        assert!(got.body.starts_with("c[4301,"), "its name is free again: {got:?}");
    }
    assert!(live.is_empty());
}

#[tokio::test(start_paused = true)]
async fn extractors_run_once_and_see_the_request_without_our_parameters() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = async move |Path(room): Path<String>, OriginalUri(uri): OriginalUri, session: Session| {
        let _ = tell.send((room, uri.to_string()));
        echo(session).await;
    };
    let live = builder().handler(handler).build();
    let client = Client::here(Router::new().nest("/rooms/{room}", live.sockjs("/echo")));
    let url = "/rooms/blue/echo/000/name";
    client.post(&format!("{url}/xhr?t=7"), "").await.is(200, "o\n");
    client.say(url, "[\"x\"]").await;
    client.hear(url, "a[\"x\"]").await;
    assert_eq!(told.recv().await.unwrap(), ("blue".to_owned(), format!("{url}/xhr?t=7")));
    assert!(told.try_recv().is_err(), "once");
    let mut socket = client.socket(&format!("{url}/websocket")).await;
    socket.hears("o").await;
    assert_eq!(told.recv().await.unwrap().0, "blue");
}

#[tokio::test(start_paused = true)]
async fn cookies_stay_as_they_are_unless_they_cannot_be_sent_back() {
    let client = Client::of_services();
    let longest = "x".repeat(257);
    for (sent, set) in [
        ("a=b; JSESSIONID=node1.x-y; c=d", "node1.x-y"),
        ("XJSESSIONID=no", "dummy"),
        ("JSESSIONID=a\"b", "dummy"),
        (&*format!("JSESSIONID={longest}"), "dummy"),
    ] {
        let path = format!("{}/xhr", url("/cookie_needed_echo"));
        let got = client.ask("POST", &path, &[("cookie", sent)], "").await;
        assert_eq!(got.header("set-cookie"), Some(&*format!("JSESSIONID={set}; path=/")));
    }
}

#[tokio::test(start_paused = true)]
async fn transports_that_are_not_served() {
    let live = builder().without(Transport::XhrStream).without(Transport::WebSocket).handler(echo).build();
    let client = Client::of(&live, &SockJs::new());
    for (path, status) in [("xhr_streaming", 404), ("xhr", 200)] {
        assert_eq!(client.post(&format!("{}/{path}", url("/echo")), "").await.head.status, status, "{path}");
    }
    for path in ["/echo/websocket", "/echo/0/0/websocket"] {
        assert_eq!(client.get(path).await.head.status, 404, "{path}");
    }
    assert!(client.get("/echo/info").await.body.contains("\"websocket\":false"));
    let refused = Client::of_services().get("/disabled_websocket_echo/0/0/websocket").await;
    assert_eq!(refused.head.status, 404);
}

#[tokio::test(start_paused = true)]
async fn the_callback_is_a_short_name() {
    let client = Client::of(&builder().handler(echo).build(), &settings());
    let name = |length: usize| "x".repeat(length);
    for (path, length, status) in
        [("jsonp", 32, 200), ("jsonp", 33, 500), ("htmlfile", 128, 200), ("htmlfile", 129, 500)]
    {
        let path = format!("{}/{path}?callback={}", url("/echo"), name(length));
        let (head, _) = client.stream("GET", &path, &[]).await;
        assert_eq!(head.status, status, "{path}");
    }
}
