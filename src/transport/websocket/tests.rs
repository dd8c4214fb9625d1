//! A bare WebSocket over a connection in memory: RFC 6455 as a client sees it.

mod fuzz;

use std::{sync::Arc, task::Waker};

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::frame::coding::CloseCode};

use super::*;
use crate::{
    broadcast::OutMessage,
    codec::raw::RawCodec,
    config::Transport,
    message::Message,
    shared::{
        Attach, Credential, LinkKind, SharedSession,
        tests::{next_message, raw_session},
    },
};

impl ByteStream for DuplexStream {}

const LIMIT: usize = 70_000;

const SECOND: Duration = Duration::from_secs(1);

/// Opens a session over one end of a connection, and lets the script play its handler and its client.
async fn play(script: impl AsyncFnOnce(&SharedSession, DuplexStream)) {
    let session = Arc::new(raw_session());
    let attach =
        Attach { ordinal: 1, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names: None };
    let link = Link::attach(session.clone(), Credential::Attempt, attach, Transport::WebSocket).unwrap();
    session.begin_turn();
    session.end_turn();
    let (server, client) = tokio::io::duplex(1 << 16);
    let run = Socket::new(server, LIMIT).run(link, RawCodec::new(LIMIT), None, Vec::new());
    tokio::join!(run, script(&session, client));
}

async fn connect(io: DuplexStream) -> WebSocketStream<DuplexStream> {
    let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
    WebSocketStream::from_raw_socket(io, role, None).await
}

fn closed(session: &SharedSession) -> Option<CloseReason> {
    session.look(|machine| machine.closed().cloned())
}

