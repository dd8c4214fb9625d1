//! Openings that are raced or repeated over several nodes.

use std::sync::atomic::Ordering;

use axum::http::Method;
use futures::future::join_all;

use crate::{
    house::House,
    support::{Body, Peer, Record, Socket, Spelling, attempt, encode, form},
};

#[tokio::test(start_paused = true)]
async fn raced_openings_on_three_nodes_give_one_session() {
    for _ in 0..20 {
        let (house, opened) = House::counting();
        let name = attempt();
        let opening = async |nth: usize| {
            let ordinal = nth + 1;
            let site = house.node(nth % 3);
            site.post("open", format!("o1,{ordinal},{name},0:n1:m5:first")).await.records()
        };
        let answers = join_all((0..6).map(opening)).await;
        let ids: Vec<_> = answers
            .iter()
            .filter_map(|records| match &records[0] {
                Record::New(_, grant) => Some(grant.id.clone()),
                _ => None,
            })
            .collect();
        assert!(!ids.is_empty(), "{answers:?}");
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(opened.load(Ordering::Relaxed), 1);
        assert_eq!(house.sessions().iter().sum::<usize>(), 1);
    }
}

/// Opens by a WebSocket of the third node with a higher ordinal than the openings before.
async fn open_socket(house: &House, attempt: &str) -> (Peer, Socket) {
    let mut peer = Peer { ordinal: 4, ..Peer::new(&house.node(2)) };
    let mut socket = peer.send_open(attempt, "").await;
    peer.take(&socket.records().await);
    socket.text("v:").await;
    (peer, socket)
}

#[tokio::test(start_paused = true)]
async fn an_opening_is_repeated_at_another_node() {
    let (house, opened) = House::counting();
    let name = attempt();
    let mut peer = Peer::open_with(&house.node(0), &name, "").await;
    let id = peer.id.clone();
    peer.site = house.node(1);
    let records = peer.post_open(&name, "").await.records();
    peer.take(&records);
    assert_eq!(peer.id, id);
    let (mut peer, mut socket) = open_socket(&house, &name).await;
    assert_eq!(peer.id, id);
    peer.put("by the socket");
    socket.flight(&peer).await;
    peer.take_until(&mut socket, 1).await;
    assert_eq!((opened.load(Ordering::Relaxed), house.sessions()), (1, vec![1, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn another_node_than_that_of_the_opening_is_joined() {
    for first in ["open", "join"] {
        let (house, opened) = House::counting();
        let name = attempt();
        let open = async {
            if first == "join" {
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            house.node(0).post("form-post", form(format!("o1,1,{name},0:").as_bytes())).await
        };
        let join = async {
            if first == "open" {
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            let head = Body::new(Spelling::Text).record('j', &[&1, &2, &name]);
            let path = format!("jsonp-poll?callback=f&data={}", encode(&head.bytes));
            house.node(1).ask(house.node(1).request(Method::GET, &path).body(axum::body::Body::empty()).unwrap()).await
        };
        let (opening, joined) = tokio::join!(open, join);
        assert_eq!(opening.status, 200);
        let text = String::from_utf8_lossy(&joined.body);
        assert_eq!((joined.status.as_u16(), opened.load(Ordering::Relaxed)), (200, 1), "{text}");
        assert!(text.contains("f(\"s"), "{first} first: {text}");
    }
}
