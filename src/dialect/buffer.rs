//! [`Buffer`], in which a packet is written.

use std::{fmt, io};

use bytes::Bytes;

/// Most packets fit into this many bytes.
const FEW: usize = 256;

/// Bytes that are gathered in place as long as they are few. So a packet is one allocation, of its own size.
#[derive(Debug)]
pub(super) struct Buffer {
    few: [u8; FEW],
    /// How many of the few are in use.
    length: usize,
    /// All bytes, once they are more than a few.
    many: Vec<u8>,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Buffer { few: [0; FEW], length: 0, many: Vec::new() }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        if self.many.is_empty() { &self.few[..self.length] } else { &self.many }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if !self.many.is_empty() {
            self.many.extend_from_slice(bytes);
        } else if let Some(room) = self.few.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
            self.length = end;
        } else {
            self.many.reserve(2 * end);
            self.many.extend_from_slice(&self.few[..self.length]);
            self.many.extend_from_slice(bytes);
        }
    }

    /// Drops all but the first bytes.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.many.truncate(length);
    }

    /// Takes the bytes, in memory of their own size.
    pub(super) fn take(&mut self) -> Bytes {
        let few = std::mem::take(&mut self.length);
        if self.many.is_empty() {
            Bytes::copy_from_slice(&self.few[..few])
        } else {
            std::mem::take(&mut self.many).into_boxed_slice().into()
        }
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_written_however_much() {
        for piece in [1, 3, FEW - 1, FEW, FEW + 1, 5 * FEW] {
            for pieces in [0, 1, 2, 5, 200] {
                let bytes: Vec<u8> = (0..piece * pieces).map(|at| (at % 251) as u8).collect();
                let mut buffer = Buffer::new();
                bytes.chunks(piece).for_each(|piece| buffer.extend(piece));
                assert_eq!(buffer.as_slice(), bytes, "{pieces} of {piece}");
                assert_eq!(buffer.take(), bytes);
            }
        }
    }

    #[test]
    fn its_end_can_be_dropped() {
        for (before, after) in [(10, 10), (10, 0), (FEW, 1), (3 * FEW, 2 * FEW), (3 * FEW, 1), (3 * FEW, 0)] {
            let mut buffer = Buffer::new();
            buffer.extend(&vec![b'x'; before]);
            buffer.truncate(after);
            assert_eq!(buffer.as_slice().len(), after);
            buffer.extend(b"end");
            assert_eq!(buffer.take(), [&vec![b'x'; after][..], b"end"].concat());
            assert!(buffer.as_slice().is_empty());
        }
    }
}
