//! The bytes between a node and the sequencer: frames with a length, an id, a kind and fields.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::cluster::engine::{Past, Place, Record, Recorded, Retention};

/// The version of the frames. A sequencer refuses nodes of another one.
pub(super) const VERSION: u8 = 1;

/// The longest frame. No message of an application comes near it.
pub(super) const MOST_FRAME: usize = 256 << 20;

/// The bytes of a frame's length.
pub(super) const LENGTH: usize = 4;

/// The longest time that is told: a hundred years, in milliseconds.
const LONGEST: u64 = 100 * 365 * 24 * 3600 * 1000;

/// The id of a frame that wants no answer, or is none.
pub(super) const NO_ID: u32 = 0;

/// A node says it to the sequencer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The first word. The member is the process, as far as the engine knows one.
    Hello {
        version: u8,
        member: u64,
    },
    /// It has no answer of its own.
    Publish {
        topic: Bytes,
        body: Bytes,
    },
    /// It has no answer of its own.
    Append(Record),
    /// It is answered behind all that came before it.
    Ping,
    Interest {
        add: Vec<Bytes>,
        drop: Vec<Bytes>,
    },
    Beat {
        id: Bytes,
        info: Bytes,
        lease: u64,
    },
    Leave {
        id: Bytes,
    },
    Swap {
        key: Bytes,
        from: Bytes,
        to: Bytes,
        keep: u64,
    },
    Look {
        key: Bytes,
    },
    Release {
        key: Bytes,
        value: Bytes,
    },
    /// Topics, and as many values.
    Note {
        id: Bytes,
        topics: Vec<Bytes>,
        values: Vec<Bytes>,
        keep: u64,
    },
    Notes {
        topic: Bytes,
    },
    /// The epoch of a place is not 0.
    History {
        topic: Bytes,
        keep: Retention,
        after: Option<Place>,
    },
    /// The member has this claim of an epoch before. It has no answer.
    Tell {
        key: Bytes,
        value: Bytes,
        keep: u64,
    },
    /// The member has told all of them.
    Told,
    /// The member has asked for all of its topics.
    Listens,
    /// The member has taken the sequencer's place, as it was asked to, or will not. It has no answer.
    Begun,
}

/// The sequencer says it to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// The value of somebody else, or of a key.
    Value(Option<Bytes>),
    /// The infos of nodes; or notes, each an id and a value.
    List(Vec<Bytes>),
    Publication {
        topic: Bytes,
        body: Bytes,
    },
    Recorded(Recorded),
    Past(Past),
    Refused(Bytes),
    /// Nothing was published in this epoch before the member listened.
    InTime,
    /// The member is asked to take the sequencer's place.
    TakeOver,
    /// The last word of an epoch: all that was published in it has been said before.
    Over,
}

/// A time as frames have it: in milliseconds, and not none.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST)
}

struct Writer(BytesMut);

impl Writer {
    fn new(id: u32, kind: u8, room: usize) -> Self {
        let mut out = BytesMut::with_capacity(LENGTH + 4 + 1 + room);
        out.put_u32(0);
        out.put_u32(id);
        out.put_u8(kind);
        Writer(out)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        // A longer field is longer than any frame, which is checked at the end.
        self.0.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.put_slice(bytes);
        self
    }

    fn list(mut self, list: &[Bytes]) -> Self {
        self.0.put_u32(u32::try_from(list.len()).unwrap_or(u32::MAX));
        list.iter().fold(self, |out, bytes| out.bytes(bytes))
    }

    fn number(mut self, number: u64) -> Self {
        self.0.put_u64(number);
        self
    }

    fn keep(self, keep: Retention) -> Self {
        self.number(keep.records.into()).number(milliseconds(keep.age)).number(keep.bytes as u64)
    }

    fn place(self, place: Place) -> Self {
        self.number(place.epoch).number(place.offset)
    }

