//! WebSockets at another node than that of their session: tunnelled from the handshake on, or behind the first message.

use std::time::Duration;

use crate::{
    house::House,
    support::{Peer, Record, SocketEvent, attempt},
};

#[tokio::test(start_paused = true)]
async fn a_websocket_is_tunnelled() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    for nth in [1, 2, 0, 1] {
        peer.site = house.node(nth);
        let mut socket = peer.resume_socket().await;
        for _ in 0..20 {
            peer.put(format!("{nth}"));
            let last = peer.outbox.back().unwrap().1.clone();
            if peer.outbox.len() == 1 {
                socket.flight(&peer).await;
            } else {
                socket.payload(&last).await;
            }
        }
        let count = peer.got.len() + 20;
        peer.take_until(&mut socket, count).await;
    }
    assert_eq!(peer.got.len(), 80);
    assert_eq!(house.sessions(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_only_the_first_message_names_is_found() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    for nth in [1, 2] {
        peer.switch();
        let mut socket = house.node(nth).websocket("websocket").await;
        socket.body(peer.resume()).await;
        // It may come before the connection is passed on.
        peer.put("early");
        socket.text("v:").await;
        socket.flight(&peer).await;
        peer.take_until(&mut socket, nth).await;
        assert!(peer.seen);
    }
    assert_eq!(peer.texts(), ["early", "early"]);
    assert_eq!(house.sessions(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_client_of_an_unknown_session_may_open_where_it_is() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    house.kill(0).await;
    for path in [format!("websocket?session={}", peer.id), "websocket".to_owned()] {
        let mut socket = house.node(1).websocket(&path).await;
        peer.switch();
        socket.body(peer.resume()).await;
        let records = socket.records().await;
        assert!(matches!(records[..], [Record::LinkClose(4100, _)]), "{path}: {records:?}");
        socket.text(format!("o1,1,{},0:", attempt())).await;
        let records = socket.records().await;
        assert!(matches!(records[0], Record::New(..)), "{path}: {records:?}");
    }
    assert_eq!(house.sessions()[1], 2);
}

#[tokio::test(start_paused = true)]
async fn the_node_of_a_session_that_has_ended_closes_the_tunnel() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    peer.id = format!("{}.{}", peer.id.split('.').next().unwrap(), attempt());
    peer.site = house.node(1);
    let mut socket = peer.attach_socket().await;
    assert_eq!(socket.closed().await.0, 4100);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_reached_is_told_by_a_close_frame() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    house.ready().await;
    house.handles[0].cut_links();
    for path in [format!("websocket?session={}", peer.id), "websocket".to_owned()] {
        let mut socket = house.node(1).websocket(&path).await;
        peer.switch();
        socket.body(peer.resume()).await;
        assert_eq!(socket.closed().await.0, 4202, "{path}");
    }
    house.heal(0).await;
    peer.site = house.node(2);
    let mut socket = peer.resume_socket().await;
    peer.put("again");
    socket.flight(&peer).await;
    peer.take_until(&mut socket, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_is_cut_ends_the_link_and_not_the_session() {
    let house = House::of_echoes();
    let mut peer = Peer::open(&house.node(0)).await;
    peer.site = house.node(1);
    let mut socket = peer.resume_socket().await;
    house.handles[0].cut_links();
    let ended = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let SocketEvent::Broken | SocketEvent::Closed(..) = socket.next().await {
                return;
            }
        }
    });
    ended.await.expect("the client learns that the link is gone");
    house.heal(0).await;
    peer.site = house.node(2);
    let mut socket = peer.resume_socket().await;
    peer.put("again");
    socket.flight(&peer).await;
    peer.take_until(&mut socket, 1).await;
}
