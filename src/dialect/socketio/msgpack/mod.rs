//! The packets of Socket.IO in MessagePack, as the client's package `socket.io-msgpack-parser` has them: each is one
//! binary message, a map of `type`, `data`, `id` and `nsp`, and its attachments are in the data. Revision 5 alone.
//!
//! In the server a packet is JSON with placeholders and has its attachments beside it, whatever the client speaks.
//!
//! | MessagePack | here |
//! |---|---|
//! | types 2 and 3 | with bytes in the data types 5 and 6 |
//! | bin | a placeholder, at most 10 |
//! | a float that is not finite | `null`, as in `JSON.stringify` |
//! | extension 0 of one byte: undefined | nothing in a map, `null` in a list |
//! | extension 0 of 8 bytes, extension -1: a time | its text, as in `JSON.stringify` |
//! | another extension | refused |
//! | a key that is an integer | its digits; a key that is neither that nor a text is refused |
//! | the key `_placeholder` | refused beside bytes |
//! | `nil` or undefined in place of `data` or `id` | there is none |
//! | a field of another name, as the client's `options` | ignored |
//!
//! A packet that is nested more than 128 deep, cut short, or has bytes behind it is refused. The limit of a packet counts
//! it as it is here.

mod read;
mod time;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;
