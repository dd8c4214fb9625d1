//! Clients with the parser of MessagePack, through a server.

use anywire::{Events, Parser, Reply, Server, Session, SocketIo};
use axum::Router;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use rmp::{Marker, encode::*};
use serde_json::{Map, Value, json};

use super::{
    application, builder,
    client::{Came, Client, Socket, sid_of},
    recording::Packet,
    support::{Lives, until},
};

/// Reads a message whole: bytes are `{"bytes": [..]}`, and undefined is left out.
pub fn decode(mut message: &[u8]) -> Value {
    let value = value(&mut message).expect("no value");
    assert_eq!(message, b"", "bytes behind the value");
    value
}

fn value(rest: &mut &[u8]) -> Option<Value> {
    let marker = Marker::from_u8(rest[0]);
    let integers = |rest: &mut &[u8]| rmp::decode::read_int::<i64, _>(rest).ok().map(Value::from);
    match marker {
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            let length = rmp::decode::read_str_len(rest).unwrap() as usize;
            let text = std::str::from_utf8(&rest[..length]).unwrap().to_owned();
            *rest = &rest[length..];
            Some(Value::String(text))
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            let length = rmp::decode::read_bin_len(rest).unwrap() as usize;
            let bytes = &rest[..length];
            *rest = &rest[length..];
            Some(json!({ "bytes": bytes }))
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let length = rmp::decode::read_array_len(rest).unwrap();
            Some(Value::Array((0..length).map(|_| value(rest).unwrap_or_default()).collect()))
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            let length = rmp::decode::read_map_len(rest).unwrap();
            let entries = (0..length).filter_map(|_| {
                let key = value(rest).unwrap().as_str().unwrap().to_owned();
                Some((key, value(rest)?))
            });
            Some(Value::Object(entries.collect::<Map<_, _>>()))
        }
        Marker::FixExt1 => {
            assert_eq!(rest[..3], [0xd4, 0, 0]);
            *rest = &rest[3..];
            None
        }
        Marker::Null => rmp::decode::read_nil(rest).ok().map(|()| Value::Null),
        Marker::True | Marker::False => rmp::decode::read_bool(rest).ok().map(Value::from),
        Marker::F64 => rmp::decode::read_f64(rest).ok().map(Value::from),
        _ => integers(rest),
    }
}

/// A packet as one in JSON, with its attachments.
pub fn unpacked(message: &[u8]) -> Vec<Packet> {
    let mut packet = decode(message);
    let (mut kind, id) = (packet["type"].as_u64().unwrap(), packet["id"].as_u64());
    let mut attachments = Vec::new();
    let data = packet.get_mut("data").map(|data| {
        take_bytes(data, &mut attachments);
        data.to_string()
    });
    let mut head = String::new();
    if !attachments.is_empty() {
        kind += 3;
        head = format!("{}-", attachments.len());
    }
    let namespace = packet["nsp"].as_str().unwrap();
    let namespace = if namespace == "/" { String::new() } else { format!("{namespace},") };
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    let text = format!("4{kind}{head}{namespace}{id}{}", data.unwrap_or_default());
    [Packet::Text(text)].into_iter().chain(attachments.into_iter().map(Packet::Bytes)).collect()
}

/// Puts placeholders in the place of bytes.
fn take_bytes(value: &mut Value, attachments: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(entries) if entries.contains_key("bytes") => {
            attachments.push(serde_json::from_value(value["bytes"].take()).unwrap());
            *value = json!({ "_placeholder": true, "num": attachments.len() - 1 });
        }
        Value::Object(entries) => entries.values_mut().for_each(|value| take_bytes(value, attachments)),
        Value::Array(items) => items.iter_mut().for_each(|item| take_bytes(item, attachments)),
        _ => {}
    }
}

/// Writes a packet. Bytes are as [`decode`] has them.
fn encode(packet: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(packet, &mut out);
    out
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => write_nil(out).unwrap(),
        Value::Bool(value) => write_bool(out, *value).unwrap(),
        Value::Number(number) => drop(write_sint(out, number.as_i64().unwrap()).unwrap()),
        Value::String(text) => write_str(out, text).unwrap(),
        Value::Array(items) => {
            write_array_len(out, items.len() as u32).unwrap();
            items.iter().for_each(|item| put(item, out));
        }
        Value::Object(entries) if entries.contains_key("bytes") => {
            let bytes: Vec<u8> = serde_json::from_value(value["bytes"].clone()).unwrap();
            write_bin(out, &bytes).unwrap();
        }
        Value::Object(entries) => {
            write_map_len(out, entries.len() as u32).unwrap();
            for (key, value) in entries {
                write_str(out, key).unwrap();
                put(value, out);
            }
        }
    }
}

const PATH: &str = "/msgpack/";

