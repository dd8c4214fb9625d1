//! RFC 6455's cases: sizes, fragments, control frames, and what it forbids.

use anywire::Anywire;
use axum::Router;

use crate::{
    LIMIT,
    client::{BINARY, CLOSE, CONTINUATION, Came, Client, PING, PONG, TEXT, frame},
    support::echo,
};

fn echoing() -> Router {
    crate::router(&Anywire::builder().handler(echo).message_limit(LIMIT).build())
}

#[tokio::test]
async fn messages_of_every_form_of_length_come_back_as_they_were() {
    let mut client = Client::open(&echoing()).await;
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, LIMIT] {
        let text = "a".repeat(length);
        client.send(TEXT, &text).await;
        assert_eq!(client.next().await, Came::Text(text), "{length}");
        let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
        client.send(BINARY, &bytes).await;
        assert_eq!(client.next().await, Came::Binary(bytes), "{length}");
    }
}

#[tokio::test]
async fn a_length_that_is_longer_than_it_need_be_is_read() {
    let mut client = Client::open(&echoing()).await;
    client.bytes(&[0x81, 0x80 | 126, 0, 1, 0, 0, 0, 0, b'a']).await;
    assert_eq!(client.next().await, Came::Text("a".into()));
    client.bytes(&[0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, b'b']).await;
    assert_eq!(client.next().await, Came::Text("b".into()));
}

#[tokio::test]
async fn a_frame_that_comes_byte_by_byte_is_a_frame() {
    let mut client = Client::open(&echoing()).await;
    for byte in frame(0x80 | TEXT, "é€😀".as_bytes()) {
        client.bytes(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.next().await, Came::Text("é€😀".into()));
}

#[tokio::test]
async fn fragments_make_one_message_and_control_frames_stand_between_them() {
    let mut client = Client::open(&echoing()).await;
    // A character that is cut in two.
    let text = "fragment é";
    let (one, two) = text.as_bytes().split_at(text.len() - 1);
    client.frame(TEXT, one).await;
    client.send(PING, "between").await;
    client.frame(CONTINUATION, "").await;
    client.send(PONG, "unasked").await;
    client.send(CONTINUATION, two).await;
    assert_eq!(client.next().await, Came::Pong(b"between".to_vec()));
    assert_eq!(client.next().await, Came::Text(text.into()));
    client.frame(BINARY, [0xff]).await;
    client.send(CONTINUATION, [0xfe]).await;
    assert_eq!(client.next().await, Came::Binary(vec![0xff, 0xfe]));
    client.frame(TEXT, "").await;
    client.send(CONTINUATION, "").await;
    assert_eq!(client.next().await, Came::Text(String::new()));
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let mut client = Client::open(&echoing()).await;
    for payload in [vec![], b"hello".to_vec(), vec![0xff; 125]] {
        client.send(PING, &payload).await;
        assert_eq!(client.next().await, Came::Pong(payload));
    }
}

/// Bytes, and the code of the close frame with which they are answered.
async fn ends(bytes: &[u8], code: u16) {
    let router = echoing();
    let (mut bystander, mut client) = (Client::open(&router).await, Client::open(&router).await);
    client.send(TEXT, "before").await;
    assert_eq!(client.next().await, Came::Text("before".into()));
    client.bytes(bytes).await;
    match client.next().await {
        Came::Close(came, _) => assert_eq!(came, code, "{bytes:02x?}"),
        other => panic!("{other:?} in answer to {bytes:02x?}"),
    }
    client.close(code, "").await;
    assert_eq!(client.next().await, Came::End);
    bystander.send(TEXT, "I notice nothing").await;
    assert_eq!(bystander.next().await, Came::Text("I notice nothing".into()));
}

#[tokio::test]
async fn broken_framing_ends_with_1002() {
    for bit in [0x40, 0x20, 0x10] {
        ends(&frame(0x80 | bit | TEXT, b"a reserved bit"), 1002).await;
    }
    for opcode in [3, 7, 11, 15] {
        ends(&frame(0x80 | opcode, b"an unknown opcode"), 1002).await;
    }
    ends(&[0x81, 1, b'a'], 1002).await; // It is not masked.
    ends(&frame(PING, b"a fragmented ping"), 1002).await;
    ends(&frame(0x80 | PING, &[0; 126]), 1002).await;
    ends(&frame(0x80 | CONTINUATION, b"of nothing"), 1002).await;
    ends(&[frame(TEXT, b"begun"), frame(0x80 | TEXT, b"and another")].concat(), 1002).await;
    ends(&[frame(TEXT, b"begun"), frame(0x80 | BINARY, b"and another")].concat(), 1002).await;
}

#[tokio::test]
async fn a_close_frame_with_an_invalid_code_ends_with_1002() {
    ends(&frame(0x80 | CLOSE, &[3]), 1002).await;
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535] {
        ends(&frame(0x80 | CLOSE, &code.to_be_bytes()), 1002).await;
    }
}

#[tokio::test]
async fn text_that_is_not_utf8_ends_with_1007() {
    for bytes in [&[0xff][..], &[0xc3], &[0xc3, b'a'], &[0xed, 0xa0, 0x80], &[0xf4, 0x90, 0x80, 0x80], &[0xc0, 0x80]] {
        ends(&frame(0x80 | TEXT, bytes), 1007).await;
    }
    ends(&[frame(TEXT, &[0xe2, 0x82]), frame(0x80 | CONTINUATION, b"a")].concat(), 1007).await;
}

#[tokio::test]
async fn what_is_above_the_limit_ends_with_1009() {
    ends(&frame(0x80 | BINARY, &vec![0; LIMIT + 1]), 1009).await;
    ends(&frame(0x80 | TEXT, &vec![b'a'; LIMIT + 1]), 1009).await;
    let half = vec![0; LIMIT / 2 + 1];
    ends(&[frame(BINARY, &half), frame(0x80 | CONTINUATION, &half)].concat(), 1009).await;
    // The head alone is enough.
    ends(&[0x82, 0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], 1009).await;
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_the_connection_ends() {
    for code in [1000, 1001, 1003, 1007, 1011, 3000, 4999] {
        let mut client = Client::open(&echoing()).await;
        client.send(TEXT, "last").await;
        assert_eq!(client.next().await, Came::Text("last".into()));
        client.close(code, "bye").await;
        match client.next().await {
            Came::Close(answer, _) => assert_eq!(answer, code),
            other => panic!("{other:?}"),
        }
        assert_eq!(client.next().await, Came::End);
    }
    let mut client = Client::open(&echoing()).await;
    client.send(CLOSE, "").await;
    assert!(matches!(client.next().await, Came::Close(1005 | 1000, _)));
    assert_eq!(client.next().await, Came::End);
}

#[tokio::test]
async fn nothing_is_read_behind_a_close() {
    let mut client = Client::open(&echoing()).await;
    client.bytes(&[frame(0x80 | CLOSE, &1000u16.to_be_bytes()), frame(0x80 | TEXT, b"too late")].concat()).await;
    assert!(matches!(client.next().await, Came::Close(1000, _)));
    assert_eq!(client.next().await, Came::End);
}
