//! CONNECT and DISCONNECT, versions, sub-protocols and the login.

use anywire::{Session, Stomp};
use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    builder,
    client::{Client, Heard, VERSIONS},
    house, site,
};
use crate::support::{HOST, Site};

/// The answer to a CONNECT with these header lines.
async fn answer(site: &Site, version: &str, lines: &str) -> Heard {
    let mut client = Client::open(site, version).await;
    client.say(&format!("CONNECT\n{lines}\n^@")).await;
    client.hear().await
}

#[tokio::test(start_paused = true)]
async fn the_highest_common_version_is_agreed_upon() {
    let site = site();
    for (accepted, version) in [
        ("accept-version:1.0\n", "1.0"),
        ("accept-version:1.1\n", "1.1"),
        ("accept-version:1.2\n", "1.2"),
        ("accept-version:1.0,1.1,2.0\n", "1.1"),
        ("accept-version:1.2,1.1,1.0\n", "1.2"),
        ("accept-version:1.1,1.10,1.20,1.3\n", "1.1"),
        ("", "1.0"),
    ] {
        let Heard::Frame(connected) = answer(&site, version, &format!("{accepted}host:x\n")).await else {
            panic!("{accepted}");
        };
        assert_eq!((&*connected.command, connected.header("version")), ("CONNECTED", version));
        assert!(!connected.header("session").is_empty());
        let server = connected.header("server").split(' ').next().unwrap();
        assert!(!server.split('/').next().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_common_version_there_is_an_error_that_names_those_of_the_server() {
    for accepted in ["9.9", "1.3,2.0", "", "1", "01.2"] {
        let mut client = Client::open(&site(), "1.0").await;
        client.say(&format!("CONNECT\naccept-version:{accepted}\nhost:x\n\n^@")).await;
        let error = client.last_error().await;
        let mut versions: Vec<&str> = error.header("version").split(',').collect();
        versions.sort_unstable();
        assert_eq!(versions, VERSIONS);
        assert!(!error.body.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_have_different_ids() {
    let site = site();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let Heard::Frame(connected) = answer(&site, "1.2", "accept-version:1.2\nhost:x\n").await else { panic!() };
        ids.push(connected.header("session").to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn stomp_is_connect() {
    for version in VERSIONS {
        let mut client = Client::open(&site(), version).await;
        client.say(&format!("STOMP\r\naccept-version:{version}\r\nhost:x\r\n\r\n^@")).await;
        assert_eq!(client.frame().await.header("version"), version);
        client.publish("/topic/x", "x").await;
    }
}

#[tokio::test(start_paused = true)]
async fn connect_has_no_escapes_and_its_headers_are_the_auth_data() {
    for version in VERSIONS {
        let mut client = Client::open(&site(), version).await;
        let lines = "login:a\\cb\\n\npasscode:p:q\nlogin:second\nx:é\n";
        client.say(&format!("CONNECT\naccept-version:{version}\nhost:h\n{lines}\n^@")).await;
        assert_eq!(client.frame().await.command, "CONNECTED");
        client.subscribe("u", "/user/queue/login", "auto").await;
        client.say("SEND\ndestination:/app/who\n\n^@").await;
        let message = client.message().await;
        let login: serde_json::Value = serde_json::from_str(message.text()).unwrap();
        assert_eq!(
            login,
            serde_json::json!({
                "accept-version": version, "host": "h", "login": "a\\cb\\n", "passcode": "p:q", "x": "é",
            })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_connect_is_not_sent() {
    let mut client = Client::connect_over(&site(), super::wire::Carrier::WebSocket, "1.2", "receipt:no\n").await;
    client.has_heard_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_refused_is_told_why_and_nothing_behind_it_is_obeyed() {
    for version in VERSIONS {
        let site = site();
        let mut witness = Client::connect(&site, version).await;
        witness.subscribe("1", "/topic/x", "auto").await;
        let mut client = Client::open(&site, version).await;
        let connect = format!("CONNECT\naccept-version:{version}\nhost:x\npasscode:wrong\n\n^@");
        client.say(&format!("{connect}SEND\ndestination:/topic/x\n\nx^@")).await;
        let error = client.last_error().await;
        assert_eq!(error.header("message"), "wrong: try again later");
        let body: serde_json::Value = serde_json::from_str(error.text()).unwrap();
        assert_eq!((&body["code"], &body["message"]), (&"login".into(), &"wrong: try again\nlater".into()));
        witness.has_heard_all().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_obeyed_before_connect() {
    let site = site();
    let mut witness = Client::connect(&site, "1.2").await;
    witness.subscribe("1", "/topic/x", "auto").await;
    for frame in [
        "SEND\ndestination:/topic/x\nreceipt:q\n\nx^@",
        "SUBSCRIBE\nid:1\ndestination:/topic/x\nreceipt:q\n\n^@",
        "UNSUBSCRIBE\nid:1\n\n^@",
        "BEGIN\ntransaction:t\n\n^@",
        "ACK\nid:1\n\n^@",
        "DISCONNECT\nreceipt:q\n\n^@",
        "CONNECTED\nversion:1.2\n\n^@",
        "GET / HTTP/1.1\nhost:x\n\n^@",
    ] {
        let mut client = Client::open(&site, "1.0").await;
        client.say(&format!("{frame}CONNECT\naccept-version:1.2\nhost:x\n\n^@{frame}")).await;
        client.last_error().await;
    }
    witness.has_heard_all().await;
}

#[tokio::test(start_paused = true)]
async fn one_connection_has_one_connect() {
    for version in VERSIONS {
        let mut client = Client::connect(&site(), version).await;
        client.say(&format!("CONNECT\naccept-version:{version}\nhost:x\n\n^@")).await;
        client.last_error().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_connect_is_let_go() {
    let (live, site) = house(Stomp::new());
    let mut silent = Client::open(&site, "1.2").await;
    silent.ends().await;
    let mut half = Client::open(&site, "1.2").await;
    half.say("CONNECT\naccept-version:1.2\n").await;
    half.ends().await;
    let mut beating = Client::open(&site, "1.2").await;
    beating.say("\n").await;
    beating.ends().await;
    crate::support::until("the sessions end", || live.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn disconnect_is_answered_and_nothing_behind_it_is_obeyed() {
    for version in VERSIONS {
        let site = site();
        let mut witness = Client::connect(&site, version).await;
        witness.subscribe("1", "/topic/x", "auto").await;
        let mut client = Client::connect(&site, version).await;
        let send = "SEND\ndestination:/topic/x\nreceipt:q\n\n";
        client.say(&format!("{send}before^@DISCONNECT\nreceipt:bye\n\n^@{send}behind^@")).await;
        client.receipt("q").await;
        client.receipt("bye").await;
        client.ends().await;
        witness.hears("before").await;
        witness.has_heard_all().await;
        let mut client = Client::connect(&site, version).await;
        client.say("DISCONNECT\n\n^@").await;
        client.ends().await;
    }
}

/// The status of a WebSocket's handshake, and the sub-protocol that the server chose.
async fn handshake(site: &Site, offered: &str) -> (u16, Option<String>) {
    let mut io = site.connect().await;
    let head = format!(
        "GET /live HTTP/1.1\r\nhost: {HOST}\r\norigin: http://{HOST}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offered}\r\n"
    );
    io.write_all(head.as_bytes()).await.unwrap();
    let mut came = Vec::new();
    while !came.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut byte = [0];
        io.read_exact(&mut byte).await.expect("a head comes");
        came.push(byte[0]);
    }
    let head = String::from_utf8(came).unwrap().to_lowercase();
    let protocol = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
    (head[9..12].parse().unwrap(), protocol.map(str::to_owned))
}

#[tokio::test(start_paused = true)]
async fn a_websocket_agrees_upon_a_sub_protocol() {
    let site = site();
    for (offered, chosen) in [
        ("v12.stomp", Some("v12.stomp")),
        ("v11.stomp", Some("v11.stomp")),
        ("v10.stomp", Some("v10.stomp")),
        ("v10.stomp, v11.stomp, v12.stomp", Some("v12.stomp")),
        ("v12.stomp,v11.stomp", Some("v12.stomp")),
        ("chat, v11.stomp", Some("v11.stomp")),
        ("v13.stomp", None),
        ("chat", None),
    ] {
        let header = format!("sec-websocket-protocol: {offered}\r\n");
        assert_eq!(handshake(&site, &header).await, (101, chosen.map(str::to_owned)), "{offered}");
    }
    let two = "sec-websocket-protocol: v10.stomp\r\nsec-websocket-protocol: v11.stomp\r\n";
    assert_eq!(handshake(&site, two).await, (101, Some("v11.stomp".to_owned())));
    assert_eq!(handshake(&site, "").await, (101, None), "the header of CONNECT decides");
}

#[tokio::test(start_paused = true)]
async fn a_handler_of_messages_serves_a_client_of_stomp() {
    let server = builder()
        .handler(async |session: Session| {
            while let Some(message) = session.recv().await {
                session.send(message).await.unwrap();
            }
        })
        .build();
    let site = Site::of(&server, |server| Router::new().merge(server.stomp("/live")));
    for version in VERSIONS {
        let mut client = Client::connect(&site, version).await;
        client.subscribe("m", "/user/queue/message", "auto").await;
        client.say("SEND\ndestination:/app/message\n\nhello^@").await;
        let message = client.message().await;
        assert_eq!((message.header("event"), message.header("subscription")), ("message", "m"));
        assert_eq!(message.text(), "\"hello\"");
    }
}
