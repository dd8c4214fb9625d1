//! The search for the bytes of a text that need a closer look.

const BLOCK: usize = 16;

/// The place of the first byte for which this holds. A condition without branches is judged for a block of bytes in a
/// few operations of the processor.
pub(super) fn position(bytes: &[u8], is: impl Fn(u8) -> bool) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let clear = blocks.iter().take_while(|block| !block.iter().fold(false, |any, &byte| any | is(byte))).count();
    let start = clear * BLOCK;
    bytes[start..].iter().position(|&byte| is(byte)).map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_is_found_at_each_place() {
        for length in 0..4 * BLOCK {
            let mut bytes = vec![b'x'; length];
            assert_eq!(position(&bytes, |byte| byte == b'y'), None);
            for at in (0..length).rev() {
                bytes[at] = b'y';
                assert_eq!(position(&bytes, |byte| byte == b'y'), Some(at), "{length}");
            }
        }
    }
}
