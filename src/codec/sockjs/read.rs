//! Strings of JSON as clients send them.

use bytes::{Buf, Bytes};
use bytestring::ByteString;
use serde::de::IgnoredAny;

use super::scan::position;

/// The input is no array of strings, and no string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Why a body is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is no JSON.
    Broken,
    /// It is empty, or other JSON than an array of strings.
    NoPayload,
}

/// Checks that a body is an array of strings.
pub(crate) fn check(body: &[u8]) -> Result<(), Unfit> {
    let Ok(text) = std::str::from_utf8(body) else { return Err(Unfit::Broken) };
    match () {
        () if is_array(text.as_bytes()).is_some() => Ok(()),
        () if text.bytes().all(is_space) => Err(Unfit::NoPayload),
        // Half of a pair is no mistake in here.
        () if serde_json::from_str::<IgnoredAny>(text).is_ok() => Err(Unfit::NoPayload),
        () => Err(Unfit::Broken),
    }
}

fn is_array(text: &[u8]) -> Option<()> {
    let mut rest = spaces(text).strip_prefix(b"[").map(spaces)?;
    if !rest.starts_with(b"]") {
        loop {
            rest = spaces(&rest[quoted(rest)?.length..]);
            match rest.split_first()? {
                (b',', behind) => rest = spaces(behind),
                (b']', _) => break,
                _ => return None,
            }
        }
    }
    spaces(&rest[1..]).is_empty().then_some(())
}

/// Reads the strings of one text after the other.
#[derive(Debug, Default)]
pub(super) struct Strings {
    /// The text is an array, of which another string must come.
    within: bool,
}

impl Strings {
    /// The next string. If there is none, or it was the last, nothing is left of the text.
    pub(super) fn next(&mut self, text: &mut Option<Bytes>) -> Result<Option<ByteString>, Broken> {
        let Some(mut rest) = text.take() else { return Ok(None) };
        let begins = !self.within;
        skip_spaces(&mut rest);
        if begins {
            match rest.first() {
                None => return Ok(None),
                Some(b'[') => {
                    rest.advance(1);
                    skip_spaces(&mut rest);
                    self.within = true;
                }
                Some(_) => {}
            }
            if self.within && rest.first() == Some(&b']') {
                return self.end(rest).map(|()| None);
            }
        }
        let string = take(&mut rest)?;
        skip_spaces(&mut rest);
        match (self.within, rest.first()) {
            (true, Some(b',')) => {
                rest.advance(1);
                *text = Some(rest);
            }
            (true, Some(b']')) => self.end(rest)?,
            (false, None) => {}
            _ => return Err(Broken),
        }
        Ok(Some(string))
    }

    /// The array ends with the first byte of `rest`.
    fn end(&mut self, mut rest: Bytes) -> Result<(), Broken> {
        self.within = false;
        rest.advance(1);
        skip_spaces(&mut rest);
        if rest.is_empty() { Ok(()) } else { Err(Broken) }
    }
}

/// Where a string ends, and whether it has escapes.
struct Quoted {
    /// Its bytes with both quotes.
    length: usize,
    escapes: bool,
}

/// The string that the text begins with.
fn quoted(text: &[u8]) -> Option<Quoted> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let (mut at, mut escapes) = (1, false);
    loop {
        at += position(&text[at..], |byte| (byte == b'"') | (byte == b'\\') | (byte < 0x20))?;
        match text[at] {
            b'"' => return Some(Quoted { length: at + 1, escapes }),
            b'\\' => {
                escapes = true;
                at += match text.get(at + 1)? {
                    b'u' => unit(&text[at..]).map(|_| 6)?,
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    _ => return None,
                };
            }
            _ => return None,
        }
    }
}

/// Takes the string that the text begins with.
fn take(text: &mut Bytes) -> Result<ByteString, Broken> {
    let Quoted { length, escapes } = quoted(text).ok_or(Broken)?;
    let inner = text.split_to(length).slice(1..length - 1);
    match escapes {
        false => ByteString::try_from(inner).map_err(|_| Broken),
        true => String::from_utf8(unescape(&inner)).map(Into::into).map_err(|_| Broken),
    }
}

/// Undoes the escapes of a string that was looked through before.
fn unescape(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rest.len());
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (character, length) = match (rest.get(1), unit(rest)) {
            (_, Some(first)) => match unit(&rest[6..]).map(|second| char::decode_utf16([first, second]).next()) {
                Some(Some(Ok(pair))) if pair > '\u{ffff}' => (pair, 12),
                _ => (char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            },
            (Some(b'b'), _) => ('\u{8}', 2),
            (Some(b'f'), _) => ('\u{c}', 2),
            (Some(b'n'), _) => ('\n', 2),
            (Some(b'r'), _) => ('\r', 2),
            (Some(b't'), _) => ('\t', 2),
            (Some(&byte), _) => (char::from(byte), 2),
            (None, _) => break,
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
    out
}

/// The UTF-16 unit of the escape that the text begins with.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)? as u16))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn spaces(text: &[u8]) -> &[u8] {
    let length = text.iter().take_while(|&&byte| is_space(byte)).count();
    &text[length..]
}

fn skip_spaces(text: &mut Bytes) {
    let length = text.len() - spaces(text).len();
    text.advance(length);
}
