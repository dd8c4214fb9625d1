//! The log of what one half sent in one session, and the check that the other half received just that.

use crate::{message::Message, payload::Payload, session::Arrival};

#[derive(Clone, Debug)]
pub(crate) enum Sent {
    Message(Payload),
    /// An answer, which is taken off before the other half's application receives anything.
    Answer(Payload),
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
            Sent::Message(message) | Sent::Answer(message) => Some(message),
            Sent::Dropped | Sent::Close => None,
        })
    }

    /// Another page goes on behind this number. Returns what was sent with the numbers above it.
    pub(crate) fn truncate(&mut self, last: u64) -> Vec<Sent> {
        self.entries.split_off(usize::try_from(last - self.base).expect("few entries"))
    }

    /// Puts this in place of the messages above a number to which `replaces` applies.
    pub(crate) fn replace_above(&mut self, above: u64, with: &Payload, replaces: impl Fn(&Payload) -> bool) {
        let from = usize::try_from(above - self.base).expect("few entries");
        for sent in &mut self.entries[from..] {
            if let Sent::Message(message) = sent
                && replaces(message)
            {
                message.clone_from(with);
            }
        }
    }

    /// Compares an answer that was taken off with the first one behind number `last`, which moves on to it.
    pub(crate) fn check_answer(&self, last: &mut u64, answer: &Payload) -> Result<(), String> {
        let is_answer = |number: &u64| matches!(self.get(*number), Some(Sent::Answer(_)));
        let number = (*last + 1..=self.last()).find(is_answer).ok_or("an answer that was not sent")?;
        match self.get(number) {
            Some(Sent::Answer(sent)) if sent == answer => *last = number,
            other => return Err(format!("the answer {number} is {}, was sent as {other:?}", brief(answer))),
        }
        Ok(())
    }

    /// Advances `next` beyond answers that were taken off, the last of which is number `taken`.
    pub(crate) fn skip_answers(&self, next: &mut u64, taken: u64) {
        while *next <= taken && matches!(self.get(*next), Some(Sent::Answer(_))) {
            *next += 1;
        }
    }

    /// Compares what arrived with what was sent as number `next`, and advances `next`.
    pub(crate) fn check(&self, next: &mut u64, arrival: &Arrival) -> Result<(), String> {
        match arrival {
            Arrival::Message(message) => {
                match self.get(*next) {
                    Some(Sent::Message(sent) | Sent::Answer(sent)) if sent == message => {}
                    Some(Sent::Message(sent) | Sent::Answer(sent)) => {
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
        Payload::Event(packet) => ("event", &packet.text().as_bytes()[..]),
    };
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned();
    format!("{kind} {head:?} of {} bytes", payload.len())
}
