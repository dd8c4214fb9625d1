//! Bodies are passed on as they come, and no more of them than somebody takes.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    response::Response,
};
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::{
    super::settings::WINDOW,
    lab::{get, pair, text},
};

/// A body of one channel, for one request.
fn channel() -> (mpsc::Sender<Result<Bytes, std::io::Error>>, Body) {
    let (sender, mut chunks) = mpsc::channel(1);
    (sender, Body::from_stream(stream::poll_fn(move |cx| chunks.poll_recv(cx))))
}

fn once(body: Body) -> Router {
    let body = Arc::new(Mutex::new(Some(body)));
    Router::new().fallback(move || {
        let body = body.lock().unwrap().take().unwrap();
        async { Response::new(body) }
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_chunk_by_chunk() {
    let (sender, body) = channel();
    let (_, a, _b) = pair(once(body)).await;
    let answer = a.forward(get("/")).await.unwrap();
    let mut chunks = answer.into_body().into_data_stream();
    for chunk in ["one", "two", "three"] {
        sender.send(Ok(Bytes::from(chunk))).await.unwrap();
        // The next one is not sent before this one is here.
        assert_eq!(chunks.next().await.unwrap().unwrap(), chunk);
    }
    drop(sender);
    assert!(chunks.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_while_its_body_comes() {
    let echo = Router::new().fallback(|request: Request| async { Response::new(request.into_body()) });
    let (_, a, _b) = pair(echo).await;
    let (sender, body) = channel();
    let answer = a.forward(Request::post("/").body(body).unwrap()).await.unwrap();
    let mut chunks = answer.into_body().into_data_stream();
    for chunk in ["one", "two", "three"] {
        sender.send(Ok(Bytes::from(chunk))).await.unwrap();
        assert_eq!(chunks.next().await.unwrap().unwrap(), chunk);
    }
    drop(sender);
    assert!(chunks.next().await.is_none());
}

/// Chunks of 4 KiB without an end. It counts those that were asked for.
fn endless(taken: &Arc<AtomicUsize>) -> Body {
    let taken = taken.clone();
    Body::from_stream(stream::repeat_with(move || {
        taken.fetch_add(4096, Relaxed);
        Ok::<_, std::io::Error>(Bytes::from_static(&[7; 4096]))
    }))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_bounds_what_is_sent_and_holds_nobody_up() {
    const SLOW: usize = 1000;
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    let router = Router::new()
        .route(
            "/slow",
            axum::routing::get(move || {
                let body = endless(&counted);
                async { Response::new(body) }
            }),
        )
        .route("/quick", axum::routing::get(|| async { "quick" }));
    let (_, a, _b) = pair(router).await;
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        slow.push(a.forward(get("/slow")).await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let each = taken.load(Relaxed) / SLOW;
    assert!(each >= WINDOW as usize && each <= 3 * WINDOW as usize, "{each} bytes for each slow client");
    // The windows of a thousand slow clients are full, and others are served over the same connections.
    assert_eq!(text(a.forward(get("/quick")).await.unwrap()).await, "quick");
    // A client that takes gets more.
    let mut chunks = slow.remove(0).into_body().into_data_stream();
    let mut got = 0;
    while got < 10 * WINDOW as usize {
        got += chunks.next().await.unwrap().unwrap().len();
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_nothing_bounds_what_it_is_sent() {
    let router = Router::new().fallback(|request: Request| async move {
        // It keeps the body and does not read it.
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(request);
    });
    let (_, a, _b) = pair(router).await;
    let taken = Arc::new(AtomicUsize::new(0));
    a.forward(Request::post("/").body(endless(&taken)).unwrap()).await.unwrap();
    let taken = taken.load(Relaxed);
    assert!(taken >= WINDOW as usize && taken <= 3 * WINDOW as usize, "{taken} bytes");
}

/// A body that tells when it is dropped.
struct Told(Arc<AtomicBool>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Stream for Told {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}

async fn until(flag: &AtomicBool) {
    tokio::time::timeout(Duration::from_secs(1), async {
        while !flag.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("the other node learns of it at once");
}

#[tokio::test(start_paused = true)]
async fn when_a_client_goes_the_other_node_ends_its_stream() {
    let gone = Arc::new(AtomicBool::new(false));
    let (_, a, _b) = pair(once(Body::from_stream(Told(gone.clone())))).await;
    let answer = a.forward(get("/")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!gone.load(Relaxed));
    drop(answer);
    until(&gone).await;
}

#[tokio::test(start_paused = true)]
async fn when_a_client_goes_that_waits_the_other_node_ends_its_request() {
    let (gone, came) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (told, here) = (gone.clone(), came.clone());
    let router = Router::new().fallback(move || {
        let told = Told(told.clone());
        here.store(true, Relaxed);
        async move {
            std::future::pending::<()>().await;
            drop(told);
        }
    });
    let (_, a, _b) = pair(router).await;
    let request = tokio::spawn(a.links.forward("b", "m", get("/")));
    until(&came).await;
    assert!(!gone.load(Relaxed));
    request.abort();
    until(&gone).await;
}

/// Some servers take clients that give up for an attack, and end the connection of all.
#[tokio::test(start_paused = true)]
async fn clients_that_give_up_at_the_same_time_harm_nobody() {
    let router = Router::new().fallback(|request: Request| async move {
        if request.uri().path() != "/stays" {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        "stayed"
    });
    let (net, a, _b) = pair(router).await;
    let stays = tokio::spawn(a.links.forward("b", "m", get("/stays")));
    for _ in 0..3 {
        let requests: Vec<_> = (0..2000).map(|_| tokio::spawn(a.links.forward("b", "m", get("/gives-up")))).collect();
        tokio::time::sleep(Duration::from_millis(5)).await;
        requests.iter().for_each(tokio::task::JoinHandle::abort);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(text(stays.await.unwrap().unwrap()).await, "stayed");
    assert!(net.connections.load(Relaxed) <= 4);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_does_not_end_well() {
    let (sender, body) = channel();
    let (_, a, _b) = pair(once(body)).await;
    let answer = a.forward(get("/")).await.unwrap();
    sender.send(Ok(Bytes::from("half"))).await.unwrap();
    sender.send(Err(std::io::Error::other("broken"))).await.unwrap();
    let mut chunks = answer.into_body().into_data_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "half");
    assert!(chunks.next().await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_body_breaks_off_is_told_of_that_and_not_of_the_other_node() {
    let reads = Router::new().fallback(|request: Request| async {
        let read = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        assert!(read.is_err(), "{read:?}");
        Response::new(Body::empty())
    });
    let (_, a, _b) = pair(reads).await;
    let body = Body::from_stream(stream::iter([Ok(Bytes::from("half")), Err(std::io::Error::other("broken"))]));
    let refused = a.forward(Request::post("/").body(body).unwrap()).await.unwrap_err();
    assert_eq!(refused, crate::session::reason::BODY_BROKEN);
    assert_eq!(a.links.figures().unreachable, 0);
}
