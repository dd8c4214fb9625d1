//! The subjects of an engine on NATS: words of bytes that may be anything.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// A longer word is said by its hash: a line of the protocol has a bound.
const LONGEST: usize = 512;

/// One word of a subject for these bytes, which no other bytes have. Letters, digits, `-` and `_` stay what they are.
pub(super) fn word(bytes: &[u8]) -> String {
    let mut word = String::with_capacity(bytes.len() + 8);
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => word.push(char::from(*byte)),
            _ => push_hex(&mut word, "=", *byte),
        }
        if word.len() > LONGEST {
            return hashed(bytes);
        }
    }
    if word.is_empty() {
        word.push('=');
    }
    word
}

fn hashed(bytes: &[u8]) -> String {
    let mut word = "~".to_owned();
    Sha256::digest(bytes).iter().for_each(|byte| push_hex(&mut word, "", *byte));
    word
}

fn push_hex(word: &mut String, before: &str, byte: u8) {
    let _ = write!(word, "{before}{byte:02x}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_word_has_its_own_bytes() {
        assert_eq!(word(b"lobby-1_A"), "lobby-1_A");
        assert_eq!(word(b""), "=");
        assert_eq!(word(b"a.b *>="), "a=2eb=20=2a=3e=3d");
        assert_eq!(word("ä~".as_bytes()), "=c3=a4=7e");
        let all: Vec<u8> = (0..=255).collect();
        let long = [b'a'; LONGEST + 1];
        let words: [&[u8]; 9] = [b"", b"=", b"~", b"a", b"=61", b"\0", &all, &long, &long[1..]];
        let words: BTreeSet<String> = words.iter().map(|bytes| word(bytes)).collect();
        assert_eq!(words.len(), 9);
        for word in words {
            assert!(!word.is_empty() && word.len() <= LONGEST, "{word}");
            let plain = |byte: u8| byte.is_ascii_graphic() && !b".*>$".contains(&byte);
            assert!(word.bytes().all(plain), "{word}");
        }
    }
}
