//! Arguments without attachments.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    super::{Args, Arguments, Fault, FromArgs, IntoArgs, ack, event, refused},
    arguments, packet, read, read_args, refusal,
};
use crate::message::JsonError;

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Doc {
    id: u32,
    body: String,
}

fn written(arguments: &impl IntoArgs) -> String {
    let packet = event("/", None, "x", arguments).expect("it can be written");
    assert!(packet.attachments().is_empty());
    packet.text().to_string()
}

#[test]
fn what_an_event_carries_is_a_list_of_arguments() {
    let doc = Doc { id: 7, body: "é\"".into() };
    assert_eq!(written(&()), r#"2["x"]"#);
    assert_eq!(written(&&()), r#"2["x"]"#);
    assert_eq!(written(&Value::Null), r#"2["x"]"#);
    assert_eq!(written(&None::<u8>), r#"2["x",null]"#);
    assert_eq!(written(&Some(())), r#"2["x",null]"#);
    assert_eq!(written(&f64::NAN), r#"2["x",null]"#);
    assert_eq!(written(&"null"), r#"2["x","null"]"#);
    assert_eq!(written(&vec![()]), r#"2["x",[null]]"#);
    assert_eq!(written(&"text"), r#"2["x","text"]"#);
    assert_eq!(written(&&doc), r#"2["x",{"id":7,"body":"é\""}]"#);
    assert_eq!(written(&(1, 2)), r#"2["x",[1,2]]"#);
    assert_eq!(written(&Args((1, 2))), r#"2["x",1,2]"#);
    assert_eq!(written(&&Args(("a", &doc, None::<u8>))), r#"2["x","a",{"id":7,"body":"é\""},null]"#);
    assert_eq!(written(&Args(((), ()))), r#"2["x",null,null]"#);
    assert_eq!(written(&Args((1, 2, 3, 4, 5, 6))), r#"2["x",1,2,3,4,5,6]"#);
    assert_eq!(written(&Args(vec![1; 8])), r#"2["x",1,1,1,1,1,1,1,1]"#);
    assert_eq!(written(&Args(Vec::<u8>::new())), r#"2["x"]"#);
}

#[test]
fn packets_have_their_heads() {
    let text = |packet: crate::packet::Packet| packet.text().to_string();
    assert_eq!(text(event("/admin", Some(12), "save", &1).unwrap()), r#"2/admin,12["save",1]"#);
    assert_eq!(text(ack("/", 0, &()).unwrap()), "30[]");
    assert_eq!(text(ack("/admin", 7, &Args((1, "b"))).unwrap()), r#"3/admin,7[1,"b"]"#);
    let fault = Fault::new("no", "not now");
    assert_eq!(text(refused("/", 7, &fault)), r#"77{"code":"no","message":"not now"}"#);
}

#[test]
fn names_are_checked_where_packets_are_made() {
    let long = "n".repeat(257);
    for (name, why) in [("", "empty"), ("open", "reserved"), (long.as_str(), "256")] {
        let error = event("/", None, name, &()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn what_cannot_be_json_is_an_error() {
    let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(event("/", None, "x", &keys).is_err());
    assert!(ack("/", 1, &Args((1, keys))).is_err());
}

#[test]
fn the_first_argument_is_data() {
    assert_eq!(read::<u32>(",7").unwrap(), 7);
    assert_eq!(read::<u32>(",7,{\"more\":1}").unwrap(), 7);
    assert_eq!(read::<Doc>(r#",{"id":7,"body":"b","later":1}"#).unwrap(), Doc { id: 7, body: "b".into() });
    assert_eq!(read::<Vec<(u8, Option<u8>)>>(",[[1,2],[3,null]]").unwrap(), [(1, Some(2)), (3, None)]);
    assert_eq!(read::<Value>(",[1,{}]").unwrap(), json!([1, {}]));
    let reply = packet("35[7,8]", &[]);
    assert_eq!(read_args::<u8>(arguments(&reply)).unwrap(), 7);
}

#[test]
fn an_absent_argument_is_null() {
    assert_eq!(read::<Option<u8>>("").unwrap(), None);
    assert_eq!(read::<Value>("").unwrap(), Value::Null);
    read::<()>("").unwrap();
    read::<()>(",null").unwrap();
    assert!(refusal::<u8>("").contains("argument 1 is missing"));
    assert!(refusal::<u8>(",null").contains("invalid type: null"));
    let reply = packet("35[]", &[]);
    assert_eq!(read_args::<Option<u8>>(arguments(&reply)).unwrap(), None);
}

#[test]
fn a_list_is_read_as_a_tuple() {
    type Three = Args<(u8, String, Option<bool>)>;
    assert_eq!(read::<Three>(",1,\"b\",true").unwrap(), Args((1, "b".into(), Some(true))));
    assert_eq!(read::<Three>(",1,\"b\",null").unwrap(), Args((1, "b".into(), None)));
    assert_eq!(read::<Three>(",1,\"b\"").unwrap(), Args((1, "b".into(), None)));
    assert_eq!(read::<Three>(",1,\"b\",null,[],{}").unwrap(), Args((1, "b".into(), None)));
    assert!(refusal::<Three>(",1").contains("argument 2 is missing"));
    assert!(refusal::<Three>("").contains("argument 1 is missing"));
    assert!(refusal::<Three>(",1,2").contains("invalid type: integer `2`, expected a string"));
    assert_eq!(read::<Args<(Option<u8>, Option<u8>)>>("").unwrap(), Args((None, None)));
    assert_eq!(read::<Args<(u8,)>>(",1").unwrap(), Args((1,)));
    assert_eq!(read::<Args<(u8, u8, u8, u8, u8, u8)>>(",1,2,3,4,5,6").unwrap(), Args((1, 2, 3, 4, 5, 6)));
}

#[test]
fn a_list_of_any_length_is_read_as_a_vector() {
    assert_eq!(read::<Args<Vec<u8>>>("").unwrap(), Args(vec![]));
    assert_eq!(read::<Args<Vec<u8>>>(",1,2,3,4,5,6,7").unwrap(), Args(vec![1, 2, 3, 4, 5, 6, 7]));
    assert!(refusal::<Args<Vec<u8>>>(",1,null").contains("invalid type: null"));
}

#[test]
fn what_is_written_is_read() {
    fn same<T: IntoArgs + FromArgs + PartialEq + std::fmt::Debug>(value: &T) {
        let packet = event("/", Some(1), "x", value).unwrap();
        assert_eq!(&read_args::<T>(arguments(&packet)).unwrap(), value);
        let packet = ack("/", 1, value).unwrap();
        assert_eq!(&read_args::<T>(arguments(&packet)).unwrap(), value);
    }
    same(&());
    same(&Some("text".to_owned()));
    same(&Doc { id: 1, body: "\u{0}\u{2028}😀\\".into() });
    same(&Args((u64::MAX, i64::MIN, 0.1, (), None::<u8>, vec![Some(1), None])));
    same(&Args(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn broken_json_is_an_error() {
    for bad in [",", ",1,", ",]", ",{", ",tru", ",1]2", ",1 2", "1", "x"] {
        assert!(read::<Value>(bad).is_err(), "{bad}");
        assert!(read::<Args<(Value,)>>(bad).is_err(), "{bad}");
        assert!(read::<Args<Vec<Value>>>(bad).is_err(), "{bad}");
    }
}

/// An argument as it is read alone, if it can be.
fn alone<T: FromArgs>(rest: &str) -> Result<T, JsonError> {
    let text = format!("2[\"x\"{rest}");
    read_args(Arguments::of_event(&text[1..], &[]).with_rest(Some(rest)))
}

#[test]
fn an_argument_that_is_read_alone_is_that_of_the_list() {
    fn same<T: FromArgs + std::fmt::Debug>(rest: &str) {
        let text = packet(&format!("2[\"x\"{rest}"), &[]);
        let (alone, of_list) = (alone::<T>(rest), read_args::<T>(arguments(&text)));
        assert_eq!(format!("{alone:?}"), format!("{of_list:?}"), "{rest}");
    }
    let nested = |depth: usize| format!(",{}{}]", "[".repeat(depth), "]".repeat(depth));
    let long = |length: usize| format!(",\"{}\"]", "x".repeat(length));
    let mut all: Vec<String> = (120..=130).map(nested).chain((248..=256).map(long)).collect();
    all.extend(
        [
            ",1]",
            " , 1 ] ",
            ",1 ]\n",
            ",1,2]",
            ",1,]",
            ",1",
            ",1]2",
            ",1]]",
            ",1}",
            ",-1]",
            ",1.5e3]",
            ",\"\\u0031\"]",
            "]",
        ]
        .map(String::from),
    );
    all.extend([",null]", ",[1]]", ",{\"id\":1,\"body\":\"b\"}]", ",tru]", ",\"", ",", "", "1]"].map(String::from));
    for rest in &all {
        same::<u32>(rest);
        same::<Option<u8>>(rest);
        same::<String>(rest);
        same::<Value>(rest);
        same::<()>(rest);
        same::<Doc>(rest);
        same::<Args<(Value,)>>(rest);
    }
}

#[test]
fn json_is_at_most_128_deep() {
    // The list of arguments is one level itself.
    let nested = |depth: usize| format!(",{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read::<Value>(&nested(126)).is_ok());
    assert!(refusal::<Value>(&nested(128)).contains("recursion limit"));
    assert!(refusal::<Value>(&nested(100_000)).contains("recursion limit"));
    let with_bytes = format!("{},@", nested(100_000));
    assert!(refusal::<Value>(&with_bytes).contains("recursion limit"));
    // Arguments that nobody reads are skipped without recursion.
    assert!(read::<Args<(Option<u8>,)>>(&format!(",1{}", nested(100_000))).is_ok());
}
