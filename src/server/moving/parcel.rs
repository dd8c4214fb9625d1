//! A session on its way between two nodes, in bytes.

use std::net::IpAddr;

use bytes::Bytes;
use bytestring::ByteString;

use super::state::MOST_SAVED;
use crate::{
    hub::Remote,
    packed::{Malformed, Reader, put, put_bytes},
    pool::Pool,
    shared::MovedSession,
};

const VERSION: u8 = 1;

/// No session that moves is larger.
pub(crate) const MOST: usize = 16 << 20;

/// The most bytes of auth data, and of the key of a user.
pub(super) const MOST_TEXT: usize = 64 * 1024;

/// A session on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(super) session: MovedSession,
    pub(super) remote: Remote,
    pub(super) user: Option<ByteString>,
    pub(super) auth: ByteString,
    pub(super) saved: Option<Bytes>,
    /// The rooms of the session, and what it has got of them.
    pub(super) rooms: Bytes,
    /// The number of the last request that its node has made.
    pub(super) questions: u64,
}

impl Parcel {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        let (v4, v6);
        let address: &[u8] = match self.remote.address {
            None => &[],
            Some(IpAddr::V4(address)) => {
                v4 = address.octets();
                &v4
            }
            Some(IpAddr::V6(address)) => {
                v6 = address.octets();
                &v6
            }
        };
        put_bytes(&mut out, address);
        put_bytes(&mut out, self.remote.kept());
        put_optional(&mut out, self.user.as_deref().map(str::as_bytes));
        put_bytes(&mut out, self.auth.as_bytes());
        put_optional(&mut out, self.saved.as_deref());
        put_bytes(&mut out, &self.rooms);
        put(&mut out, self.questions);
        self.session.put(&mut out);
        out.into()
    }

    /// Reads a session that another node has written. Its parts share no memory with `bytes`.
    ///
    /// # Errors
    /// Fails if no node of this version has written it.
    pub(crate) fn read(bytes: &Bytes, pool: &Pool) -> Result<Self, Malformed> {
        if bytes.len() > MOST { Err(Malformed) } else { Self::read_back(bytes, pool) }
    }

    /// The same for a session that this node has written itself, and that nobody has taken: it may have any size.
    pub(super) fn read_back(bytes: &Bytes, pool: &Pool) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(Malformed);
        }
        let address = reader.slice()?;
        let address = match address.len() {
            0 => None,
            4 => <[u8; 4]>::try_from(&*address).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(&*address).ok().map(IpAddr::from),
            _ => return Err(Malformed),
        };
        let remote = Remote::of_moved(address, &reader.slice()?, pool).ok_or(Malformed)?;
        let user = optional(&mut reader)?.map(|user| text(&user, MOST_TEXT)).transpose()?;
        let auth = text(&reader.slice()?, MOST_TEXT)?;
        let saved = optional(&mut reader)?;
        if saved.as_ref().is_some_and(|saved| saved.len() > MOST_SAVED) {
            return Err(Malformed);
        }
        let saved = saved.map(|saved| Bytes::copy_from_slice(&saved));
        let rooms = Bytes::copy_from_slice(&reader.slice()?);
        let questions =
            reader.number().and_then(|number| if number < 1 << 53 { Ok(number) } else { Err(Malformed) })?;
        let session = MovedSession::read(&mut reader)?;
        reader.end()?;
        Ok(Parcel { session, remote, user, auth, saved, rooms, questions })
    }

    /// The rooms of the session, for [`admit`](crate::server::other_nodes::Expected::admit). Empty if it was closed, and is
    /// in none.
    pub(crate) fn rooms(&self) -> &Bytes {
        &self.rooms
    }
}

fn put_optional(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    out.push(bytes.is_some().into());
    bytes.into_iter().for_each(|bytes| put_bytes(out, bytes));
}

fn optional(reader: &mut Reader<'_>) -> Result<Option<Bytes>, Malformed> {
    match reader.byte()? {
        0 => Ok(None),
        1 => reader.slice().map(Some),
        _ => Err(Malformed),
    }
}

/// A text of at most so many bytes, which shares no memory.
fn text(bytes: &[u8], most: usize) -> Result<ByteString, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
    if text.len() > most { Err(Malformed) } else { Ok(text.to_owned().into()) }
}
