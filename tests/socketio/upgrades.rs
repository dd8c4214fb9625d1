//! The way from polls to a WebSocket, with packets before it, amid it and behind it.

use super::{
    application,
    client::{Client, Socket},
};

const EVENT: &str = "451-[\"message\",{\"_placeholder\":true,\"num\":0}]";
const BACK: &str = "451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]";

/// A client of the suite's application that has opened `/` by polls.
async fn joined(revision: u8) -> (Client, String) {
    let client = Client::of(&application().build(), revision);
    let sid = client.open().await;
    if revision == 4 {
        client.say(&sid, &["40"]).await;
    }
    let opened = client.poll(&sid).await;
    assert!(opened.packets().contains("42[\"auth\",{}]"), "{}", opened.text());
    (client, sid)
}

async fn probed(client: &Client, sid: &str) -> Socket {
    let mut socket = client.beside(sid).await;
    socket.say("2probe").await;
    socket.hears("3probe").await;
    socket
}

/// A WebSocket that says too much before its upgrade is not even heard: the polls go on as if it had not come.
#[tokio::test(start_paused = true)]
async fn a_packet_before_the_upgrade_closes_the_websocket_and_changes_nothing_else() {
    for revision in [4, 3] {
        for early in [EVENT, "40/custom,", "41", "42[\"message\",1]", "431[]", "4abc"] {
            let (client, sid) = joined(revision).await;
            let mut socket = probed(&client, &sid).await;
            socket.say(early).await;
            socket.is_closed().await;
            client.say(&sid, &["42[\"message\",\"well\"]", "40/custom,"]).await;
            let answers = client.poll(&sid).await;
            let answers = answers.packets();
            assert!(answers.contains("42[\"message-back\",\"well\"]"), "{revision} {early}: {answers}");
            assert!(answers.contains("40/custom,"), "{revision} {early}: {answers}");
        }
        let (client, sid) = joined(revision).await;
        let mut socket = probed(&client, &sid).await;
        socket.say_bytes(&[4, 1]).await;
        socket.is_closed().await;
        client.say(&sid, &["42[\"message\",\"well\"]"]).await;
        client.hear(&sid, &["42[\"message-back\",\"well\"]"]).await;
    }
}

/// As the clients do it that pause their polls amid a packet.
#[tokio::test(start_paused = true)]
async fn the_attachment_of_a_polled_packet_comes_behind_the_upgrade() {
    for (revision, bytes) in [(4, &[7][..]), (3, &[4, 7])] {
        let (client, sid) = joined(revision).await;
        let mut socket = probed(&client, &sid).await;
        client.say(&sid, &[EVENT]).await;
        client.hear(&sid, &["6"]).await;
        socket.say("5").await;
        socket.say_bytes(bytes).await;
        socket.hears(BACK).await;
        assert_eq!(socket.next().await, super::client::Came::Binary(bytes.to_vec()));
    }
}
