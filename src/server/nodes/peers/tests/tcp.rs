//! The same over TCP.

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, response::Response};

use super::lab::{Node, text};
use crate::{
    cluster::{Cluster, InProcess, Wires},
    session::reason,
};

fn tcp(address: &str) -> Arc<dyn Wires> {
    Cluster::from(InProcess::new()).peers(address, "one secret of the tests").peers.unwrap().wires
}

#[tokio::test]
async fn nodes_reach_each_other_by_tcp() {
    let node =
        |name: &'static str, incarnation| Node::over(tcp("127.0.0.1:0"), name, incarnation, "one secret of the tests");
    let (a, mut b) = (node("a", 1).await, node("b", 2).await);
    b.serve(Router::new().fallback(|request: Request| async { Response::new(request.into_body()) }));
    a.knows(&[&b]);
    let body = "x".repeat(1 << 20);
    let request = Request::post("/").body(Body::from(body.clone())).unwrap();
    assert_eq!(text(a.forward(request).await.unwrap()).await, body);
    let address = b.info.address.clone();
    b.stop();
    let request = |body| Request::post("/").body(Body::from(body)).unwrap();
    assert_eq!(a.forward(request("x")).await.unwrap_err(), reason::UNREACHABLE);
    // The process that gets the address next is another one.
    let wires = tcp(&address);
    let again = Node::over(wires, "b", 3, "one secret of the tests").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(a.forward(request("x")).await.unwrap_err(), reason::UNKNOWN);
    drop(again);
}
