//! Frames: how calls and their answers are written. Numbers are big-endian.
//!
//! A frame is its length (four bytes, of what follows), its kind (one), the number of its call (four) and the rest:
//!
//! * a call: the hops (one), the version (one), the client's address, the method and the name of the routes (each a text of up
//!   to 255 bytes), the path and the original one (of up to 65,535, empty if it is the same), the headers, and the body;
//! * an answer: its status (two), the node to which the session has moved (empty if it has not), the headers, and the body.
//!
//! Headers are their number (two), and of each the length of its name (two), that of its value (four), and both.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use axum::{
    body::Body,
    extract::{ConnectInfo, OriginalUri, Request},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, request::Parts, response,
        uri::PathAndQuery,
    },
    response::Response,
};
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::super::{
    internal::{self, Hops},
    settings::{HEAD, HEADERS},
};
use crate::server::other_nodes::MovedTo;

/// The bytes that all frames begin with: their length, their kind, and the number of a call.
pub(super) const START: usize = 9;

/// The longest frame, without its length.
pub(super) const MOST: usize = START + HEAD as usize + super::MOST_ANSWER as usize;

/// The kinds of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Call = 1,
    /// Nobody waits for the answer any more.
    Cancel = 2,
    Answer = 3,
    /// The answer is long, or goes on. It is kept for the request that asks for it.
    Kept = 4,
    /// The routes are not there.
    Refused = 5,
    /// There is no answer, because of a fault here.
    Failed = 6,
}

impl Kind {
    pub(super) fn of(byte: u8) -> Option<Self> {
        const ALL: [Kind; 6] = [Kind::Call, Kind::Cancel, Kind::Answer, Kind::Kept, Kind::Refused, Kind::Failed];
        ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A call, before it is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::nodes::peers) struct Call<'a> {
    pub(in crate::server::nodes::peers) mount: &'a str,
    pub(in crate::server::nodes::peers) hops: u8,
    pub(in crate::server::nodes::peers) parts: &'a Parts,
    pub(in crate::server::nodes::peers) body: &'a [u8],
}

/// Writes a frame that has nothing but its start.
pub(super) fn put(kind: Kind, number: u32, out: &mut BytesMut) {
    out.put_u32(START as u32 - 4);
    out.put_u8(kind as u8);
    out.put_u32(number);
}

/// Writes a frame. The result is `None`, and nothing is written, if it would be too long.
fn put_with(kind: Kind, number: u32, out: &mut BytesMut, rest: impl FnOnce(&mut BytesMut) -> Option<()>) -> Option<()> {
    let begin = out.len();
    put(kind, number, out);
    let length = rest(out).map(|()| out.len() - begin - 4).filter(|length| *length <= MOST);
    match length.and_then(|length| u32::try_from(length).ok()) {
        Some(length) => out[begin..begin + 4].copy_from_slice(&length.to_be_bytes()),
        None => {
            out.truncate(begin);
            return None;
        }
    }
    Some(())
}

/// Writes a call. The result is `None`, and nothing is written, if it has more than a call may have.
pub(super) fn put_call(number: u32, call: Call<'_>, out: &mut BytesMut) -> Option<()> {
    let Call { mount, hops, parts, body } = call;
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let original = parts.extensions.get::<OriginalUri>().and_then(|original| original.0.path_and_query());
    let original = original.map(PathAndQuery::as_str).filter(|original| *original != path).unwrap_or_default();
    put_with(Kind::Call, number, out, |out| {
        out.put_u8(hops);
        out.put_u8(version_byte(parts.version));
        put_address(parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|client| client.0), out);
        put_short(parts.method.as_str().as_bytes(), out)?;
        put_short(mount.as_bytes(), out)?;
        put_long(path.as_bytes(), out)?;
        put_long(original.as_bytes(), out)?;
        // Over HTTP/2 a request may have its host in its URI alone.
        let host = match parts.headers.contains_key(header::HOST) {
            true => None,
            false => parts.uri.authority().map(|host| (&header::HOST, host.as_str().as_bytes())),
        };
        let kept = parts.headers.iter().filter(|(name, _)| internal::passes(name));
        put_headers(host.into_iter().chain(kept.map(|(name, value)| (name, value.as_bytes()))), out)?;
        out.put_slice(body);
        Some(())
    })
}

/// Reads what follows the start of a call: the name of its routes, and the request as the other node had it. `None` if it is
/// not written as it must be.
pub(super) fn read_call(mut rest: Bytes) -> Option<(Bytes, Request)> {
    let hops = rest.try_get_u8().ok()?;
    let version = version_of(rest.try_get_u8().ok()?)?;
    let client = address(&mut rest)?;
    let method = Method::from_bytes(&short(&mut rest)?).ok()?;
    let mount = short(&mut rest)?;
    let path = Uri::from(PathAndQuery::from_maybe_shared(long(&mut rest)?).ok()?);
    let original = match long(&mut rest)? {
        original if original.is_empty() => path.clone(),
        original => Uri::from(PathAndQuery::from_maybe_shared(original).ok()?),
    };
    let mut headers = headers(&mut rest)?;
    put_length(&mut headers, rest.len());
    let mut request = Request::new(Body::from(rest));
    (*request.method_mut(), *request.uri_mut(), *request.version_mut()) = (method, path, version);
    *request.headers_mut() = headers;
    let extensions = request.extensions_mut();
    extensions.insert(Hops(hops));
    extensions.insert(OriginalUri(original));
    if let Some(client) = client {
        extensions.insert(ConnectInfo(client));
    }
    Some((mount, request))
}

