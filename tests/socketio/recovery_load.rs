//! Many clients that come back, and one that is cut often.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use anywire::{Args, Live};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    builder,
    client::Client,
    recovery::{Opened, away, events, house, serve, settings, socket},
    recovery_page::Page,
    support::{Site, until},
};

/// Sends numbered events of all kinds to the room and to its only member until it is told to end. Returns how many.
async fn load(live: Live, ends: Arc<AtomicBool>) -> u64 {
    let mut number = 0;
    let session = live.sessions().remove(0);
    while !ends.load(SeqCst) {
        for _ in 0..3 {
            let bytes = Bytes::from(vec![(number % 256) as u8; 3]);
            match number % 5 {
                0 => drop(live.to("room").emit("n", number)),
                1 => drop(session.try_emit("n", number)),
                2 => drop(live.to("room").emit("n", Args((number, bytes, "a text")))),
                3 => drop(session.try_emit("n", Args((number, bytes)))),
                _ => drop(live.all().emit("n", Args((number, "Q8W7j0d")))),
            }
            number += 1;
            // It may be skipped, and is then counted for nothing.
            live.to("room").droppable().emit("volatile", "a text");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    number
}

/// The numbers that a page has heard, whose other values are what they were.
fn numbers(heard: &[Value]) -> Vec<u64> {
    let numbered = heard.iter().filter(|event| event[0] == "n");
    numbered
        .map(|event| {
            let number = event[1].as_u64().unwrap();
            let bytes = vec![(number % 256) as u8; 3];
            let expected = match number % 5 {
                0 | 1 => json!(["n", number]),
                2 => json!(["n", number, bytes, "a text"]),
                3 => json!(["n", number, bytes]),
                _ => json!(["n", number, "Q8W7j0d"]),
            };
            assert_eq!(*event, expected);
            number
        })
        .collect()
}

/// Cuts a page so often under load. Where it recovers nothing is lost, repeated or out of order.
async fn cut_often(live: Live, client: Client, most_away: u64) -> usize {
    let mut page = Page::new(&client);
    page.connect().await;
    let ends = Arc::new(AtomicBool::new(false));
    let mut sends = tokio::spawn(load(live.clone(), ends.clone()));
    let (mut expected, mut recovered) = (0, 0);
    for round in 0..50_u64 {
        // It breaks wherever it is: between two events, or within one of several messages.
        for _ in 0..round * 7 % 13 {
            page.hear().await;
        }
        page.cut();
        tokio::time::sleep(Duration::from_millis(round * 31 % most_away)).await;
        page.connect().await;
        if page.recovered {
            recovered += 1;
            continue;
        }
        // The events up to the cut are in order, and the page knows that more may be missing.
        let heard = numbers(&page.heard);
        assert_eq!(heard, (expected..expected + heard.len() as u64).collect::<Vec<_>>());
        page.heard.clear();
        // The former session, to which the load was sent, is over.
        ends.store(true, SeqCst);
        sends.await.unwrap();
        until("the former session is over", || live.len() == 1).await;
        ends.store(false, SeqCst);
        sends = tokio::spawn(load(live.clone(), ends.clone()));
        expected = 0;
    }
    ends.store(true, SeqCst);
    let sent = sends.await.unwrap();
    while numbers(&page.heard).last() != sent.checked_sub(1).as_ref() {
        page.hear().await;
    }
    assert_eq!(numbers(&page.heard), (expected..sent).collect::<Vec<_>>());
    recovered
}

#[tokio::test]
async fn a_page_that_is_cut_fifty_times_under_load_loses_nothing() {
    let server = builder().events(events()).build();
    let router = serve(&server, settings().recovery_log(100_000, 1 << 24));
    let client = Client::new(Site::socket(router).await, 4);
    assert_eq!(cut_often(server.live(), client, 40).await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_that_are_cut_at_the_same_time_lose_nothing() {
    const PAGES: usize = 6;
    const ROUNDS: u64 = 30;
    let server = builder().events(events()).build();
    let router = serve(&server, settings().recovery_log(100_000, 1 << 24));
    let client = Client::new(Site::socket(router).await, 4);
    let live = server.live();
    let mut pages = Vec::new();
    for _ in 0..PAGES {
        let mut page = Page::new(&client);
        page.connect().await;
        pages.push(page);
    }
    let ends = Arc::new(AtomicBool::new(false));
    let sends = tokio::spawn({
        let (live, ends) = (live.clone(), ends.clone());
        async move {
            let mut number = 0_u64;
            while !ends.load(SeqCst) {
                live.to("room").emit("n", number);
                number += 1;
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
            number
        }
    });
    let cut = |mut page: Page, seed: u64| async move {
        for round in 0..ROUNDS {
            for _ in 0..(round * 7 + seed * 3) % 11 {
                page.hear().await;
            }
            if (round + seed).is_multiple_of(3) {
                page.lose()
            } else {
                page.cut()
            }
            page.connect().await;
            assert!(page.recovered, "round {round} of page {seed}");
        }
        page
    };
    let cutting: Vec<_> = pages.into_iter().zip(0..).map(|(page, seed)| tokio::spawn(cut(page, seed))).collect();
    let mut pages = Vec::new();
    for page in cutting {
        pages.push(page.await.unwrap());
    }
    ends.store(true, SeqCst);
    let sent = sends.await.unwrap();
    for mut page in pages {
        while page.heard.len() < usize::try_from(sent).unwrap() {
            page.hear().await;
        }
        let numbers: Vec<u64> = page.heard.iter().map(|event| event[1].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..sent).collect::<Vec<_>>());
    }
    until("the former sessions are over", || live.len() == PAGES).await;
    assert_eq!(live.members("room").len(), PAGES);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_away_for_too_much_is_told() {
    let server = builder().events(events()).build();
    let client = Client::of_router(serve(&server, settings().recovery_log(100, 1 << 16)), 4);
    let recovered = cut_often(server.live(), client, 60).await;
    assert!((10..40).contains(&recovered), "{recovered} of 50");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_that_wait_are_small() {
    const COUNT: usize = 10_000;
    const EVENTS: usize = 50;
    let (live, client) = house();
    let before = live.stats();
    assert_eq!((before.parked, before.bytes), (0, 0));
    let all = parked(&client, COUNT).await;
    away(&live).await;
    let quiet = live.stats();
    assert_eq!((quiet.parked, quiet.interrupted), (COUNT, COUNT));
    // An event that all miss is held once.
    live.to("room").emit("news", "x".repeat(10_000));
    let shared = live.stats().bytes - quiet.bytes;
    assert!(shared < 30_000, "{shared} bytes for one event");
    for number in 0..EVENTS {
        live.to("room").emit("news", number);
    }
    let after = live.stats().bytes;
    let each = (after - quiet.bytes) / COUNT;
    // A session is counted anew when it has changed by 4 KiB.
    assert!((EVENTS * 128 - 4096..EVENTS * 128 + 4096).contains(&each), "{each} bytes for {EVENTS} events");
    // Some come back, and have missed nothing.
    for opened in all.iter().step_by(1000) {
        let mut back = socket(&client).await;
        back.say(&opened.claim("/", None)).await;
        back.recovers(opened, "/").await;
        let first = back.text().await;
        assert!(first.starts_with("42[\"news\",\"xxx"), "{}", &first[..20]);
        for number in 0..EVENTS {
            back.hears_event(&format!("42[\"news\",{number}")).await;
        }
        back.say("41").await;
        back.is_quiet().await;
    }
    tokio::time::sleep(Duration::from_secs(121)).await;
    until("all are gone", || live.is_empty()).await;
    let last = live.stats();
    assert_eq!((last.parked, last.bytes), (0, 0));
    assert_eq!((last.recovered_total, last.not_recovered_total), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_give_way_when_memory_is_short() {
    const LIMIT: usize = 4 << 20;
    let server = builder().max_bytes(LIMIT).max_sessions(1000).events(events()).build();
    let (live, client) = (server.live(), Client::of_router(serve(&server, settings()), 4));
    let mut honest = socket(&client).await;
    honest.joins("/").await;
    let mut all = parked(&client, 200).await;
    until("all others are away", || live.stats().parked == 200).await;
    let sessions: Vec<_> = live.sessions().into_iter().filter(|session| !session.is_connected()).collect();
    let mut most = 0;
    for round in 0..60 {
        for session in &sessions {
            // One that is over takes no more.
            let _ = session.try_emit("own", "x".repeat(1000));
        }
        live.to("room").emit("news", round);
        honest.hears_event(&format!("42[\"news\",{round}")).await;
        most = most.max(live.stats().bytes);
    }
    // Each may hold 64 KiB: 12 MiB in all.
    assert!(most < LIMIT + LIMIT / 4, "{most}");
    let stats = live.stats();
    assert!(stats.evicted_total > 50 && stats.parked > 20, "{stats:?}");
    // Some more end, so that there is room for a new connection.
    let last = all.pop().unwrap();
    for session in sessions.iter().filter(|session| *session.id().as_str() != last.sid) {
        if live.stats().bytes > LIMIT / 4 * 3 {
            session.close(1000, "");
        }
    }
    // The oldest have ended.
    let first = all.remove(0);
    let mut back = socket(&client).await;
    back.say(&first.claim("/", None)).await;
    back.starts_anew(&first, "/").await;
    let mut back = socket(&client).await;
    back.say(&last.claim("/", None)).await;
    back.recovers(&last, "/").await;
    for round in 0..60 {
        let own = back.text().await;
        assert!(own.starts_with("42[\"own\",\"xxx"), "{round}: {}", &own[..20]);
        back.hears_event(&format!("42[\"news\",{round}")).await;
    }
}

/// Opens so many clients, and cuts them all.
async fn parked(client: &Client, count: usize) -> Vec<Opened> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut socket = socket(client).await;
        socket.say("40").await;
        all.push(Opened::read(&socket.text().await, "/"));
    }
    all
}
