//! Where the frames of a client end. Between two messages the framing's buffer, which has grown to the largest
//! of them, can be given back.

/// The longest header of a frame without its mask.
const HEADER: usize = 10;
const MASK: u64 = 4;

/// Follows the headers of a stream of frames. It judges nothing: the framing does.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// The beginning of a header.
    header: [u8; HEADER],
    had: u8,
    /// A message has begun whose last frame has not.
    fragmented: bool,
    /// How many bytes of the frame are still to come.
    left: u64,
}

impl Edges {
    /// Goes on along the input, at most to the end of a frame. Returns how far, which is at least one byte if
    /// there is any.
    pub(super) fn advance(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        while self.left == 0 {
            let Some(&byte) = input.get(at) else { return at };
            at += 1;
            self.header[usize::from(self.had)] = byte;
            self.had += 1;
            if let Some(length) = self.length() {
                let opcode = self.header[0] & 0x0f;
                if opcode < 8 {
                    self.fragmented = self.header[0] & 0x80 == 0;
                }
                let mask = if self.header[1] & 0x80 == 0 { 0 } else { MASK };
                (self.had, self.left) = (0, length.saturating_add(mask));
                if self.left == 0 {
                    return at;
                }
            }
        }
        let rest = (input.len() - at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= rest as u64;
        at + rest
    }

    /// The length of the payload, if the header has told it.
    fn length(&self) -> Option<u64> {
        let header = &self.header[..usize::from(self.had)];
        let extended = match header.get(1)? & 0x7f {
            126 => header.get(2..4)?,
            127 => header.get(2..10)?,
            length => return Some(length.into()),
        };
        Some(extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)))
    }

    /// Whether nothing of a message has come that is not complete.
    pub(super) fn is_between_messages(&self) -> bool {
        self.had == 0 && self.left == 0 && !self.fragmented
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, masked: bool, length: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        let bit = if masked { 0x80 } else { 0 };
        match length {
            0..=125 => bytes.push(bit | length as u8),
            126..=0xffff => bytes.extend([&[bit | 126][..], &(length as u16).to_be_bytes()].concat()),
            _ => bytes.extend([&[bit | 127][..], &(length as u64).to_be_bytes()].concat()),
        }
        bytes.resize(bytes.len() + length + if masked { 4 } else { 0 }, 0xff);
        bytes
    }

    #[test]
    fn the_end_of_each_frame_is_found_however_the_input_is_cut() {
        for size in [1, 2, 3, 7, 256, 1 << 20] {
            let mut edges = Edges::default();
            for length in [0, 1, 125, 126, 300, 65_535, 65_536] {
                for masked in [true, false] {
                    // A message in two frames, with a ping in the midst of it.
                    for (first, between) in [(0x01, false), (0x89, false), (0x80, true), (0x82, true)] {
                        let bytes = frame(first, masked, if first == 0x89 { 4 } else { length });
                        let mut at = 0;
                        while at < bytes.len() {
                            let piece = &bytes[at..bytes.len().min(at + size)];
                            let advanced = edges.advance(piece);
                            assert_eq!(advanced, piece.len());
                            at += advanced;
                            assert!(at == bytes.len() || !edges.is_between_messages());
                        }
                        assert_eq!(edges.is_between_messages(), between, "{length} in pieces of {size}");
                    }
                }
            }
        }
    }

    #[test]
    fn it_does_not_go_beyond_the_end_of_a_frame() {
        let (first, second) = (frame(0x81, true, 10), frame(0x82, true, 0));
        let bytes = [&first[..], &second, &first].concat();
        let mut edges = Edges::default();
        let steps = [first.len(), second.len(), first.len(), 0];
        let mut rest = &bytes[..];
        for step in steps {
            assert_eq!(edges.advance(rest), step);
            rest = &rest[step..];
        }
    }

    #[test]
    fn the_greatest_length_does_no_harm() {
        let mut edges = Edges::default();
        assert_eq!(edges.advance(&[0xff; 100]), 100);
        assert!(!edges.is_between_messages());
    }
}
