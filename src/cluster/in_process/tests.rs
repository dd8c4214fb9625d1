//! Links between nodes, which only the server itself sees.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::cluster::wires::{Wire, Wires};

fn nodes(engine: &InProcess) -> (InProcessNode, Arc<dyn Wires>) {
    let handle = engine.node();
    let wires = Cluster::from(handle.clone()).peers.expect("it has links").wires;
    (handle, wires)
}

/// A node that listens, another one, and a link of them from both sides.
async fn linked(to: &Arc<dyn Wires>, from: &Arc<dyn Wires>) -> (Box<dyn Wire>, Box<dyn Wire>) {
    let (mut accept, address) = to.listen().await.unwrap();
    let near = from.connect(&address).await.unwrap();
    let far = accept.accept().await.unwrap();
    (near, far)
}

#[tokio::test]
async fn bytes_go_both_ways_and_end() {
    let engine = InProcess::new();
    let ((_, a), (_, b)) = (nodes(&engine), nodes(&engine));
    let (mut near, mut far) = linked(&a, &b).await;
    near.write_all(b"there").await.unwrap();
    far.write_all(b"back").await.unwrap();
    let mut bytes = [0; 5];
    far.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"there");
    near.read_exact(&mut bytes[..4]).await.unwrap();
    assert_eq!(&bytes[..4], b"back");
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut bytes).await.unwrap(), 0, "an end is no cut");
}

/// Whichever node is cut, both ends fail: who reads, who waits to write, and who connects.
#[tokio::test]
async fn links_are_cut_and_made_anew() {
    let engine = InProcess::new();
    let ((a, to), (b, from)) = (nodes(&engine), nodes(&engine));
    for handle in [a, b] {
        let (near, mut far) = linked(&to, &from).await;
        let (mut reads, mut writes) = tokio::io::split(near);
        let mut bytes = [0; 1];
        let more_than_fits = vec![0; 1 << 20];
        let (read, written, ()) = tokio::join!(reads.read(&mut bytes), writes.write_all(&more_than_fits), async {
            tokio::task::yield_now().await;
            handle.cut_links();
        });
        for failed in [read.map(drop), written, far.read(&mut bytes).await.map(drop), far.write_all(b"x").await] {
            assert_eq!(failed.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        }
        let refused = from.connect("node 0").await.err().expect("no link is made");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        handle.heal();
        linked(&to, &from).await;
    }
}

#[tokio::test]
async fn nobody_listens_at_a_node_that_is_gone() {
    let engine = InProcess::new();
    let ((handle, a), (_, b)) = (nodes(&engine), nodes(&engine));
    let (accept, address) = a.listen().await.unwrap();
    b.connect(&address).await.unwrap();
    drop(accept);
    assert!(b.connect(&address).await.is_err(), "it does not listen any more");
    let (_accept, address) = a.listen().await.unwrap();
    b.connect(&address).await.unwrap();
    drop(a);
    assert!(b.connect(&address).await.is_err(), "its server is gone");
    let again = Cluster::from(handle).peers.expect("it has links").wires;
    assert!(b.connect(&address).await.is_err(), "the next one does not listen yet");
    let (_accept, same) = again.listen().await.unwrap();
    assert_eq!(same, address);
    b.connect(&address).await.unwrap();
    for nonsense in ["", "node", "node x", "node 77", "127.0.0.1:1"] {
        assert!(b.connect(nonsense).await.is_err(), "{nonsense}");
    }
}
