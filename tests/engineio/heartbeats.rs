//! The times of heartbeats, exactly, on a clock that the tests move.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::client::{Client, ending, sid_of};

fn at(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn who_does_not_poll_is_gone_at_the_end_of_interval_and_timeout() {
    for revision in [4, 3] {
        for (wait, status) in [(499, 200), (504, 400)] {
            let client = Client::quick(revision);
            let start = Instant::now();
            let sid = client.open().await;
            sleep_until(at(start, wait)).await;
            assert_eq!(client.post(&sid, client.payload(&["4x"])).await.status, status, "{revision} {wait}");
            if status == 400 {
                client.poll(&sid).await.is(400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pings_keep_their_cadence_under_traffic() {
    let client = Client::quick(4);
    let mut start = Instant::now();
    let sid = client.open().await;
    for _ in 0..5 {
        for millis in [100, 200, 290] {
            sleep_until(at(start, millis)).await;
            client.say(&sid, &["4traffic"]).await;
            client.hear(&sid, &["4traffic"]).await;
        }
        client.hear(&sid, &["2"]).await;
        let waited = start.elapsed().as_millis();
        assert!((300..=304).contains(&waited), "{waited}");
        client.say(&sid, &["3"]).await;
        start = Instant::now();
    }

    let mut start = Instant::now();
    let mut socket = client.socket().await;
    sid_of(&socket.text().await);
    for _ in 0..5 {
        sleep_until(at(start, 290)).await;
        socket.say("4traffic").await;
        socket.hears("4traffic").await;
        socket.hears("2").await;
        let waited = start.elapsed().as_millis();
        assert!((300..=304).contains(&waited), "{waited}");
        socket.say("3").await;
        socket.say("4taken").await;
        socket.hears("4taken").await;
        start = Instant::now();
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_is_not_answered_ends_the_session_on_each_transport() {
    let client = Client::quick(4);
    let start = Instant::now();
    let sid = client.open().await;
    client.hear(&sid, &["2"]).await;
    client.say(&sid, &["4no answer"]).await;
    client.hear(&sid, &["4no answer"]).await;
    client.hear(&sid, &["1"]).await;
    let waited = start.elapsed().as_millis();
    assert!((500..=508).contains(&waited), "{waited}");

    let start = Instant::now();
    let mut socket = client.socket().await;
    sid_of(&socket.text().await);
    socket.hears("2").await;
    socket.is_closed().await;
    let waited = start.elapsed().as_millis();
    assert!((500..=508).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn only_pings_keep_a_session_of_revision_3() {
    let client = Client::quick(3);
    let start = Instant::now();
    let sid = client.open().await;
    sleep_until(at(start, 400)).await;
    client.say(&sid, &["2"]).await;
    client.hear(&sid, &["3"]).await;
    sleep_until(at(start, 800)).await;
    client.say(&sid, &["4traffic"]).await;
    client.hear(&sid, &["4traffic"]).await;
    client.hear(&sid, &["1"]).await;
    let waited = start.elapsed().as_millis();
    assert!((900..=908).contains(&waited), "{waited}");
}

#[tokio::test]
async fn a_ping_in_the_wrong_direction_ends_the_session() {
    let (server, mut ends) = ending();
    for (revision, wrong) in [(4, "2"), (3, "3")] {
        let client = Client::quick_of(&server, revision);
        let sid = client.open().await;
        client.post(&sid, client.payload(&[wrong])).await.is(400, "");
        assert_eq!(client.poll(&sid).await.status, 400);
        let mut socket = client.socket().await;
        sid_of(&socket.text().await);
        socket.say(wrong).await;
        socket.is_closed().await;
        for _ in 0..2 {
            assert_eq!(ends.recv().await, Some((4004, "invalid heartbeat direction".to_owned())));
        }
    }
}
