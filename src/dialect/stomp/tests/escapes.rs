//! The spelling of headers.

use super::{
    super::escape::{decode, encode, header},
    *,
};

fn decoded(version: Version, text: &str) -> Result<String, String> {
    decode(version, text).map(Into::into)
}

fn encoded(version: Version, text: &str) -> String {
    let mut out = String::new();
    encode(version, text, &mut out);
    out
}

#[test]
fn escapes_are_undone() {
    let cases = [
        ("a\\nb", "a\nb"),
        ("a\\cb", "a:b"),
        ("a\\\\b", "a\\b"),
        ("\\n\\c\\\\", "\n:\\"),
        ("\\\\n", "\\n"),
        ("\\\\\\n", "\\\n"),
        ("\\\\\\\\c", "\\\\c"),
        ("é\\c€", "é:€"),
        ("a:b", "a:b"),
        ("", ""),
    ];
    for (text, meant) in cases {
        assert_eq!(decoded(V1_1, text).as_deref(), Ok(meant), "{text}");
        assert_eq!(decoded(V1_2, text).as_deref(), Ok(meant), "{text}");
        assert_eq!(decoded(V1_0, text).as_deref(), Ok(text), "STOMP 1.0 has none");
    }
    assert_eq!(decoded(V1_2, "a\\rb").as_deref(), Ok("a\rb"));
}

#[test]
fn an_undefined_escape_is_fatal() {
    for (text, escape) in [("a\\tb", "\\t"), ("\\N", "\\N"), ("x\\\\\\é", "\\é"), ("a\\", "\\"), ("\\\\\\", "\\")] {
        assert_eq!(decoded(V1_1, text), Err(escape.to_owned()), "{text}");
        assert_eq!(decoded(V1_2, text), Err(escape.to_owned()), "{text}");
    }
    assert_eq!(decoded(V1_1, "a\\rb"), Err("\\r".to_owned()));
    let text = "SEND\ndestination:/topic/x\nreceipt:7\nfoo:a\\tb\n\nx^";
    for version in [V1_1, V1_2] {
        let refusal = frame(version, text).expect_err("an undefined escape");
        assert_eq!(refusal.message, "malformed frame");
        assert_eq!(refusal.detail, format!("STOMP {} has no escape \\t", version.name()));
        assert_eq!(refusal.receipt, some("7"));
    }
    assert_eq!(frame(V1_0, text).unwrap().headers.get("foo"), Some("a\\tb"));
}

#[test]
fn names_have_escapes_too() {
    let read = |version| frame(version, "SEND\na\\cb\\n:c\\cd\n\n^").unwrap().headers;
    assert_eq!(read(V1_1), headers(&[("a:b\n", "c:d")]));
    assert_eq!(read(V1_2), headers(&[("a:b\n", "c:d")]));
    assert_eq!(read(V1_0), headers(&[("a\\cb\\n", "c\\cd")]));
}

#[test]
fn all_that_must_be_escaped_is() {
    let text = "a:b\nc\\d\re";
    assert_eq!(encoded(V1_2, text), "a\\cb\\nc\\\\d\\re");
    assert_eq!(encoded(V1_1, text), "a\\cb\\nc\\\\d\re");
    assert_eq!(encoded(V1_0, "a:c\\d"), "a:c\\d");
    assert_eq!(encoded(V1_2, "é€😀"), "é€😀");
}

#[test]
fn no_nul_gets_into_a_head() {
    for version in Version::ALL {
        assert_eq!(encoded(version, "a\0b"), "a\u{fffd}b");
    }
}

#[test]
fn what_is_written_is_read_as_it_was() {
    let pieces = ["", ":", "\n", "\\", "a", "\\n", "c", " ", "é", "r"];
    for one in pieces {
        for two in pieces {
            for three in pieces {
                let text = [one, two, three].concat();
                for version in [V1_1, V1_2] {
                    assert_eq!(decoded(version, &encoded(version, &text)).as_deref(), Ok(&text[..]));
                }
            }
        }
    }
}

#[test]
fn a_header_that_stomp_1_0_cannot_spell_is_left_out() {
    let cases = [
        (("a", "b"), "a:b\n"),
        (("a", "b:c\\n"), "a:b:c\\n\n"),
        (("a", "b\nc"), ""),
        (("a\nb", "c"), ""),
        (("a:b", "c"), ""),
        ((" a", "c"), ""),
        (("a\t", "c"), ""),
        (("a", " b"), "a: b\n"),
        (("a", ""), "a:\n"),
    ];
    for ((name, value), spelled) in cases {
        let mut out = String::new();
        header(V1_0, name, value, &mut out);
        assert_eq!(out, spelled, "{name:?} {value:?}");
    }
}
