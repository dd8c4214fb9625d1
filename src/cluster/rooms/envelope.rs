//! The bytes of a publication: messages of one room, the position of a room's numbers, or a word to all nodes.
//!
//! `version kind publisher(8) flags n count back [ago] [options] message..`, where a position has `ago`, and messages have it
//! if a flag says so, or `version kind publisher(8) flags number count publisher(8)..` for a word to all. Numbers are varints in their shortest form.

use std::sync::Arc;

use bytes::Bytes;

use super::types::{Behind, Options, Publisher};
pub(super) use crate::packed::Malformed;
use crate::{
    packed::{self, put, put_bytes},
    payload::Payload,
};

const VERSION: u8 = 1;
/// Messages of a room, or with none of them the position of its numbers.
const ROOM: u8 = 0;
/// A word to all nodes.
const CONTROL: u8 = 1;

const LATE: u8 = 1;
const FIRST: u8 = 2;
const NOW: u8 = 4;
const ASK: u8 = 8;
const OPTIONS: u8 = 16;
const ANSWER: u8 = 32;
const AGO: u8 = 64;
/// Where the flags are.
const FLAGS: usize = 10;

const KEEP: u8 = 0;
const SKIP: u8 = 1;
const LATEST: u8 = 2;

/// The part of an envelope before its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) publisher: Publisher,
    pub(super) about: About,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Room(Numbered),
    Control(Word),
}

/// A word to all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// By this number the node knows its own words, when they come back.
    pub(super) number: u64,
    /// Those that it names are to publish their positions; all are, if it names nobody.
    pub(super) ask: bool,
    /// They are published.
    pub(super) answer: bool,
}

/// The numbers of a room's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbered {
    /// The number of the first message; without messages that of the next one.
    pub(super) n: u64,
    /// The messages.
    pub(super) count: u64,
    /// The count of the numbers before `n` that were used since the publisher began with this room.
    pub(super) back: u64,
    /// It began a moment ago.
    pub(super) first: bool,
    /// The number before `n` was used so many milliseconds ago, at least.
    pub(super) ago: u64,
    /// The publisher could not publish when it sent the messages.
    pub(super) late: bool,
    /// Its own members got them at once.
    pub(super) now: bool,
}

/// Writes a word to all nodes, which names some of them.
pub(super) fn control(publisher: Publisher, word: Word, named: &[Publisher]) -> Bytes {
    let flags = if word.ask { ASK } else { 0 } | if word.answer { ANSWER } else { 0 };
    let mut out = begin(CONTROL, publisher, flags, 20 + named.len() * 8);
    put(&mut out, word.number);
    put(&mut out, named.len() as u64);
    named.iter().for_each(|publisher| out.extend_from_slice(&publisher.to_be_bytes()));
    out.into()
}

/// Writes messages of a room; `count` is how many there are.
pub(super) fn room<'a>(
    publisher: Publisher,
    about: &Numbered,
    options: &Options,
    messages: impl Iterator<Item = &'a Payload> + Clone,
) -> Bytes {
    let plain = *options == Options::default();
    let flag = |set, flag| if set { flag } else { 0 };
    let messages_have_ago = about.count > 0 && about.ago > 0;
    let flags = flag(about.late, LATE)
        | flag(about.now, NOW)
        | flag(about.first, FIRST)
        | flag(!plain, OPTIONS)
        | flag(messages_have_ago, AGO);
    let size: usize = messages.clone().map(|message| message.len() + 12).sum();
    let mut out = begin(ROOM, publisher, flags, size + 40);
    put(&mut out, about.n);
    put(&mut out, about.count);
    put(&mut out, about.back);
    if about.count == 0 || messages_have_ago {
        put(&mut out, about.ago);
    }
    if !plain {
        put_options(&mut out, options);
    }
    messages.for_each(|message| packed::put_payload(&mut out, message));
    out.into()
}

/// The same envelope, marked late.
pub(super) fn marked_late(envelope: &Bytes) -> Bytes {
    let mut out = envelope.to_vec();
    if out.get(1) == Some(&ROOM)
        && let Some(flags) = out.get_mut(FLAGS)
    {
        *flags |= LATE;
    }
    out.into()
}

