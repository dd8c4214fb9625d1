//! [`Buffer`], in which a packet is written.

use std::{cell::Cell, fmt};

use bytes::Bytes;

/// The memory of packets that are no longer than this is kept for the next one.
const FEW: usize = 4096;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes that are gathered in memory which the packets of a thread have one after the other. So a packet is one
/// allocation, of its own size.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
}

impl Buffer {
    pub(super) fn new() -> Self {
        // A packet may be written while another one is: the values are the application's.
        Buffer { bytes: SPARE.take() }
    }

    /// The bytes, in memory of their own size.
    pub(super) fn finish(mut self) -> Bytes {
        if self.bytes.capacity() > 2 * FEW {
            return self.bytes.into_boxed_slice().into();
        }
        let bytes = Bytes::copy_from_slice(&self.bytes);
        self.bytes.clear();
        SPARE.set(self.bytes);
        bytes
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        // Almost all are digits and brackets, and to copy a slice takes longer.
        match u8::try_from(character) {
            Ok(byte @ 0..0x80) => self.bytes.push(byte),
            _ => self.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn it_holds_what_was_written_however_much() {
        for length in [0, 1, FEW, FEW + 1, 2 * FEW, 2 * FEW + 1, 10 * FEW, 3, 0] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut buffer = Buffer::new();
            assert_eq!(buffer.bytes, b"", "behind one that was longer");
            buffer.bytes.extend_from_slice(&bytes);
            assert_eq!(buffer.finish(), bytes);
        }
    }

    #[test]
    fn it_holds_characters() {
        let mut buffer = Buffer::new();
        "[9\u{7f}\u{80}é\u{ff}€😀]".chars().for_each(|character| buffer.write_char(character).unwrap());
        assert_eq!(buffer.finish(), "[9\u{7f}\u{80}é\u{ff}€😀]");
    }

    #[test]
    fn one_is_written_while_another_is() {
        let (mut outer, mut inner) = (Buffer::new(), Buffer::new());
        outer.bytes.extend_from_slice(b"outer");
        inner.bytes.extend_from_slice(b"inner");
        assert_eq!(inner.finish(), "inner");
        assert_eq!(outer.finish(), "outer");
    }

    #[test]
    fn memory_is_kept_for_the_next_one_if_it_is_little() {
        for (length, is_kept) in [(FEW, true), (3 * FEW, false)] {
            let mut buffer = Buffer::new();
            buffer.bytes.extend_from_slice(&vec![b'x'; length]);
            let capacity = buffer.bytes.capacity();
            drop(buffer.finish());
            assert_eq!(SPARE.take().capacity() == capacity, is_kept, "{length}");
        }
    }
}
