//! Events of the application.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::{
    dialect::{Args, Arguments, Head, Kind, control, event, message_event, read_args},
    packet::Packet,
};

fn heard(packet: &Packet) -> Option<String> {
    event_content(packet).map(|content| shown(&content))
}

fn said(name: &str, content_type: Option<&str>, body: &[u8]) -> Result<Packet, String> {
    let headers: Vec<(&str, &str)> = content_type.map(|value| ("content-type", value)).into_iter().collect();
    event_packet(name, None, &content(&headers, body)).map_err(|error| error.to_string())
}

#[test]
fn one_argument_is_the_body() {
    let body = |value: Value| heard(&event("/", None, "tick", &value).unwrap()).unwrap();
    let head = "event:tick\ncontent-type:application/json\ncontent-length:";
    assert_eq!(body(json!(1.5)), format!("{head}3\n\n1.5"));
    assert_eq!(body(json!("é,]")), format!("{head}6\n\n\"é,]\""));
    assert_eq!(body(json!([1, "]"])), format!("{head}7\n\n[1,\"]\"]"));
    assert_eq!(body(json!({"a": [], "_placeholder": true})), format!("{head}28\n\n{{\"_placeholder\":true,\"a\":[]}}"));
}

#[test]
fn several_arguments_are_a_list_and_none_is_nothing() {
    let packet = event("/", None, "tick", &Args((1, "a", [true]))).unwrap();
    let list = "event:tick\ncontent-type:application/json\ncontent-length:14\n\n[1,\"a\",[true]]";
    assert_eq!(heard(&packet).as_deref(), Some(list));
    let packet = event("/", None, "tick", &()).unwrap();
    assert_eq!(heard(&packet).as_deref(), Some("event:tick\ncontent-length:0\n\n"));
}

#[test]
fn spaces_in_a_packet_do_not_matter() {
    let body = |text: &str| heard(&Packet::new(text, Vec::new())).unwrap().split_once("\n\n").unwrap().1.to_owned();
    assert_eq!(body("2[ \"a\" , 1 ]"), "1");
    assert_eq!(body("2[ \"a\" , 1 , 2 ]"), "[1 , 2 ]");
    assert_eq!(body("2[ \"a\" ]"), "");
}

#[test]
fn bytes_that_are_the_one_argument_are_the_body() {
    let packet = event("/", None, "data", &Bytes::from_static(b"\xff\0")).unwrap();
    let content = event_content(&packet).unwrap();
    let head = b"event:data\ncontent-type:application/octet-stream\ncontent-length:2\n\n";
    assert_eq!(content, Message::from([&head[..], b"\xff\0"].concat()));
    // Text that was sent as bytes is a text for STOMP.
    let packet = event("/", None, "data", &Bytes::from_static(b"abc")).unwrap();
    assert!(event_content(&packet).unwrap().as_text().is_some());
}

#[test]
fn bytes_elsewhere_cannot_be_told() {
    let (one, two) = (Bytes::from_static(b"1"), Bytes::from_static(b"2"));
    let within = std::collections::BTreeMap::from([("a", one.clone())]);
    let untold = [
        event("/", None, "x", &within).unwrap(),
        event("/", None, "x", &vec![one.clone()]).unwrap(),
        event("/", None, "x", &Args((one.clone(), 1))).unwrap(),
        event("/", None, "x", &Args((one, two))).unwrap(),
    ];
    for packet in untold {
        assert_eq!(heard(&packet), None, "{packet:?}");
    }
}

#[test]
fn a_plain_message_is_the_event_message() {
    let packet = message_event("/", Message::from("a\"b"));
    let content = "event:message\ncontent-type:application/json\ncontent-length:6\n\n\"a\\\"b\"";
    assert_eq!(heard(&packet).as_deref(), Some(content));
    let packet = message_event("/", Message::from(vec![b'x']));
    assert!(heard(&packet).unwrap().starts_with("event:message\ncontent-type:application/octet-stream\n"));
}

