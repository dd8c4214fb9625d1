//! Requests and their heads.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, OriginalUri, Request},
    http::{HeaderValue, Method, StatusCode, Version, header},
    response::Response,
};
use tokio::sync::Barrier;

use super::lab::{Net, Node, get, pair, text};
use crate::{server::other_nodes::MovedTo, session::reason};

/// Tells what the routes see of a request.
async fn shown(request: Request) -> String {
    let (parts, body) = request.into_parts();
    let client = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.to_string());
    let original = parts.extensions.get::<OriginalUri>().map(|original| original.0.to_string());
    let mut headers: Vec<String> =
        parts.headers.iter().map(|(name, value)| format!("{name}={}", value.as_bytes().escape_ascii())).collect();
    headers.sort();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    format!(
        "{} {} {:?} {client:?} {original:?} {} {}",
        parts.method,
        parts.uri,
        parts.version,
        headers.join(" "),
        body.escape_ascii()
    )
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_as_its_node_had_it() {
    let (_, a, b) = pair(Router::new().fallback(shown)).await;
    let mut request = Request::post("/live/send?session=b.1&x=%20")
        .header(header::HOST, "chat.test:81")
        .header(header::ORIGIN, "https://chat.test")
        .header(header::COOKIE, "a=1")
        .header(header::COOKIE, "b=2")
        .header("x-forwarded-for", "203.0.113.7")
        .header("x-bytes", HeaderValue::from_bytes(b"\xff\xe9").unwrap())
        .header(header::CONNECTION, "keep-alive, close")
        .header("keep-alive", "timeout=5")
        .header(header::TRANSFER_ENCODING, "chunked")
        .header(header::TE, "gzip")
        .header(header::EXPECT, "100-continue")
        .body(Body::from("hello"))
        .unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([203, 0, 113, 9], 1234))));
    request.extensions_mut().insert(OriginalUri("/app/live/send?session=b.1&x=%20".parse().unwrap()));
    let answer = text(a.forward(request).await.unwrap()).await;
    assert_eq!(
        answer,
        "POST /live/send?session=b.1&x=%20 HTTP/1.1 Some(\"203.0.113.9:1234\") \
         Some(\"/app/live/send?session=b.1&x=%20\") content-length=5 cookie=a=1 cookie=b=2 host=chat.test:81 \
         origin=https://chat.test x-bytes=\\xff\\xe9 x-forwarded-for=203.0.113.7 hello"
    );
    assert_eq!((a.links.figures().forwarded, b.links.figures().served), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_request_lacks_is_not_made_up() {
    let (_, a, _b) = pair(Router::new().fallback(shown)).await;
    assert_eq!(text(a.forward(get("/x")).await.unwrap()).await, "GET /x HTTP/1.1 None Some(\"/x\")  ");
    let mut old = get("/x");
    *old.version_mut() = Version::HTTP_10;
    assert!(text(a.forward(old).await.unwrap()).await.starts_with("GET /x HTTP/1.0 None"));
    // Over HTTP/2 the host is part of the URI.
    let mut new = get("https://chat.test/x?y");
    *new.version_mut() = Version::HTTP_2;
    let answer = text(a.forward(new).await.unwrap()).await;
    assert_eq!(answer, "GET /x?y HTTP/2.0 None Some(\"/x?y\") host=chat.test ");
}

#[tokio::test(start_paused = true)]
async fn nobody_can_fake_what_nodes_say() {
    let (_, a, _b) = pair(Router::new().fallback(shown)).await;
    let names = ["mount", "host", "client", "original", "http", "hops", "refused", "moved"];
    let request = names.iter().fold(Request::get("/x"), |request, name| {
        request.header(format!("anywire-{name}"), "9").header(format!("Anywire-{name}"), "10.0.0.1:80")
    });
    let answer = text(a.forward(request.body(Body::empty()).unwrap()).await.unwrap()).await;
    assert_eq!(answer, "GET /x HTTP/1.1 None Some(\"/x\")  ");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_passed_on_as_it_is() {
    let router = Router::new().fallback(|| async {
        Response::builder()
            .status(418)
            .header(header::SET_COOKIE, "a=1")
            .header(header::SET_COOKIE, "b=2")
            .header("x-bytes", HeaderValue::from_bytes(b"\xff").unwrap())
            .header(header::CONNECTION, "close")
            .header("keep-alive", "timeout=5")
            .body(Body::from("tea"))
            .unwrap()
    });
    let (_, a, _b) = pair(router).await;
    let answer = a.forward(get("/")).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::IM_A_TEAPOT, Version::HTTP_11));
    let mut headers: Vec<_> = answer.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    headers.sort_unstable();
    let expected: [(&str, &[u8]); 4] =
        [("content-length", b"3"), ("set-cookie", b"a=1"), ("set-cookie", b"b=2"), ("x-bytes", b"\xff")];
    assert_eq!(headers, expected);
    assert_eq!(text(answer).await, "tea");
}

