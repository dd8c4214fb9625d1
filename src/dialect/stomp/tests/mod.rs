//! STOMP by the texts of its frames. `^` stands for the NUL that ends a frame.

mod connecting;
mod contents;
mod escapes;
mod events;
mod frames;
mod fuzz;
mod must;
mod pieces;
mod requests;
mod server_frames;
mod subscriptions;
mod transactions;
mod transcripts;

use bytestring::ByteString;

use super::*;
use crate::message::Message;
use Version::{V1_0, V1_1, V1_2};

const LIMITS: Limits = Limits { headers: 8, header_bytes: 256, body: 64 };

/// Reads a text or bytes, in which `^` is a NUL, as the messages of a client.
fn read_all(version: Option<Version>, messages: &[&[u8]]) -> Result<Vec<Input>, Refusal> {
    let mut reader = Reader::new(LIMITS);
    if let Some(version) = version {
        reader.set_version(version);
    }
    let mut inputs = Vec::new();
    for message in messages {
        let message: Vec<u8> = message.iter().map(|&byte| if byte == b'^' { 0 } else { byte }).collect();
        reader.push(message.into());
        while let Some(input) = reader.next()? {
            inputs.push(input);
        }
    }
    assert_eq!(reader.held(), 0, "the last frame is complete");
    Ok(inputs)
}

/// Reads one frame.
fn frame(version: impl Into<Option<Version>>, text: &str) -> Result<ClientFrame, Refusal> {
    let inputs = read_all(version.into(), &[text.as_bytes()])?;
    match &inputs[..] {
        [Input::Frame(frame)] => Ok(frame.clone()),
        other => panic!("{text:?}: {other:?}"),
    }
}

/// Reads the meaning of one frame.
fn ask(version: impl Into<Option<Version>>, text: &str) -> Result<Asked, Refusal> {
    let version = version.into();
    read_request(version, frame(version, text)?)
}

fn request(version: Version, text: &str) -> Request {
    ask(version, text).unwrap_or_else(|refusal| panic!("{text:?}: {refusal:?}")).request
}

/// The body of the ERROR that answers a frame.
fn refusal(version: impl Into<Option<Version>>, text: &str) -> String {
    ask(version, text).expect_err(text).detail
}

fn headers(of: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    of.iter().for_each(|(name, value)| headers.push(name, value));
    headers
}

fn content(of: &[(&str, &str)], body: &[u8]) -> Content {
    Content { headers: headers(of), body: body.to_vec().into() }
}

fn subscribe(id: &str, destination: &str, ack: AckMode) -> Subscribe {
    Subscribe { id: id.into(), has_id: true, destination: destination.into(), ack, headers: Headers::new() }
}

/// A frame of the server, with `^` for NUL.
fn shown(message: &Message) -> String {
    String::from_utf8_lossy(message.as_bytes()).replace('\0', "^")
}

fn some(text: &str) -> Option<ByteString> {
    Some(text.into())
}
