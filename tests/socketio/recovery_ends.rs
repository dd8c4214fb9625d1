//! Clients of Socket.IO 4 that come back, and that do not get what they had: what ends, what is bounded, and what is
//! claimed wrongly.

use std::time::Duration;

use anywire::SocketIo;

use super::{
    builder,
    client::Client,
    recovery::{Opened, TIME, away, events, house, house_of, serve, settings, socket},
    support::until,
};

#[tokio::test(start_paused = true)]
async fn what_cannot_be_found_is_told() {
    for offset in ["nonsense", "zzz", "0", "", "just a text"] {
        let (live, client) = house();
        let mut first = socket(&client).await;
        let opened = first.joins("/").await;
        live.to("room").emit("news", 1);
        let heard = first.hears_event("42[\"news\",1").await;
        drop(first);
        away(&live).await;
        let mut second = socket(&client).await;
        second.say(&opened.claim("/", Some(offset))).await;
        second.starts_anew(&opened, "/").await;
        until("the former session is over", || live.len() == 1 && live.members("room").len() == 1).await;
        // It is gone now, whatever is claimed.
        let mut third = socket(&client).await;
        third.say(&opened.claim("/", Some(&heard))).await;
        third.starts_anew(&opened, "/").await;
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_is_kept_is_not_recovered() {
    for (settings, lost) in [
        (settings().recovery_log(4, 1 << 16), 5),
        (settings().recovery_log(256, 75), 8),
        (settings().recovery_log(4, 1 << 16), 4),
        (settings().recovery_log(256, 80), 8),
    ] {
        let expected = lost == 4 || settings == super::recovery::settings().recovery_log(256, 80);
        let (live, client) = house_of(settings);
        let mut first = socket(&client).await;
        let opened = first.joins("/").await;
        live.to("room").emit("n", 100);
        let heard = first.hears_event("42[\"n\",100").await;
        drop(first);
        away(&live).await;
        for number in 101..101 + lost {
            live.to("room").emit("n", number);
        }
        let mut second = socket(&client).await;
        second.say(&opened.claim("/", Some(&heard))).await;
        if expected {
            second.recovers(&opened, "/").await;
            for number in 101..101 + lost {
                second.hears_event(&format!("42[\"n\",{number}")).await;
            }
        } else {
            second.starts_anew(&opened, "/").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_not_asked_for_ends_in_time() {
    let (live, client) = house();
    let mut first = socket(&client).await;
    let (root, adm) = (first.joins("/").await, first.joins("/adm").await);
    drop(first);
    away(&live).await;
    tokio::time::sleep(TIME / 2).await;
    let mut second = socket(&client).await;
    second.say(&root.claim("/", None)).await;
    second.recovers(&root, "/").await;
    let answers = async {
        loop {
            second.hears("2").await;
            second.say("3").await;
        }
    };
    tokio::select! {
        () = answers => unreachable!(),
        () = tokio::time::sleep(TIME / 2 - Duration::from_secs(1)) => {}
    }
    assert_eq!(live.of("/adm").len(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    until("it has ended", || live.of("/adm").is_empty()).await;
    assert_eq!(live.len(), 1, "the other one goes on");
    second.say(&adm.claim("/adm", None)).await;
    let anew = Opened::read(&second.text().await, "/adm");
    assert_ne!(anew.pid, adm.pid);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_come_back_is_gone_in_time() {
    let (live, client) = house();
    let mut first = socket(&client).await;
    let opened = first.joins("/").await;
    let session = live.sessions().remove(0);
    drop(first);
    away(&live).await;
    tokio::time::sleep(TIME - Duration::from_secs(1)).await;
    assert!(!session.is_closed() && live.members("room").len() == 1, "it counts as present");
    tokio::time::sleep(Duration::from_secs(2)).await;
    until("it is gone", || live.is_empty() && live.members("room").is_empty()).await;
    assert!(session.is_closed());
    let mut second = socket(&client).await;
    second.say(&opened.claim("/", None)).await;
    second.starts_anew(&opened, "/").await;
    assert!(live.stats().bytes < 10_000);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_or_breaks_the_rules_does_not_come_back() {
    for (says, closed) in [("41", false), ("4abc", true), ("42[\"leave\"]", false)] {
        let (live, client) = house();
        let mut first = socket(&client).await;
        let opened = first.joins("/").await;
        first.say(says).await;
        if says.starts_with("42") {
            first.hears("41").await;
        }
        if closed {
            first.is_closed().await;
        } else {
            first.is_quiet().await;
        }
        drop(first);
        until(says, || live.is_empty()).await;
        let mut second = socket(&client).await;
        second.say(&opened.claim("/", None)).await;
        second.starts_anew(&opened, "/").await;
    }
    // The server closes a session whose client is away.
    for root in [true, false] {
        let (live, client) = house();
        let mut first = socket(&client).await;
        let opened = first.joins("/").await;
        let session = live.sessions().remove(0);
        drop(first);
        away(&live).await;
        if root {
            session.root().close(1000, "")
        } else {
            session.close(1000, "")
        }
        until("it is over", || live.is_empty()).await;
        assert!(session.is_closed() && session.emit("late", ()).await.is_err());
        let mut second = socket(&client).await;
        second.say(&opened.claim("/", None)).await;
        second.starts_anew(&opened, "/").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_wrong_takes_nothing_from_anyone() {
    let (live, client) = house();
    let mut honest = socket(&client).await;
    let opened = honest.joins("/").await;
    let mut other = socket(&client).await;
    let theirs = other.joins("/").await;
    let (session, rest) = opened.pid.split_once('.').map(|(node, rest)| (node.to_owned(), rest.to_owned())).unwrap();
    let secret = opened.pid.rsplit('.').next().unwrap();
    let wrong = [
        // The secret of another session, none, a part of it, and more.
        format!("{}.{}", opened.pid.rsplit_once('.').unwrap().0, theirs.pid.rsplit('.').next().unwrap()),
        format!("{}.", opened.pid.rsplit_once('.').unwrap().0),
        opened.pid[..opened.pid.len() - 1].to_owned(),
        format!("{}0", opened.pid),
        opened.pid.to_uppercase(),
        // Another node, another channel, and no session.
        format!("elsewhere.{rest}"),
        format!("{session}.{}.2.{secret}", rest.split('.').next().unwrap()),
        format!("{session}.{}.0.{secret}", rest.split('.').next().unwrap()),
        format!("{session}.{}.1.{secret}", "0".repeat(32)),
        "nonsense".to_owned(),
        "x".repeat(100_000),
        format!("{}.1.{secret}", "x".repeat(100_000)),
    ];
    let mut claims: Vec<String> = wrong.iter().map(|pid| format!("40{{\"pid\":\"{pid}\"}}")).collect();
    claims.extend(
        ["{\"pid\":7}", "{\"pid\":null}", "{\"pid\":{}}", "{\"offset\":\"1\"}"].map(|data| format!("40{data}")),
    );
    for claim in claims {
        let mut stranger = socket(&client).await;
        stranger.say(&claim).await;
        stranger.starts_anew(&opened, "/").await;
        stranger.say("41").await;
    }
    // A namespace that it is not of.
    let mut stranger = socket(&client).await;
    stranger.say(&opened.claim("/adm", None)).await;
    stranger.starts_anew(&opened, "/adm").await;
    honest.say("421[\"echo\",1]").await;
    honest.hears("431[1]").await;
    other.say("421[\"echo\",1]").await;
    other.hears("431[1]").await;
    // The offset of an honest client that is a megabyte.
    drop(honest);
    until("it is away", || live.sessions().iter().any(|session| !session.is_connected())).await;
    let mut back = socket(&client).await;
    back.say(&opened.claim("/", Some(&"z".repeat(900_000)))).await;
    back.starts_anew(&opened, "/").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_opened_another_namespace_begins_anew() {
    let (live, client) = house();
    let mut first = socket(&client).await;
    let opened = first.joins("/").await;
    drop(first);
    away(&live).await;
    let mut second = socket(&client).await;
    second.joins("/adm").await;
    second.say(&opened.claim("/", None)).await;
    second.starts_anew(&opened, "/").await;
    until("the former is over", || live.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn only_so_many_wait_and_the_oldest_end() {
    let (live, client) = house_of(settings().recovery_sessions(3));
    let mut all = Vec::new();
    for number in 0..5 {
        let mut socket = socket(&client).await;
        all.push(socket.joins("/").await);
        drop(socket);
        until("it is away", || live.sessions().iter().all(|session| !session.is_connected())).await;
        until("no more wait", || live.len() == (number + 1).min(3)).await;
    }
    for (number, opened) in all.iter().enumerate() {
        let mut back = socket(&client).await;
        back.say(&opened.claim("/", None)).await;
        match number {
            0 | 1 => drop(back.starts_anew(opened, "/").await),
            _ => back.recovers(opened, "/").await,
        }
        back.say("41").await;
        back.is_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_nothing_changes() {
    let (live, client) = house_of(SocketIo::new());
    let mut first = socket(&client).await;
    super::join(&mut first, "/").await;
    live.to("room").emit("news", 1);
    first.hears("42[\"news\",1]").await;
    drop(first);
    until("it is over", || live.is_empty()).await;
    // Clients of revision 3 have no recovery.
    let (live, client) = house();
    let client = Client { revision: 3, query: "EIO=3".to_owned(), ..client };
    let mut first = socket(&client).await;
    first.hears("40").await;
    live.to("room").emit("news", 1);
    first.hears("42[\"news\",1]").await;
    drop(first);
    until("it is over", || live.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_take_no_place_from_new_sessions() {
    let server = builder().max_sessions(3).events(events()).build();
    let (live, client) = (server.live(), Client::of_router(serve(&server, settings()), 4));
    let mut all = Vec::new();
    for _ in 0..5 {
        let mut socket = socket(&client).await;
        all.push(socket.joins("/").await);
        drop(socket);
        away(&live).await;
    }
    let mut back = Vec::new();
    for opened in &all[..3] {
        let mut socket = socket(&client).await;
        socket.say(&opened.claim("/", None)).await;
        socket.recovers(opened, "/").await;
        back.push(socket);
    }
    assert_eq!((live.len(), live.stats().parked), (5, 2));
    let full = client.try_socket("EIO=4&transport=websocket").await;
    assert_eq!(full.err().expect("the server is full").status, 503);
    drop(back.pop());
    until("one more is away", || live.stats().parked == 3).await;
    let mut fourth = socket(&client).await;
    fourth.say(&all[3].claim("/", None)).await;
    fourth.recovers(&all[3], "/").await;
    back[0].say("421[\"echo\",1]").await;
    back[0].hears("431[1]").await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_those_that_are_away() {
    let (live, client) = house();
    let mut first = socket(&client).await;
    first.joins("/").await;
    let mut second = socket(&client).await;
    second.joins("/").await;
    drop(second);
    until("it is away", || live.stats().parked == 1).await;
    let began = tokio::time::Instant::now();
    let ends = tokio::spawn({
        let live = live.clone();
        async move { live.shutdown(Duration::from_secs(1)).await }
    });
    first.is_closed().await;
    ends.await.unwrap();
    assert!(began.elapsed() < TIME / 2, "{:?}", began.elapsed());
    assert_eq!(live.stats().parked, 0);
}
