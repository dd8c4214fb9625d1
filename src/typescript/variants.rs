//! The names of an enum's variants, as serde reads them.

use std::cell::Cell;

use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};

/// The names of the variants, or `None` if the type is no enum whose variants are its tags.
pub(super) fn of<E: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let found = Cell::new(None);
    // It fails in any case, since there is no value to read.
    let _ = E::deserialize(Probe { found: &found });
    found.get()
}

/// Has no value, and notes which enum is asked for.
struct Probe<'a> {
    found: &'a Cell<Option<&'static [&'static str]>>,
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.found.set(Some(variants));
        Err(Error::custom("no value"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no value"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
