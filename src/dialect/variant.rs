//! An event as a serde enum: the variant is the name of the event, and its content the arguments.
//!
//! | variant | arguments |
//! |---|---|
//! | `V` | none |
//! | `V(T)` | the first |
//! | `V(A, B)` | the list |
//! | `V { .. }` | the first, an object |

use std::fmt;

use serde::{
    Deserializer, Serialize, Serializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, SeqAccess, VariantAccess, Visitor,
    },
    forward_to_deserialize_any,
    ser::{SerializeStructVariant, SerializeTupleVariant},
};
use serde_json::Error;

use super::{data::ListWriter, head::Kind, list::Arguments, refuse::refuse, reserved::check_name};
use crate::{message::JsonError, packet::Packet};

/// Reads an event as the variant of its name.
///
/// Absent arguments count as `null`. A variant with `#[serde(other)]` takes the events of all other names,
/// with any arguments.
///
/// # Errors
/// Fails if the type is no enum whose variants are its tags, the enum has no such variant, or the arguments
/// do not fit it: other types, or too many of them. The error names the event.
pub(crate) fn parse_variant<E: DeserializeOwned>(name: &str, arguments: Arguments<'_>) -> Result<E, JsonError> {
    let call = Call { name, is_variant: true, arguments };
    E::deserialize(call).map_err(|error| JsonError(Error::custom(format_args!("the event `{name}`: {error}"))))
}

/// The event, or with an id the request, that is this variant of an enum.
///
/// # Errors
/// Fails if the value is no enum whose variants are its tags, no event may have the variant's name, or its
/// content cannot be written.
pub(crate) fn event_by_variant<E: Serialize + ?Sized>(
    namespace: &str,
    id: Option<u64>,
    event: &E,
) -> Result<Packet, JsonError> {
    event.serialize(VariantWriter { namespace, id }).and_then(ListWriter::finish).map_err(JsonError)
}

/// An event as a deserializer of enums.
struct Call<'a> {
    name: &'a str,
    /// Whether the name is that of a variant, and no other name for the rest.
    is_variant: bool,
    arguments: Arguments<'a>,
}

impl<'de> Deserializer<'de> for Call<'de> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let is_variant = variants.contains(&self.name);
        visitor.visit_enum(Call { is_variant, ..self })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom(NO_ENUM))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

const NO_ENUM: &str = "an event is an enum whose variants are its tags";

impl<'a> EnumAccess<'a> for Call<'a> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        Ok((seed.deserialize(IntoDeserializer::<Error>::into_deserializer(self.name))?, self))
    }
}

impl<'a> VariantAccess<'a> for Call<'a> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.arguments.visit(Some(0), self.is_variant, Nothing)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Error> {
        self.arguments.visit(Some(1), true, First(seed))
    }

    fn tuple_variant<V: Visitor<'a>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.arguments.visit(Some(length), true, visitor)
    }

    fn struct_variant<V: Visitor<'a>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.arguments.visit(Some(1), true, First(Fields { fields, visitor }))
    }
}

/// Reads no argument.
struct Nothing;

impl<'de> Visitor<'de> for Nothing {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no argument")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Ok(())
    }
}

/// Reads the first argument.
struct First<S>(S);

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for First<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one argument")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<S::Value, A::Error> {
        items.next_element_seed(self.0)?.ok_or_else(|| A::Error::invalid_length(0, &"one argument"))
    }
}

/// Reads the fields of a variant from an object.
struct Fields<V> {
    fields: &'static [&'static str],
    visitor: V,
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Fields<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_struct("", self.fields, self.visitor)
    }
}

/// Writes the variant of an enum as an event.
struct VariantWriter<'a> {
    namespace: &'a str,
    id: Option<u64>,
}

impl VariantWriter<'_> {
    fn begin(&self, variant: &str) -> Result<ListWriter, Error> {
        check_name(variant).map_err(Error::custom)?;
        let mut list = ListWriter::new(Kind::Event, self.namespace, self.id);
        list.push(variant)?;
        Ok(list)
    }
}

impl Serializer for VariantWriter<'_> {
    type Ok = ListWriter;
    type Error = Error;
    type SerializeTupleVariant = ListWriter;
    type SerializeStructVariant = ObjectWriter;

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<ListWriter, Error> {
        self.begin(variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<ListWriter, Error> {
        let mut list = self.begin(variant)?;
        list.push(value)?;
        Ok(list)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<ListWriter, Error> {
        self.begin(variant)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<ObjectWriter, Error> {
        let mut list = self.begin(variant)?;
        list.separate();
        Ok(ObjectWriter { list, is_empty: true })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<ListWriter, Error> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<ListWriter, Error> {
        Err(Error::custom(NO_ENUM))
    }

    refuse! { Error::custom(NO_ENUM);
        serialize_unit() -> Self::Ok;
    }
}

impl SerializeTupleVariant for ListWriter {
    type Ok = ListWriter;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.push(value)
    }

    fn end(self) -> Result<ListWriter, Error> {
        Ok(self)
    }
}

/// Writes the fields of a variant as an object, the first argument.
struct ObjectWriter {
    list: ListWriter,
    is_empty: bool,
}

impl SerializeStructVariant for ObjectWriter {
    type Ok = ListWriter;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.list.push_raw(if std::mem::take(&mut self.is_empty) { "{" } else { "," });
        self.list.push_value(key)?;
        self.list.push_raw(":");
        self.list.push_value(value)
    }

    fn end(mut self) -> Result<ListWriter, Error> {
        self.list.push_raw(if self.is_empty { "{}" } else { "}" });
        Ok(self.list)
    }
}