fn begin(kind: u8, publisher: Publisher, flags: u8, size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(FLAGS + 1 + size);
    out.extend_from_slice(&[VERSION, kind]);
    out.extend_from_slice(&publisher.to_be_bytes());
    out.push(flags);
    out
}

fn put_options(out: &mut Vec<u8>, options: &Options) {
    put(out, options.except.len() as u64);
    options.except.iter().for_each(|id| out.extend_from_slice(id));
    put(out, options.except_rooms.len() as u64);
    options.except_rooms.iter().for_each(|room| put_bytes(out, room.as_bytes()));
    match &options.when_behind {
        Behind::Keep => out.push(KEEP),
        Behind::Skip => out.push(SKIP),
        Behind::Latest(key) => {
            out.push(LATEST);
            put_bytes(out, key.as_bytes());
        }
    }
}

/// Reads the parts of an envelope one after another. The parts share its bytes.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    parts: packed::Reader<'a>,
    has_options: bool,
}

/// Reads what an envelope says before its options and messages.
pub(super) fn read(bytes: &Bytes) -> Result<(Head, Reader<'_>), Malformed> {
    let mut parts = packed::Reader::new(bytes);
    let mut has_options = false;
    let [VERSION, kind] = *parts.array::<2>()? else { return Err(Malformed) };
    let publisher = Publisher::from_be_bytes(*parts.array()?);
    let flags = parts.byte()?;
    let (n, count) = (parts.number()?, parts.number()?);
    let is = |flag| flags & flag != 0;
    let about = match kind {
        CONTROL if flags & !(ASK | ANSWER) == 0 && count.checked_mul(8) == Some(parts.left() as u64) => {
            About::Control(Word { number: n, ask: is(ASK), answer: is(ANSWER) })
        }
        ROOM if flags & !(LATE | FIRST | NOW | OPTIONS | AGO) == 0 && (count > 0 || !is(AGO)) => {
            let back = parts.number()?;
            let ago = if count == 0 || is(AGO) { parts.number()? } else { 0 };
            // All numbers of an envelope, and the one behind it, are numbers.
            if n.checked_add(count).is_none() || back > n {
                return Err(Malformed);
            }
            has_options = is(OPTIONS);
            About::Room(Numbered { n, count, back, first: is(FIRST), ago, late: is(LATE), now: is(NOW) })
        }
        _ => return Err(Malformed),
    };
    Ok((Head { publisher, about }, Reader { parts, has_options }))
}

impl Reader<'_> {
    /// The nodes that a word names.
    pub(super) fn named(&mut self) -> impl Iterator<Item = Publisher> {
        std::iter::from_fn(|| self.parts.array().ok().map(|bytes| Publisher::from_be_bytes(*bytes)))
    }

    /// The options; `None` if they are the ordinary ones. They come before the messages.
    pub(super) fn options(&mut self) -> Result<Option<Arc<Options>>, Malformed> {
        if !self.has_options {
            return Ok(None);
        }
        let ids = self.parts.length(16)?;
        let mut except = Vec::with_capacity(ids);
        for _ in 0..ids {
            except.push(*self.parts.array()?);
        }
        let rooms = self.parts.length(1)?;
        let mut except_rooms = Vec::new();
        for _ in 0..rooms {
            except_rooms.push(self.parts.text()?.to_string());
        }
        let when_behind = match self.parts.byte()? {
            KEEP => Behind::Keep,
            SKIP => Behind::Skip,
            LATEST => Behind::Latest(self.parts.text()?.to_string()),
            _ => return Err(Malformed),
        };
        Ok(Some(Arc::new(Options { except, except_rooms, when_behind })))
    }

    /// The next message, which may have at most `limit` bytes.
    pub(super) fn message(&mut self, limit: usize) -> Result<Payload, Malformed> {
        self.parts.payload(limit)
    }

    /// Fails unless the envelope has ended.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        self.parts.end()
    }
}