/// Writes an answer. The result is `None`, and nothing is written, if its head is too long.
pub(super) fn put_answer(number: u32, answer: &response::Parts, body: &[u8], out: &mut BytesMut) -> Option<()> {
    let moved = answer.extensions.get::<MovedTo>().map_or("", |MovedTo(node)| node);
    put_with(Kind::Answer, number, out, |out| {
        out.put_u16(answer.status.as_u16());
        put_short(moved.as_bytes(), out)?;
        let kept = answer.headers.iter().filter(|(name, _)| internal::passes(name));
        put_headers(kept.map(|(name, value)| (name, value.as_bytes())), out)?;
        out.put_slice(body);
        Some(())
    })
}

/// Reads what follows the start of an answer. `None` if it is not written as it must be.
pub(super) fn read_answer(mut rest: Bytes) -> Option<Response> {
    let status = StatusCode::from_u16(rest.try_get_u16().ok()?).ok()?;
    let moved = short(&mut rest)?;
    let mut headers = headers(&mut rest)?;
    put_length(&mut headers, rest.len());
    let mut answer = Response::new(Body::from(rest));
    (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
    if let Some(node) = internal::moved(&moved) {
        answer.extensions_mut().insert(node);
    }
    Some(answer)
}

/// Tells the length of a body, unless the headers do.
fn put_length(headers: &mut HeaderMap, length: usize) {
    if length > 0 {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
}

fn put_headers<'a>(list: impl Iterator<Item = (&'a HeaderName, &'a [u8])>, out: &mut BytesMut) -> Option<()> {
    let (begin, mut number) = (out.len(), 0_u16);
    out.put_u16(number);
    for (name, value) in list {
        number += 1;
        out.put_u16(u16::try_from(name.as_str().len()).ok()?);
        out.put_u32(u32::try_from(value.len()).ok()?);
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(value);
    }
    out[begin..begin + 2].copy_from_slice(&number.to_be_bytes());
    (usize::from(number) <= HEADERS).then_some(())
}

fn headers(rest: &mut Bytes) -> Option<HeaderMap> {
    let number = usize::from(rest.try_get_u16().ok()?);
    if number > HEADERS {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(number + 1);
    for _ in 0..number {
        let name = usize::from(rest.try_get_u16().ok()?);
        let value = usize::try_from(rest.try_get_u32().ok()?).ok()?;
        let name = HeaderName::from_bytes(&take(rest, name)?).ok()?;
        headers.try_append(name, HeaderValue::from_maybe_shared(take(rest, value)?).ok()?).ok()?;
    }
    Some(headers)
}

/// The address of a client: four, six, or zero if there is none; the address, the port, and of version 6 the scope.
fn put_address(address: Option<SocketAddr>, out: &mut BytesMut) {
    match address {
        None => out.put_u8(0),
        Some(SocketAddr::V4(address)) => {
            out.put_u8(4);
            out.put_slice(&address.ip().octets());
            out.put_u16(address.port());
        }
        Some(SocketAddr::V6(address)) => {
            out.put_u8(6);
            out.put_slice(&address.ip().octets());
            out.put_u16(address.port());
            out.put_u32(address.scope_id());
        }
    }
}

fn address(rest: &mut Bytes) -> Option<Option<SocketAddr>> {
    Some(match rest.try_get_u8().ok()? {
        0 => None,
        4 => {
            let ip = IpAddr::from(rest.try_get_u32().ok()?.to_be_bytes());
            Some(SocketAddr::new(ip, rest.try_get_u16().ok()?))
        }
        6 => {
            let ip = rest.try_get_u128().ok()?.to_be_bytes().into();
            let (port, scope) = (rest.try_get_u16().ok()?, rest.try_get_u32().ok()?);
            Some(SocketAddrV6::new(ip, port, 0, scope).into())
        }
        _ => return None,
    })
}

fn version_byte(version: Version) -> u8 {
    match version {
        Version::HTTP_11 => 11,
        version if version > Version::HTTP_11 => 20,
        _ => 10,
    }
}

fn version_of(byte: u8) -> Option<Version> {
    [(10, Version::HTTP_10), (11, Version::HTTP_11), (20, Version::HTTP_2)]
        .into_iter()
        .find_map(|(known, version)| (known == byte).then_some(version))
}

/// Writes a text whose length is one byte.
fn put_short(text: &[u8], out: &mut BytesMut) -> Option<()> {
    out.put_u8(u8::try_from(text.len()).ok()?);
    out.put_slice(text);
    Some(())
}

/// Writes a text whose length is two bytes.
fn put_long(text: &[u8], out: &mut BytesMut) -> Option<()> {
    out.put_u16(u16::try_from(text.len()).ok()?);
    out.put_slice(text);
    Some(())
}

fn short(rest: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(rest.try_get_u8().ok()?);
    take(rest, length)
}

fn long(rest: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(rest.try_get_u16().ok()?);
    take(rest, length)
}

fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= rest.len()).then(|| rest.split_to(length))
}
