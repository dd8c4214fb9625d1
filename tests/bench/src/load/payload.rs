//! Messages that can be told apart and checked to the last byte.

use anyhow::{Context, Result, ensure};

const DIGITS: usize = 10;
const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";

/// Makes and checks messages of one size: ten digits, then letters that begin at a different place for each
/// number.
pub(super) struct Payloads {
    size: usize,
    letters: Vec<u8>,
    buffer: Vec<u8>,
}

impl Payloads {
    pub(super) fn new(size: usize) -> Self {
        let letters = LETTERS.iter().copied().cycle().take(size + LETTERS.len());
        Self { size, letters: letters.collect(), buffer: Vec::new() }
    }

    fn filler(&self, number: u64) -> &[u8] {
        let start = (number % 26) as usize;
        &self.letters[start..start + self.size - DIGITS]
    }

    pub(super) fn make(&mut self, number: u64) -> &[u8] {
        let mut digits = [b'0'; DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.extend_from_slice(&digits);
        buffer.extend_from_slice(self.filler(number));
        self.buffer = buffer;
        &self.buffer
    }

    /// Checks that a message is whole and returns its number.
    pub(super) fn check(&self, payload: &[u8]) -> Result<u64> {
        let (digits, filler) = payload.split_at_checked(DIGITS).with_context(|| shown(payload))?;
        let number = std::str::from_utf8(digits)?.parse().with_context(|| shown(payload))?;
        ensure!(filler == self.filler(number), shown(payload));
        Ok(number)
    }
}

fn shown(payload: &[u8]) -> String {
    format!("a message came back damaged: {}", String::from_utf8_lossy(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_seen() {
        let mut payloads = Payloads::new(32);
        let good = payloads.make(1_234_567).to_vec();
        assert_eq!(payloads.check(&good).unwrap(), 1_234_567);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(payloads.check(&bad).map_or(true, |number| number != 1_234_567));
        }
        assert!(payloads.check(&good[..31]).is_err());
    }
}
