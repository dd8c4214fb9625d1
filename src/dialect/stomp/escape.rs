//! Names and values of headers as each version spells them.

use std::borrow::Cow;

use super::Version;

/// The spaces that STOMP 1.0 has around names and values.
pub(super) const SPACES: [char; 3] = [' ', '\t', '\r'];

/// In the place of a NUL, which would end the frame for most clients.
const NO_NUL: char = '\u{fffd}';

/// Undoes the escapes of a version.
///
/// # Errors
/// Fails with the escape if the version does not define it.
pub(super) fn decode(version: Version, text: &str) -> Result<Cow<'_, str>, String> {
    if version == Version::V1_0 || !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = String::with_capacity(text.len());
    let mut pieces = text.split('\\');
    decoded.push_str(pieces.next().unwrap_or_default());
    while let Some(piece) = pieces.next() {
        let mut behind = piece.chars();
        let meant = match behind.next() {
            Some('n') => '\n',
            Some('c') => ':',
            Some('r') if version == Version::V1_2 => '\r',
            Some(other) => return Err(format!("\\{other}")),
            // Two backslashes follow each other, or the text ends in one.
            None => {
                let next = pieces.next().ok_or("\\")?;
                decoded.push('\\');
                decoded.push_str(next);
                continue;
            }
        };
        decoded.push(meant);
        decoded.push_str(behind.as_str());
    }
    Ok(Cow::Owned(decoded))
}

/// Whether a version can spell a header. STOMP 1.0 has no word for a line feed, and in a name none for a colon or for
/// spaces around it, which its readers cut off.
fn can_spell(version: Version, name: &str, value: &str) -> bool {
    let is_plain = || !name.contains(['\n', ':']) && !value.contains('\n') && name.trim_matches(SPACES) == name;
    version != Version::V1_0 || is_plain()
}

/// Appends a name or a value in the spelling of a version.
pub(super) fn encode(version: Version, text: &str, out: &mut String) {
    let plain = |c: char| match version {
        Version::V1_0 => c != '\0',
        Version::V1_1 => !matches!(c, '\\' | '\n' | ':' | '\0'),
        Version::V1_2 => !matches!(c, '\\' | '\r' | '\n' | ':' | '\0'),
    };
    let mut rest = text;
    while let Some(at) = rest.find(|c| !plain(c)) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b':' => out.push_str("\\c"),
            b'\\' => out.push_str("\\\\"),
            _ => out.push(NO_NUL),
        }
        // All of them are one byte long.
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Appends a header and the end of its line, unless the version cannot spell it.
pub(super) fn header(version: Version, name: &str, value: &str, out: &mut String) {
    if can_spell(version, name, value) {
        encode(version, name, out);
        out.push(':');
        encode(version, value, out);
        out.push('\n');
    }
}
