//! The rooms that a member takes along to another node, as bytes.
//!
//! `version count (key named [name] positions)..`, or `version count key..` for what the other node is to listen to first.

use bytes::Bytes;
use bytestring::ByteString;

use super::positions::Positions;
use crate::packed::{Malformed, Reader, put, put_bytes};

const VERSION: u8 = 1;

/// A room that a member takes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) key: ByteString,
    /// The member's name there, if it has one.
    pub(crate) name: Option<ByteString>,
    pub(crate) positions: Positions,
}

impl Carried {
    pub(crate) fn write(rooms: &[Carried]) -> Bytes {
        let mut out = vec![VERSION];
        put(&mut out, rooms.len() as u64);
        for room in rooms {
            put_bytes(&mut out, room.key.as_bytes());
            out.push(u8::from(room.name.is_some()));
            if let Some(name) = &room.name {
                put_bytes(&mut out, name.as_bytes());
            }
            room.positions.write(&mut out);
        }
        out.into()
    }

    /// Reads what `write` has written; `None` if it is something else.
    pub(crate) fn read(bytes: &Bytes) -> Option<Vec<Carried>> {
        let room = |reader: &mut Reader<'_>| {
            let key = reader.text()?;
            let name = match reader.byte()? {
                0 => None,
                1 => Some(reader.text()?),
                _ => return Err(Malformed),
            };
            Ok(Carried { key, name, positions: Positions::read(reader)? })
        };
        list(bytes, 4, room).ok()
    }
}

/// Writes the keys of rooms.
pub(crate) fn write_keys<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Bytes {
    let mut out = vec![VERSION];
    put(&mut out, keys.len() as u64);
    keys.for_each(|key| put_bytes(&mut out, key.as_bytes()));
    out.into()
}

/// Reads what `write_keys` has written; `None` if it is something else.
pub(crate) fn read_keys(bytes: &Bytes) -> Option<Vec<ByteString>> {
    list(bytes, 1, Reader::text).ok()
}

fn list<'a, T>(
    bytes: &'a Bytes,
    size: usize,
    one: impl Fn(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed);
    }
    let count = reader.length(size)?;
    let all = (0..count).map(|_| one(&mut reader)).collect::<Result<Vec<T>, Malformed>>()?;
    reader.end()?;
    Ok(all)
}
