//! Whether the placeholders in a JSON text stand for attachments that there are.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Whether an object of the text is a placeholder of an attachment at `attachments` or above, or of none. What is
/// nested more than 128 deep is not searched: nobody can read it either.
pub(super) fn lie(json: &str, attachments: usize) -> bool {
    let mut lies = false;
    let mut text = serde_json::Deserializer::from_str(json);
    // The text is JSON, as was judged before; an error means only the depth.
    let _ = Scan { attachments: attachments as u64, lies: &mut lies }.deserialize(&mut text);
    lies
}

struct Scan<'a> {
    attachments: u64,
    lies: &'a mut bool,
}

/// A value, as far as a placeholder cares.
#[derive(PartialEq)]
enum Seen {
    True,
    Number(u64),
    Other,
}

/// The keys of a placeholder.
enum Key {
    Placeholder,
    Number,
    Other,
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Number(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        while items.next_element_seed(Scan { attachments: self.attachments, lies: self.lies })?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let (mut placeholder, mut number) = (Seen::Other, Seen::Other);
        while let Some(key) = map.next_key_seed(KeyScan)? {
            let value = map.next_value_seed(Scan { attachments: self.attachments, lies: self.lies })?;
            match key {
                Key::Placeholder => placeholder = value,
                Key::Number => number = value,
                Key::Other => {}
            }
        }
        let is_there = matches!(number, Seen::Number(number) if number < self.attachments);
        *self.lies |= placeholder == Seen::True && !is_there;
        Ok(Seen::Other)
    }
}

struct KeyScan;

impl<'de> DeserializeSeed<'de> for KeyScan {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyScan {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(match key {
            "_placeholder" => Key::Placeholder,
            "num" => Key::Number,
            _ => Key::Other,
        })
    }
}

/// Whether a text is JSON. Its depth has no bound, and neither has an escape to be half of a character: what
/// cannot be read is the sender's concern alone.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
