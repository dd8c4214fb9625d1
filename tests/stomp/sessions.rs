//! Sessions as the application sees them: slow hooks and handlers, panics, ends of either side, and slow clients.

use std::time::Duration;

use anywire::{Auth, Data, Events, Fault, RequestError, SendError, Session, Stomp, StompTopic};
use axum::Router;
use tokio::time::Instant;

use super::{
    builder,
    client::{Client, Heard, VERSIONS},
    house,
    wire::{CARRIERS, Carrier},
};
use crate::support::{Lives, Site, until};

const SECOND: Duration = Duration::from_secs(1);

fn site_of(events: Events, settings: Stomp) -> Site {
    let server = builder().events(events).build();
    Site::of(&server, move |server| Router::new().merge(server.stomp_with("/live", settings.clone())))
}

/// A login that takes its time makes the client's frames wait, and its heart-beats are not missed meanwhile.
#[tokio::test(start_paused = true)]
async fn a_slow_login_costs_nothing_but_time() {
    let events = || Events::new().on_open(async |_: Session| tokio::time::sleep(7 * SECOND).await);
    let site = site_of(events(), Stomp::new().heartbeat(SECOND, SECOND));
    for carrier in [Carrier::WebSocket, Carrier::SockJsStream] {
        let mut client = Client::over(&site, carrier, "1.2").await;
        let since = Instant::now();
        client.say("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:1000,1000\n\n^@").await;
        client.say("SEND\ndestination:/topic/x\nreceipt:q\n\nx^@").await;
        let heard = client.hear().await;
        let Heard::Frame(frame) = heard else { panic!("nothing comes before CONNECTED: {heard:?}") };
        assert_eq!(frame.command, "CONNECTED");
        assert!(since.elapsed() >= 7 * SECOND);
        client.receipt("q").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_hook_lets_heart_beats_pass() {
    let settings = Stomp::new().heartbeat(SECOND, SECOND).on_subscribe(async |_: Session, _: String| {
        tokio::time::sleep(8 * SECOND).await;
        Ok(StompTopic::Broker)
    });
    let (_, site) = house(settings);
    let mut client = Client::connect_over(&site, Carrier::WebSocket, "1.2", "heart-beat:1000,1000\n").await;
    client.say("SUBSCRIBE\nid:1\ndestination:/topic/x\nreceipt:q\n\n^@").await;
    let mut beats = 0;
    loop {
        match client.hear().await {
            Heard::Beat => {
                beats += 1;
                client.say("\n").await;
            }
            Heard::Frame(frame) => {
                assert_eq!(frame.get("receipt-id"), Some("q"));
                break;
            }
            Heard::End(code) => panic!("it ended with {code} after {beats} heart-beats"),
        }
    }
    assert!(beats >= 7, "{beats}");
}

/// A handler that takes its time does not hold the client's other frames up.
#[tokio::test(start_paused = true)]
async fn a_slow_handler_lets_other_frames_pass() {
    let events = || {
        Events::new().on("slow", async || {
            tokio::time::sleep(30 * SECOND).await;
            anywire::Reply(())
        })
    };
    for version in VERSIONS {
        let mut client = Client::connect(&site_of(events(), Stomp::new()), version).await;
        client.say("SEND\ndestination:/app/slow\nreceipt:slow\n\n^@").await;
        client.subscribe("1", "/topic/x", "auto").await;
        client.say("SEND\ndestination:/topic/x\n\nx^@").await;
        client.hears("x").await;
        client.receipt("slow").await;
    }
}

#[tokio::test(start_paused = true)]
async fn panics_end_one_session_alone() {
    let settings = Stomp::new().on_subscribe(async |_: Session, topic: String| match &*topic {
        "bad" => panic!("a fault of the application's"),
        _ => Ok::<_, Fault>(StompTopic::Broker),
    });
    let events = || Events::new().on("bad", async |_: Session| -> () { panic!("a fault of the application's") });
    for version in VERSIONS {
        let site = site_of(events(), settings.clone());
        let mut witness = Client::connect(&site, version).await;
        witness.subscribe("1", "/topic/x", "auto").await;
        for frame in ["SUBSCRIBE\nid:1\ndestination:/topic/bad\n\n^@", "SEND\ndestination:/app/bad\n\n^@"] {
            let mut client = Client::connect(&site, version).await;
            client.say(frame).await;
            loop {
                match client.hear().await {
                    Heard::End(code) => break assert_eq!(code, 1011, "{frame}"),
                    Heard::Frame(frame) => assert_eq!(frame.command, "ERROR"),
                    Heard::Beat => {}
                }
            }
        }
        witness.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn auth_data_that_do_not_fit_are_refused() {
    #[derive(serde::Deserialize)]
    struct Strict {
        login: String,
    }
    let events = || {
        Events::new().on_open(async |Auth(login): Auth<Strict>, session: Session| {
            assert_eq!(login.login, "ann");
            drop(session);
        })
    };
    for version in VERSIONS {
        let site = site_of(events(), Stomp::new());
        let mut client = Client::open(&site, version).await;
        client.say(&format!("CONNECT\naccept-version:{version}\nhost:x\n\n^@")).await;
        client.last_error().await;
        let mut client = Client::connect_over(&site, Carrier::WebSocket, version, "login:ann\n").await;
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_closes_behind_its_messages() {
    for carrier in CARRIERS {
        let (live, site) = house(Stomp::new().topic("lobby"));
        let mut client = Client::connect_over(&site, carrier, "1.2", "").await;
        client.subscribe("1", "/topic/lobby", "auto").await;
        live.to("lobby").emit("last", 1);
        live.of("/").sessions()[0].root().close(3456, "that is all");
        client.hears("1").await;
        assert_eq!(client.ends().await, 3456, "{carrier:?}");
        until("the session has ended", || live.members("lobby").is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_returns_ends_the_session() {
    let server = builder()
        .handler(async |session: Session| {
            let message = session.recv().await.expect("a message");
            session.send(message).await.unwrap();
        })
        .build();
    let site = Site::of(&server, |server| Router::new().merge(server.stomp("/live")));
    for carrier in CARRIERS {
        let mut client = Client::connect_over(&site, carrier, "1.2", "").await;
        client.subscribe("1", "/user/queue/message", "auto").await;
        client.say("SEND\ndestination:/app/message\n\nx^@").await;
        client.hears("\"x\"").await;
        assert_eq!(client.ends().await, 1000, "{carrier:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_stomp_cannot_be_asked() {
    let (live, site) = house(Stomp::new());
    let mut client = Client::connect(&site, "1.2").await;
    client.subscribe("1", "/user/queue/events", "auto").await;
    let session = live.of("/").sessions().remove(0);
    let asked = session.request::<_, _, u32>("how many?", ()).await;
    assert_eq!(asked, Err(RequestError::NotSent(SendError::NoEvents)));
    client.has_heard_all().await;
}

/// A member that does not read ends, as slow members do, and the others get all.
#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_of_a_topic_holds_nobody_up() {
    for version in VERSIONS {
        let server = builder().outbox(100_000).events(super::application()).build();
        let (live, site) =
            (Lives::of_server(&server), Site::of(&server, |server| Router::new().merge(server.stomp("/live"))));
        let mut slow = Client::connect(&site, version).await;
        let mut quick = Client::connect(&site, version).await;
        for client in [&mut slow, &mut quick] {
            client.subscribe("1", "/topic/x", "auto").await;
        }
        let mut sender = Client::connect(&site, "1.2").await;
        for nth in 0..200 {
            sender.publish("/topic/x", &format!("{nth} {}", "x".repeat(5_000))).await;
            assert!(quick.message().await.text().starts_with(&format!("{nth} ")));
        }
        until("the slow one has ended", || live.stats().slow_total == 1).await;
        quick.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn droppable_and_latest_events_reach_a_client_that_keeps_up() {
    let (live, site) = house(Stomp::new().topic("lobby"));
    let mut client = Client::connect(&site, "1.2").await;
    client.subscribe("1", "/user/queue/events", "auto").await;
    client.subscribe("2", "/topic/lobby", "auto").await;
    let session = live.of("/").sessions().remove(0);
    assert_eq!(session.emit_droppable("frame", 1), Ok(true));
    client.hears("1").await;
    assert_eq!(session.emit_latest("price", "price", 2), Ok(true));
    client.hears("2").await;
    live.to("lobby").droppable().emit("frame", 3);
    client.hears("3").await;
}

/// A droppable event is skipped for a client that does not read, and the newest value of a key is kept for each of its
/// subscriptions.
#[tokio::test(start_paused = true)]
async fn what_may_be_skipped_ends_no_slow_session() {
    for version in VERSIONS {
        let server = builder().outbox(100_000).events(super::application()).build();
        let (live, settings) = (Lives::of_server(&server), Stomp::new().topic("lobby"));
        let site = Site::of(&server, move |server| Router::new().merge(server.stomp_with("/live", settings.clone())));
        let mut client = Client::connect(&site, version).await;
        for id in ["1", "2"] {
            client.subscribe(id, "/topic/lobby", "auto").await;
        }
        let text = "x".repeat(5_000);
        for nth in 0..300 {
            live.to("lobby").droppable().emit("frame", &text);
            live.to("lobby").latest("price").emit("price", format!("{nth} {text}"));
            tokio::task::yield_now().await;
        }
        let stats = live.stats();
        assert_eq!((stats.slow_total, live.members("lobby").len()), (0, 1));
        assert!(stats.bytes < 250_000, "{stats:?}");
        let mut newest = std::collections::BTreeSet::new();
        while newest.len() < 2 {
            let message = client.message().await;
            if message.text().starts_with("\"299 ") {
                newest.insert(message.header("subscription").to_owned());
            }
        }
        client.has_heard_all().await;
    }
}

/// An event that nobody listens for is no error, and not counted as sent.
#[tokio::test(start_paused = true)]
async fn an_event_without_a_subscription_is_skipped() {
    let (live, site) = house(Stomp::new().topic("lobby"));
    let mut client = Client::connect(&site, "1.2").await;
    let session = live.of("/").sessions().remove(0);
    session.emit("nobody", 1).await.unwrap();
    assert_eq!(session.emit_droppable("nobody", 1), Ok(false));
    session.join("lobby");
    live.to("lobby").emit("nobody", 1);
    client.has_heard_all().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_handler_can_take_its_data_from_any_version() {
    let events = || {
        Events::new().on("sum", async |Data(all): Data<Vec<u32>>, session: Session| {
            session.emit("sum", all.iter().sum::<u32>()).await.unwrap();
        })
    };
    for version in VERSIONS {
        let mut client = Client::connect(&site_of(events(), Stomp::new()), version).await;
        client.subscribe("1", "/user/queue/sum", "auto").await;
        client.say("SEND\ndestination:/app/sum\ncontent-type:application/json\n\n[1,2,3]^@").await;
        client.hears("6").await;
    }
}