/// The server with both parsers, each at a path of its own.
fn router(server: &Server) -> Router {
    let packed = SocketIo::new().parser(Parser::MsgPack);
    Router::new().merge(server.socketio("/engine.io")).merge(server.socketio_with("/msgpack", packed))
}

fn client(server: &Server) -> Client {
    Client { path: PATH, ..Client::of_router(router(server), 4) }
}

async fn say(socket: &mut Socket, packet: Value) {
    socket.say_bytes(&encode(&packet)).await;
}

async fn hear(socket: &mut Socket) -> Value {
    match socket.next().await {
        Came::Binary(message) => decode(&message),
        other => panic!("no packet but {other:?}"),
    }
}

/// A client that has opened `/`.
async fn joined(server: &Server) -> Socket {
    let mut socket = client(server).socket().await;
    sid_of(&socket.text().await);
    say(&mut socket, json!({ "type": 0, "data": { "token": "abc" }, "nsp": "/" })).await;
    let opened = hear(&mut socket).await;
    let sid = &opened["data"]["sid"];
    assert_eq!(opened, json!({ "type": 0, "data": { "sid": sid }, "nsp": "/" }));
    assert!(sid.is_string());
    socket
}

/// The packets of an answer to a poll.
fn polled(body: &str) -> Vec<Value> {
    let bytes = |packet: &str| STANDARD.decode(packet.strip_prefix('b').expect(packet)).unwrap();
    body.split('\x1e').map(|packet| decode(&bytes(packet))).collect()
}

fn posted(packet: &Value) -> String {
    format!("b{}", STANDARD.encode(encode(packet)))
}