#[test]
fn a_name_is_spelled_as_a_header() {
    let packet = Packet::new(r#"2["a:\n\u0000é",1]"#, Vec::new());
    assert!(heard(&packet).unwrap().starts_with("event:a\\c\\n\u{fffd}é\n"));
}

#[test]
fn what_is_no_event_has_no_content() {
    assert_eq!(heard(&control(Kind::Connect, "/", "{}")), None);
    for text in
        ["3[1]", "31[1]", "2[]", "2[1]", "2[\"a\",}]", "2[\"a\"", "x", "51-[\"a\",{\"_placeholder\":true,\"num\":0}]"]
    {
        assert_eq!(heard(&Packet::new(text, Vec::new())), None, "{text}");
    }
}

#[test]
fn the_type_of_a_body_tells_its_argument() {
    let text = |content_type: Option<&str>, body: &str| said("x", content_type, body.as_bytes()).unwrap().into_text();
    let json = ["application/json", "application/json;charset=utf-8", "Application/JSON ; a=b", "application/x+json"];
    for content_type in json {
        assert_eq!(text(Some(content_type), "{\"a\": 1}"), "2[\"x\",{\"a\": 1}]", "{content_type}");
        assert_eq!(text(Some(content_type), " null "), "2[\"x\", null ]");
        assert_eq!(text(Some(content_type), ""), "2[\"x\"]");
    }
    for content_type in ["text/plain", "text/html;charset=utf-8", "TEXT/x"] {
        assert_eq!(text(Some(content_type), "{\"a\":1}"), "2[\"x\",\"{\\\"a\\\":1}\"]", "{content_type}");
        assert_eq!(text(Some(content_type), ""), "2[\"x\",\"\"]");
    }
    assert_eq!(text(None, "[1,2]"), "2[\"x\",[1,2]]");
    assert_eq!(text(None, "hello"), "2[\"x\",\"hello\"]");
    assert_eq!(text(None, "1 2"), "2[\"x\",\"1 2\"]");
    assert_eq!(text(None, ""), "2[\"x\"]");
}

#[test]
fn a_body_that_is_no_text_is_bytes() {
    let placeholder = "51-[\"x\",{\"_placeholder\":true,\"num\":0}]";
    let cases: [(Option<&str>, &[u8]); 6] = [
        (None, b"\xff"),
        (Some("text/plain;charset=latin1"), b"\xe9"),
        (Some("application/octet-stream"), b"abc"),
        (Some("application/octet-stream"), b""),
        (Some("image/png"), b"{}"),
        (Some(""), b"{}"),
    ];
    for (content_type, body) in cases {
        let packet = said("x", content_type, body).unwrap();
        assert_eq!(packet.text(), placeholder, "{content_type:?}");
        assert_eq!(packet.attachments(), [body]);
    }
}

#[test]
fn json_that_is_none_is_refused() {
    for body in [&b"{"[..], b"1 2", b"\"\xff\"", b"nonsense", b"{},{}", b"1],[2"] {
        assert!(said("x", Some("application/json"), body).is_err(), "{}", body.escape_ascii());
    }
    // A lone surrogate of JavaScript is mended.
    assert_eq!(said("x", None, b"\"\\ud800\"").unwrap().text(), "2[\"x\",\"\\ufffd\"]");
}

#[test]
fn names_that_no_event_may_have_are_refused() {
    for name in ["", "connect", "disconnect"] {
        assert!(said(name, None, b"").is_err(), "{name}");
    }
    assert_eq!(said("message", None, b"hi").unwrap().text(), "2[\"message\",\"hi\"]");
    assert_eq!(said("a\"b", None, b"").unwrap().text(), "2[\"a\\\"b\"]");
}

#[test]
fn with_an_id_it_is_a_request_and_a_handler_can_read_it() {
    let packet = event_packet("save", Some(12), &content(&[], b"{\"a\":[1,2]}")).unwrap();
    let head = Head::parse(packet.text()).unwrap();
    assert_eq!((head.kind, head.id, head.namespace), (Kind::Event, Some(12), "/"));
    let value: Value = read_args(Arguments::of_event(head.data, packet.attachments())).unwrap();
    assert_eq!(value, json!({"a": [1, 2]}));
    let packet = event_packet("save", Some(12), &content(&[], b"\xff")).unwrap();
    assert_eq!(packet.text(), "51-12[\"save\",{\"_placeholder\":true,\"num\":0}]");
}
