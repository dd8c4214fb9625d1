//! The parameters of a query.

use axum::http::{header, request::Parts};

use crate::{
    codec::engineio::{Carrier, Revision},
    config::Transport,
};

/// The digits of an id or a secret.
const DIGITS: usize = 32;

/// The most digits of the number of a script's function.
const MOST_INDEX: usize = 20;

/// The packets of one answer that python-engineio's clients take: they give up on an answer with more.
const FEW_PACKETS: u8 = 16;

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Params {
    pub(super) carrying: Carrying,
    pub(super) revision: Option<Revision>,
    pub(super) sid: Option<Box<str>>,
    /// The number of the function that an answer calls, for a client that polls by scripts.
    pub(super) index: Option<Box<str>>,
    base64: bool,
    /// The most packets that the answer may have, for a client that is known to take no more.
    pub(super) most_packets: Option<u8>,
}

/// The parameter `transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrying {
    Polling,
    WebSocket,
}

impl Params {
    /// `None` if the transport is unknown.
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let field = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let carrying = match field("transport")? {
            "polling" => Carrying::Polling,
            "websocket" => Carrying::WebSocket,
            _ => return None,
        };
        let revision = match field("EIO") {
            Some("3") => Some(Revision::V3),
            Some("4") => Some(Revision::V4),
            _ => None,
        };
        let sid = field("sid").filter(|sid| !sid.is_empty());
        let index = field("j").map(|index| index.bytes().filter(u8::is_ascii_digit).map(char::from));
        Some(Params {
            carrying,
            revision,
            sid: sid.map(Into::into),
            index: index.map(|digits| digits.take(MOST_INDEX).collect::<String>().into()),
            base64: field("b64").is_some_and(|value| !matches!(value, "" | "0")),
            most_packets: is_of_python(parts).then_some(FEW_PACKETS),
        })
    }

    /// How the answer carries packets.
    pub(super) fn carrier(&self) -> Carrier {
        Carrier::Body { base64: self.base64 || self.index.is_some() }
    }
}

impl Carrying {
    pub(super) fn transport(self) -> Transport {
        match self {
            Carrying::Polling => Transport::Polling,
            Carrying::WebSocket => Transport::WebSocket,
        }
    }
}

/// Whether the client is a program in Python, by the names of the libraries that its engine may use for HTTP.
fn is_of_python(parts: &Parts) -> bool {
    let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.is_some_and(|agent| agent.contains("python-requests/") || agent.contains("aiohttp/"))
}

/// The id of a session and its secret, of which a sid is made.
pub(super) fn session(sid: &str) -> Option<(&str, &str)> {
    let at = sid.len().checked_sub(DIGITS).filter(|at| sid.is_char_boundary(*at))?;
    Some(sid.split_at(at))
}
