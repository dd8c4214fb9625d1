//! Heads of packets, and the names of events.

use super::super::{Head, Kind, MAX_ID, NameError, event_name, head::PacketError};
use crate::packet::MAX_ATTACHMENTS;

fn head<'a>(kind: Kind, attachments: usize, namespace: &'a str, id: Option<u64>, data: &'a str) -> Head<'a> {
    Head { kind, attachments, namespace, id, data }
}

#[test]
fn each_type_is_read_and_written() {
    let long = format!("/{}", "n".repeat(255));
    let long_text = format!("2{long},[]");
    for (text, expected) in [
        ("0", head(Kind::Connect, 0, "/", None, "")),
        ("0/admin,{\"token\":1}", head(Kind::Connect, 0, "/admin", None, "{\"token\":1}")),
        ("1", head(Kind::Disconnect, 0, "/", None, "")),
        ("1/admin,", head(Kind::Disconnect, 0, "/admin", None, "")),
        ("2[\"say\",1]", head(Kind::Event, 0, "/", None, "[\"say\",1]")),
        ("20[\"say\"]", head(Kind::Event, 0, "/", Some(0), "[\"say\"]")),
        ("29007199254740991[]", head(Kind::Event, 0, "/", Some(MAX_ID), "[]")),
        ("2/a/b?c=1,12[\"say\"]", head(Kind::Event, 0, "/a/b?c=1", Some(12), "[\"say\"]")),
        (&long_text, head(Kind::Event, 0, &long, None, "[]")),
        ("37[]", head(Kind::Ack, 0, "/", Some(7), "[]")),
        ("4{\"message\":\"no\"}", head(Kind::ConnectError, 0, "/", None, "{\"message\":\"no\"}")),
        ("50-[\"say\"]", head(Kind::BinaryEvent, 0, "/", None, "[\"say\"]")),
        ("510-/admin,3[\"say\"]", head(Kind::BinaryEvent, 10, "/admin", Some(3), "[\"say\"]")),
        ("61-3[{}]", head(Kind::BinaryAck, 1, "/", Some(3), "[{}]")),
        ("7/admin,3{}", head(Kind::Refused, 0, "/admin", Some(3), "{}")),
    ] {
        assert_eq!(Head::parse(text), Ok(expected), "{text}");
        let mut written = String::new();
        expected.write(&mut written);
        assert_eq!(written, text);
    }
    // The same in other words.
    assert_eq!(Head::parse("2/,[]"), Ok(head(Kind::Event, 0, "/", None, "[]")));
    assert_eq!(Head::parse("1/admin"), Ok(head(Kind::Disconnect, 0, "/admin", None, "")));
}

#[test]
fn types_of_later_versions_are_told_from_nonsense() {
    for later in ["8", "9", "8[]", "91-/x,3[]"] {
        assert_eq!(Head::parse(later), Err(PacketError::UnknownType), "{later}");
    }
    for nonsense in ["", "a", "-1", " 2[]", "é", "[]"] {
        assert!(matches!(Head::parse(nonsense), Err(PacketError::Malformed(_))), "{nonsense}");
    }
}

#[test]
fn what_breaks_the_grammar_or_a_bound_is_malformed() {
    let long = format!("2/{},[]", "n".repeat(256));
    let endless = format!("2/{}", "é".repeat(300));
    for bad in [
        "5[]",
        "5-[]",
        "511-[]",
        "501-[]",
        "51[]",
        "51/a,-[]",
        "5999999999999999999999-[]",
        "5+1-[]",
        "61-[]",
        &long,
        &endless,
        "201[]",
        "200[]",
        "29007199254740992[]",
        "299999999999999999999[]",
        "218446744073709551617[]",
        "2",
        "2/admin,",
        "2/admin[]",
        "212",
        "2{}",
        "2 []",
        "2\"x\"",
        "3[]",
        "3",
        "31{}",
        "7{}",
        "71[]",
        "71",
        "01",
        "01{}",
        "1[]",
        "1x",
        "12",
        "4[]",
        "41{}",
    ] {
        assert!(matches!(Head::parse(bad), Err(PacketError::Malformed(_))), "{bad}: {:?}", Head::parse(bad));
    }
    assert_eq!(MAX_ATTACHMENTS, 10);
}

#[test]
fn the_name_is_read_without_the_rest() {
    for (data, name) in [
        (r#"["say"]"#, "say"),
        (r#"["say",{"this is": not JSON"#, "say"),
        ("[ \t\r\n\"say\" ,1]", "say"),
        (r#"["😀é"]"#, "😀é"),
        (r#"["a\"b\\"]"#, r#"a"b\"#),
        (r#"["a\\",1]"#, r"a\"),
        (r#"["\u0041\n\ud83d\ude00"]"#, "A\n😀"),
        (r#"["a,]\"[",1]"#, "a,]\"["),
    ] {
        assert_eq!(event_name(data).as_deref(), Ok(name), "{data}");
    }
    assert!(matches!(event_name(r#"["say"]"#), Ok(std::borrow::Cow::Borrowed("say"))));
}

#[test]
fn a_name_is_bounded() {
    let data = |name: &str| format!("[\"{name}\",1]");
    for (longest, unit) in [(256, "a"), (128, "é"), (256, "\\u0041"), (256, "\\n"), (128, "\\u00e9")] {
        let name = unit.repeat(longest);
        assert!(event_name(&data(&name)).is_ok(), "{name}");
        assert_eq!(event_name(&data(&(name + unit))), Err(NameError::TooLong), "{unit}");
    }
    assert_eq!(event_name(&format!("[\"{}", "a".repeat(100_000))), Err(NameError::TooLong));
}

#[test]
fn what_is_no_name_is_refused() {
    for data in [
        "",
        "[",
        "[]",
        "[1]",
        "[null,\"say\"]",
        "[[\"say\"]]",
        "{\"say\":1}",
        "[\"say",
        "[\"say\\\"]",
        "[\"say\"",
        "[\"say\"}",
        "[\"say\"x",
        "[\"\\x\"]",
        "[\"\\ud83d\"]",
        "[\"a\nb\"]",
        "[\"a\0b\"]",
        "\"say\"",
    ] {
        assert_eq!(event_name(data), Err(NameError::NotText), "{data}");
    }
    assert_eq!(event_name("[\"\"]"), Err(NameError::Empty));
    for reserved in ["open", "disconnect", "\\u006fpen"] {
        assert_eq!(event_name(&format!("[\"{reserved}\"]")), Err(NameError::Reserved));
    }
}
