//! Input that a client must not send, and its cost.

use anywire::{Args, Auth, Events, Session};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Any, application, builder,
    client::{Came, Client, Socket, is_pending},
    join,
    support::{Lives, until},
};

const LIMIT: usize = 1_000_000;
const PLACEHOLDER: &str = "{\"_placeholder\":true,\"num\":0}";

/// A client of the suite's application that has opened `/`.
async fn joined() -> (Lives, Client, Socket) {
    let server = application().build();
    let client = Client::of(&server, 4);
    let mut socket = client.socket().await;
    assert!(socket.text().await.starts_with("0{"));
    join(&mut socket, "/").await;
    socket.hears("42[\"auth\",{}]").await;
    (Lives::of_server(&server), client, socket)
}

/// The client is served as before.
async fn is_well(client: &mut Socket) {
    client.say("42[\"message\",\"still here\"]").await;
    client.hears("42[\"message-back\",\"still here\"]").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_packet_ends_the_connection() {
    let long = "x".repeat(300);
    for packet in [
        // Attachments: eleven, as many as a number can say, none that is a number, and a number that is odd.
        "4511-[\"message\"]".to_owned(),
        "4599999999999999999999-[\"message\"]".to_owned(),
        "45-[\"message\"]".to_owned(),
        "45[\"message\"]".to_owned(),
        "4501-[\"message\"]".to_owned(),
        "45-1-[\"message\"]".to_owned(),
        // Placeholders that lie.
        "451-[\"message\",{\"_placeholder\":true,\"num\":1}]".to_owned(),
        "451-[\"message\",{\"_placeholder\":true,\"num\":-1}]".to_owned(),
        "451-[\"message\",{\"_placeholder\":true,\"num\":0.5}]".to_owned(),
        "451-[\"message\",{\"_placeholder\":true,\"num\":\"0\"}]".to_owned(),
        "451-[\"message\",{\"a\":[{\"_placeholder\":true}]}]".to_owned(),
        "451-[\"message\",{\"_placeholder\":true,\"num\":\"splice\"}]".to_owned(),
        "461-1[{\"_placeholder\":true,\"num\":1}]".to_owned(),
        // Names.
        format!("40/{long},"),
        "42[\"connect\"]".to_owned(),
        "42[\"\\u0063onnect\"]".to_owned(),
        "42[null]".to_owned(),
        "42[]".to_owned(),
        "42[{\"toString\":\"message\"}]".to_owned(),
        "42[[\"message\"]]".to_owned(),
        "42[true]".to_owned(),
        // Types that only a server sends, and none.
        "44{\"message\":\"x\"}".to_owned(),
        "47{}".to_owned(),
        "48".to_owned(),
        "4".to_owned(),
        "4-1".to_owned(),
        // Auth data that is no object, and data behind what has none.
        "40/custom,[]".to_owned(),
        "40/custom,{".to_owned(),
        "41{}".to_owned(),
        // Answers without an id, or with data that is no list.
        "43[]".to_owned(),
        "431{}".to_owned(),
        "439007199254740993[]".to_owned(),
        // Engine.IO: a ping in the wrong direction, and a type that there is not.
        "2".to_owned(),
        "9".to_owned(),
    ] {
        let (live, _, mut client) = joined().await;
        client.say(&packet).await;
        client.is_closed().await;
        until(&packet, || live.is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_attachment_comes_behind_its_packet_and_nothing_else_does() {
    for other in ["42[\"message\",1]", "40/custom,", "41", "451-[\"message\"]", "431[]", "4abc"] {
        let (_, _, mut client) = joined().await;
        client.say(&format!("451-[\"message\",{PLACEHOLDER}]")).await;
        client.say(other).await;
        client.is_closed().await;
    }
    // One too many.
    let (_, _, mut client) = joined().await;
    client.say(&format!("451-[\"message\",{PLACEHOLDER}]")).await;
    client.say_bytes(&[1]).await;
    client.hears(&format!("451-[\"message-back\",{PLACEHOLDER}]")).await;
    assert_eq!(client.next().await, Came::Binary(vec![1]));
    client.say_bytes(&[1]).await;
    client.is_closed().await;
    // Those that are stated and mentioned nowhere must come all the same.
    let (_, _, mut client) = joined().await;
    client.say("452-[\"message\",1]").await;
    client.say_bytes(&[1]).await;
    client.is_quiet().await;
    client.say_bytes(&[2]).await;
    client.hears("42[\"message-back\",1]").await;
    // Ten may come, and none is a number too.
    let list: Vec<_> = (0..10).map(|number| format!("{{\"_placeholder\":true,\"num\":{number}}}")).collect();
    client.say(&format!("4510-[\"message\",{}]", list.join(","))).await;
    for byte in 0..10 {
        client.say_bytes(&[byte]).await;
    }
    client.hears(&format!("4510-[\"message-back\",{}]", list.join(","))).await;
    for byte in 0..10 {
        assert_eq!(client.next().await, Came::Binary(vec![byte]));
    }
    client.say("450-[\"message\",1]").await;
    client.hears("42[\"message-back\",1]").await;
}

/// Heartbeats go on while attachments are owed, over polls too.
#[tokio::test(start_paused = true)]
async fn a_packet_of_which_attachments_never_come_counts_and_is_given_back() {
    let server = application().build();
    let (live, client) = (Lives::of_server(&server), Client::quick_of(&server, 4));
    for round in 0..3 {
        let sid = client.open().await;
        client.say(&sid, &["40"]).await;
        client.poll(&sid).await;
        let before = live.stats().bytes;
        client.say(&sid, &[&format!("453-[\"message\",\"{}\"]", "x".repeat(200_000))]).await;
        until("the text counts", || live.stats().bytes >= before + 200_000).await;
        client.say(&sid, &[&format!("b{}", "AAAA".repeat(100_000))]).await;
        until("the attachment counts", || live.stats().bytes >= before + 500_000).await;
        for _ in 0..3 {
            client.hear(&sid, &["2"]).await;
            client.say(&sid, &["3"]).await;
        }
        if round < 2 {
            client.say(&sid, &["1"]).await;
        } // The last client is silent from now on, and is missed.
        until("it is given back", || live.is_empty() && live.stats().bytes == 0).await;
    }
}

/// Answers pings until the connection ends.
async fn only_pongs(client: &mut Socket) {
    loop {
        match client.next().await {
            Came::Text(ping) if ping == "2" => client.say("3").await,
            Came::Text(other) => panic!("{other}"),
            _ => return,
        }
    }
}

/// Pings are answered all the while: only the attachments are missing.
#[tokio::test(start_paused = true)]
async fn an_attachment_comes_within_a_minute_or_the_connection_ends() {
    let (tell, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let events = Events::new().on_end(async move |session: Session| {
        tell.send(session.close_reason().map(|reason| reason.to_string())).unwrap();
    });
    let server = builder().events(events).build();
    let live = Lives::of_server(&server);
    let mut client = Client::of(&server, 4).socket().await;
    assert!(client.text().await.starts_with("0{"));
    join(&mut client, "/").await;
    client.say("452-[\"message\",1]").await;
    // Each attachment gives the next one as much time again.
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    client.say_bytes(&[1]).await;
    let start = Instant::now();
    only_pongs(&mut client).await;
    let waited = start.elapsed().as_millis();
    assert!((60_000..60_010).contains(&waited), "{waited}");
    let reason = ends.recv().await.unwrap();
    assert_eq!(reason.as_deref(), Some("4007 an attachment of a packet did not come in time"));
    until("nothing is held", || live.stats().bytes == 0).await;

    let client = Client::of(&server, 4);
    let sid = client.open().await;
    client.say(&sid, &["40"]).await;
    client.poll(&sid).await;
    client.say(&sid, &["451-[\"message\",1]"]).await;
    let start = Instant::now();
    while client.poll(&sid).await.packets() == "2" {
        client.say(&sid, &["3"]).await;
    }
    let waited = start.elapsed().as_millis();
    assert!((60_000..60_010).contains(&waited), "{waited}");
    assert_eq!(ends.recv().await.unwrap(), reason);
}

#[tokio::test(start_paused = true)]
async fn a_packet_and_its_attachments_have_the_limit_of_a_message() {
    let text = |length: usize| format!("452-[\"message-with-ack\",\"{}\"]", "x".repeat(length));
    let (live, _, mut client) = joined().await;
    client.say(&text(LIMIT / 2)).await;
    client.say_bytes(&vec![0; LIMIT / 2]).await;
    client.is_closed().await;
    until("nothing is held", || live.stats().bytes == 0).await;
    let (_, _, mut client) = joined().await;
    client.say(&text(LIMIT / 2)).await;
    client.say_bytes(&vec![0; LIMIT / 4]).await;
    client.say_bytes(&vec![0; LIMIT / 5]).await;
    client.is_quiet().await;
    is_well(&mut client).await;
}

#[tokio::test(start_paused = true)]
async fn depth_and_long_names_do_no_harm() {
    let (_, _, mut client) = joined().await;
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    client.say(&format!("421[\"message-with-ack\",{}]", deep(100))).await;
    client.hears(&format!("431[{}]", deep(100))).await;
    for depth in [1_000, 400_000] {
        client.say(&format!("422[\"message-with-ack\",{}]", deep(depth))).await;
        let refused = client.text().await;
        assert!(refused.starts_with("432[{\"error\":{\"code\":\"data\""), "{refused}");
        is_well(&mut client).await;
    }
    // Nobody can look for a placeholder so deep, and nobody can read it either.
    let beneath = format!("{}{PLACEHOLDER}{}", "[".repeat(500), "]".repeat(500));
    client.say(&format!("451-3[\"message-with-ack\",{beneath}]")).await;
    client.say_bytes(&[1]).await;
    let refused = client.text().await;
    assert!(refused.starts_with("433[{\"error\":{\"code\":\"data\""), "{refused}");
    // The name of an event is too long for any handler.
    client.say(&format!("424[\"{}\"]", "x".repeat(100_000))).await;
    let refused = client.text().await;
    assert!(refused.starts_with("434[{\"error\":{\"code\":\"name\"") && refused.len() < 1_000, "{refused}");
    client.say(&format!("40/{}", "x".repeat(200))).await;
    assert!(client.text().await.ends_with(",{\"message\":\"Invalid namespace\"}"));
    is_well(&mut client).await;
    // The query of an older client's namespace has a bound of its own.
    let mut older = Client::of(&application().build(), 3).socket().await;
    for _ in 0..3 {
        older.text().await;
    }
    older.say(&format!("40/custom?token={},", "x".repeat(16_000))).await;
    older.hears("40/custom,").await;
    assert!(older.text().await.len() > 16_000);
    older.say("41/custom,").await;
    older.say(&format!("40/custom?token={},", "x".repeat(17_000))).await;
    older.is_closed().await;
}

/// Names that mean something to JavaScript mean nothing here, and events without attachments have no placeholders.
#[tokio::test(start_paused = true)]
async fn names_and_data_that_once_harmed_a_server_are_data() {
    let (_, _, mut client) = joined().await;
    for name in ["__proto__", "constructor", "toString", "hasOwnProperty"] {
        client.say(&format!("421[\"{name}\"]")).await;
        let refused = client.text().await;
        assert!(refused.starts_with("431[{\"error\":{\"code\":\"unknown\""), "{refused}");
    }
    for data in
        ["{\"__proto__\":{\"a\":1}}", PLACEHOLDER, "{\"data\":[1],\"type\":\"Buffer\"}", "9007199254740993", "-0.0"]
    {
        client.say(&format!("422[\"message-with-ack\",{data}]")).await;
        client.hears(&format!("432[{data}]")).await;
    }
    for namespace in ["__proto__", "/custom/__proto__"] {
        client.say(&format!("40/{namespace},{{}}")).await;
        client.hears(&format!("44/{namespace},{{\"message\":\"Invalid namespace\"}}")).await;
    }
    is_well(&mut client).await;
}

/// Pages cut texts within a character, and JSON has the half of it as an escape, which no text here can be.
#[tokio::test(start_paused = true)]
async fn half_of_a_character_becomes_a_replacement_and_harms_nothing_else() {
    let (_, _, mut client) = joined().await;
    client.say("421[\"message-with-ack\",\"a\\ud83d\",{\"\\udc00\":[\"\\ud83d\\ude00\"]}]").await;
    client.hears("431[\"a\u{fffd}\",{\"\u{fffd}\":[\"\u{1f600}\"]}]").await;
    client.say(&format!("451-2[\"message-with-ack\",\"\\udfff\",{PLACEHOLDER}]")).await;
    client.say_bytes(&[1]).await;
    client.hears(&format!("461-2[\"\u{fffd}\",{PLACEHOLDER}]")).await;
    assert_eq!(client.next().await, Came::Binary(vec![1]));
    client.say("40/custom,{\"token\":\"\\ud83d\"}").await;
    assert!(client.text().await.starts_with("40/custom,{"));
    client.hears("42/custom,[\"auth\",{\"token\":\"\u{fffd}\"}]").await;
    is_well(&mut client).await;
}

/// Namespaces that come and go, and are refused, leave nothing behind.
#[tokio::test(start_paused = true)]
async fn namespaces_that_come_and_go_cost_nothing_in_the_end() {
    let (live, _, mut client) = joined().await;
    let before = live.stats().bytes;
    for round in 0..1_000 {
        client.say("40/custom,").await;
        client.say("41/custom,").await;
        client.say(&format!("40/nobody{round},{{\"token\":\"{}\"}}", "x".repeat(1_000))).await;
        client.say("40/closed,").await;
        let (mut refused, mut closed) = (false, false);
        while !(refused && closed) {
            let answer = client.text().await;
            refused |= answer.starts_with("44/nobody");
            closed |= answer.starts_with("44/closed");
        }
    }
    is_well_behind(&mut client).await;
    until("nothing is held", || live.stats().bytes <= before + 4096).await;
    assert_eq!((live.len(), live.of("/custom").len(), live.of("/closed").len()), (1, 0, 0));
}

/// The client is served as before, behind what is still on its way.
async fn is_well_behind(client: &mut Socket) {
    client.say("42[\"message\",\"still here\"]").await;
    while client.text().await != "42[\"message-back\",\"still here\"]" {}
}

/// Auth data count until the namespace is open: what judges them holds them.
#[tokio::test(start_paused = true)]
async fn auth_data_count_while_they_are_judged() {
    let door = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let waits = door.clone();
    let events = Events::new().on_open(async move |Auth(_): Auth<Value>, _: Session| {
        waits.acquire().await.unwrap().forget();
    });
    let server = builder().events(Events::new()).namespace("/adm", events).build();
    let live = Lives::of_server(&server);
    let mut client = Client::of(&server, 4).socket().await;
    assert!(client.text().await.starts_with("0{"));
    join(&mut client, "/").await;
    let before = live.stats().bytes;
    let auth = format!("40/adm,{{\"token\":\"{}\"}}", "x".repeat(500_000));
    client.say(&auth).await;
    client.is_quiet().await;
    assert!(live.stats().bytes >= before + 500_000, "{}", live.stats().bytes);
    door.add_permits(1);
    assert!(client.text().await.starts_with("40/adm,{\"sid\":"));
    until("it is open", || live.stats().bytes <= before + 4096).await;
    client.say("41/adm,").await;
    client.say(&auth).await;
    client.is_quiet().await;
    assert!(live.stats().bytes >= before + 500_000, "{}", live.stats().bytes);
    client.say("41/adm,").await;
    // The handler is not done, and neither are its data.
    client.is_quiet().await;
    assert!(live.stats().bytes >= before + 500_000, "{}", live.stats().bytes);
    door.add_permits(1);
    until("it is given back", || live.stats().bytes <= before + 4096).await;
}

/// Events that nobody receives fill the inbox and no more: the client's next upload waits.
#[tokio::test(start_paused = true)]
async fn events_that_nobody_receives_are_bounded() {
    const INBOX: usize = 200_000;
    let idle = Events::new().on("message", async |Args(_): Args<Vec<Any>>, session: Session| {
        session.closed().await;
    });
    let server = builder().inbox(INBOX).message_limit(50_000).events(idle).build();
    let (live, client) = (Lives::of_server(&server), Client::of(&server, 4));
    let sid = client.open().await;
    client.say(&sid, &["40"]).await;
    client.poll(&sid).await;
    let event = format!("42[\"message\",\"{}\"]", "x".repeat(40_000));
    let mut sent = 0;
    loop {
        let packets = [&*event];
        let mut upload = Box::pin(client.say(&sid, &packets));
        let taken = tokio::time::timeout(std::time::Duration::from_millis(100), &mut upload).await.is_ok();
        if !taken {
            assert!(is_pending(&mut upload).await);
            break;
        }
        sent += 1;
        assert!(sent < 20, "the inbox is never full");
    }
    assert!(live.stats().bytes < INBOX + 3 * event.len(), "{}", live.stats().bytes);
    live.sessions().remove(0).root().abort();
    until("it is given back", || live.is_empty() && live.stats().bytes == 0).await;
}