    fn past(self, past: &Past) -> Self {
        let mut out = self.number(past.epoch).number(past.last).number(past.before);
        out.0.put_u32(u32::try_from(past.records.len()).unwrap_or(u32::MAX));
        past.records.iter().fold(out, |out, (offset, age, body)| out.number(*offset).number(*age).bytes(body))
    }

    /// The frame; `None` if it is too long.
    fn end(mut self) -> Option<Bytes> {
        let length = self.0.len() - LENGTH;
        if length > MOST_FRAME {
            return None;
        }
        self.0[..LENGTH].copy_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
        Some(self.0.freeze())
    }
}

struct Reader(Bytes);

impl Reader {
    fn u32(&mut self) -> Option<u32> {
        (self.0.len() >= 4).then(|| self.0.get_u32())
    }

    fn u8(&mut self) -> Option<u8> {
        (!self.0.is_empty()).then(|| self.0.get_u8())
    }

    fn number(&mut self) -> Option<u64> {
        (self.0.len() >= 8).then(|| self.0.get_u64())
    }

    /// A time, which no sum overflows with.
    fn time(&mut self) -> Option<u64> {
        self.number().map(|time| time.min(LONGEST))
    }

    /// A field of its own, since those who keep it must not keep the whole buffer.
    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.u32()? as usize;
        (self.0.len() >= length).then(|| Bytes::copy_from_slice(&self.0.split_to(length)))
    }

    fn list(&mut self) -> Option<Vec<Bytes>> {
        let count = self.u32()? as usize;
        // Each has a length at least.
        let mut list = Vec::with_capacity(count.min(self.0.len() / 4));
        for _ in 0..count {
            list.push(self.bytes()?);
        }
        Some(list)
    }

    fn keep(&mut self) -> Option<Retention> {
        let records = u32::try_from(self.number()?).ok()?;
        let keep = Retention::new(records, Duration::from_millis(self.time()?));
        Some(keep.bytes(usize::try_from(self.number()?).unwrap_or(usize::MAX)))
    }

    fn place(&mut self) -> Option<Place> {
        Some(Place { epoch: self.number()?, offset: self.number()? })
    }

    fn record(&mut self) -> Option<Record> {
        let (topic, body) = (self.bytes()?, self.bytes()?);
        Some(Record { topic, body, publisher: self.number()?, number: self.number()?, keep: self.keep()? })
    }

    fn recorded(&mut self) -> Option<Recorded> {
        let (topic, body) = (self.bytes()?, self.bytes()?);
        Some(Recorded { topic, body, place: self.place()?, before: self.number()? })
    }

    fn past(&mut self) -> Option<Past> {
        let (epoch, last, before) = (self.number()?, self.number()?, self.number()?);
        let count = self.u32()? as usize;
        // Each has two numbers and a length at least.
        let mut records = Vec::with_capacity(count.min(self.0.len() / 20));
        for _ in 0..count {
            records.push((self.number()?, self.number()?, self.bytes()?));
        }
        Some(Past { epoch, last, before, records })
    }

    fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

