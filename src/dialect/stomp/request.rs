//! [`Request`]: the meaning of a client's frame.

use bytestring::ByteString;

use super::{
    ClientFrame, Connect, Content, Headers, Refusal, Version,
    head::{is_connect, malformed, receipt},
};
use crate::message::truncate;

/// A longer command is cut where it is quoted.
const MAX_QUOTED: usize = 64;

/// Headers of SEND that are not the message's: those that belong to the frame, and those that only a server sets.
const NOT_THE_SENDERS: [&str; 9] = [
    "destination",
    "receipt",
    "transaction",
    "content-length",
    "message-id",
    "subscription",
    "ack",
    "redelivered",
    "event",
];

/// A request, and the receipt that the client wants for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// The id of the RECEIPT. CONNECT has none.
    pub(crate) receipt: Option<ByteString>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Connect(Connect),
    Send(Send),
    Subscribe(Subscribe),
    Unsubscribe { id: ByteString },
    Settle(Settle),
    Begin { transaction: ByteString },
    Commit { transaction: ByteString },
    Abort { transaction: ByteString },
    Disconnect,
}

/// A message for a destination.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Send {
    pub(crate) destination: ByteString,
    pub(crate) transaction: Option<ByteString>,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subscribe {
    /// STOMP 1.0 may leave it out: then it is the destination.
    pub(crate) id: ByteString,
    pub(crate) has_id: bool,
    pub(crate) destination: ByteString,
    pub(crate) ack: AckMode,
    /// All headers, for those that only this server has.
    pub(crate) headers: Headers,
}

/// How messages of a subscription are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AckMode {
    /// They count as received when they are sent.
    Auto,
    /// An ACK or NACK is of all messages up to the one that it names.
    Client,
    /// An ACK or NACK is of one message. The mode `client` of STOMP 1.0 means this.
    ClientIndividual,
}

/// ACK or NACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settle {
    /// Whether it is an ACK.
    pub(crate) positive: bool,
    pub(crate) transaction: Option<ByteString>,
    pub(crate) reference: Reference,
}

/// The way in which an ACK names its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// STOMP 1.2: the header `ack` of the message.
    Ack(ByteString),
    /// Before: its `message-id`, and in STOMP 1.1 the `subscription`.
    Message { id: ByteString, subscription: Option<ByteString> },
}

/// Reads the meaning of a frame, in the version that CONNECT has agreed upon. There is none before CONNECT, which is
/// the only request then.
///
/// # Errors
/// Fails if the command is not known or not allowed now, if a header is missing or has a value that the version does
/// not define, or if there is a body where the version forbids it.
pub(crate) fn read_request(version: Option<Version>, frame: ClientFrame) -> Result<Asked, Refusal> {
    let receipt = receipt(&frame.command, &frame.headers);
    match read(version, frame) {
        Ok(request) => Ok(Asked { request, receipt }),
        Err(refusal) => Err(refusal.with_receipt(receipt)),
    }
}

fn read(version: Option<Version>, frame: ClientFrame) -> Result<Request, Refusal> {
    let Some(version) = version else { return connect(frame) };
    let ClientFrame { command, headers, body } = frame;
    let required = |name: &'static str| headers.get(name).map(ByteString::from).ok_or_else(|| missing(&command, name));
    if command != "SEND" {
        no_body(version, &command, &body)?;
    }
    Ok(match &command[..] {
        "SEND" => Request::Send(Send {
            destination: destination(&command, &headers)?,
            transaction: headers.get("transaction").map(Into::into),
            content: Content { headers: headers.filtered(|name| !NOT_THE_SENDERS.contains(&name)), body },
        }),
        "SUBSCRIBE" => Request::Subscribe(subscribe(version, headers)?),
        "UNSUBSCRIBE" if version == Version::V1_0 => {
            Request::Unsubscribe { id: required("id").or_else(|_| required("destination"))? }
        }
        "UNSUBSCRIBE" => Request::Unsubscribe { id: required("id")? },
        "ACK" => Request::Settle(settle(version, &command, &headers)?),
        "NACK" if version > Version::V1_0 => Request::Settle(settle(version, &command, &headers)?),
        "BEGIN" => Request::Begin { transaction: required("transaction")? },
        "COMMIT" => Request::Commit { transaction: required("transaction")? },
        "ABORT" => Request::Abort { transaction: required("transaction")? },
        "DISCONNECT" => Request::Disconnect,
        command if is_connect(command) => {
            return Err(Refusal::new("already connected", "a connection has one CONNECT"));
        }
        command => return Err(unknown(version, command)),
    })
}

fn connect(frame: ClientFrame) -> Result<Request, Refusal> {
    let ClientFrame { command, headers, body } = frame;
    if !is_connect(&command) {
        return Err(Refusal::new("not connected", "the first frame is CONNECT"));
    }
    let connect = Connect::read(headers)?;
    no_body(connect.version, &command, &body)?;
    Ok(Request::Connect(connect))
}

/// Refuses a body where there may be none. STOMP 1.0 ignores it.
fn no_body(version: Version, command: &str, body: &[u8]) -> Result<(), Refusal> {
    match version == Version::V1_0 || body.is_empty() {
        true => Ok(()),
        false => Err(malformed(format!("{} has no body", quoted(command)))),
    }
}

fn subscribe(version: Version, headers: Headers) -> Result<Subscribe, Refusal> {
    let destination = destination("SUBSCRIBE", &headers)?;
    let id = headers.get("id").map(ByteString::from);
    if id.is_none() && version > Version::V1_0 {
        return Err(missing("SUBSCRIBE", "id"));
    }
    let ack = match headers.get("ack").unwrap_or("auto") {
        "auto" => AckMode::Auto,
        "client" if version == Version::V1_0 => AckMode::ClientIndividual,
        "client" => AckMode::Client,
        "client-individual" if version > Version::V1_0 => AckMode::ClientIndividual,
        other => {
            let detail = format!("STOMP {} has no ack mode {}", version.name(), quoted(other));
            return Err(malformed(detail));
        }
    };
    let has_id = id.is_some();
    Ok(Subscribe { id: id.unwrap_or_else(|| destination.clone()), has_id, destination, ack, headers })
}

fn settle(version: Version, command: &str, headers: &Headers) -> Result<Settle, Refusal> {
    let header = |name: &'static str| headers.get(name).map(ByteString::from);
    let required = |name| header(name).ok_or_else(|| missing(command, name));
    let reference = match version {
        Version::V1_2 => Reference::Ack(required("id")?),
        Version::V1_1 => {
            Reference::Message { id: required("message-id")?, subscription: Some(required("subscription")?) }
        }
        Version::V1_0 => Reference::Message { id: required("message-id")?, subscription: header("subscription") },
    };
    Ok(Settle { positive: command == "ACK", transaction: header("transaction"), reference })
}

/// An empty destination is none.
fn destination(command: &str, headers: &Headers) -> Result<ByteString, Refusal> {
    let destination = headers.get("destination").filter(|destination| !destination.is_empty());
    destination.map(Into::into).ok_or_else(|| missing(command, "destination"))
}

fn missing(command: &str, name: &str) -> Refusal {
    Refusal::new("header missing", format!("{command} has a header {name}"))
}

fn unknown(version: Version, command: &str) -> Refusal {
    Refusal::new("unknown command", format!("STOMP {} has no command {}", version.name(), quoted(command)))
}

/// The beginning of a client's text.
fn quoted(text: &str) -> &str {
    truncate(text, MAX_QUOTED)
}
