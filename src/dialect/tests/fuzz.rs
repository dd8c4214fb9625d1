//! Strangers' packets: their heads, names and data.

use std::{collections::BTreeMap, mem::discriminant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    super::{Args, Fault, Head, MAX_ID, ack, event, event_name, parse_variant, read_args},
    arguments,
};
use crate::packet::{MAX_ATTACHMENTS, Packet};

/// Anything that the data of an event may be.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
enum Node {
    Nothing(()),
    Bool(bool),
    Integer(i64),
    Float(Float),
    Text(String),
    List(Vec<Node>),
    Bytes(Bytes),
    Map(BTreeMap<String, Node>),
}

/// A number that is no small integer; which one is serde_json's concern.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(from = "f64", into = "f64")]
struct Float;

impl From<f64> for Float {
    fn from(_: f64) -> Self {
        Float
    }
}

impl From<Float> for f64 {
    fn from(_: Float) -> Self {
        0.5
    }
}

/// Data of every shape.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
enum Typed {
    #[serde(rename = "say")]
    Say(String),
    #[serde(rename = "move")]
    Move(u8, Option<Vec<Typed>>),
    #[serde(rename = "save")]
    Save { id: u32, bytes: Bytes, list: Option<Vec<u8>>, keys: Option<BTreeMap<u8, Bytes>> },
    #[serde(rename = "pair")]
    Pair((Bytes, Option<Tagged>)),
    #[serde(rename = "unit")]
    Unit,
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind")]
enum Tagged {
    #[serde(rename = "a")]
    A { bytes: Bytes },
    #[serde(rename = "b")]
    B(BTreeMap<String, Node>),
}

/// A packet: the first line is its text, each further one an attachment as far as it wants any.
fn packet(input: &[u8]) -> Packet {
    let mut lines = input.split(|&byte| byte == b'\n');
    let text = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let count = Head::parse(&text).map_or(0, |head| head.attachments);
    let attachments = lines.chain(std::iter::repeat(&[][..])).take(count).map(Bytes::copy_from_slice).collect();
    Packet::new(text, attachments)
}

fn depth(node: &Node) -> usize {
    match node {
        Node::List(nodes) => 1 + nodes.iter().map(depth).max().unwrap_or(0),
        Node::Map(nodes) => 1 + nodes.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Data that were read are written, and read as the same once more, unless they have the key that no one may
/// use.
fn again(head: &Head<'_>, name: Option<&str>, nodes: &Args<Vec<Node>>) {
    let (namespace, id) = (head.namespace, head.id);
    let written = match name {
        Some(name) => event(namespace, id, name, nodes),
        None => ack(namespace, id.expect("an ack has an id"), nodes),
    };
    let written = match written {
        Ok(packet) => packet,
        Err(error) => return assert!(head.data.contains("placeholder") || head.data.contains('\\'), "{error}"),
    };
    let read = Head::parse(written.text()).expect("what was written is a packet");
    assert_eq!((read.namespace, read.id, read.attachments), (namespace, id, written.attachments().len()));
    assert_eq!(read_args::<Args<Vec<Node>>>(arguments(&written)).expect("it has arguments"), *nodes);
}

#[test]
fn fuzz_packets() {
    crate::fuzz::run("packets", 20_000, |input, behaviour| {
        let packet = packet(input);
        let head = match Head::parse(packet.text()) {
            Ok(head) => head,
            Err(why) => return behaviour.note(why),
        };
        let mut text = String::new();
        head.write(&mut text);
        assert_eq!(Head::parse(&text), Ok(head));
        assert!(head.attachments <= MAX_ATTACHMENTS && head.id.is_none_or(|id| id <= MAX_ID));
        assert!(head.namespace.starts_with('/') && head.namespace.len() <= 256);
        behaviour.note((head.kind, head.attachments, head.id.is_some(), head.namespace.len() > 1));
        if let Ok(fault) = serde_json::from_str::<Fault>(head.data) {
            assert!(fault.code.len() <= 256 && fault.message.len() <= 4096);
            behaviour.note(fault.data.is_some());
        }
        if !head.kind.is_event() && !head.kind.is_ack() {
            return;
        }
        let name = head.kind.is_event().then(|| event_name(head.data));
        behaviour.note(name.as_ref().map(|name| name.as_ref().map(|name| name.len() > 2).map_err(discriminant)));
        let Ok(name) = name.transpose() else { return };
        let arguments = arguments(&packet);
        behaviour.note(read_args::<Args<(Option<u8>, Option<String>)>>(arguments).is_ok());
        if let Ok(nodes) = read_args::<Args<Vec<Node>>>(arguments) {
            behaviour.note(nodes.0.iter().map(|node| (discriminant(node), depth(node))).collect::<Vec<_>>());
            assert!(nodes.0.iter().map(depth).max().unwrap_or(0) < 128);
            again(&head, name.as_deref(), &nodes);
        } else if let Ok(value) = read_args::<Args<Vec<Value>>>(arguments) {
            panic!("it is {value:?}, which has a node");
        }
        let Some(name) = name else { return };
        assert!((1..=256).contains(&name.len()));
        match parse_variant::<Typed>(&name, arguments) {
            Ok(event) => behaviour.note((discriminant(&event), format!("{event:?}").len())),
            Err(error) => {
                let error = error.to_string();
                assert!(error.starts_with(&format!("the event `{name}`: ")), "{error}");
                behaviour.note(error.len());
            }
        }
    });
}
