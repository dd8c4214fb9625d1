//! One packet of a client, as far as its text alone tells.

use bytestring::ByteString;

use super::{
    Revision, Violation,
    placeholders::{is_json, lie},
    query::{query_to_json, strip_query},
};
use crate::{
    dialect::{
        args::{Args, read_args},
        control,
        head::{Head, Kind, raw_name},
        list::Arguments,
        tree::Tree,
    },
    message::Message,
    packet::{Packet, mend_surrogates},
};

/// The names of events that end a connection.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// A text of a client that is a packet. Reading it needs nothing of its connection, so that it is done before that is
/// locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientPacket {
    /// The packet as [`Head`] reads it. The data of a CONNECT are auth data.
    pub(super) text: ByteString,
}

impl ClientPacket {
    /// Reads a packet. Whether its attachments follow, and its namespace is open, is judged by
    /// [`Connection`](super::Connection).
    ///
    /// # Errors
    /// Fails if the text does not follow the grammar, which is that of [`Head::parse`] with less allowed: a client
    /// sends no CONNECT_ERROR and no type 7, a DISCONNECT has no data, a CONNECT an object or none. The data must
    /// be JSON. An event has a name, which is a number or no text that Socket.IO reserves.
    pub(crate) fn read(revision: Revision, text: ByteString) -> Result<Self, Violation> {
        let text = mend_surrogates(text);
        let (text, query) = match revision {
            Revision::R4 => strip_query(text)?,
            Revision::R5 => (text, None),
        };
        let head = Head::parse(&text).map_err(|_| Violation::Malformed("parse error: not a packet"))?;
        check_form(&head).and_then(|()| check_data(&head)).map_err(Violation::Malformed)?;
        Ok(match (head.kind, query) {
            (Kind::Connect, Some(query)) => {
                let connect = control(Kind::Connect, head.namespace, &query_to_json(&query));
                ClientPacket { text: connect.text().clone() }
            }
            _ => ClientPacket { text },
        })
    }

    /// The text, from which [`of_text`](Self::of_text) makes the packet again.
    pub(crate) fn into_text(self) -> ByteString {
        self.text
    }

    /// Whether it is an event or an answer of the namespace `/` without attachments, as almost all are. To see that
    /// takes less than to read the head again.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.text.as_bytes()[..], [b'2' | b'3', b'[' | b'0'..=b'9', ..])
    }

    /// A packet that was read before.
    pub(crate) fn of_text(text: ByteString) -> Self {
        ClientPacket { text }
    }
}

/// Whether a client may send the packet, if its data are JSON.
pub(super) fn check_form(head: &Head<'_>) -> Result<(), &'static str> {
    match head.kind {
        Kind::ConnectError | Kind::Refused => Err("parse error: not a packet of a client"),
        Kind::Connect if !(head.data.is_empty() || head.data.starts_with('{')) => {
            Err("parse error: the data of CONNECT is an object")
        }
        Kind::Disconnect if !head.data.is_empty() => Err("parse error: DISCONNECT has no data"),
        kind if kind.is_event() => check_name(head.data),
        _ => Ok(()),
    }
}

/// Whether the data are JSON, whose placeholders stand for attachments that there are.
fn check_data(head: &Head<'_>) -> Result<(), &'static str> {
    if !head.data.is_empty() && !is_json(head.data) {
        return Err("parse error: the data is not JSON");
    }
    if head.attachments > 0 && lie(head.data, head.attachments) {
        return Err("parse error: a placeholder of an attachment that is not there");
    }
    Ok(())
}

/// Whether a list begins with what can be the name of an event.
fn check_name(list: &str) -> Result<(), &'static str> {
    let first = list[1..].trim_start().as_bytes().first();
    match first {
        Some(b'-' | b'0'..=b'9') => Ok(()),
        Some(b'"') if raw_name(list).is_ok_and(|name| RESERVED.contains(&&*name)) => {
            Err("parse error: a reserved name")
        }
        Some(b'"') => Ok(()),
        _ => Err("parse error: an event has a name"),
    }
}

/// The message of a packet that the client has sent as one: an event `message` of the namespace `/` that wants no
/// answer, with one argument, a text or bytes. `head` is the packet's.
pub(crate) fn plain_message(head: &Head<'_>, packet: &Packet) -> Option<Message> {
    let is_plain = head.kind.is_event() && head.id.is_none() && head.namespace == "/";
    if !is_plain || raw_name(head.data).ok()? != "message" {
        return None;
    }
    match packet.attachments() {
        [] => match read_args(Arguments::of_event(head.data, &[])) {
            Ok(Args::<Vec<String>>(mut texts)) if texts.len() == 1 => texts.pop().map(Message::from),
            _ => None,
        },
        [bytes] => match Tree::parse(head.data, packet.attachments()) {
            Ok(Tree::List(items)) if matches!(items[..], [_, Tree::Bytes(_)]) => Some(bytes.clone().into()),
            _ => None,
        },
        _ => None,
    }
}
