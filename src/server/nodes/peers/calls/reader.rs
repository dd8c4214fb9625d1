//! Frames out of the chunks of a stream.

use bytes::{Buf, Bytes, BytesMut};

use super::frame::{Kind, MOST, START};

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// The number of its call.
    pub(super) number: u32,
    pub(super) rest: Bytes,
}

/// Bytes that are no frame, or one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Chunks, out of which frames are taken.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The beginning of a frame, which the chunks before ended with.
    begun: BytesMut,
    /// Behind that.
    chunk: Bytes,
}

impl Reader {
    /// Gives the next chunk. All frames of the one before must have been taken.
    pub(super) fn feed(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty());
        self.chunk = chunk;
    }

    /// The next frame; `None` if the next chunk is needed.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Malformed> {
        if self.begun.is_empty() {
            return match length(&self.chunk)? {
                Some(length) if length <= self.chunk.len() => split(self.chunk.split_to(length)).map(Some),
                _ => {
                    self.begun.extend_from_slice(&std::mem::take(&mut self.chunk));
                    Ok(None)
                }
            };
        }
        self.fill(4);
        let Some(length) = length(&self.begun)? else { return Ok(None) };
        self.fill(length);
        match self.begun.len() == length {
            true => split(std::mem::take(&mut self.begun).freeze()).map(Some),
            false => Ok(None),
        }
    }

    /// Takes bytes of the chunk until this many of the frame are here.
    fn fill(&mut self, length: usize) {
        let missing = length.saturating_sub(self.begun.len()).min(self.chunk.len());
        self.begun.extend_from_slice(&self.chunk.split_to(missing));
    }
}

/// The length of the frame that begins so, with that of its length; `None` if it is not known yet.
fn length(begin: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(length) = begin.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Malformed)?;
    if (START - 4..=MOST).contains(&length) { Ok(Some(length + 4)) } else { Err(Malformed) }
}

fn split(mut frame: Bytes) -> Result<Frame, Malformed> {
    frame.advance(4);
    let kind = Kind::of(frame.get_u8()).ok_or(Malformed)?;
    Ok(Frame { kind, number: frame.get_u32(), rest: frame })
}
