//! Requests and answers that leave in one write.

use std::{cell::Cell, future::poll_fn, sync::atomic::Ordering::Relaxed};

use axum::{Router, body::Body, extract::Request, response::Response};
use futures::future::join_all;
use tokio::task::yield_now;

use super::{
    super::turn::Gathering,
    lab::{Net, Node, pair, text},
};

/// Two nodes that have a connection, and have said all that is said at its beginning.
async fn connected() -> (Net, Node, Node) {
    let (net, a, b) =
        pair(Router::new().fallback(|request: Request| async { Response::new(request.into_body()) })).await;
    assert_eq!(text(a.forward(post("first")).await.unwrap()).await, "first");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    (net, a, b)
}

fn post(body: &str) -> Request {
    Request::post("/").body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_head_and_the_body_of_a_request_leave_in_one_write_and_those_of_its_answer_too() {
    let (net, a, _b) = connected().await;
    let before = net.writes.load(Relaxed);
    assert_eq!(text(a.forward(post("one")).await.unwrap()).await, "one");
    assert_eq!(net.writes.load(Relaxed) - before, 2);
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_together_leave_in_one_write_and_their_answers_too() {
    let (net, a, _b) = connected().await;
    let before = net.writes.load(Relaxed);
    let answers = join_all((0..16).map(|number| {
        let forwarded = a.forward(post(&number.to_string()));
        async { text(forwarded.await.unwrap()).await }
    }));
    let expected: Vec<String> = (0..16).map(|number| number.to_string()).collect();
    assert_eq!(answers.await, expected);
    assert_eq!(net.writes.load(Relaxed) - before, 2);
}

/// The length that something has when it leaves, which grows in this number of turns.
async fn left_at(grows: usize) -> usize {
    let length = Cell::new(1);
    let growing = async {
        for _ in 0..grows {
            length.set(length.get() + 1);
            yield_now().await;
        }
        std::future::pending().await
    };
    let mut gathering = Gathering::new();
    tokio::select! {
        biased;
        () = growing => unreachable!(),
        () = poll_fn(|cx| gathering.poll(length.get(), cx)) => length.get(),
    }
}

#[tokio::test]
async fn what_grows_leaves_when_it_grows_no_more_or_after_four_turns() {
    assert_eq!((left_at(0).await, left_at(1).await, left_at(3).await), (1, 2, 4));
    // Two at the first look, and one in each turn behind it.
    assert_eq!(left_at(1_000).await, 2 + 4);
}