impl Ask {
    /// The frame; `None` if it is too long.
    pub(super) fn write(&self, id: u32) -> Option<Bytes> {
        let begin = |kind, room| Writer::new(id, kind, room);
        match self {
            Ask::Hello { version, member } => begin(0, 16).bytes(&[*version]).number(*member),
            Ask::Publish { topic, body } => begin(1, topic.len() + body.len() + 8).bytes(topic).bytes(body),
            Ask::Ping => begin(2, 0),
            Ask::Interest { add, drop } => begin(3, 64).list(add).list(drop),
            Ask::Beat { id, info, lease } => begin(4, 64).bytes(id).bytes(info).number(*lease),
            Ask::Leave { id } => begin(5, 64).bytes(id),
            Ask::Swap { key, from, to, keep } => begin(6, 128).bytes(key).bytes(from).bytes(to).number(*keep),
            Ask::Look { key } => begin(7, 64).bytes(key),
            Ask::Release { key, value } => begin(8, 64).bytes(key).bytes(value),
            Ask::Tell { key, value, keep } => begin(9, 128).bytes(key).bytes(value).number(*keep),
            Ask::Told => begin(10, 0),
            Ask::Note { id, topics, values, keep } => begin(11, 128).bytes(id).list(topics).list(values).number(*keep),
            Ask::Notes { topic } => begin(12, 64).bytes(topic),
            Ask::Listens => begin(13, 0),
            Ask::Begun => begin(17, 0),
            Ask::Append(Record { topic, body, publisher, number, keep }) => begin(14, topic.len() + body.len() + 40)
                .bytes(topic)
                .bytes(body)
                .number(*publisher)
                .number(*number)
                .keep(*keep),
            Ask::History { topic, keep, after } => {
                begin(15, 64).bytes(topic).keep(*keep).place(after.unwrap_or(Place { epoch: 0, offset: 0 }))
            }
        }
        .end()
    }

    /// Reads a frame behind its length; `None` if it is none.
    pub(super) fn read(frame: Bytes) -> Option<(u32, Self)> {
        let mut from = Reader(frame);
        let id = from.u32()?;
        let ask = match from.u8()? {
            0 => Ask::Hello { version: *from.bytes()?.first()?, member: from.number()? },
            1 => Ask::Publish { topic: from.bytes()?, body: from.bytes()? },
            2 => Ask::Ping,
            3 => Ask::Interest { add: from.list()?, drop: from.list()? },
            4 => Ask::Beat { id: from.bytes()?, info: from.bytes()?, lease: from.time()? },
            5 => Ask::Leave { id: from.bytes()? },
            6 => Ask::Swap { key: from.bytes()?, from: from.bytes()?, to: from.bytes()?, keep: from.time()? },
            7 => Ask::Look { key: from.bytes()? },
            8 => Ask::Release { key: from.bytes()?, value: from.bytes()? },
            9 => Ask::Tell { key: from.bytes()?, value: from.bytes()?, keep: from.time()? },
            10 => Ask::Told,
            11 => Ask::Note { id: from.bytes()?, topics: from.list()?, values: from.list()?, keep: from.time()? },
            12 => Ask::Notes { topic: from.bytes()? },
            13 => Ask::Listens,
            14 => Ask::Append(from.record()?),
            15 => Ask::History {
                topic: from.bytes()?,
                keep: from.keep()?,
                after: Some(from.place()?).filter(|place| place.epoch != 0),
            },
            17 => Ask::Begun,
            _ => return None,
        };
        from.end((id, ask))
    }
}

impl Answer {
    pub(super) fn write(&self, id: u32) -> Option<Bytes> {
        let begin = |kind, room| Writer::new(id, kind, room);
        match self {
            Answer::Done => begin(0, 0),
            Answer::Value(None) => begin(1, 0),
            Answer::Value(Some(value)) => begin(2, value.len() + 4).bytes(value),
            Answer::List(nodes) => begin(3, 64).list(nodes),
            Answer::Publication { topic, body } => begin(4, topic.len() + body.len() + 8).bytes(topic).bytes(body),
            Answer::Refused(why) => begin(5, why.len() + 4).bytes(why),
            Answer::Recorded(Recorded { topic, body, place, before }) => {
                begin(6, topic.len() + body.len() + 32).bytes(topic).bytes(body).place(*place).number(*before)
            }
            Answer::Past(past) => begin(7, 64).past(past),
            Answer::InTime => begin(8, 0),
            Answer::TakeOver => begin(9, 0),
            Answer::Over => begin(10, 0),
        }
        .end()
    }

