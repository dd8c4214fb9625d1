//! Reads the list of arguments of an event or reply.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::{Error, Value};

use super::{head::behind_blanks, tree::Tree};

/// The arguments of an event or reply before anybody has read them.
///
/// As a deserializer they are a list. A tuple is read from its beginning: further arguments are ignored, and
/// those that are absent count as `null`.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    /// The JSON text of a list.
    list: &'a str,
    /// How many items at its beginning are no arguments.
    skip: usize,
    /// The text behind those, if it is known where they end.
    rest: Option<&'a str>,
    attachments: &'a [Bytes],
}

/// An argument in a shorter rest of a list is nested less deep than a list may be.
const SHORT: usize = 256;

impl<'a> Arguments<'a> {
    /// Those of an event: the list's items behind the name.
    pub(crate) fn of_event(list: &'a str, attachments: &'a [Bytes]) -> Self {
        Arguments { list, skip: 1, rest: None, attachments }
    }

    /// The same, where `rest` is the part of the list behind the name.
    pub(crate) fn with_rest(self, rest: Option<&'a str>) -> Self {
        Arguments { rest, ..self }
    }

    /// Those of a reply: all items of the list.
    pub(crate) fn of_reply(list: &'a str, attachments: &'a [Bytes]) -> Self {
        Arguments { list, skip: 0, rest: None, attachments }
    }

    /// The only argument, read without the list around it. `None` if that is not known to be the same as reading the
    /// list: most events have one short argument.
    pub(super) fn only<T: DeserializeOwned>(&self) -> Option<T> {
        let rest = self.rest.filter(|rest| rest.len() < SHORT && self.attachments.is_empty())?;
        let argument = rest.strip_prefix(',')?;
        let mut text = serde_json::Deserializer::from_str(argument);
        let value = T::deserialize(&mut text).ok()?;
        let read = text.into_iter::<IgnoredAny>().byte_offset();
        (behind_blanks(&argument[read..]) == "]").then_some(value)
    }

    /// Gives `visitor` the first `length` arguments, or all.
    ///
    /// # Errors
    /// Fails if the list is not JSON, is nested more than 128 deep, refers to attachments that it does not
    /// have or more than once, or does not fit. If it is `exact`, it also fails if there are further
    /// arguments.
    pub(super) fn visit<V: Visitor<'a>>(
        self,
        length: Option<usize>,
        exact: bool,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let visitor = ListVisitor { skip: self.skip, length, exact, visitor };
        if self.attachments.is_empty() {
            let mut text = serde_json::Deserializer::from_str(self.list);
            let value = text.deserialize_seq(visitor)?;
            text.end()?;
            Ok(value)
        } else {
            Tree::parse(self.list, self.attachments)?.deserialize_seq(visitor)
        }
    }
}

impl<'de> Deserializer<'de> for Arguments<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(None, false, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.visit(Some(length), false, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple_struct map struct enum identifier ignored_any
    }
}

struct ListVisitor<V> {
    skip: usize,
    length: Option<usize>,
    exact: bool,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for ListVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<V::Value, A::Error> {
        for _ in 0..self.skip {
            items.next_element::<IgnoredAny>()?;
        }
        let value = match self.length {
            Some(length) => self.visitor.visit_seq(Padded { items: &mut items, nth: 0, length })?,
            None => self.visitor.visit_seq(&mut items)?,
        };
        while items.next_element::<IgnoredAny>()?.is_some() {
            if self.exact {
                return Err(A::Error::custom("there are too many arguments"));
            }
        }
        Ok(value)
    }
}

/// The first `length` items; those that are absent are `null`.
struct Padded<'a, A> {
    items: &'a mut A,
    nth: usize,
    length: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Padded<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        if self.nth == self.length {
            return Ok(None);
        }
        self.nth += 1;
        let mut seed = Some(seed);
        if let Some(value) = self.items.next_element_seed(Lent(&mut seed))? {
            return Ok(Some(value));
        }
        let absent = seed.take().map(|seed| seed.deserialize(Value::Null)).transpose();
        absent.map_err(|_| A::Error::custom(format_args!("argument {} is missing", self.nth)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.length - self.nth)
    }
}

/// A seed that stays where it is unless there is an item for it.
struct Lent<'a, S>(&'a mut Option<S>);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Lent<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let seed = self.0.take().ok_or_else(|| D::Error::custom("an item is read twice"))?;
        seed.deserialize(deserializer)
    }
}
