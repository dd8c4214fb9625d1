//! The forms of a page, by which clients that poll by scripts send.

use percent_encoding::percent_decode;

/// The data of a form's field `d`; `None` if there is no such field, or nothing in it.
pub(crate) fn form_data(form: &[u8]) -> Option<Vec<u8>> {
    let encoded = form.split(|&byte| byte == b'&').find_map(|field| field.strip_prefix(b"d="))?;
    let spaced: Vec<u8> = encoded.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    Some(percent_decode(&spaced).collect::<Vec<u8>>()).filter(|data| !data.is_empty())
}
