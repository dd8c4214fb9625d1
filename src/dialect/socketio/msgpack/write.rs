//! From packets to MessagePack. The number of items stands before them there, so that the JSON is gone through twice.

use std::{borrow::Cow, fmt::Debug};

use bytes::Bytes;
use rmp::encode;

use crate::{
    dialect::head::{Head, Kind},
    packet::Packet,
};

/// The beginning of an object that stands for an attachment, behind its bracket. It is written by `data.rs` alone.
const PLACEHOLDER: &str = "\"_placeholder\":true,\"num\":";

/// The message that is this packet of the server.
///
/// # Panics
/// Panics if it is no packet.
pub(crate) fn write(packet: &Packet) -> Vec<u8> {
    let head = Head::parse(packet.text()).expect("the server writes packets");
    let mut out = Vec::with_capacity(packet.len() + 32);
    let fields = 2 + u32::from(!head.data.is_empty()) + u32::from(head.id.is_some());
    sure(encode::write_map_len(&mut out, fields));
    sure(encode::write_str(&mut out, "type"));
    let kind = match head.kind {
        Kind::BinaryEvent => Kind::Event,
        Kind::BinaryAck => Kind::Ack,
        kind => kind,
    };
    sure(encode::write_uint(&mut out, kind as u64));
    if !head.data.is_empty() {
        sure(encode::write_str(&mut out, "data"));
        write_json(head.data, packet.attachments(), &mut out);
    }
    if let Some(id) = head.id {
        sure(encode::write_str(&mut out, "id"));
        sure(encode::write_uint(&mut out, id));
    }
    sure(encode::write_str(&mut out, "nsp"));
    sure(encode::write_str(&mut out, head.namespace));
    out
}

fn sure<T, E: Debug>(written: Result<T, E>) {
    written.expect("a vector takes all");
}

fn write_json(json: &str, attachments: &[Bytes], out: &mut Vec<u8>) {
    let mut sizes = sizes(json).into_iter();
    let mut tokens = Tokens { rest: json };
    while let Some(token) = tokens.next() {
        match token {
            Token::Close => {}
            Token::List => sure(encode::write_array_len(out, sizes.next().unwrap_or(0))),
            Token::Map => {
                let items = sizes.next().unwrap_or(0);
                match tokens.attachment(attachments) {
                    Some(bytes) => sure(encode::write_bin(out, bytes)),
                    None => sure(encode::write_map_len(out, items / 2)),
                }
            }
            Token::Text(raw) => sure(encode::write_str(out, &unescape(raw))),
            Token::Plain("null") => sure(encode::write_nil(out)),
            Token::Plain("true") => sure(encode::write_bool(out, true)),
            Token::Plain("false") => sure(encode::write_bool(out, false)),
            Token::Plain(number) => write_number(number, out),
        }
    }
}

fn write_number(number: &str, out: &mut Vec<u8>) {
    if let Ok(number) = number.parse() {
        sure(encode::write_uint(out, number));
    } else if let Ok(number) = number.parse() {
        sure(encode::write_sint(out, number));
    } else {
        sure(encode::write_f64(out, number.parse().unwrap_or(f64::NAN)));
    }
}

/// The text of a string without its quotation marks.
fn unescape(raw: &str) -> Cow<'_, str> {
    match raw.contains('\\') {
        // Only what is no text at all cannot be read: half of a character, as some languages have it.
        true => serde_json::from_str(&format!("\"{raw}\"")).map_or(Cow::Borrowed(raw), Cow::Owned),
        false => Cow::Borrowed(raw),
    }
}

/// How many items each list and each map has, in the order in which they begin. A key is an item too.
fn sizes(json: &str) -> Vec<u32> {
    let (mut sizes, mut open) = (Vec::new(), Vec::new());
    for token in (Tokens { rest: json }) {
        if matches!(token, Token::Close) {
            open.pop();
            continue;
        }
        if let Some(&place) = open.last() {
            sizes[place] += 1;
        }
        if matches!(token, Token::List | Token::Map) {
            open.push(sizes.len());
            sizes.push(0);
        }
    }
    sizes
}

#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    List,
    Map,
    Close,
    /// A string, or a key, between its quotation marks.
    Text(&'a str),
    /// A number or a word.
    Plain(&'a str),
}

/// The tokens of a text that is JSON, but for commas and colons.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// The attachment for which the object stands that has just begun. The object is then taken. `None` if it is any
    /// other object.
    fn attachment<'b>(&mut self, attachments: &'b [Bytes]) -> Option<&'b Bytes> {
        let (number, behind) = self.rest.strip_prefix(PLACEHOLDER)?.split_once('}')?;
        let attachment = attachments.get(number.parse::<usize>().ok()?)?;
        self.rest = behind;
        Some(attachment)
    }

    fn cut(&mut self, length: usize) -> &'a str {
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        token
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.rest = self.rest.trim_start_matches([',', ':', ' ', '\n', '\r', '\t']);
        let first = *self.rest.as_bytes().first()?;
        if !matches!(first, b'[' | b'{' | b']' | b'}' | b'"') {
            let end = self.rest.find([',', ']', '}', ' ', '\n', '\r', '\t']);
            return Some(Token::Plain(self.cut(end.unwrap_or(self.rest.len()))));
        }
        self.cut(1);
        Some(match first {
            b'[' => Token::List,
            b'{' => Token::Map,
            b'"' => {
                let text = self.cut(end_of_string(self.rest.as_bytes()));
                self.rest = self.rest.strip_prefix('"').unwrap_or(self.rest);
                Token::Text(text)
            }
            _ => Token::Close,
        })
    }
}

/// Where the quotation mark is that ends a string.
fn end_of_string(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}