#[tokio::test(start_paused = true)]
async fn a_head_request_and_an_empty_answer() {
    let (_, a, _b) = pair(Router::new().fallback(|| async { StatusCode::NO_CONTENT })).await;
    let request = Request::builder().method(Method::HEAD).uri("/").body(Body::empty()).unwrap();
    let answer = a.forward(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(answer).await, "");
}

/// All wait at the same time, and few connections carry them.
#[tokio::test(start_paused = true)]
async fn a_thousand_requests_wait_at_once() {
    const REQUESTS: usize = 1000;
    let together = Arc::new(Barrier::new(REQUESTS));
    let waiting = together.clone();
    let router = Router::new().fallback(move |request: Request| {
        let together = waiting.clone();
        async move {
            together.wait().await;
            request.uri().path().to_owned()
        }
    });
    let (net, a, b) = pair(router).await;
    let mut requests = Vec::new();
    for n in 0..REQUESTS {
        requests.push(tokio::spawn(a.links.forward("b", "m", get(&format!("/{n}")))));
        if n % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for (n, request) in requests.into_iter().enumerate() {
        assert_eq!(text(request.await.unwrap().unwrap()).await, format!("/{n}"));
    }
    assert_eq!(net.connections.load(Relaxed), 4);
    assert_eq!(b.links.figures().served, REQUESTS as u64);
}

/// A request that comes to a node whose session has moved may be forwarded once more, and not for ever.
#[tokio::test(start_paused = true)]
async fn a_loop_of_nodes_ends() {
    let net = Net::new();
    let nodes = Arc::new(tokio::sync::OnceCell::<Vec<Node>>::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let mut made = Vec::new();
    for (name, other) in [("a", "b"), ("b", "a")] {
        let mut node = Node::new(&net, name, made.len() as u64 + 1).await;
        let (nodes, calls, here) = (nodes.clone(), calls.clone(), made.len());
        node.serve(Router::new().fallback(move |request: Request| {
            let (nodes, calls) = (nodes.clone(), calls.clone());
            async move {
                calls.fetch_add(1, Relaxed);
                let forwarded = nodes.get().unwrap()[here].links.forward(other, "m", request).await;
                forwarded.unwrap_or_else(|reason| Response::new(Body::from(reason.to_string())))
            }
        }));
        made.push(node);
    }
    made[0].knows(&[&made[1]]);
    made[1].knows(&[&made[0]]);
    nodes.set(made).ok().unwrap();
    let answer = nodes.get().unwrap()[0].forward(get("/")).await.unwrap();
    assert_eq!(text(answer).await, reason::UNREACHABLE.to_string());
    assert_eq!(calls.load(Relaxed), 3, "the node that was named first, and those that the session has moved to");
}

#[tokio::test(start_paused = true)]
async fn the_node_to_which_a_session_has_moved_is_told_to_nodes_alone() {
    let serve = || async {
        let mut answer = Response::new(Body::from("answer"));
        answer.extensions_mut().insert(MovedTo("c".to_owned()));
        answer
    };
    let (_, a, _b) = pair(Router::new().fallback(serve)).await;
    let answer = a.forward(get("/")).await.unwrap();
    assert_eq!(answer.extensions().get(), Some(&MovedTo("c".to_owned())));
    assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("anywire")));
    assert_eq!(text(answer).await, "answer");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_points_to_its_own_node_ends() {
    let (_, a, _b) = pair(Router::new()).await;
    a.knows(&[]);
    let links = a.links.clone();
    let mut a = a;
    let own = links.clone();
    a.serve(Router::new().fallback(move |request: Request| {
        let answer = own.forward("a", "m", request);
        async { answer.await.unwrap_or_else(|reason| Response::new(Body::from(reason.to_string()))) }
    }));
    let answer = links.forward("a", "m", get("/")).await.unwrap();
    assert_eq!(text(answer).await, reason::UNREACHABLE.to_string());
}

#[tokio::test(start_paused = true)]
async fn routes_that_are_gone_are_not_asked() {
    let (_, a, mut b) = pair(Router::new().fallback(|| async { "first" })).await;
    b.serve(Router::new().fallback(|| async { "second" }));
    assert_eq!(text(a.forward(get("/")).await.unwrap()).await, "first", "the first that lives answers");
    assert_eq!(a.links.forward("b", "other", get("/")).await.unwrap_err(), reason::UNREACHABLE);
    b.unmount();
    assert_eq!(a.forward(get("/")).await.unwrap_err(), reason::UNREACHABLE);
    b.serve(Router::new().fallback(|| async { "third" }));
    assert_eq!(text(a.forward(get("/")).await.unwrap()).await, "third");
}
