//! The preface, byte by byte and over wires.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    super::{
        fault::Fault,
        greeting,
        preface::{ASK, Ask, CHALLENGE, Kind, OURS, Verdict, common, read_challenge, write_challenge},
    },
    lab::{Net, Node, get, pair},
};
use crate::{
    cluster::{Secret, Wire, Wires},
    session::reason,
};

fn ask() -> Ask {
    Ask { version: OURS, kind: Kind::Tunnel, from: 7, to: u64::MAX, nonce: [9; 16] }
}

#[test]
fn an_ask_is_read_as_it_was_written() {
    let (secret, challenge) = (Secret::new("s"), [3; 16]);
    let bytes = ask().write(&secret, &challenge);
    assert_eq!(Ask::judge(&bytes, &secret, &challenge, u64::MAX), Some((ask(), Verdict::Welcome)));
    assert_eq!(Ask::judge(&bytes, &secret, &challenge, 8), Some((ask(), Verdict::SomebodyElse)));
    assert_eq!(Ask::judge(&bytes, &Secret::new("t"), &challenge, u64::MAX), Some((ask(), Verdict::WrongSecret)));
    assert_eq!(Ask::judge(&bytes, &secret, &[4; 16], u64::MAX), Some((ask(), Verdict::WrongSecret)), "repeated");
    let other = Ask { version: OURS + 1, ..ask() };
    let bytes = other.write(&secret, &challenge);
    assert_eq!(Ask::judge(&bytes, &secret, &challenge, u64::MAX), Some((other, Verdict::WrongVersion)));
}

#[test]
fn no_byte_of_an_ask_can_be_changed() {
    let (secret, challenge) = (Secret::new("s"), [3; 16]);
    let bytes = ask().write(&secret, &challenge);
    for place in 0..ASK {
        for bit in 0..8 {
            let mut changed = bytes;
            changed[place] ^= 1 << bit;
            let verdict = Ask::judge(&changed, &secret, &challenge, u64::MAX).map(|(_, verdict)| verdict);
            assert!(matches!(verdict, None | Some(Verdict::WrongSecret)), "byte {place}, bit {bit}: {verdict:?}");
        }
    }
}

#[test]
fn no_stranger_can_say_that_a_process_is_dead() {
    let (secret, challenge) = (Secret::new("s"), [3; 16]);
    for verdict in [Verdict::Welcome, Verdict::WrongVersion, Verdict::SomebodyElse] {
        let answer = ask().write_answer(verdict, &secret, &challenge);
        assert_eq!(ask().read_answer(&answer, &secret, &challenge), verdict);
        assert_eq!(ask().read_answer(&answer, &secret, &[4; 16]), Verdict::WrongSecret, "repeated");
        let stranger = ask().write_answer(verdict, &Secret::new("t"), &challenge);
        assert_eq!(ask().read_answer(&stranger, &secret, &challenge), Verdict::WrongSecret);
        let mut changed = answer;
        changed[0] = 3 - changed[0];
        assert_eq!(ask().read_answer(&changed, &secret, &challenge), Verdict::WrongSecret);
    }
}

#[test]
fn versions_that_are_next_to_each_other_fit() {
    assert_eq!(common(OURS), Some(OURS));
    assert_eq!(common(OURS + 1), Some(OURS));
    assert_eq!(common(OURS + 2), None);
    assert_eq!(common(0), None);
    assert_eq!(read_challenge(&write_challenge(&[5; 16])), Some((OURS, [5; 16])));
    assert_eq!(read_challenge(b"HTTP/1.1 400 Bad Request"), None);
}

async fn asked(net: &Net, secret: &str, to: u64) -> Result<(), Fault> {
    let mut wire = net.connect("host-b").await.unwrap();
    greeting::ask(&mut *wire, &Secret::new(secret), Kind::Requests, 1, to).await
}

#[tokio::test(start_paused = true)]
async fn the_asker_learns_why_it_is_refused() {
    let net = Net::new();
    let b = Node::new(&net, "b", 2).await;
    assert_eq!(asked(&net, "one secret of the tests", 2).await, Ok(()));
    assert_eq!(asked(&net, "one secret of the tests", 3).await, Err(Fault::Dead));
    assert_eq!(b.links.figures().refused, 0, "a node that was started again is no stranger");
    assert_eq!(asked(&net, "another secret", 2).await, Err(Fault::WrongSecret));
    assert_eq!(asked(&net, "another secret", 3).await, Err(Fault::WrongSecret), "it is not told who is here");
    assert_eq!(b.links.figures().refused, 2);
}

#[tokio::test(start_paused = true)]
async fn another_secret_is_an_unreachable_node_and_no_dead_one() {
    let (net, _, b) = pair(axum::Router::new()).await;
    let c = Node::over(Arc::new(net.at("host-c")), "c", 3, "another secret").await;
    c.knows(&[&b]);
    assert_eq!(c.forward(get("/")).await.unwrap_err(), reason::UNREACHABLE);
    assert_eq!(c.links.figures().unreachable, 1);
    assert_eq!(b.links.figures().refused, 1);
}

/// A version that is too new, and a server that is no node at all.
#[tokio::test(start_paused = true)]
async fn a_node_of_a_far_version_is_unreachable() {
    let net = Net::new();
    let (mut accept, address) = net.at("host-b").listen().await.unwrap();
    let mut wire = net.connect(&address).await.unwrap();
    let mut there = accept.accept().await.unwrap();
    let mut challenge = write_challenge(&[0; 16]);
    challenge[7] = OURS + 2;
    there.write_all(&challenge).await.unwrap();
    let secret = Secret::new("s");
    assert_eq!(greeting::ask(&mut *wire, &secret, Kind::Requests, 1, 2).await, Err(Fault::WrongVersion));
    let mut wire = net.connect(&address).await.unwrap();
    let mut there = accept.accept().await.unwrap();
    there.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    assert_eq!(greeting::ask(&mut *wire, &secret, Kind::Requests, 1, 2).await, Err(Fault::Broken));
}

#[tokio::test(start_paused = true)]
async fn strangers_are_cut_off_and_counted() {
    let net = Net::new();
    let b = Node::new(&net, "b", 2).await;
    let mut silent = net.connect("host-b").await.unwrap();
    let mut talker = net.connect("host-b").await.unwrap();
    talker.write_all(&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".repeat(10)).await.unwrap();
    assert_eq!(read_all(&mut *talker).await, CHALLENGE, "no answer");
    assert_eq!(b.links.figures().refused, 1);
    let before = tokio::time::Instant::now();
    assert_eq!(read_all(&mut *silent).await, CHALLENGE);
    assert_eq!(before.elapsed().as_secs(), 5);
    assert_eq!(b.links.figures().refused, 2);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_strangers_are_waited_for() {
    let net = Net::new();
    let b = Node::new(&net, "b", 2).await;
    let mut strangers = Vec::new();
    for _ in 0..super::super::settings::STRANGERS {
        let mut wire = net.connect("host-b").await.unwrap();
        wire.read_exact(&mut [0; CHALLENGE]).await.unwrap();
        strangers.push(wire);
    }
    let mut one_more = net.connect("host-b").await.unwrap();
    assert_eq!(read_all(&mut *one_more).await, 0);
    assert_eq!(b.links.figures().refused, 1);
    drop(strangers.pop());
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    assert_eq!(asked(&net, "one secret of the tests", 2).await, Ok(()));
}

/// The number of bytes that come until the end.
async fn read_all(wire: &mut dyn Wire) -> usize {
    let mut bytes = Vec::new();
    let _ = wire.read_to_end(&mut bytes).await;
    bytes.len()
}
