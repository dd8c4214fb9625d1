//! Faults as JSON.

use serde_json::json;

use super::super::Fault;
use crate::message::Message;

#[test]
fn a_fault_is_an_object() {
    let fault = Fault::new("conflict", "kept");
    assert_eq!(serde_json::to_string(&fault).unwrap(), r#"{"code":"conflict","message":"kept"}"#);
    let more = fault.clone().with_data(json!({"id": 7}));
    assert_eq!(serde_json::to_string(&more).unwrap(), r#"{"code":"conflict","message":"kept","data":{"id":7}}"#);
    for fault in [fault, more] {
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault);
    }
}

#[test]
fn a_fault_is_read_leniently() {
    let read = |text: &str| serde_json::from_str::<Fault>(text);
    assert_eq!(read(r#"{"later":[1],"message":"m","code":"c"}"#).unwrap(), Fault::new("c", "m"));
    assert_eq!(read(r#"{"code":"c"}"#).unwrap(), Fault::new("c", ""));
    assert_eq!(read(r#"{"code":"c","data":null}"#).unwrap().data, None);
    assert_eq!(Fault::parse(r#"{"code":"c","message":"m"}"#), Fault::new("c", "m"));
    let deep = format!("{{\"code\":\"c\",\"data\":{}", "[".repeat(100_000));
    for unreadable in ["{", "{}", deep.as_str()] {
        assert_eq!(Fault::parse(unreadable).code, "malformed");
    }
    for bad in ["{}", "[]", "null", r#"{"code":1}"#, r#"{"code":"c","message":1}"#, r#"{"code":"c""#] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_fault_is_bounded() {
    let long = format!("a{}", "é".repeat(4096));
    let text = json!({"code": &long, "message": &long}).to_string();
    for fault in [Fault::new(long.as_str(), long.as_str()), serde_json::from_str(&text).unwrap()] {
        // A character has two bytes here, and none is split.
        assert_eq!((fault.code.len(), fault.message.len()), (255, 4095));
        assert!(long.starts_with(&fault.message));
    }
}

#[test]
fn data_that_does_not_fit_is_a_fault() {
    let error = Message::from("7").parse_json::<String>().unwrap_err();
    let fault = Fault::from(error);
    assert_eq!(fault.code, "data");
    assert!(fault.message.contains("expected a string"), "{fault}");
    assert_eq!(Fault::new("a", "b").to_string(), "a: b");
}
