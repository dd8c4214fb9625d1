//! From packets to values: the JSON of arguments, with attachments where it refers to them.
//!
//! Without attachments serde_json reads the text alone. With some the text is a `Value` first, then a tree in
//! which each placeholder is the bytes that it stands for.

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, Unexpected, VariantAccess, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
};
use serde_json::{Error, Value};

use super::key::Key;

/// JSON in which bytes may be.
pub(super) enum Tree<'de> {
    /// A value that is neither a list nor an object.
    Plain(Value),
    Bytes(&'de [u8]),
    List(Vec<Tree<'de>>),
    Map(Vec<(String, Tree<'de>)>),
}

impl<'de> Tree<'de> {
    /// Reads a text that refers to these attachments.
    ///
    /// # Errors
    /// Fails if the text is not JSON, is nested more than 128 deep, or has a placeholder that lies.
    pub(super) fn parse(text: &str, attachments: &'de [Bytes]) -> Result<Self, Error> {
        let mut open: Vec<Option<&[u8]>> = attachments.iter().map(|attachment| Some(&attachment[..])).collect();
        Tree::new(serde_json::from_str(text)?, &mut open)
    }

    /// Puts attachments into their places. Each has one place at most: otherwise a short text could make
    /// copies of a long attachment without bound.
    fn new(value: Value, attachments: &mut [Option<&'de [u8]>]) -> Result<Self, Error> {
        Ok(match value {
            Value::Array(items) => {
                let items = items.into_iter().map(|item| Tree::new(item, attachments));
                Tree::List(items.collect::<Result<_, _>>()?)
            }
            Value::Object(entries) if entries.get("_placeholder") == Some(&Value::Bool(true)) => {
                let place = entries.get("num").and_then(Value::as_u64).filter(|_| entries.len() == 2);
                let place = place.and_then(|place| attachments.get_mut(usize::try_from(place).ok()?));
                Tree::Bytes(place.and_then(Option::take).ok_or_else(|| {
                    Error::custom("a placeholder names an attachment that is not there, or that another has named")
                })?)
            }
            Value::Object(entries) => {
                let entries = entries.into_iter().map(|(key, value)| Ok((key, Tree::new(value, attachments)?)));
                Tree::Map(entries.collect::<Result<_, Error>>()?)
            }
            plain => Tree::Plain(plain),
        })
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Tree::Plain(Value::Null) => Unexpected::Unit,
            Tree::Plain(Value::Bool(value)) => Unexpected::Bool(*value),
            Tree::Plain(Value::String(text)) => Unexpected::Str(text),
            Tree::Plain(_) => Unexpected::Other("number"),
            Tree::Bytes(bytes) => Unexpected::Bytes(bytes),
            Tree::List(_) => Unexpected::Seq,
            Tree::Map(_) => Unexpected::Map,
        }
    }
}

/// Methods that read plain values as serde_json does, and lists, objects and bytes by what they are.
macro_rules! by_shape {
    ($($method:ident($($name:ident: $type:ty),*);)+) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Error> {
            match self {
                Tree::Plain(value) => value.$method($($name,)* visitor),
                other => other.deserialize_any(visitor),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Tree<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Tree::Plain(value) => value.deserialize_any(visitor),
            Tree::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Tree::List(items) => {
                let mut items = SeqDeserializer::new(items.into_iter());
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Tree::Map(entries) => {
                let mut entries = MapDeserializer::new(entries.into_iter().map(|(key, tree)| (Key(key), tree)));
                let value = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Tree::Plain(value) => value.deserialize_string(visitor),
            // A visitor of texts would take bytes that happen to be UTF-8.
            Tree::Bytes(_) => Err(Error::invalid_type(self.unexpected(), &visitor)),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            // For a `Vec<u8>`.
            Tree::Bytes(bytes) => {
                let mut bytes = SeqDeserializer::new(bytes.iter().copied());
                let value = visitor.visit_seq(&mut bytes)?;
                bytes.end()?;
                Ok(value)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Tree::Plain(Value::Null) => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Tree::Plain(value) => value.deserialize_enum(name, variants, visitor),
            Tree::Map(mut entries) if entries.len() == 1 => {
                let (variant, content) = entries.remove(0);
                visitor.visit_enum(Variant { variant, content })
            }
            other => Err(Error::invalid_type(other.unexpected(), &"a text or an object with one key")),
        }
    }

    by_shape! {
        deserialize_bool(); deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64();
        deserialize_i128(); deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64();
        deserialize_u128(); deserialize_f32(); deserialize_f64(); deserialize_char(); deserialize_bytes(); deserialize_byte_buf(); deserialize_unit();
        deserialize_unit_struct(name: &'static str); deserialize_map(); deserialize_identifier();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

impl<'de> IntoDeserializer<'de, Error> for Tree<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A variant of an enum, as an object with one key.
struct Variant<'de> {
    variant: String,
    content: Tree<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Tree<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Tree<'de>), Error> {
        Ok((seed.deserialize(Key(self.variant))?, self.content))
    }
}

impl<'de> VariantAccess<'de> for Tree<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        serde::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        match self {
            Tree::List(_) => self.deserialize_any(visitor),
            other => Err(Error::invalid_type(other.unexpected(), &"a list")),
        }
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        match self {
            Tree::List(_) | Tree::Map(_) => self.deserialize_any(visitor),
            other => Err(Error::invalid_type(other.unexpected(), &"an object")),
        }
    }
}
