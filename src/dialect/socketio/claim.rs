//! The words by which a client of Socket.IO 4 says who it was before its connection was cut.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer as _,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use crate::packet::Offset;

/// The longest pid, in bytes. Ours have at most 151.
const MAX_PID: usize = 256;

/// The channel that a client says was its own, by the keys `pid` and `offset` of a CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The id of the session, as clients know it.
    pub(crate) session: Box<str>,
    /// The number of the channel in it.
    pub(crate) channel: u64,
    pub(crate) secret: Box<str>,
    pub(crate) last: Last,
}

/// The event that a client has heard last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// It has heard none.
    Nothing,
    Event(Offset),
    /// It states something that is no offset.
    Unknown,
}

impl Claim {
    /// The claim in the data of a CONNECT, which are JSON or nothing. `None` if there is none that could be right.
    pub(crate) fn read(data: &str) -> Option<Self> {
        let (pid, last) = serde_json::Deserializer::from_str(data).deserialize_map(Fields).ok()?;
        let pid = pid.filter(|pid| pid.len() <= MAX_PID)?;
        let mut parts = pid.rsplitn(3, '.');
        let (secret, channel, session) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Claim { session: session.into(), channel: channel.parse().ok()?, secret: secret.into(), last })
    }
}

/// The text by which a client names its channel when it comes back: the key `pid` of the server's CONNECT.
pub(crate) fn pid(session: &str, channel: u64, secret: impl fmt::Display) -> String {
    format!("{session}.{channel}.{secret}")
}

/// Reads the pid and the offset of an object. Of a key that comes twice the last counts.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = (Option<String>, Last);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut pid, mut last) = (None, Last::Nothing);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "pid" => {
                    pid = match map.next_value()? {
                        Value::String(pid) => Some(pid),
                        _ => None,
                    };
                }
                "offset" => {
                    last = match map.next_value()? {
                        Value::Null => Last::Nothing,
                        Value::String(offset) => Offset::parse(&offset).map_or(Last::Unknown, Last::Event),
                        _ => Last::Unknown,
                    };
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok((pid, last))
    }
}
