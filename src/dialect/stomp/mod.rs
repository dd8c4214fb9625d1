//! STOMP 1.0, 1.1 and 1.2, the server's side: frames, requests, and what a session has subscribed to, not yet
//! acknowledged and begun.
//!
//! | | 1.0 | 1.1 | 1.2 |
//! |---|---|---|---|
//! | a line ends in | LF, or CR LF | LF | LF, or CR LF |
//! | escapes in headers | none | `\n` `\c` `\\` | `\r` `\n` `\c` `\\` |
//! | spaces around names and values | are cut off | belong to them | belong to them |
//! | a body where none may be | is ignored | is refused | is refused |
//! | SUBSCRIBE and UNSUBSCRIBE name | an `id`, or the `destination` | an `id` | an `id` |
//! | ACK names | a `message-id` | a `message-id` and its `subscription` | the `ack` of the message, as `id` |
//! | NACK, heart-beats, `client-individual` | unknown | known | known |
//! | ACK in the mode `client` is of | one message | all up to it | all up to it |
//!
//! In all versions CONNECT and CONNECTED have no escapes. As the version is not known before CONNECT was read, its
//! lines may end in CR LF; if it is 1.0, its values lose the spaces around them.
//!
//! Where the specifications leave a server free, or clients are known to differ, these stand:
//! - A colon that is not escaped in a value is taken as it is: old clients never escape.
//! - A NUL in the place of a header ends the frame, without a body: an example of the specification has no blank line
//!   there. Elsewhere in a head it is refused, for most clients would end the frame of a MESSAGE there.
//! - CONNECT without `host` is taken: the duty is the client's, and there are no virtual hosts.
//! - A frame that is malformed is refused with an ERROR, and nothing behind it is read.
//!
//! Source: the STOMP protocol specifications 1.0, 1.1 and 1.2.

mod connect;
mod content;
mod escape;
mod event;
mod head;
mod headers;
mod reader;
mod request;
mod subscriptions;
#[cfg(test)]
mod tests;
mod transactions;
mod write;

use std::borrow::Cow;

use bytestring::ByteString;

pub(crate) use connect::Connect;
pub(crate) use content::Content;
pub(crate) use event::{event_content, event_packet};
pub(crate) use headers::Headers;
pub(crate) use reader::{ClientFrame, Input, Reader};
pub(crate) use request::{AckMode, Asked, Reference, Request, Send, Settle, Subscribe, read_request};
pub(crate) use subscriptions::{Delivery, Source, Subscription, Subscriptions};
pub(crate) use transactions::{Deferred, Transactions};
pub(crate) use write::{MessageHead, connected, error, message, receipt};

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Version {
    V1_0,
    V1_1,
    V1_2,
}

/// All versions as a header names them.
const VERSIONS: &str = "1.0,1.1,1.2";

impl Version {
    pub(crate) const ALL: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

    /// The version as headers name it, `1.2`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
            Version::V1_2 => "1.2",
        }
    }
}

/// The bounds of one frame of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The most headers.
    pub(crate) headers: usize,
    /// The most bytes of the command and the headers, with the ends of their lines.
    pub(crate) header_bytes: usize,
    /// The most bytes of the body.
    pub(crate) body: usize,
}

/// A frame that ends the connection, as the ERROR says that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// A short text: the header `message`.
    pub(crate) message: Cow<'static, str>,
    /// A longer text: the body.
    pub(crate) detail: String,
    /// The receipt that the frame asked for, as far as it was read.
    pub(crate) receipt: Option<ByteString>,
}

impl Refusal {
    fn new(message: &'static str, detail: impl Into<String>) -> Self {
        Refusal { message: message.into(), detail: detail.into(), receipt: None }
    }

    /// The same refusal of a frame that asked for a receipt.
    #[must_use]
    pub(crate) fn with_receipt(mut self, receipt: Option<ByteString>) -> Self {
        self.receipt = receipt.or(self.receipt);
        self
    }
}
