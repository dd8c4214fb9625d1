//! Events of the application in the words of STOMP.

use std::{borrow::Cow, str::from_utf8};

use serde::{de::IgnoredAny, ser::Error as _};
use serde_json::{Deserializer, Error, Value, json};

use super::{Content, Version, content::encode, escape::header};
use crate::{
    dialect::{Head, Kind, MESSAGE, check_name, data::ListWriter, event_name},
    message::{JsonError, Message},
    packet::{Packet, mend_surrogates},
};

/// The longest text of an argument that may stand for an attachment.
const LONGEST_PLACEHOLDER: usize = 64;

/// An event as its receivers get it, in the form of [`Content::encode`]: the header `event` has its name, and the
/// body its argument as JSON; a list of several, and nothing for none. Bytes that are the one argument are the body as
/// they are. `None` if the packet is no event, or has attachments in any other way.
pub(crate) fn event_content(packet: &Packet) -> Option<Message> {
    let is_whole = |head: &Head<'_>| head.kind.is_event() && head.attachments == packet.attachments().len();
    let head = Head::parse(packet.text()).ok().filter(is_whole)?;
    let name = event_name(head.data).ok()?;
    let (count, json) = arguments(head.data)?;
    let mut text = String::new();
    header(Version::V1_2, "event", &name, &mut text);
    match (packet.attachments(), count) {
        ([], 0) => return Some(encode(text, b"")),
        ([], _) => header(Version::V1_2, "content-type", "application/json", &mut text),
        ([bytes], 1) if is_placeholder(&json) => {
            header(Version::V1_2, "content-type", "application/octet-stream", &mut text);
            return Some(encode(text, bytes));
        }
        _ => return None,
    }
    Some(encode(text, json.as_bytes()))
}

/// The event, or with an id the request, that a client sends to the handler. Its argument is the body, by its
/// `content-type`: JSON for `application/json` and all that end in `+json`, a string for `text/*` in UTF-8, and bytes
/// for all others. A body without `content-type` is JSON if it can be, else a string if it can be, else bytes. An
/// empty body is no argument, unless it is a text or bytes by its type.
///
/// # Errors
/// Fails if no event may have this name, or a body of the type JSON is not JSON.
pub(crate) fn event_packet(name: &str, id: Option<u64>, content: &Content) -> Result<Packet, JsonError> {
    let packet = || {
        // A message is an event too.
        if name != MESSAGE {
            check_name(name).map_err(Error::custom)?;
        }
        let mut list = ListWriter::new(Kind::Event, "/", id);
        list.push(name)?;
        push_body(&mut list, content)?;
        list.finish()
    };
    packet().map_err(JsonError)
}

/// Appends the argument that the body is.
fn push_body(list: &mut ListWriter, content: &Content) -> Result<(), Error> {
    let body = &content.body;
    let text = from_utf8(body).ok();
    let is_json = |text| serde_json::from_str::<IgnoredAny>(text).map(drop);
    match (Form::of(content.headers.get("content-type")), text) {
        (Form::Json | Form::Unstated, Some("")) => Ok(()),
        (Form::Json, Some(text)) => is_json(text).map(|()| push_json(list, text)),
        (Form::Json, None) => Err(Error::custom("the body is not UTF-8")),
        (Form::Unstated, Some(text)) if is_json(text).is_ok() => {
            push_json(list, text);
            Ok(())
        }
        (Form::Text | Form::Unstated, Some(text)) => list.push(text),
        (Form::Text | Form::Bytes | Form::Unstated, _) => list.push(body),
    }
}

/// Appends an item that is JSON already. Escapes of lone surrogates are mended, which JavaScript may write.
fn push_json(list: &mut ListWriter, json: &str) {
    list.separate();
    list.push_raw(&mend_surrogates(json.into()));
}

/// The form of a body, as its `content-type` tells.
enum Form {
    Unstated,
    Json,
    Text,
    Bytes,
}

impl Form {
    fn of(content_type: Option<&str>) -> Self {
        let Some(content_type) = content_type else { return Form::Unstated };
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match &media_type[..] {
            "application/json" => Form::Json,
            other if other.ends_with("+json") => Form::Json,
            other if other.starts_with("text/") => Form::Text,
            _ => Form::Bytes,
        }
    }
}

/// The number of an event's arguments, and their JSON: the one, or the list of several. `None` if it is no list.
fn arguments(data: &str) -> Option<(usize, Cow<'_, str>)> {
    let count = serde_json::from_str::<Vec<IgnoredAny>>(data).ok()?.len().checked_sub(1)?;
    // Both the name and each argument are followed by a comma or the last bracket.
    let behind_name = &data[1 + length_of_first(&data[1..])?..].trim_start()[1..];
    Some(match count {
        0 => (0, Cow::Borrowed("")),
        1 => (1, Cow::Borrowed(behind_name[..length_of_first(behind_name)?].trim())),
        _ => (count, Cow::Owned(format!("[{}", behind_name.trim_start()))),
    })
}

/// The length of the value at the beginning, with the spaces before it.
fn length_of_first(json: &str) -> Option<usize> {
    let mut values = Deserializer::from_str(json).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// Whether an argument is nothing but the first attachment.
fn is_placeholder(json: &str) -> bool {
    json.len() <= LONGEST_PLACEHOLDER
        && serde_json::from_str::<Value>(json).is_ok_and(|value| value == json!({"_placeholder": true, "num": 0}))
}
