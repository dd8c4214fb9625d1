//! Frames, as they are and as they must not be.

use std::net::SocketAddr;

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, OriginalUri, Request},
    http::{HeaderValue, StatusCode, Version, header},
    response::Response,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::FutureExt;

use super::{
    frame::{self, Call, Kind, MOST, START},
    reader::{Frame, Malformed, Reader},
};
use crate::server::other_nodes::MovedTo;

fn request() -> Request {
    let mut request = Request::post("/live/send?session=b.1&x=%20")
        .version(Version::HTTP_2)
        .header(header::HOST, "chat.test:81")
        .header(header::COOKIE, "a=1")
        .header(header::COOKIE, "b=2")
        .header("x-bytes", HeaderValue::from_bytes(b"\xff\xe9").unwrap())
        .header("x-empty", "")
        .body(Body::empty())
        .unwrap();
    request.extensions_mut().insert(ConnectInfo("[fe80::9%3]:1234".parse::<SocketAddr>().unwrap()));
    request.extensions_mut().insert(OriginalUri("/app/live/send?session=b.1&x=%20".parse().unwrap()));
    request
}

fn written(mount: &str, request: Request, body: &[u8]) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    let (parts, _) = request.into_parts();
    frame::put_call(7, Call { mount, hops: 2, parts: &parts, body }, &mut out)?;
    Some(out)
}

/// The only frame of these bytes.
fn only(bytes: impl Into<Bytes>) -> Frame {
    let mut reader = Reader::default();
    reader.feed(bytes.into());
    let frame = reader.next().unwrap().unwrap();
    assert_eq!(reader.next(), Ok(None));
    frame
}

#[tokio::test]
async fn a_call_is_read_as_it_was_written() {
    let Frame { kind, number, rest } = only(written("native", request(), b"hello").unwrap());
    assert_eq!((kind, number), (Kind::Call, 7));
    let (mount, read) = frame::read_call(rest).unwrap();
    assert_eq!(mount, "native");
    let (parts, body) = read.into_parts();
    let (expected, _) = request().into_parts();
    assert_eq!((&parts.method, &parts.uri, parts.version), (&expected.method, &expected.uri, expected.version));
    let client = |parts: &axum::http::request::Parts| parts.extensions.get::<ConnectInfo<SocketAddr>>().unwrap().0;
    assert_eq!(client(&parts), client(&expected));
    assert_eq!(parts.extensions.get::<OriginalUri>().unwrap().0.path(), "/app/live/send");
    let mut headers = expected.headers;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(5));
    assert_eq!(parts.headers, headers);
    assert_eq!(to_bytes(body, 99).await.unwrap(), "hello");
}

