//! Revision 4's auth data: a query behind the name of a namespace.

use bytestring::ByteString;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::Violation;

/// The longest query, in bytes.
const MAX_QUERY: usize = 16 * 1024;

/// A text without the query that is behind its namespace, and that query.
///
/// # Errors
/// Fails if the query has more than 16 KiB.
pub(super) fn strip_query(text: ByteString) -> Result<(ByteString, Option<ByteString>), Violation> {
    let start = match text.as_bytes().first() {
        Some(b'5' | b'6') => text.find('-').map_or(text.len(), |at| at + 1),
        _ => 1,
    };
    let Some(namespace) = text.get(start..).filter(|rest| rest.starts_with('/')) else { return Ok((text, None)) };
    let end = start + namespace.find(',').unwrap_or(namespace.len());
    let Some(mark) = text[start..end].find('?').map(|at| start + at) else { return Ok((text, None)) };
    let query = text.slice_ref(&text[mark + 1..end]);
    if query.len() > MAX_QUERY {
        return Err(Violation::Malformed("parse error: the query of a namespace has at most 16 KiB"));
    }
    let behind = text[end..].strip_prefix(',').unwrap_or("");
    Ok((format!("{},{behind}", &text[..mark]).into(), Some(query)))
}

/// The parameters of a query as JSON: an object, whose values are texts, or lists where a key comes again.
pub(crate) fn query_to_json(query: &str) -> String {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = Value::String(decode(value));
        match parameters.get_mut(&decode(key)) {
            None => drop(parameters.insert(decode(key), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(parameters).to_string()
}
