//! Heart-beats, both ways, in tokio's paused time.

use std::time::Duration;

use anywire::Stomp;
use tokio::time::Instant;

use super::{
    client::{Client, Heard},
    house,
    wire::{CARRIERS, Carrier},
};
use crate::support::Site;

const SECOND: Duration = Duration::from_secs(1);

/// The server can send every two seconds, and wants to hear every three.
fn beating() -> Site {
    house(Stomp::new().heartbeat(2 * SECOND, 3 * SECOND)).1
}

async fn connect(site: &Site, carrier: Carrier, version: &str, beats: &str) -> (Client, String) {
    let mut client = Client::over(site, carrier, version).await;
    client.say(&format!("CONNECT\naccept-version:{version}\nhost:x\n{beats}\n^@")).await;
    let connected = client.frame().await;
    (client, connected.get("heart-beat").unwrap_or("none").to_owned())
}

/// How long it takes until something comes.
async fn after(client: &mut Client) -> (Duration, Heard) {
    let before = Instant::now();
    let heard = client.hear().await;
    (before.elapsed(), heard)
}

#[tokio::test(start_paused = true)]
async fn the_server_beats_as_often_as_the_slower_side_has_it() {
    for version in ["1.1", "1.2"] {
        for carrier in [Carrier::WebSocket, Carrier::SockJsWebSocket, Carrier::SockJsStream] {
            for (wanted, every) in [("5000", 5 * SECOND), ("10", 2 * SECOND), ("2000", 2 * SECOND)] {
                let (mut client, _) = connect(&beating(), carrier, version, &format!("heart-beat:0,{wanted}\n")).await;
                let mut since = Duration::ZERO;
                for _ in 0..5 {
                    let (time, heard) = after(&mut client).await;
                    since += time;
                    assert_eq!(heard, Heard::Beat, "{carrier:?}");
                    assert!(time <= every, "{carrier:?}: {time:?} is longer than {every:?}");
                }
                assert!(since > 4 * every, "no more than are due");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_side_that_cannot_or_does_not_want_has_no_heart_beats() {
    let quiet = house(Stomp::new().heartbeat(Duration::ZERO, Duration::ZERO)).1;
    let beating = beating();
    let big = "heart-beat:99999999999999999999,99999999999999999999\n";
    for (site, version, header) in [
        (&beating, "1.2", ""),
        (&beating, "1.2", "heart-beat:0,0\n"),
        (&beating, "1.1", ""),
        (&beating, "1.0", "heart-beat:1000,1000\n"),
        (&quiet, "1.2", "heart-beat:1000,1000\n"),
        (&beating, "1.2", big),
    ] {
        let (mut client, stated) = connect(site, Carrier::WebSocket, version, header).await;
        assert_eq!(stated == "none", version == "1.0");
        let idle = tokio::time::timeout(120 * SECOND, client.hear()).await;
        assert!(idle.is_err(), "{version} {header:?}: {idle:?}");
        client.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn both_sides_state_what_they_agree_upon() {
    let site = beating();
    for version in ["1.1", "1.2"] {
        for (client, times) in [((1_000, 5_000), (5_000, 3_000)), ((0, 1), (2_000, 0)), ((9_000, 0), (0, 9_000))] {
            let header = format!("heart-beat:{},{}\n", client.0, client.1);
            let (_, stated) = connect(&site, Carrier::WebSocket, version, &header).await;
            let (sends, wants) = stated.split_once(',').unwrap();
            let (sends, wants): (u64, u64) = (sends.parse().unwrap(), wants.parse().unwrap());
            let agreed = |one: u64, other: u64| if one == 0 || other == 0 { 0 } else { one.max(other) };
            assert_eq!((agreed(sends, client.1), agreed(wants, client.0)), times, "{stated}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_is_let_go_and_one_that_beats_stays() {
    for carrier in [Carrier::WebSocket, Carrier::SockJsWebSocket, Carrier::SockJsStream] {
        let (live, site) = house(Stomp::new().heartbeat(Duration::ZERO, 3 * SECOND));
        let (mut client, _) = connect(&site, carrier, "1.2", "heart-beat:4000,0\n").await;
        for _ in 0..10 {
            let idle = tokio::time::timeout(4 * SECOND, client.hear()).await;
            assert!(idle.is_err(), "{carrier:?}: {idle:?}");
            client.say("\n").await;
        }
        // Any frame is a sign of life.
        for _ in 0..5 {
            let idle = tokio::time::timeout(4 * SECOND, client.hear()).await;
            assert!(idle.is_err(), "{carrier:?}: {idle:?}");
            client.say("SEND\ndestination:/topic/nobody\n\nx^@").await;
        }
        // So is a part of one.
        client.say("SEND\ndestination:/topic/nobody\n\n").await;
        let idle = tokio::time::timeout(4 * SECOND, client.hear()).await;
        assert!(idle.is_err(), "{carrier:?}: {idle:?}");
        client.say("x").await;
        let (time, heard) = after(&mut client).await;
        assert!(matches!(heard, Heard::End(_)), "{carrier:?}: {heard:?}");
        assert!(time > 4 * SECOND, "it is patient: {time:?}");
        crate::support::until("the session has ended", || live.is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_the_server_sends_is_a_sign_of_life() {
    let site = beating();
    let (mut client, _) = connect(&site, Carrier::WebSocket, "1.2", "heart-beat:0,2000\n").await;
    client.subscribe("1", "/topic/x", "auto").await;
    let mut sender = Client::connect(&site, "1.2").await;
    for _ in 0..10 {
        tokio::time::sleep(SECOND).await;
        sender.publish("/topic/x", "x").await;
        client.hears("x").await;
    }
    let (time, heard) = after(&mut client).await;
    assert_eq!(heard, Heard::Beat);
    assert!(time > SECOND && time <= 2 * SECOND, "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_heart_beat_header_is_two_numbers() {
    for version in ["1.1", "1.2"] {
        for header in ["1000", "a,b", "1,-1", "1,2,3", ",", "1.5,1", ""] {
            let mut client = Client::open(&beating(), version).await;
            client.say(&format!("CONNECT\naccept-version:{version}\nhost:x\nheart-beat:{header}\n\n^@")).await;
            client.last_error().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_session_needs_no_heart_beats() {
    let site = beating();
    let (mut client, stated) = connect(&site, Carrier::Native, "1.2", "heart-beat:1000,1000\n").await;
    assert_eq!(stated, "0,0");
    let idle = tokio::time::timeout(20 * SECOND, client.hear()).await;
    assert!(idle.is_err(), "{idle:?}");
    client.has_heard_all().await;
}

#[tokio::test(start_paused = true)]
async fn heart_beats_end_with_the_session() {
    for carrier in CARRIERS {
        let (mut client, _) = connect(&beating(), carrier, "1.2", "heart-beat:1000,1000\n").await;
        client.say("DISCONNECT\nreceipt:bye\n\n^@").await;
        client.receipt("bye").await;
        client.ends().await;
    }
}
