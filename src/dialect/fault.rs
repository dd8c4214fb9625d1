//! [`Fault`]: why a request was refused.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
    ser::SerializeStruct,
};
use serde_json::Value;

use crate::message::{JsonError, truncate};

const FIELDS: &[&str] = &["code", "message", "data"];

/// The longest code, in bytes.
const MAX_CODE: usize = 256;

/// The longest text, in bytes.
const MAX_TEXT: usize = 4096;

/// Why a request was refused: what a handler answers in place of a reply, and what the asker gets.
///
/// As JSON it is `{"code": .., "message": .., "data": ..}`, without `data` if there is none. A code is cut to
/// 256 bytes and a message to 4,096, between two characters, when a fault is made by [`new`](Fault::new) and
/// when one is read.
///
/// ```
/// use anywire::Fault;
///
/// let fault = Fault::new("conflict", "somebody else saved it").with_data(7);
/// assert_eq!(fault.to_string(), "conflict: somebody else saved it");
/// let json = serde_json::to_string(&fault).unwrap();
/// assert_eq!(json, r#"{"code":"conflict","message":"somebody else saved it","data":7}"#);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// A short word for programs.
    pub code: String,
    /// A text for people.
    pub message: String,
    /// More about it, for programs.
    pub data: Option<Value>,
}

impl Fault {
    /// A fault without data. A code over 256 bytes and a message over 4,096 bytes are cut.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Fault { code: cut(code.into(), MAX_CODE), message: cut(message.into(), MAX_TEXT), data: None }
    }

    /// The refusal of a namespace that has no handler.
    pub(crate) fn unknown_namespace() -> Self {
        Fault::new("unknown", "no such namespace")
    }

    /// The fault in a refusal that came. The asker gets a fault in any case: one that cannot be read has the
    /// code `malformed`.
    pub(crate) fn parse(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_else(|error| Fault::new("malformed", error.to_string()))
    }

    /// The same fault with data for programs.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Value>) -> Self {
        self.data = Some(data.into());
        self
    }
}

fn cut(mut text: String, limit: usize) -> String {
    let end = truncate(&text, limit).len();
    text.truncate(end);
    text
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}

/// Data that could not be read is the fault `data`, with the reason as its message.
impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        Fault::new("data", error.to_string())
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fault = serializer.serialize_struct("Fault", 2 + usize::from(self.data.is_some()))?;
        fault.serialize_field("code", &self.code)?;
        fault.serialize_field("message", &self.message)?;
        match &self.data {
            Some(data) => fault.serialize_field("data", data)?,
            None => fault.skip_field("data")?,
        }
        fault.end()
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Fault", FIELDS, FaultVisitor)
    }
}

struct FaultVisitor;

impl<'de> Visitor<'de> for FaultVisitor {
    type Value = Fault;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault with `code` and `message`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fault, A::Error> {
        let (mut code, mut message, mut data) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "code" => code = Some(map.next_value::<String>()?),
                "message" => message = Some(map.next_value::<String>()?),
                "data" => data = map.next_value::<Option<Value>>()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let code = code.ok_or_else(|| de::Error::missing_field("code"))?;
        Ok(Fault { data, ..Fault::new(code, message.unwrap_or_default()) })
    }
}
