//! The forms of a page, by which clients that poll by scripts send.

use percent_encoding::percent_decode;

use super::parse_error;
use crate::session::frame::CloseReason;

/// The payload in a form's field `d`.
///
/// Browsers change the ends of lines in forms. So a client sends the end of a line as `\n`, and what was
/// `\n` before as `\\n`; both are undone.
///
/// # Errors
/// Fails if the form has no field `d`.
pub(crate) fn form_payload(form: &[u8]) -> Result<Vec<u8>, CloseReason> {
    let mut fields = form.split(|&byte| byte == b'&');
    let encoded =
        fields.find_map(|field| field.strip_prefix(b"d=")).ok_or_else(|| parse_error("a form without `d`"))?;
    let spaced: Vec<u8> = encoded.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    Ok(restore_lines(&percent_decode(&spaced).collect::<Vec<u8>>()))
}

fn restore_lines(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let (put, taken): (&[u8], _) = match rest {
            [b'\\', b'\\', b'n', ..] => (b"\\n", 3),
            [b'\\', b'n', ..] => (b"\n", 2),
            _ => (&[first], 1),
        };
        out.extend_from_slice(put);
        rest = &rest[taken..];
    }
    out
}
