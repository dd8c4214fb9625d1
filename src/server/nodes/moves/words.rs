//! The words by which nodes move a session: requests and their answers, as bytes.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::is_node_name;

/// The version of these words. A node that does not know the one of a request refuses it, and the session stays.
const VERSION: u64 = 1;

/// The longest request in bytes, and the longest answer that is no parcel.
pub(super) const MOST_WORDS: usize = 1024 * 1024;

/// The longest parcel in bytes.
pub(super) const MOST_PARCEL: usize = 16 * 1024 * 1024;

/// The longest answer in bytes.
pub(super) const MOST_ANSWER: usize = MOST_PARCEL + 64 * 1024;

/// A session's id: the name of the node on which it was born, and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::nodes) struct SessionId {
    pub(in crate::server::nodes) born: String,
    pub(in crate::server::nodes) number: Uuid,
}

impl SessionId {
    pub(in crate::server::nodes) fn read(id: &str) -> Option<Self> {
        let (born, number) = id.rsplit_once('.')?;
        let number = Uuid::try_parse(number).ok()?;
        is_node_name(born).then(|| SessionId { born: born.to_owned(), number })
    }

    fn write(&self) -> String {
        format!("{}.{}", self.born, self.number.simple())
    }
}

/// A node asks for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Take {
    pub(super) session: SessionId,
    /// The secret that the session's client has shown; `None` if its owner wants to be rid of it.
    pub(super) secret: Option<String>,
    /// The node that asks, and its process.
    pub(super) node: String,
    pub(super) process: u64,
    /// The rooms whose publications it keeps for the session from now on, as an answer has named them.
    pub(super) listens: Bytes,
}

/// A node says what became of a session that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) session: SessionId,
    pub(super) process: u64,
    /// It has the session. Otherwise it never will.
    pub(super) taken: bool,
}

/// A node wants another one to ask for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Push {
    pub(super) session: SessionId,
    pub(super) node: String,
}

/// A request of another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Take(Take),
    Taken(Taken),
    Push(Push),
}

/// The reason for which a node keeps a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::nodes) enum Stays {
    /// The session is not here.
    Unknown = 1,
    /// It is of a kind that does not move.
    Never = 2,
    /// It cannot move now.
    Busy = 3,
    /// It runs here, and this node goes on.
    Runs = 4,
    /// Its handler has not returned in time.
    HandlerRuns = 5,
    /// It is larger than a parcel may be.
    TooLarge = 6,
    /// The secret is not the session's.
    WrongSecret = 7,
}

impl Stays {
    const ALL: [Self; 7] = [
        Stays::Unknown,
        Stays::Never,
        Stays::Busy,
        Stays::Runs,
        Stays::HandlerRuns,
        Stays::TooLarge,
        Stays::WrongSecret,
    ];
}

/// The answer to a node that asks for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The session, and the value of its owner's claim.
    Parcel {
        claim: Bytes,
        parcel: Bytes,
    },
    /// The session is in these rooms, in the words of the rooms of a cluster: listen to them first.
    Listen(Bytes),
    /// The node with this name has it.
    Moved(String),
    Stays(Stays),
}

impl Ask {
    pub(super) fn write(&self) -> Vec<u8> {
        // Numbers of 64 bits are texts, as some readers of JSON take them for floats.
        let value = match self {
            Ask::Take(take) => json!({
                "version": VERSION,
                "ask": "take",
                "session": take.session.write(),
                "secret": take.secret,
                "node": take.node,
                "process": format!("{:016x}", take.process),
                "listens": STANDARD.encode(&take.listens),
            }),
            Ask::Taken(taken) => json!({
                "version": VERSION,
                "ask": "taken",
                "session": taken.session.write(),
                "process": format!("{:016x}", taken.process),
                "taken": taken.taken,
            }),
            Ask::Push(push) => json!({
                "version": VERSION,
                "ask": "push",
                "session": push.session.write(),
                "node": push.node,
            }),
        };
        value.to_string().into_bytes()
    }

