//! The log of what one half sent in one session, and the check that the other half received just that.

use crate::{message::Message, payload::Payload, session::Arrival};

#[derive(Clone, Debug)]
pub(crate) enum Sent {
    Message(Payload),
    Dropped,
    Close,
}

#[derive(Clone, Debug)]
pub(crate) struct Log {
    base: u64,
    entries: Vec<Sent>,
}

impl Log {
    pub(crate) fn new(base: u64) -> Self {
        Log { base, entries: Vec::new() }
    }

    pub(crate) fn push(&mut self, sent: Sent) {
        self.entries.push(sent);
    }

    pub(crate) fn last(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Sent> {
        let at = number.checked_sub(self.base + 1)?;
        self.entries.get(usize::try_from(at).ok()?)
    }

    /// The number of the close, if there is one.
    pub(crate) fn close(&self) -> Option<u64> {
        matches!(self.entries.last(), Some(Sent::Close)).then(|| self.last())
    }

    /// The messages above one number and up to another.
    pub(crate) fn messages(&self, above: u64, to: u64) -> impl Iterator<Item = &Payload> {
        let index = |number: u64| usize::try_from(number.saturating_sub(self.base)).expect("few entries");
        let (from, to) = (index(above), index(to).min(self.entries.len()));
        self.entries[from.min(to)..to].iter().filter_map(|sent| match sent {
            Sent::Message(message) => Some(message),
            Sent::Dropped | Sent::Close => None,
        })
    }

    /// Compares what arrived with what was sent as number `next`, and advances `next`.
    pub(crate) fn check(&self, next: &mut u64, arrival: &Arrival) -> Result<(), String> {
        match arrival {
            Arrival::Message(message) => {
                match self.get(*next) {
                    Some(Sent::Message(sent)) if sent == message => {}
                    Some(Sent::Message(sent)) => {
                        return Err(format!("{next} should be {}, is {}", brief(sent), brief(message)));
                    }
                    other => return Err(format!("{next} is {}, was sent as {other:?}", brief(message))),
                }
                *next += 1;
            }
            Arrival::Gap { from, to } => {
                if from != next || from > to {
                    return Err(format!("a gap from {from} to {to} where {next} is next"));
                }
                for number in *from..=*to {
                    if !matches!(self.get(number), Some(Sent::Dropped)) {
                        return Err(format!("a gap over {number}, which was not dropped"));
                    }
                }
                *next = to + 1;
            }
        }
        Ok(())
    }
}

pub(crate) fn brief(payload: &Payload) -> String {
    let (kind, bytes) = match payload {
        Payload::Message(Message::Text(text)) => ("text", text.as_bytes()),
        Payload::Message(Message::Binary(bytes)) => ("binary", &bytes[..]),
        Payload::Event(packet) => ("event", &packet.text.as_bytes()[..]),
    };
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned();
    format!("{kind} {head:?} of {} bytes", payload.len())
}
