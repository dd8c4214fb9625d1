//! A server that stops under its clients.

use std::time::Duration;

use anywire::{Events, Session};
use tokio::time::Instant;

use super::{
    builder,
    client::{Came, Client},
    join,
};

/// They come back by themselves when their connection ends, and not when their namespace does.
#[tokio::test(start_paused = true)]
async fn connections_end_one_after_the_other_and_namespaces_do_not() {
    const CLIENTS: usize = 40;
    let enter = async |session: Session| {
        session.join("room");
    };
    let server = builder().events(Events::new().on_open(enter)).build();
    let (live, client) = (server.live(), Client::of(&server, 4));
    let mut sockets = Vec::new();
    for _ in 0..CLIENTS {
        let mut socket = client.socket().await;
        assert!(socket.text().await.starts_with("0{"));
        join(&mut socket, "/").await;
        sockets.push(socket);
    }
    let start = Instant::now();
    let stops = tokio::spawn({
        let live = live.clone();
        async move { live.shutdown(Duration::from_secs(10)).await }
    });
    let tells = tokio::spawn(async move {
        for second in 1..=9 {
            tokio::time::sleep_until(start + Duration::from_secs(second)).await;
            live.to("room").emit("second", second);
        }
    });
    let ends = sockets.into_iter().map(|mut socket| async move {
        let mut seconds = 0u128;
        loop {
            match socket.next().await {
                Came::Text(text) => {
                    seconds += 1;
                    assert_eq!(text, format!("42[\"second\",{seconds}]"));
                }
                Came::Closed(_) => break,
                other => panic!("{other:?}"),
            }
        }
        let ended = start.elapsed().as_millis();
        // An event may cross the end.
        let told = [ended.saturating_sub(10) / 1000, (ended + 10) / 1000];
        assert!(told.contains(&seconds), "{seconds} at {ended}");
        ended
    });
    let mut ends = futures::future::join_all(ends).await;
    ends.sort_unstable();
    assert!(ends[0] < 3_000 && ends[CLIENTS - 1] > 7_000 && ends[CLIENTS - 1] <= 10_010, "{ends:?}");
    stops.await.unwrap();
    tells.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(11), "{:?}", start.elapsed());
}