#[tokio::test]
async fn an_answer_is_read_as_it_was_written() {
    let mut answer = Response::builder()
        .status(418)
        .header(header::SET_COOKIE, "a=1")
        .header(header::SET_COOKIE, "b=2")
        .header(header::CONNECTION, "close")
        .header("anywire-moved", "c")
        .body(())
        .unwrap();
    answer.extensions_mut().insert(MovedTo("node-b".to_owned()));
    let mut out = BytesMut::new();
    frame::put_answer(9, &answer.into_parts().0, b"tea", &mut out).unwrap();
    let Frame { kind, number, rest } = only(out);
    assert_eq!((kind, number), (Kind::Answer, 9));
    let read = frame::read_answer(rest).unwrap();
    assert_eq!(read.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(read.extensions().get::<MovedTo>().unwrap().0, "node-b");
    let headers: Vec<_> = read.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let expected: [(&str, &[u8]); 3] = [("set-cookie", b"a=1"), ("set-cookie", b"b=2"), ("content-length", b"3")];
    assert_eq!(headers, expected);
    assert_eq!(to_bytes(read.into_body(), 99).await.unwrap(), "tea");
}

#[test]
fn frames_come_in_pieces_of_any_length() {
    let mut out = written("native", request(), b"hello").unwrap();
    frame::put(Kind::Cancel, 8, &mut out);
    frame::put(Kind::Kept, u32::MAX, &mut out);
    let whole = out.freeze();
    let expected = [(Kind::Call, 7), (Kind::Cancel, 8), (Kind::Kept, u32::MAX)];
    for length in 1..=whole.len() {
        let (mut reader, mut read) = (Reader::default(), Vec::new());
        for chunk in whole.chunks(length) {
            reader.feed(Bytes::copy_from_slice(chunk));
            while let Some(frame) = reader.next().unwrap() {
                read.push((frame.kind, frame.number));
                assert!(frame.kind != Kind::Call || frame::read_call(frame.rest).is_some());
            }
        }
        assert_eq!(read, expected, "in pieces of {length}");
    }
}

#[test]
fn what_is_cut_short_is_not_read() {
    let call = only(written("native", request(), b"").unwrap()).rest;
    for length in 0..call.len() {
        assert!(frame::read_call(call.slice(..length)).is_none(), "{length} of {}", call.len());
    }
    let (parts, _) = Response::builder().header("a", "b").body(()).unwrap().into_parts();
    let mut out = BytesMut::new();
    frame::put_answer(1, &parts, b"", &mut out).unwrap();
    let answer = only(out).rest;
    for length in 0..answer.len() {
        assert!(frame::read_answer(answer.slice(..length)).is_none(), "{length} of {}", answer.len());
    }
}

#[test]
fn each_wrong_byte_of_a_call_is_read_or_refused() {
    let call = only(written("native", request(), b"hello").unwrap()).rest;
    for at in 0..call.len() {
        for byte in 0..=u8::MAX {
            let mut wrong = call.to_vec();
            wrong[at] = byte;
            // It panics for none.
            drop(frame::read_call(wrong.into()));
        }
    }
}

#[test]
fn what_is_no_frame_is_refused() {
    let longest = u32::try_from(MOST).unwrap();
    for (length, kind) in [(0, 1), (4, 1), (longest + 1, 1), (u32::MAX, 1), (5, 0), (5, 7)] {
        let mut bytes = BytesMut::new();
        bytes.put_u32(length);
        bytes.put_u8(kind);
        bytes.put_u32(1);
        let mut reader = Reader::default();
        reader.feed(bytes.freeze());
        assert_eq!(reader.next(), Err(Malformed), "a length of {length} and the kind {kind}");
    }
    assert_eq!(START, 9);
}

#[test]
fn what_a_frame_cannot_hold_is_not_written() {
    let long = |length: usize| "x".repeat(length);
    let with = |name: &str, value: String| Request::get("/").header(name, value).body(Body::empty()).unwrap();
    let many = (0..300).fold(Request::get("/"), |request, _| request.header("a", "b")).body(Body::empty()).unwrap();
    let path = Request::get(format!("/{}", long(60_000))).body(Body::empty()).unwrap();
    assert!(written("native", path, b"").is_some());
    assert!(written(&long(256), request(), b"").is_none());
    assert!(written("native", with("a", long(400_000)), b"").is_none());
    assert!(written("native", many, b"").is_none());
    let mut out = BytesMut::from(&b"before"[..]);
    let (parts, _) = Response::builder().header("a", long(400_000)).body(()).unwrap().into_parts();
    assert!(frame::put_answer(1, &parts, b"", &mut out).is_none());
    assert_eq!(out, &b"before"[..]);
}

/// A call, written as it was read.
fn again(read: (Bytes, Request)) -> Bytes {
    let (mount, request) = read;
    let hops = super::super::internal::next_hop(request.extensions()).unwrap_or(1) - 1;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).now_or_never().unwrap().unwrap();
    let mut out = BytesMut::new();
    let call = Call { mount: std::str::from_utf8(&mount).unwrap_or_default(), hops, parts: &parts, body: &body };
    match frame::put_call(1, call, &mut out) {
        Some(()) => only(out).rest,
        None => Bytes::new(),
    }
}

#[test]
fn fuzz_calls() {
    crate::fuzz::run("calls", 20_000, |input, behaviour| {
        let input = Bytes::copy_from_slice(input);
        let call = frame::read_call(input.clone()).map(again).unwrap_or_default();
        // A call that was written is read, and written the same again.
        assert_eq!(call, frame::read_call(call.clone()).map(again).unwrap_or_default());
        let answer = frame::read_answer(input.clone());
        behaviour
            .note((call.len().min(99), answer.map(|answer| (answer.status().as_u16() / 100, answer.headers().len()))));
        for length in [1, 7, input.len().max(1)] {
            let (mut reader, mut frames) = (Reader::default(), Vec::new());
            let ended = input.chunks(length).find_map(|chunk| {
                reader.feed(Bytes::copy_from_slice(chunk));
                loop {
                    match reader.next() {
                        Ok(Some(frame)) => frames.push((frame.kind as u8, frame.number, frame.rest.len())),
                        Ok(None) => return None,
                        Err(Malformed) => return Some(()),
                    }
                }
            });
            behaviour.note((ended, frames.len().min(4), frames.first().map(|frame| frame.0)));
        }
    });
}
