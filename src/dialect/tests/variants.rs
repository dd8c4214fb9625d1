//! Events as enums.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    super::{Head, event_by_variant, event_name, parse_variant},
    arguments, packet,
};
use crate::message::JsonError;

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum In {
    Say(String),
    Typing,
    MoveTo(f64, Option<f64>),
    Save {
        id: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        picture: Option<Bytes>,
    },
    Blank {},
    Maybe(Option<u8>),
    Pair((u8, u8)),
    #[serde(other, skip_serializing)]
    Unknown,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
enum Strict {
    Typing,
    Say(String),
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Wrapped(Strict);

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind")]
enum Tagged {
    Typing,
}

fn parse_packet<E: serde::de::DeserializeOwned>(packet: &crate::packet::Packet) -> Result<E, JsonError> {
    let head = Head::parse(packet.text()).unwrap();
    parse_variant(&event_name(head.data).unwrap(), arguments(packet))
}

fn parse<E: serde::de::DeserializeOwned>(data: &str) -> Result<E, JsonError> {
    parse_packet(&packet(&format!("2{data}"), &[]))
}

#[test]
fn the_variant_is_the_name() {
    for (event, text) in [
        (In::Say("é".into()), r#"2["say","é"]"#),
        (In::Typing, r#"2["typing"]"#),
        (In::MoveTo(1.0, Some(2.5)), r#"2["move-to",1.0,2.5]"#),
        (In::MoveTo(1.0, None), r#"2["move-to",1.0,null]"#),
        (In::Save { id: 7, picture: None }, r#"2["save",{"id":7}]"#),
        (
            In::Save { id: 7, picture: Some(vec![1, 2].into()) },
            r#"51-["save",{"id":7,"picture":{"_placeholder":true,"num":0}}]"#,
        ),
        (In::Blank {}, r#"2["blank",{}]"#),
        (In::Maybe(None), r#"2["maybe",null]"#),
        (In::Pair((1, 2)), r#"2["pair",[1,2]]"#),
    ] {
        let packet = event_by_variant("/", None, &event).unwrap();
        assert_eq!(&**packet.text(), text);
        assert_eq!(parse_packet::<In>(&packet).unwrap(), event);
    }
    let request = event_by_variant("/a", Some(3), &Strict::Typing).unwrap();
    assert_eq!(&**request.text(), r#"2/a,3["Typing"]"#);
    let wrapped = event_by_variant("/", None, &Wrapped(Strict::Say("x".into()))).unwrap();
    assert_eq!(&**wrapped.text(), r#"2["Say","x"]"#);
    assert_eq!(parse_packet::<Wrapped>(&wrapped).unwrap(), Wrapped(Strict::Say("x".into())));
}

#[test]
fn absent_arguments_are_null() {
    assert_eq!(parse::<In>(r#"["move-to",1]"#).unwrap(), In::MoveTo(1.0, None));
    assert_eq!(parse::<In>(r#"["maybe"]"#).unwrap(), In::Maybe(None));
    let error = parse::<In>(r#"["move-to"]"#).unwrap_err().to_string();
    assert!(error.starts_with("the event `move-to`: argument 1 is missing"), "{error}");
}

#[test]
fn other_names_go_to_other() {
    assert_eq!(parse::<In>(r#"["later"]"#).unwrap(), In::Unknown);
    assert_eq!(parse::<In>(r#"["later",1,{"a":[2]}]"#).unwrap(), In::Unknown);
    let binary = packet(r#"51-["later",{"_placeholder":true,"num":0}]"#, &[&[1]]);
    assert_eq!(parse_packet::<In>(&binary).unwrap(), In::Unknown);
    let error = parse::<Strict>(r#"["later"]"#).unwrap_err().to_string();
    assert!(error.contains("the event `later`: unknown variant `later`, expected `Typing` or `Say`"), "{error}");
}

#[test]
fn what_does_not_fit_names_the_event() {
    for (data, why) in [
        (r#"["typing",1]"#, "too many arguments"),
        (r#"["say","a","b"]"#, "too many arguments"),
        (r#"["move-to",1,2,3]"#, "too many arguments"),
        (r#"["save",{"id":1},2]"#, "too many arguments"),
        (r#"["say"]"#, "argument 1 is missing"),
        (r#"["say",1]"#, "expected a string"),
        (r#"["say",null]"#, "invalid type: null"),
        (r#"["move-to","a"]"#, "expected f64"),
        (r#"["save"]"#, "argument 1 is missing"),
        (r#"["save",7]"#, "expected struct variant"),
        (r#"["save",{}]"#, "missing field `id`"),
        (r#"["save",{"id":-1}]"#, "expected u32"),
        (r#"["say","a"}"#, "expected `,` or `]`"),
        (r#"["say","a"]]"#, "trailing characters"),
    ] {
        let error = parse::<In>(data).unwrap_err().to_string();
        let name = event_name(data).unwrap();
        assert!(error.starts_with(&format!("the event `{name}`: ")), "{error}");
        assert!(error.contains(why), "{data}: {error}");
    }
    let lie = packet(r#"51-["save",{"id":1,"picture":{"_placeholder":true,"num":1}}]"#, &[&[1]]);
    let error = parse_packet::<In>(&lie).unwrap_err().to_string();
    assert!(error.starts_with("the event `save`: a placeholder"), "{error}");
}

#[test]
fn only_enums_are_events() {
    for error in [
        parse::<Value>(r#"["say"]"#).unwrap_err(),
        parse::<Option<Strict>>(r#"["Say","x"]"#).unwrap_err(),
        parse::<(String,)>(r#"["say","x"]"#).unwrap_err(),
        parse::<Tagged>(r#"["Typing"]"#).unwrap_err(),
        event_by_variant("/", None, "text").unwrap_err(),
        event_by_variant("/", None, &7).unwrap_err(),
        event_by_variant("/", None, &()).unwrap_err(),
        event_by_variant("/", None, &Some(Strict::Typing)).unwrap_err(),
        event_by_variant("/", None, &vec![Strict::Typing]).unwrap_err(),
        event_by_variant("/", None, &Tagged::Typing).unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(error.contains("an event is an enum whose variants are its tags"), "{error}");
    }
}

#[test]
fn a_variant_needs_a_name_that_is_allowed() {
    #[derive(Serialize)]
    enum Bad {
        #[serde(rename = "disconnect")]
        Reserved,
        #[serde(rename = "")]
        Empty(u8),
    }
    assert!(event_by_variant("/", None, &Bad::Reserved).unwrap_err().to_string().contains("reserved"));
    assert!(event_by_variant("/", None, &Bad::Empty(1)).unwrap_err().to_string().contains("empty"));
    assert!(event_by_variant("/", None, &In::Unknown).is_err());
}