#[tokio::test(start_paused = true)]
async fn a_websocket_has_one_message_for_each_packet() {
    let server = application().build();
    let mut socket = joined(&server).await;
    let auth = json!({ "type": 2, "data": ["auth", { "token": "abc" }], "nsp": "/" });
    assert_eq!(hear(&mut socket).await, auth);
    let (first, second) = (json!({ "bytes": [1, 2, 3] }), json!({ "bytes": [] }));
    let values = json!([first, "é€😀", { "deep": [-1, null, true] }, second]);
    let list = |name: &str| json!([name, values[0], values[1], values[2], values[3]]);
    say(&mut socket, json!({ "type": 2, "data": list("message"), "nsp": "/", "options": { "compress": true } })).await;
    assert_eq!(hear(&mut socket).await, json!({ "type": 2, "data": list("message-back"), "nsp": "/" }));
    say(&mut socket, json!({ "type": 2, "data": list("message-with-ack"), "id": 0, "nsp": "/" })).await;
    assert_eq!(hear(&mut socket).await, json!({ "type": 3, "data": values, "id": 0, "nsp": "/" }));
    // Namespaces: one that refuses, one that nobody serves, one that is left.
    say(&mut socket, json!({ "type": 0, "nsp": "/closed" })).await;
    let data = json!({ "message": "not today", "data": { "retry": 7 }, "code": "login" });
    assert_eq!(hear(&mut socket).await, json!({ "type": 4, "data": data, "nsp": "/closed" }));
    say(&mut socket, json!({ "type": 0, "data": null, "nsp": "/nobody" })).await;
    let data = json!({ "message": "Invalid namespace" });
    assert_eq!(hear(&mut socket).await, json!({ "type": 4, "data": data, "nsp": "/nobody" }));
    say(&mut socket, json!({ "type": 0, "nsp": "/custom" })).await;
    assert_eq!(hear(&mut socket).await["type"], 0);
    assert_eq!(hear(&mut socket).await, json!({ "type": 2, "data": ["auth", {}], "nsp": "/custom" }));
    say(&mut socket, json!({ "type": 1, "nsp": "/custom" })).await;
    // The server ends `/`.
    say(&mut socket, json!({ "type": 2, "data": ["leave"], "nsp": "/" })).await;
    assert_eq!(hear(&mut socket).await, json!({ "type": 1, "nsp": "/" }));
    socket.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn polls_have_base64_and_an_upgrade_loses_nothing() {
    let server = application().build();
    let client = client(&server);
    let sid = client.open().await;
    client.say(&sid, &[&posted(&json!({ "type": 0, "nsp": "/" }))]).await;
    let opened = polled(client.poll(&sid).await.packets());
    assert_eq!(opened[0]["type"], 0);
    assert_eq!(opened[1..], [json!({ "type": 2, "data": ["auth", {}], "nsp": "/" })]);
    let event = |number: u8| json!({ "type": 2, "data": ["message", { "bytes": [number] }], "nsp": "/" });
    let back = |number: u8| json!({ "type": 2, "data": ["message-back", { "bytes": [number] }], "nsp": "/" });
    client.say(&sid, &[&posted(&event(1)), &posted(&event(2))]).await;
    assert_eq!(polled(client.poll(&sid).await.packets()), [back(1), back(2)]);
    let mut socket = client.beside(&sid).await;
    socket.say("2probe").await;
    socket.hears("3probe").await;
    client.say(&sid, &[&posted(&event(3))]).await;
    socket.say("5").await;
    say(&mut socket, event(4)).await;
    assert_eq!(hear(&mut socket).await, back(3));
    assert_eq!(hear(&mut socket).await, back(4));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_packet_ends_the_connection() {
    let server = application().build();
    let ack = encode(&json!({ "type": 3, "data": [], "nsp": "/" }));
    for message in [
        Came::Text("42[\"message\",1]".into()),
        Came::Text("40".into()),
        Came::Binary(Vec::new()),
        Came::Binary(vec![0xc1]),
        Came::Binary(b"42[\"message\",1]".to_vec()),
        Came::Binary(ack),
        Came::Binary(encode(&json!({ "type": 0, "nsp": "/" }))),
        Came::Binary(encode(&json!({ "type": 2, "data": ["message"], "nsp": "/custom" }))),
        Came::Binary(encode(&json!({ "type": 2, "data": ["message", "x".repeat(1_000_000)], "nsp": "/" }))),
        Came::Binary(encode(&json!({ "type": 2, "data": ["message", "\u{1}".repeat(200_000)], "nsp": "/" }))),
    ] {
        let mut socket = joined(&server).await;
        match &message {
            Came::Text(text) => socket.say(text).await,
            Came::Binary(bytes) => socket.say_bytes(bytes).await,
            _ => unreachable!(),
        }
        socket.is_closed().await;
        until("the session is gone", || Lives::of_server(&server).is_empty()).await;
    }
    assert_eq!(Lives::of_server(&server).stats().bytes, 0);
}

/// Clients 1 and 2 have no such parser.
#[tokio::test(start_paused = true)]
async fn revision_3_of_engine_io_is_refused() {
    let server = application().build();
    for query in ["EIO=3&transport=polling", "transport=polling"] {
        let refused = client(&server).ask(axum::http::Method::GET, query, "").await;
        refused.is(400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    }
}

#[tokio::test(start_paused = true)]
async fn clients_with_both_parsers_are_in_one_room() {
    let events = || {
        Events::new().on_open(async |session: Session| assert!(session.join("all"))).on(
            "ask all",
            anywire::concurrent(8, async |session: Session| {
                let asked = session.within("all").request::<_, _, Bytes>("question", Bytes::from_static(&[7])).await;
                Reply(asked.into_values().collect::<Vec<_>>())
            }),
        )
    };
    let server = builder().events(events()).build();
    let (mut first, mut second) = (joined(&server).await, joined(&server).await);
    let mut plain = Client::of_router(router(&server), 4).socket().await;
    sid_of(&plain.text().await);
    plain.say("40").await;
    plain.text().await;
    server.to("all").emit("hi", anywire::Args((1, Bytes::from_static(&[1, 2]))));
    let heard = json!({ "type": 2, "data": ["hi", 1, { "bytes": [1, 2] }], "nsp": "/" });
    assert_eq!((hear(&mut first).await, hear(&mut second).await), (heard.clone(), heard));
    plain.hears("451-[\"hi\",1,{\"_placeholder\":true,\"num\":0}]").await;
    assert_eq!(plain.next().await, Came::Binary(vec![1, 2]));
    // A plain message is an event, and so is what such a client sends as one.
    server.to("all").send("text");
    assert_eq!(hear(&mut first).await["data"], json!(["message", "text"]));
    hear(&mut second).await;
    plain.hears("42[\"message\",\"text\"]").await;
    say(&mut first, json!({ "type": 2, "data": ["ask all"], "id": 5, "nsp": "/" })).await;
    for (socket, byte) in [(&mut first, 1), (&mut second, 2)] {
        let asked = hear(socket).await;
        assert_eq!(asked["data"], json!(["question", { "bytes": [7] }]));
        say(socket, json!({ "type": 3, "data": [{ "bytes": [byte] }], "id": asked["id"], "nsp": "/" })).await;
    }
    let asked = plain.text().await;
    let id: u64 = asked.strip_prefix("451-").and_then(|rest| rest.split_once('[')).unwrap().0.parse().unwrap();
    assert_eq!(plain.next().await, Came::Binary(vec![7]));
    plain.say(&format!("461-{id}[{{\"_placeholder\":true,\"num\":0}}]")).await;
    plain.say_bytes(&[3]).await;
    let answers = hear(&mut first).await;
    assert_eq!(answers["id"], 5);
    let mut answers = answers["data"][0].as_array().unwrap().clone();
    answers.sort_by_key(ToString::to_string);
    assert_eq!(answers, [1, 2, 3].map(|byte| json!({ "bytes": [byte] })));
}
