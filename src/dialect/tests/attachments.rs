//! Bytes anywhere in the data, both ways.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::Value;

use super::{
    super::{Args, FromArgs, Head, IntoArgs, Kind, ack, event},
    arguments, packet, read, read_args, refusal,
};

fn two() -> Bytes {
    Bytes::from_static(&[1, 255])
}

/// Bytes as `serde_bytes` reads and writes them.
mod marked {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Picture {
    name: String,
    pixels: Bytes,
    thumbnail: Option<Bytes>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Marked(#[serde(with = "marked")] Vec<u8>);

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Tuple(u8, Bytes);

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
enum External {
    Unit,
    One(Bytes),
    Two(u8, Bytes),
    Fields { id: u8, bytes: Bytes },
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind")]
enum Internal {
    Unit,
    Fields { id: u8, bytes: Bytes },
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Unit,
    One(Bytes),
    Two(u8, Bytes),
    Fields { bytes: Bytes },
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
enum Untagged {
    Text(String),
    Fields { bytes: Bytes, id: Option<u8> },
    Bytes(Bytes),
    List(Vec<Untagged>),
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    picture: Picture,
    #[serde(flatten)]
    rest: BTreeMap<String, Untagged>,
}

fn picture() -> Picture {
    Picture { name: "é".into(), pixels: two(), thumbnail: Some(two()) }
}

/// Writes and reads as an argument of an event, beside bytes, and of a reply.
fn same<T: IntoArgs + FromArgs + Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug>(value: T) {
    let packet = event("/", None, "x", &value).unwrap();
    assert_eq!(read_args::<T>(arguments(&packet)).unwrap(), value, "{packet:?}");
    let packet = ack("/a", 3, &value).unwrap();
    assert_eq!(read_args::<T>(arguments(&packet)).unwrap(), value, "{packet:?}");
    let beside = Args((two(), value));
    let packet = event("/", None, "x", &beside).unwrap();
    assert_eq!(read_args::<Args<(Bytes, T)>>(arguments(&packet)).unwrap(), beside, "{packet:?}");
}

#[test]
fn bytes_are_beside_the_text() {
    let packet = event("/admin", Some(12), "x", &Args(("a", picture()))).unwrap();
    let expected = concat!(
        r#"52-/admin,12["x","a",{"name":"é","pixels":{"_placeholder":true,"num":0},"#,
        r#""thumbnail":{"_placeholder":true,"num":1}}]"#
    );
    assert_eq!(&**packet.text(), expected);
    assert_eq!(packet.attachments(), [two(), two()]);
    assert_eq!(packet.len(), expected.len() + 4);
    let reply = ack("/", 3, &two()).unwrap();
    assert_eq!(&**reply.text(), r#"61-3[{"_placeholder":true,"num":0}]"#);
    let head = Head::parse(reply.text()).unwrap();
    assert_eq!((head.kind, head.attachments, head.id), (Kind::BinaryAck, 1, Some(3)));
}

#[test]
fn bytes_may_be_anywhere() {
    same(two());
    same(Bytes::new());
    same(Marked(vec![1, 2]));
    same(picture());
    same(Picture { thumbnail: None, ..picture() });
    same(Tuple(1, two()));
    same((1, two(), "text".to_owned(), -1.5, None::<Bytes>));
    same(vec![Some(two()), None]);
    same(HashMap::from([(1, two()), (2, Bytes::new())]));
    same(BTreeMap::from([(-1, two())]));
    same(BTreeMap::from([(true, two()), (false, two())]));
    same(BTreeMap::from([(Some('k'), two())]));
    for value in [External::Unit, External::One(two()), External::Two(1, two())] {
        same(value);
    }
    same(vec![External::Fields { id: 1, bytes: two() }, External::Unit]);
    same(BTreeMap::from([("k".to_owned(), External::Two(1, two()))]));
    same(vec![Internal::Unit, Internal::Fields { id: 1, bytes: two() }]);
    same(vec![Adjacent::Unit, Adjacent::One(two()), Adjacent::Two(1, two()), Adjacent::Fields { bytes: two() }]);
    let fields = Untagged::Fields { bytes: two(), id: Some(1) };
    let list = Untagged::List(vec![Untagged::Text("t".into()), Untagged::Bytes(two()), fields.clone()]);
    same(vec![fields, list.clone()]);
    same(Flat { id: 1, picture: picture(), rest: BTreeMap::from([("r".to_owned(), list)]) });
    same((u64::MAX, i64::MIN, f64::MAX, two()));
}

#[test]
fn bytes_are_also_read_as_a_list_of_numbers() {
    assert_eq!(read::<Vec<u8>>(",@").unwrap(), [1, 255]);
    assert_eq!(read::<(u8, u8)>(",@").unwrap(), (1, 255));
    assert_eq!(read::<Args<(Vec<Vec<u16>>, Option<Vec<u8>>)>>(",[@,[3],@],@").unwrap(), {
        Args((vec![vec![1, 255], vec![3], vec![1, 255]], Some(vec![1, 255])))
    });
    // A list of numbers is read as bytes, and so is the list where other arguments are bytes.
    assert_eq!(read::<Args<(Bytes, Bytes)>>(",[1,255],@").unwrap(), Args((two(), two())));
    assert_eq!(read::<Bytes>(",[1,255]").unwrap(), two());
    assert!(refusal::<(u8, u8, u8)>(",@").contains("length 2"));
    assert!(refusal::<(u8,)>(",@").contains("length 2"));
    assert!(refusal::<Vec<i8>>(",@").contains("255"));
}

#[test]
fn bytes_where_another_type_is_wanted_are_an_error() {
    assert_eq!(refusal::<String>(",@"), "invalid type: byte array, expected a string");
    let ascii = packet(r#"51-["x",{"_placeholder":true,"num":0}]"#, &[b"text"]);
    assert!(read_args::<String>(arguments(&ascii)).is_err());
    assert!(read_args::<Option<char>>(arguments(&ascii)).is_err());
    assert!(refusal::<Value>(",@").starts_with("invalid type: byte array"));
    assert!(refusal::<Value>(",{\"a\":[1,@]}").starts_with("invalid type: byte array"));
    assert!(refusal::<u8>(",@").starts_with("invalid type: byte array"));
    assert!(refusal::<()>(",@").starts_with("invalid type: byte array"));
    assert!(refusal::<bool>(",@").starts_with("invalid type: byte array"));
    assert!(refusal::<Picture>(",@").starts_with("invalid type: byte array"));
    assert!(refusal::<External>(",@").starts_with("invalid type: byte array"));
    assert!(refusal::<HashMap<String, u8>>(",@").starts_with("invalid type: byte array"));
    assert!(refusal::<Picture>(r#",{"name":@,"pixels":@}"#).contains("expected a string"));
    assert!(refusal::<Marked>(",7").contains("expected bytes"));
    assert!(refusal::<External>(r#",{"One":@,"Unit":1}"#).contains("an object with one key"));
    assert!(refusal::<External>(r#",{"Two":@}"#).contains("a list"));
    assert!(refusal::<External>(r#",{"Fields":@}"#).contains("an object"));
    assert!(refusal::<External>(r#",{"Unit":@}"#).contains("unit"));
    assert!(refusal::<External>(r#",{"Other":@}"#).contains("unknown variant `Other`"));
    assert!(refusal::<HashMap<u8, Bytes>>(r#",{"x":@}"#).contains("invalid type: string \"x\", expected u8"));
    assert!(refusal::<HashMap<u8, Bytes>>(r#",{"256":@}"#).contains("expected u8"));
}

#[test]
fn what_is_not_read_may_be_bytes() {
    assert_eq!(read::<u8>(",7,@").unwrap(), 7);
    let known: Tuple = read(r#",[1,@],{"more":[@]}"#).unwrap();
    assert_eq!(known, Tuple(1, two()));
    assert_eq!(read::<Picture>(r#",{"name":"é","later":[@],"pixels":@,"thumbnail":@}"#).unwrap(), picture());
}

#[test]
fn a_placeholder_may_have_its_keys_in_any_order() {
    for place in [r#"{"_placeholder":true,"num":0}"#, r#"{ "num" : 0 , "_placeholder" : true }"#] {
        let packet = packet(&format!("51-[\"x\",{place}]"), &[&[1, 255]]);
        assert_eq!(read_args::<Bytes>(arguments(&packet)).unwrap(), two());
    }
}

#[test]
fn attachments_are_taken_by_their_number() {
    let text = r#"53-["x",{"_placeholder":true,"num":2},{"_placeholder":true,"num":0}]"#;
    let packet = packet(text, &[&[0], &[1], &[2]]);
    let Args((a, b)) = read_args::<Args<(Bytes, Bytes)>>(arguments(&packet)).unwrap();
    assert_eq!((&a[..], &b[..]), (&[2][..], &[0][..]));
}

#[test]
fn a_placeholder_that_lies_is_an_error() {
    for lie in [
        r#"{"_placeholder":true,"num":1}"#,
        r#"{"_placeholder":true,"num":-1}"#,
        r#"{"_placeholder":true,"num":0.0}"#,
        r#"{"_placeholder":true,"num":"0"}"#,
        r#"{"_placeholder":true,"num":18446744073709551616}"#,
        r#"{"_placeholder":true,"num":null}"#,
        r#"{"_placeholder":true}"#,
        r#"{"_placeholder":true,"num":0,"more":1}"#,
        // one attachment in two places
        r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}"#,
        r#"[[{"_placeholder":true,"num":0},{"a":{"_placeholder":true,"num":0}}]]"#,
    ] {
        let packet = packet(&format!("51-[\"x\",{lie}]"), &[&[1, 255]]);
        let error = read_args::<Args<(Value,)>>(arguments(&packet)).unwrap_err().to_string();
        assert!(error.starts_with("a placeholder names an attachment"), "{lie}: {error}");
    }
}

#[test]
fn only_binary_packets_have_placeholders() {
    let plain = read::<Value>(r#",{"_placeholder":true,"num":0}"#).unwrap();
    assert_eq!(plain, serde_json::json!({"_placeholder": true, "num": 0}));
    assert!(read::<Bytes>(r#",{"_placeholder":true,"num":0}"#).is_err());
    let user: Value = read_args(arguments(&packet(r#"51-["x",{"_placeholder":false,"num":0}]"#, &[&[1]]))).unwrap();
    assert_eq!(user, serde_json::json!({"_placeholder": false, "num": 0}));
}

#[test]
fn data_that_looks_like_a_placeholder_is_not_sent_beside_bytes() {
    let forged = serde_json::json!({"_placeholder": true, "num": 0});
    let alone = event("/", None, "x", &forged).unwrap();
    assert_eq!(read_args::<Value>(arguments(&alone)).unwrap(), forged);
    let error = event("/", None, "x", &Args((two(), &forged))).unwrap_err().to_string();
    assert!(error.contains("`_placeholder`"), "{error}");
    // As text it may be anywhere.
    same(Args((two(), forged.to_string(), "\"_placeholder\":".to_owned())).0);
}

#[test]
fn attachments_are_counted() {
    let ten = vec![two(); 10];
    let packet = event("/", None, "x", &ten).unwrap();
    assert_eq!(Head::parse(packet.text()).unwrap().attachments, 10);
    assert_eq!(read_args::<Vec<Bytes>>(arguments(&packet)).unwrap(), ten);
    let error = event("/", None, "x", &vec![two(); 11]).unwrap_err().to_string();
    assert!(error.contains("at most 10"), "{error}");
    assert!(event("/", None, "x", &Args((ten, two()))).is_err());
}
