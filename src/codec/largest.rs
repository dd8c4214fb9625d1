//! Payloads that would keep a larger buffer are copied, so that what is held is what is counted.

use bytes::Bytes;
use bytestring::ByteString;

/// A buffer of this many bytes may be kept for a payload of any length.
const SMALL: usize = 256;

/// The largest input of a link so far. Its payloads are slices of one buffer, which has grown to that size.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Largest(usize);

impl Largest {
    /// An input of this many bytes is about to be read, or what is left of it.
    pub(crate) fn saw(&mut self, length: usize) {
        self.0 = self.0.max(length);
    }

    /// Copies a payload that is less than half of the buffer it may have been cut from, so that a small
    /// message which waits does not hold the memory of a large one.
    pub(crate) fn release(self, payload: Bytes) -> Bytes {
        if self.is_small(payload.len()) { Bytes::copy_from_slice(&payload) } else { payload }
    }

    /// The same for a text.
    pub(super) fn release_text(self, text: ByteString) -> ByteString {
        if self.is_small(text.len()) { ByteString::from(&text[..]) } else { text }
    }

    fn is_small(self, length: usize) -> bool {
        self.0 > SMALL && length * 2 < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_payload_behind_a_large_one_is_copied() {
        let buffer = Bytes::from(vec![7; 10_000]);
        let mut largest = Largest::default();
        let is_copied = |largest: Largest, length: usize| {
            let payload = buffer.slice(..length);
            let released = largest.release(payload.clone());
            assert_eq!(released, payload);
            released.as_ptr() != payload.as_ptr()
        };
        largest.saw(200);
        assert!(!is_copied(largest, 1) && !is_copied(largest, 200), "the buffer is small");
        largest.saw(10_000);
        largest.saw(1);
        assert!(!is_copied(largest, 10_000));
        assert!(is_copied(largest, 1) && is_copied(largest, 4_999));
        assert!(!is_copied(largest, 5_000), "half of the buffer or more is kept as it is");
    }
}
