//! The answers of handlers of events.

use crate::{
    dialect::{Fault, Head, IntoArgs, Reply, ack, refused},
    hub::ROOT,
    packet::Packet,
};

/// The answer of a handler: a reply, or a fault.
///
/// A layer gets it from [`Next::run`](crate::Next::run), and returns it or another one.
pub type Answer = Result<Answered, Fault>;

/// A reply as JSON. The default has no arguments. [`IntoAnswer`] makes one of a [`Reply`].
#[derive(Clone, Debug, Default)]
pub struct Answered(Option<Written>);

/// A reply as the session itself sends it, and the number of its request.
#[derive(Clone, Debug)]
struct Written {
    packet: Packet,
    id: u64,
}

impl Answered {
    /// The arguments as a JSON list, in which placeholders stand for bytes. It is empty if the client did not ask,
    /// because then nothing is written.
    pub fn as_json(&self) -> &str {
        self.0.as_ref().map_or("[]", |written| written.head().data)
    }
}

impl Written {
    fn head(&self) -> Head<'_> {
        Head::parse(self.packet.text()).expect("a reply is a packet")
    }
}

/// The packet that answers the request of this number.
pub(super) fn packet(namespace: &str, id: u64, answer: Answer) -> Packet {
    let written = match answer {
        Ok(Answered(Some(written))) => written,
        Ok(Answered(None)) => return ack(namespace, id, &()).expect("a reply without arguments can be written"),
        Err(fault) => return refused(namespace, id, &fault),
    };
    // It was almost always written for this request.
    if written.id == id && namespace == ROOT {
        return written.packet;
    }
    let mut text = String::new();
    Head { namespace, id: Some(id), ..written.head() }.write(&mut text);
    Packet::new(text, written.packet.attachments().to_vec())
}

/// The types that a handler of events may return: `()`, a [`Reply`], a [`Fault`], an [`Answer`], or a `Result`
/// of `()` or [`Reply`] with [`Fault`] as its error. `()` is a reply without arguments.
#[diagnostic::on_unimplemented(
    message = "a handler of events cannot return `{Self}`",
    note = "a handler of events returns `()`, `Reply(value)`, `Fault`, `Result<(), Fault>` or `Result<Reply<T>, Fault>`"
)]
pub trait IntoAnswer: Sized {
    /// Converts it to an answer. A value that cannot be written as JSON becomes a fault with the code `reply`.
    fn into_answer(self) -> Answer;

    /// The same for the request of this number. Without one nothing is written.
    #[doc(hidden)]
    fn into_answer_to(self, id: Option<u64>) -> Answer {
        let _ = id;
        self.into_answer()
    }
}

impl IntoAnswer for () {
    fn into_answer(self) -> Answer {
        Ok(Answered::default())
    }
}

impl<T: IntoArgs> IntoAnswer for Reply<T> {
    fn into_answer(self) -> Answer {
        self.into_answer_to(Some(0))
    }

    fn into_answer_to(self, id: Option<u64>) -> Answer {
        let Some(id) = id else { return Ok(Answered::default()) };
        match ack(ROOT, id, &self.0) {
            Ok(packet) => Ok(Answered(Some(Written { packet, id }))),
            Err(error) => {
                tracing::warn!(%error, "an answer cannot be written");
                Err(Fault::new("reply", "the answer cannot be written as JSON"))
            }
        }
    }
}

impl IntoAnswer for Fault {
    fn into_answer(self) -> Answer {
        Err(self)
    }
}

impl IntoAnswer for Answered {
    fn into_answer(self) -> Answer {
        Ok(self)
    }
}

impl<T: IntoAnswer> IntoAnswer for Result<T, Fault> {
    fn into_answer(self) -> Answer {
        self.and_then(T::into_answer)
    }

    fn into_answer_to(self, id: Option<u64>) -> Answer {
        self.and_then(|answer| answer.into_answer_to(id))
    }
}