    /// Reads what another node has asked; `None` if this one does not understand it.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        if value["version"].as_u64()? != VERSION {
            return None;
        }
        let session = SessionId::read(value["session"].as_str()?)?;
        let node = || value["node"].as_str().filter(|name| is_node_name(name)).map(str::to_owned);
        let process = || u64::from_str_radix(value["process"].as_str()?, 16).ok();
        Some(match value["ask"].as_str()? {
            "take" => Ask::Take(Take {
                session,
                secret: match &value["secret"] {
                    Value::Null => None,
                    secret => Some(secret.as_str()?.to_owned()),
                },
                node: node()?,
                process: process()?,
                listens: STANDARD.decode(value["listens"].as_str()?).ok()?.into(),
            }),
            "taken" => Ask::Taken(Taken { session, process: process()?, taken: value["taken"].as_bool()? }),
            "push" => Ask::Push(Push { session, node: node()? }),
            _ => return None,
        })
    }
}

impl Answer {
    pub(super) fn write(&self) -> Bytes {
        match self {
            Answer::Parcel { claim, parcel } => {
                let length = u16::try_from(claim.len()).unwrap_or(u16::MAX);
                let claim = &claim[..length.into()];
                [&b"p"[..], &length.to_be_bytes(), claim, parcel].concat().into()
            }
            Answer::Listen(rooms) => [b"l", &rooms[..]].concat().into(),
            Answer::Moved(node) => [b"m", node.as_bytes()].concat().into(),
            Answer::Stays(why) => vec![b's', *why as u8].into(),
        }
    }

    /// Reads the answer of another node; `None` if this one does not understand it.
    pub(super) fn read(answer: &Bytes) -> Option<Self> {
        let (kind, rest) = (answer.first()?, answer.slice(1..));
        Some(match kind {
            b'p' => {
                let (length, _) = rest.split_first_chunk::<2>()?;
                let end = 2 + usize::from(u16::from_be_bytes(*length));
                if end > rest.len() {
                    return None;
                }
                Answer::Parcel { claim: rest.slice(2..end), parcel: rest.slice(end..) }
            }
            b'l' => Answer::Listen(rest),
            b'm' => Answer::Moved(std::str::from_utf8(&rest).ok().filter(|name| is_node_name(name))?.to_owned()),
            b's' => Answer::Stays(Stays::ALL.into_iter().find(|why| [*why as u8] == *rest)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SessionId {
        SessionId { born: "a".to_owned(), number: Uuid::from_u128(7) }
    }

    #[test]
    fn requests_are_read_as_they_were_written() {
        let take = |secret: Option<&str>| Take {
            session: session(),
            secret: secret.map(str::to_owned),
            node: "b".to_owned(),
            process: u64::MAX,
            listens: Bytes::from_static(b"/\0room \"x\"\xff"),
        };
        for ask in [
            Ask::Take(take(None)),
            Ask::Take(take(Some("s\u{e9}"))),
            Ask::Taken(Taken { session: session(), process: 0, taken: false }),
            Ask::Push(Push { session: session(), node: "c".to_owned() }),
        ] {
            let written = ask.write();
            assert_eq!(Ask::read(&written), Some(ask));
            for end in 0..written.len() {
                assert_eq!(Ask::read(&written[..end]), None, "cut at {end}");
            }
        }
        let written = String::from_utf8(Ask::Take(take(None)).write()).unwrap();
        for (from, to) in [("\"version\":1", "\"version\":2"), ("take", "give"), ("a.0", "a b.0"), ("ffff", "xfff")] {
            assert_eq!(Ask::read(written.replacen(from, to, 1).as_bytes()), None, "{to}");
        }
    }

    #[test]
    fn answers_are_read_as_they_were_written() {
        let parcel = Bytes::from_static(b"parcel");
        let mut answers = vec![
            Answer::Parcel { claim: Bytes::from_static(b"claim"), parcel: parcel.clone() },
            Answer::Parcel { claim: Bytes::new(), parcel: Bytes::new() },
            Answer::Listen(Bytes::from_static(b"\0a")),
            Answer::Moved("b".to_owned()),
        ];
        answers.extend(Stays::ALL.map(Answer::Stays));
        for answer in answers {
            assert_eq!(Answer::read(&answer.write()), Some(answer));
        }
        for garbage in
            [&b""[..], b"p", b"p\0", b"p\0\x05four", b"m", b"m b", b"m\xff", b"s", b"s\0", b"s\x01\x01", b"x"]
        {
            assert_eq!(Answer::read(&Bytes::from_static(garbage)), None, "{garbage:?}");
        }
    }
}
