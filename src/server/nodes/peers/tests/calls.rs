//! Short requests, which share a stream.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request},
    http::header,
    response::{IntoResponse, Response},
    routing::{any, get as route, post},
};
use futures::{FutureExt, StreamExt};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use super::lab::{Weather, get, pair, text};
use crate::{server::other_nodes::MovedTo, session::reason};

/// A request with a body whose length is known, and that comes chunk by chunk.
fn with_body(
    path: &str,
    length: usize,
    chunks: impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
) -> Request {
    let body = Sized { left: length as u64, body: Body::from_stream(chunks) };
    Request::post(path).header(header::CONTENT_LENGTH, length).body(Body::new(body)).unwrap()
}

/// A body that tells its length.
struct Sized {
    left: u64,
    body: Body,
}

impl axum::body::HttpBody for Sized {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(std::pin::Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.left -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        std::task::Poll::Ready(frame)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }
}

#[tokio::test(start_paused = true)]
async fn many_calls_share_a_stream_and_each_gets_its_answer() {
    let router = Router::new().route(
        "/{number}",
        post(|Path(number): Path<u64>, body: String| async move {
            sleep(Duration::from_millis(number * 7919 % 100)).await;
            format!("{number} {body}")
        }),
    );
    let (net, a, b) = pair(router).await;
    text(a.forward(Request::post("/0").body(Body::from("first")).unwrap()).await.unwrap()).await;
    let writes = net.writes.load(Relaxed);
    let answers = futures::future::join_all((0..200).map(async |number| {
        let request = Request::post(format!("/{number}")).body(Body::from(format!("body {number}"))).unwrap();
        assert_eq!(text(a.forward(request).await.unwrap()).await, format!("{number} body {number}"));
    }));
    answers.await;
    assert_eq!((a.links.figures().calls, b.links.figures().served), (201, 201));
    // They leave together, and so do the answers of each millisecond.
    let writes = net.writes.load(Relaxed) - writes;
    assert!(writes <= 120, "{writes} writes");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_long_or_late_has_a_stream() {
    let (_, a, b) = pair(Router::new().fallback(|body: String| async move { body })).await;
    let long = "x".repeat(16 * 1024 + 1);
    let answer = a.forward(Request::post("/").body(Body::from(long.clone())).unwrap()).await.unwrap();
    assert_eq!(text(answer).await, long);
    let late = futures::stream::iter(["one ", "two"]).then(async |text| {
        sleep(Duration::from_secs(1)).await;
        Ok(Bytes::from(text))
    });
    assert_eq!(text(a.forward(with_body("/", 7, late)).await.unwrap()).await, "one two");
    let parts = futures::stream::iter(["one ", "two"].map(|text| Ok(Bytes::from(text))));
    assert_eq!(text(a.forward(with_body("/", 7, parts)).await.unwrap()).await, "one two");
    let whole = futures::stream::iter([Ok(Bytes::from("one two"))]);
    assert_eq!(text(a.forward(with_body("/", 7, whole)).await.unwrap()).await, "one two");
    let figures = a.links.figures();
    assert_eq!((figures.calls, figures.forwarded, b.links.figures().served), (1, 4, 4));
    let broken = futures::stream::iter([Err(std::io::ErrorKind::BrokenPipe.into())]);
    assert_eq!(a.forward(with_body("/", 7, broken)).await.unwrap_err(), reason::BODY_BROKEN);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_long_or_goes_on_is_asked_for() {
    let (sender, receiver) = mpsc::channel::<&'static str>(9);
    let receiver = Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let router = Router::new()
        .route(
            "/stream",
            route(async move || {
                let receiver = receiver.lock().await.take().unwrap();
                let chunks = futures::stream::unfold(receiver, async |mut receiver| {
                    Some((Ok::<_, std::io::Error>(receiver.recv().await?), receiver))
                });
                let mut answer = Response::new(Body::from_stream(chunks));
                answer.extensions_mut().insert(MovedTo("c".to_owned()));
                answer
            }),
        )
        .route("/long", route(|| async { "y".repeat(1 << 20) }));
    let (_, a, b) = pair(router).await;
    let long = a.forward(get("/long")).await.unwrap();
    assert_eq!(long.headers()[header::CONTENT_LENGTH], "1048576");
    assert_eq!(text(long).await, "y".repeat(1 << 20));
    let answer = a.forward(get("/stream")).await.unwrap();
    assert_eq!(answer.extensions().get::<MovedTo>().unwrap().0, "c");
    let mut body = answer.into_body().into_data_stream();
    for chunk in ["one", "two"] {
        sender.send(chunk).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), chunk);
    }
    // The other node learns that nobody reads on.
    drop(body);
    sender.closed().await;
    assert_eq!((a.links.figures().calls, b.links.figures().served), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_asks_for_is_not_kept() {
    let (sender, receiver) = mpsc::channel::<&'static str>(9);
    let receiver = Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let stream = async move || {
        let receiver = receiver.lock().await.take().unwrap();
        let chunks = futures::stream::unfold(receiver, async |mut receiver| {
            Some((Ok::<_, std::io::Error>(receiver.recv().await?), receiver))
        });
        Response::new(Body::from_stream(chunks))
    };
    let (_, a, _b) = pair(Router::new().route("/", route(async || "first")).route("/stream", route(stream))).await;
    assert_eq!(text(a.forward(get("/")).await.unwrap()).await, "first");
    let mut asks = Box::pin(a.forward(get("/stream")));
    assert!(asks.as_mut().now_or_never().is_none());
    // The answer comes, and its client is gone before it is looked at.
    sleep(Duration::from_secs(1)).await;
    drop(asks);
    timeout(Duration::from_secs(9), sender.closed()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_waits_for_ends() {
    let begun = Arc::new(Notify::new());
    let (ended, mut has_ended) = mpsc::channel::<()>(1);
    let router = Router::new().fallback({
        let begun = begun.clone();
        move || {
            let (begun, ended) = (begun.clone(), ended.clone());
            async move {
                let _ended = ended;
                begun.notify_one();
                std::future::pending::<()>().await;
            }
        }
    });
    let (_, a, mut b) = pair(router).await;
    {
        let waits = a.forward(get("/"));
        tokio::select! {
            _ = waits => panic!("it is answered"),
            () = begun.notified() => {}
        }
    }
    // The router has a sender too.
    b.unmount();
    assert!(has_ended.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_at_once_begins_and_ends() {
    let (begins, mut begun) = mpsc::unbounded_channel();
    let poll = async move || {
        // It is dropped as it ends, and the receiver sees that.
        let (_ends, ended) = tokio::sync::oneshot::channel::<()>();
        begins.send(ended).unwrap();
        std::future::pending::<()>().await;
    };
    let (_, a, _b) = pair(Router::new().route("/", route(async || "first")).route("/poll", route(poll))).await;
    assert_eq!(text(a.forward(get("/")).await.unwrap()).await, "first");
    assert!(a.forward(get("/poll")).now_or_never().is_none());
    let ended = timeout(Duration::from_secs(9), begun.recv()).await.unwrap().unwrap();
    assert!(timeout(Duration::from_secs(9), ended).await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn calls_end_with_their_connection_and_others_follow_on_the_next() {
    let tries = Arc::new(AtomicUsize::new(0));
    let router = Router::new().fallback({
        let tries = tries.clone();
        move || {
            let number = tries.fetch_add(1, Relaxed);
            async move {
                if number < 3 {
                    std::future::pending::<()>().await;
                }
                number.to_string()
            }
        }
    });
    let (net, a, _b) = pair(router).await;
    let three = futures::future::join_all((0..3).map(|_| a.forward(get("/"))));
    let cut = async {
        while tries.load(Relaxed) < 3 {
            sleep(Duration::from_millis(1)).await;
        }
        net.weather(Weather::Broken);
    };
    let (answers, ()) = tokio::join!(three, cut);
    for answer in answers {
        assert_eq!(answer.unwrap_err(), reason::UNREACHABLE);
    }
    net.weather(Weather::Fine);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(text(a.forward(get("/")).await.unwrap()).await, "3");
    assert_eq!(a.links.figures().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_panics_ends_its_own_call_alone() {
    let router = Router::new().route("/panic", any(|| async { panic!("a test does so") as () })).route(
        "/slow",
        route(|| async {
            sleep(Duration::from_secs(1)).await;
            "slow".into_response()
        }),
    );
    let (_, a, _b) = pair(router).await;
    let (slow, panics) = tokio::join!(a.forward(get("/slow")), async {
        sleep(Duration::from_millis(500)).await;
        a.forward(get("/panic")).await
    });
    assert_eq!(panics.unwrap_err(), reason::UNREACHABLE);
    assert_eq!(text(slow.unwrap()).await, "slow");
}
