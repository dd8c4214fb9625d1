//! Strangers' bodies and forms.

use serde_json::Value;

use super::*;

/// A text of JSON with U+FFFD for each half of a pair, so that a strict reader takes it.
fn without_halves(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out + rest
}

/// The strings of a body as another reader has them; `None` if it is no array of strings.
fn expected(input: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(input).ok()?;
    let Value::Array(items) = serde_json::from_str(&without_halves(text)).ok()? else { return None };
    items.into_iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

#[test]
fn fuzz_sockjs() {
    crate::fuzz::run("sockjs", 40_000, |input, behaviour| {
        let checked = check(input);
        let expected = expected(input);
        assert_eq!(checked.is_ok(), expected.is_some());
        let mut codec = SockJsCodec::new(usize::MAX);
        let (texts, violation) = read_by(&mut codec, input);
        if let Some(expected) = &expected {
            assert_eq!((&texts, &violation), (expected, &None));
        }
        behaviour.note((checked.is_ok(), checked == Err(Unfit::Broken), violation.is_some()));
        behaviour.note((texts.len().min(4), texts.iter().any(|text| text.contains('\u{fffd}'))));
        let again: Vec<String> = texts.iter().map(|text| string(text)).collect();
        assert_eq!(read_by(&mut SockJsCodec::new(usize::MAX), format!("[{}]", again.join(","))), (texts, None));
    });
}

#[test]
fn fuzz_sockjs_form() {
    crate::fuzz::run("sockjs_form", 10_000, |input, behaviour| {
        let data = form_data(input);
        behaviour.note(data.as_ref().map(|data| (data.contains(&b' '), data.contains(&b'&'), data.len().min(8))));
        assert!(data.is_none_or(|data| !data.is_empty() && data.len() <= input.len()));
    });
}