    pub(super) fn read(frame: Bytes) -> Option<(u32, Self)> {
        let mut from = Reader(frame);
        let id = from.u32()?;
        let answer = match from.u8()? {
            0 => Answer::Done,
            1 => Answer::Value(None),
            2 => Answer::Value(Some(from.bytes()?)),
            3 => Answer::List(from.list()?),
            4 => Answer::Publication { topic: from.bytes()?, body: from.bytes()? },
            5 => Answer::Refused(from.bytes()?),
            6 => Answer::Recorded(from.recorded()?),
            7 => Answer::Past(from.past()?),
            8 => Answer::InTime,
            9 => Answer::TakeOver,
            10 => Answer::Over,
            _ => return None,
        };
        from.end((id, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks() -> Vec<Ask> {
        let [a, b, c] = ["a", "", "ccc"].map(Bytes::from);
        let keep = Retention::new(7, Duration::from_millis(9)).bytes(11);
        vec![
            Ask::Hello { version: 7, member: u64::MAX },
            Ask::Publish { topic: a.clone(), body: b.clone() },
            Ask::Ping,
            Ask::Interest { add: vec![a.clone(), b.clone()], drop: vec![] },
            Ask::Beat { id: a.clone(), info: b.clone(), lease: 9 },
            Ask::Leave { id: c.clone() },
            Ask::Swap { key: a.clone(), from: b.clone(), to: c.clone(), keep: LONGEST },
            Ask::Look { key: c.clone() },
            Ask::Release { key: a.clone(), value: b.clone() },
            Ask::Tell { key: a.clone(), value: b.clone(), keep: 1 },
            Ask::Note { id: c, topics: vec![a.clone(), b.clone()], values: vec![b, a.clone()], keep: 3 },
            Ask::Append(Record::new(a.clone(), b"".as_slice(), u64::MAX, 1, keep)),
            Ask::History { topic: a.clone(), keep, after: None },
            Ask::History { topic: a.clone(), keep, after: Some(Place::new(3, 4)) },
            Ask::Notes { topic: a },
            Ask::Listens,
            Ask::Told,
            Ask::Begun,
        ]
    }

    /// A frame that is cut off, or longer than it says, is none, whatever lengths it gives.
    #[test]
    fn frames_are_read_as_they_were_written_and_no_others() {
        for (n, ask) in (1..).zip(asks()) {
            let frame = ask.write(n).unwrap();
            assert_eq!(frame[..LENGTH], u32::try_from(frame.len() - LENGTH).unwrap().to_be_bytes());
            let frame = frame.slice(LENGTH..);
            assert_eq!(Ask::read(frame.clone()), Some((n, ask)));
            for end in 0..frame.len() {
                assert_eq!(Ask::read(frame.slice(..end)), None);
            }
            assert_eq!(Ask::read([&frame[..], b"x"].concat().into()), None);
        }
        let a = Bytes::from("a");
        let nodes = Answer::List(vec![a.clone(); 3]);
        let publication = Answer::Publication { topic: a.clone(), body: Bytes::new() };
        let recorded = Answer::Recorded(Recorded::new(a.clone(), Bytes::new(), Place::new(1, 2), 1));
        let past = Answer::Past(Past::new(1, 9, 3, vec![(4, 50, a.clone()), (5, 0, Bytes::new())]));
        let value = Answer::Value(Some(a.clone()));
        let words = [Answer::Done, Answer::InTime, Answer::TakeOver, Answer::Over];
        for answer in words.into_iter().chain([Answer::Value(None), value, nodes, publication, recorded, past]) {
            let frame = answer.write(3).unwrap().slice(LENGTH..);
            assert_eq!(Answer::read(frame), Some((3, answer)));
        }
        for nonsense in [&[0, 0, 0, 1, 99][..], &[0, 0, 0, 1, 3, 255, 255, 255, 255], &[0, 0, 0, 1, 7, 255, 0, 0, 0]] {
            assert_eq!(Ask::read(Bytes::copy_from_slice(nonsense)), None);
            assert_eq!(Answer::read(Bytes::copy_from_slice(nonsense)), None);
        }
    }
}