/// A client's frame: the first byte, and the payload masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | length as u8),
        length => {
            bytes.push(0xfe);
            bytes.extend((length as u16).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The next frame of the server: its first byte, and its payload.
async fn read_frame(client: &mut DuplexStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    client.read_exact(&mut head).await.unwrap();
    assert!(head[1] < 126, "a short frame");
    let mut payload = vec![0; usize::from(head[1])];
    client.read_exact(&mut payload).await.unwrap();
    (head[0], payload)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_many_messages_at_once_leaves_others_their_turn() {
    play(async |session, mut client| {
        const MANY: usize = 4_000;
        client.write_all(&frame(0x82, b"0123456789").repeat(MANY)).await.unwrap();
        let (mut taken, mut turns) = (0, 0);
        while taken < MANY {
            // `join!` lets the connection and this script begin by turns, so that the connection may come twice
            // between two turns of the script.
            tokio::task::yield_now().await;
            let mut at_once: u32 = 0;
            while session.try_message().is_some() {
                at_once += 1;
            }
            assert!(at_once <= 2 * MOST_FRAMES, "{at_once} at once");
            (taken, turns) = (taken + at_once as usize, turns + 1);
            assert!(turns < MANY, "{taken} have come");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn messages_of_every_length_keep_their_kind_both_ways() {
    play(async |session, client| {
        let mut client = connect(client).await;
        for length in [0, 125, 126, 65_535, 65_536, LIMIT] {
            for (sent, message) in [
                (WsMessage::text("x".repeat(length)), Message::from("x".repeat(length))),
                (WsMessage::binary(vec![0; length]), Message::from(vec![0; length])),
            ] {
                client.send(sent.clone()).await.unwrap();
                assert_eq!(next_message(session).await, Some(message.clone()), "{length}");
                session.send(message.into()).unwrap();
                assert_eq!(client.next().await.unwrap().unwrap(), sent, "{length}");
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_ping_between_two_fragments_is_answered_and_the_message_is_whole() {
    play(async |session, mut client| {
        let parts = [frame(0x01, b"he"), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, b"llo")];
        for byte in parts.concat() {
            client.write_all(&[byte]).await.unwrap();
        }
        assert_eq!(next_message(session).await, Some("hello".into()));
        assert_eq!(read_frame(&mut client).await, (0x8a, b"ping".to_vec()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_violation_ends_the_session_with_the_code_of_the_standard() {
    let unmasked = vec![0x81, 1, b'x'];
    let too_large = [&[0x82, 0xff][..], &(LIMIT as u64 + 1).to_be_bytes(), &[1, 2, 3, 4]].concat();
    let too_large_together = [frame(0x02, &[0; 65_535]), frame(0x80, &[0; LIMIT - 65_534])].concat();
    for (bytes, code) in [
        (frame(0xc1, b"reserved bit"), 1002),
        (frame(0x83, b"reserved opcode"), 1002),
        (frame(0x80, b"nothing to continue"), 1002),
        (frame(0x09, b"a fragment of a ping"), 1002),
        (frame(0x89, &[0; 126]), 1002),
        ([frame(0x01, b"a"), frame(0x81, b"not its continuation")].concat(), 1002),
        (unmasked, 1002),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x81, b"\xff"), 1007),
        ([frame(0x01, b"\xc3"), frame(0x80, b"x")].concat(), 1007),
        (too_large, 1009),
        (too_large_together, 1009),
    ] {
        play(async |session, mut client| {
            client.write_all(&frame(0x81, b"before it")).await.unwrap();
            client.write_all(&bytes).await.unwrap();
            assert_eq!(next_message(session).await, Some("before it".into()));
            assert_eq!(next_message(session).await, None, "{code}");
            assert_eq!(closed(session).map(|reason| reason.code), Some(code));
            let (first, payload) = read_frame(&mut client).await;
            assert_eq!((first, u16::from_be_bytes([payload[0], payload[1]])), (0x88, code), "{:?}", &bytes[..2]);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_still_sending_what_is_too_large_reads_the_close_and_the_end() {
    play(async |_, client| {
        let (mut read, mut write) = tokio::io::split(client);
        let message = [&[0x82, 0xff][..], &1_000_000_u64.to_be_bytes(), &[0; 1_000_004]].concat();
        let send = async {
            write.write_all(&message).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let receive = async {
            let mut bytes = Vec::new();
            read.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes[..4], [0x88, bytes[1], 0x03, 0xf1], "a close frame with 1009, and the end");
        };
        tokio::join!(send, receive);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_clients_close_is_answered_and_its_code_is_the_sessions() {
    for (payload, code, text) in
        [(&b"\x03\xe8"[..], 1000, ""), (b"\x0b\xb9bye", 3001, "bye"), (b"\x03\xe9", 1001, ""), (b"", 1005, "")]
    {
        play(async |session, mut client| {
            client.write_all(&[frame(0x81, b"the last"), frame(0x88, payload)].concat()).await.unwrap();
            assert_eq!(next_message(session).await, Some("the last".into()));
            assert_eq!(next_message(session).await, None);
            assert_eq!(closed(session), Some(CloseReason::new(code, text)));
            let (first, answer) = read_frame(&mut client).await;
            assert_eq!((first, answer.get(..2)), (0x88, payload.get(..2)), "{code}");
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "and nothing follows");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_follows_what_was_sent() {
    play(async |session, client| {
        let mut client = connect(client).await;
        session.send(Message::from("the last").into()).unwrap();
        session.close(CloseReason::new(3000, "é".repeat(100)));
        assert_eq!(client.next().await.unwrap().unwrap(), WsMessage::text("the last"));
        let Some(Ok(WsMessage::Close(Some(close)))) = client.next().await else { panic!("a close frame with a code") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (3000, &*"é".repeat(61)));
        assert!(client.next().await.is_none());
        assert_eq!(next_message(session).await, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_close_frame_shares_the_write_of_the_last_message() {
    play(async |session, mut client| {
        session.send(Message::from("last").into()).map_err(|(error, _)| error).unwrap();
        session.close(CloseReason::new(3000, "bye"));
        let mut bytes = [0; 64];
        let length = client.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..length], b"\x81\x04last\x88\x05\x0b\xb8bye");
        client.write_all(&frame(0x88, b"\x0b\xb8")).await.unwrap();
        assert_eq!(client.read(&mut bytes).await.unwrap(), 0, "the end");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_aborted_closes_for_policy() {
    play(async |session, client| {
        let mut client = connect(client).await;
        session.abort(reason::TOO_SLOW);
        let Some(Ok(WsMessage::Close(Some(close)))) = client.next().await else { panic!("a close frame with a code") };
        assert_eq!((close.code, close.reason.as_str()), (CloseCode::Policy, &*reason::TOO_SLOW.text));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn silence_is_pinged_and_a_pong_answers() {
    play(async |session, client| {
        let mut client = connect(client).await;
        tokio::time::sleep(25 * SECOND).await;
        assert!(!session.handle_timeout());
        assert!(matches!(client.next().await, Some(Ok(WsMessage::Ping(_)))));
        tokio::time::sleep(SECOND).await;
        client.flush().await.unwrap(); // The client's library writes the pong.
        client.send(WsMessage::text("behind it")).await.unwrap();
        assert_eq!(next_message(session).await, Some("behind it".into()));
        assert_eq!(session.look(|machine| machine.rtt()), Some(1000));
        tokio::time::sleep(24 * SECOND).await;
        client.send(WsMessage::Pong("unasked".into())).await.unwrap();
        tokio::time::sleep(20 * SECOND).await;
        assert!(!session.handle_timeout());
        assert_eq!(closed(session), None, "any frame is a sign of life");
        client.close(None).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_the_inbox_is_full_and_nothing_is_lost() {
    play(async |session, client| {
        let (mut reads, mut writes) = tokio::io::split(client);
        let count = 3000;
        let send = async {
            for number in 0..count {
                let text = format!("{number}{}", " ".repeat(990));
                writes.write_all(&frame(0x81, text.as_bytes())).await.unwrap();
            }
            writes.write_all(&frame(0x88, b"")).await.unwrap();
        };
        let handler = async {
            tokio::time::sleep(SECOND).await;
            let held = session.look(|machine| machine.held());
            assert!((1 << 20..(1 << 20) + 128 * 1024).contains(&held), "{held} bytes are held");
            for number in 0..count {
                let message = next_message(session).await.expect("a message");
                assert_eq!(message.as_text().unwrap().trim_end(), number.to_string());
            }
            assert_eq!(next_message(session).await, None);
        };
        let mut answer = Vec::new();
        let (_, _, read) = tokio::join!(send, handler, reads.read_to_end(&mut answer));
        assert_eq!((read.unwrap(), answer), (2, vec![0x88, 0]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_floods_pings_and_reads_no_pong_is_not_read() {
    play(async |session, mut client| {
        let ping = frame(0x89, &[0; 125]);
        let flood = async {
            for _ in 0..100_000 {
                client.write_all(&ping).await.unwrap();
            }
        };
        assert!(tokio::time::timeout(SECOND, flood).await.is_err(), "the connection takes no more");
        assert_eq!(session.poll_arrival(&Context::from_waker(Waker::noop()), &mut None, true), Poll::Pending);
        drop(client);
        assert_eq!(next_message(session).await, None);
        assert_eq!(closed(session), Some(reason::CUT));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_large_frame_that_many_share_is_not_copied_and_nothing_comes_into_the_midst_of_it() {
    play(async |session, mut client| {
        let runtime = session.runtime().clone();
        let shared = OutMessage::shared(Message::from(vec![7; 500_000]), runtime.pool());
        session.send(shared).unwrap();
        session.send(Message::from("behind it").into()).unwrap();
        for _ in 0..9 {
            tokio::task::yield_now().await;
        }
        assert_eq!(runtime.pool().bytes(), 1_000_010, "the message and its frame");
        // Pings that come while it is written are answered behind it.
        client.write_all(&[frame(0x89, b"ping"), frame(0x89, b"pong")].concat()).await.unwrap();
        let mut head = [0; 10];
        client.read_exact(&mut head).await.unwrap();
        assert_eq!(head, [0x82, 127, 0, 0, 0, 0, 0, 7, 0xa1, 0x20]);
        let mut payload = vec![0; 500_000];
        client.read_exact(&mut payload).await.unwrap();
        assert!(payload.iter().all(|byte| *byte == 7));
        let mut behind = Vec::new();
        for _ in 0..3 {
            behind.push(read_frame(&mut client).await);
        }
        behind.sort();
        assert_eq!(behind, [(0x81, b"behind it".to_vec()), (0x8a, b"ping".to_vec()), (0x8a, b"pong".to_vec())]);
        assert_eq!(runtime.pool().bytes(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_at_a_connection_counts_with_its_session() {
    play(async |session, mut client| {
        let held = || session.weigh().unwrap().bytes;
        let bytes = frame(0x82, &[0; 60_000]);
        client.write_all(&bytes[..40_000]).await.unwrap();
        until(|| held() > 0).await;
        assert!((36_000..=40_000).contains(&held()), "{}", held());
        client.write_all(&bytes[40_000..]).await.unwrap();
        assert_eq!(next_message(session).await.unwrap().len(), 60_000);
        until(|| held() == 0).await;
        // The client reads none of this.
        for _ in 0..4 {
            session.send(Message::from(vec![0; 60_000]).into()).unwrap();
        }
        until(|| held() > 100_000).await;
        let mut all = vec![0; 4 * 60_004];
        client.read_exact(&mut all).await.unwrap();
        until(|| held() == 0).await;
    })
    .await;
}

/// Lets the other tasks run until a condition holds.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never happened");
}
