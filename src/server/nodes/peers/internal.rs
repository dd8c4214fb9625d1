//! The headers between nodes: what the node that a request has come to tells the one that answers it.

use std::{net::SocketAddr, str::FromStr};

use axum::{
    extract::{ConnectInfo, OriginalUri},
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri, Version, header, request::Parts, uri::PathAndQuery},
    response::Response,
};

use crate::{config::is_node_name, owners::MOST_HOPS, server::other_nodes::MovedTo};

static MOUNT: HeaderName = HeaderName::from_static("anywire-mount");
static HOST: HeaderName = HeaderName::from_static("anywire-host");
static CLIENT: HeaderName = HeaderName::from_static("anywire-client");
static ORIGINAL: HeaderName = HeaderName::from_static("anywire-original");
static HTTP: HeaderName = HeaderName::from_static("anywire-http");
static HOPS: HeaderName = HeaderName::from_static("anywire-hops");
/// It marks an answer that comes from no route.
static REFUSED: HeaderName = HeaderName::from_static("anywire-refused");
/// The answer comes from the node with this name, to which the session has moved.
static MOVED: HeaderName = HeaderName::from_static("anywire-moved");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// How many times a request was forwarded, as an extension of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hops(pub(super) u8);

/// The number of times that a request will have been forwarded with this one; `None` if that is too often.
pub(super) fn next_hop(extensions: &Extensions) -> Option<u8> {
    let hops = extensions.get::<Hops>().map_or(0, |hops| hops.0) + 1;
    (hops <= MOST_HOPS).then_some(hops)
}

/// Prepares a request for another node. What a client has put into our headers is gone then.
///
/// The result is `None` if the routes have a name that no header can hold.
pub(super) fn wrap(parts: &mut Parts, mount: &str, hops: u8) -> Option<()> {
    let mount = HeaderValue::from_bytes(mount.as_bytes()).ok()?;
    let host = parts.uri.authority().map(|host| HeaderValue::from_str(host.as_str()));
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let original = parts.extensions.get::<OriginalUri>().map(|original| &original.0);
    let original = original.filter(|original| original.path_and_query() != Some(&path));
    let original = original.and_then(|original| original.path_and_query()).map(|path| path.as_str().to_owned());
    let client = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|client| client.0.to_string());
    let headers = &mut parts.headers;
    strip_connection(headers);
    strip(headers);
    // Over HTTP/2 a request may have its host in its URI alone.
    if let (Some(Ok(host)), false) = (host, headers.contains_key(header::HOST)) {
        headers.insert(header::HOST, host);
    }
    rename(headers, &header::HOST, &HOST);
    headers.insert(&MOUNT, mount);
    headers.insert(&HOPS, HeaderValue::from(u16::from(hops)));
    for (name, value) in [(&ORIGINAL, original), (&CLIENT, client)] {
        if let Some(Ok(mut value)) = value.map(HeaderValue::try_from) {
            // It is another one for each client. In the table of HTTP/2 it would take the place of what all requests have.
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    if parts.version != Version::HTTP_11 {
        let version = if parts.version > Version::HTTP_11 { "2" } else { "1.0" };
        headers.insert(&HTTP, HeaderValue::from_static(version));
    }
    parts.uri = Uri::from(path);
    Some(())
}

/// Restores the request as the other node had it. The result is the name of the routes that answer it; `None` if it does
/// not name them.
pub(super) fn unwrap(parts: &mut Parts) -> Option<String> {
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
    strip_connection_but_upgrade(&mut parts.headers);
    let headers = &mut parts.headers;
    let mount = headers.remove(&MOUNT)?;
    let mount = std::str::from_utf8(mount.as_bytes()).ok()?.to_owned();
    rename(headers, &HOST, &header::HOST);
    let client = parsed::<SocketAddr>(headers.remove(&CLIENT));
    let original = parsed::<Uri>(headers.remove(&ORIGINAL));
    let hops = parsed(headers.remove(&HOPS)).unwrap_or(MOST_HOPS);
    parts.version = match headers.remove(&HTTP) {
        Some(version) if version == "2" => Version::HTTP_2,
        Some(_) => Version::HTTP_10,
        None => Version::HTTP_11,
    };
    strip(headers);
    parts.extensions.insert(Hops(hops));
    parts.extensions.insert(OriginalUri(original.unwrap_or_else(|| parts.uri.clone())));
    if let Some(client) = client {
        parts.extensions.insert(ConnectInfo(client));
    }
    Some(mount)
}

/// The value of a header, if it is one that can be read as this.
fn parsed<T: FromStr>(value: Option<HeaderValue>) -> Option<T> {
    value?.to_str().ok()?.parse().ok()
}

/// Gives the values of a header another name, in whose place they come.
fn rename(headers: &mut HeaderMap, from: &HeaderName, to: &HeaderName) {
    headers.remove(to);
    let values: Vec<HeaderValue> = headers.get_all(from).iter().cloned().collect();
    headers.remove(from);
    for value in values {
        headers.append(to, value);
    }
}

/// Removes our headers.
fn strip(headers: &mut HeaderMap) {
    // Hardly any client knows them.
    if !headers.keys().any(is_ours) {
        return;
    }
    for name in [&MOUNT, &HOST, &CLIENT, &ORIGINAL, &HTTP, &HOPS, &REFUSED, &MOVED] {
        headers.remove(name);
    }
}

/// Removes the headers that are about one connection alone (RFC 9110, section 7.6.1).
pub(super) fn strip_connection(headers: &mut HeaderMap) {
    headers.remove(header::CONNECTION);
    headers.remove(header::UPGRADE);
    strip_connection_but_upgrade(headers);
}

/// Whether a header of this name is passed on: it is not about one connection alone, and none of ours.
pub(super) fn passes(name: &HeaderName) -> bool {
    let of_connection = [
        &header::CONNECTION,
        &header::UPGRADE,
        &KEEP_ALIVE,
        &PROXY_CONNECTION,
        &header::TRANSFER_ENCODING,
        &header::TE,
        &header::EXPECT,
    ];
    !of_connection.contains(&name) && !is_ours(name)
}

fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with("anywire-")
}

fn strip_connection_but_upgrade(headers: &mut HeaderMap) {
    for name in [&KEEP_ALIVE, &PROXY_CONNECTION, &header::TRANSFER_ENCODING, &header::TE, &header::EXPECT] {
        headers.remove(name);
    }
}

/// Marks an answer that comes from no route.
pub(super) fn mark_refused(headers: &mut HeaderMap) {
    headers.insert(&REFUSED, HeaderValue::from_static("1"));
}

/// Removes the mark of an answer that comes from no route. Returns whether it was there.
pub(super) fn take_refused(headers: &mut HeaderMap) -> bool {
    headers.remove(&REFUSED).is_some()
}

/// An answer comes from the node to which the session has moved: the other node is told.
pub(super) fn put_moved(answer: &mut Response) {
    if let Some(MovedTo(node)) = answer.extensions_mut().remove()
        && let Ok(node) = HeaderValue::try_from(node)
    {
        answer.headers_mut().insert(&MOVED, node);
    }
}

/// The node to which the session has moved, as another node tells it, becomes an extension of its answer.
pub(super) fn take_moved(answer: &mut Response) {
    if let Some(node) = answer.headers_mut().remove(&MOVED).and_then(|node| moved(node.as_bytes())) {
        answer.extensions_mut().insert(node);
    }
}

/// The node to which the session has moved, if this is the name of one.
pub(super) fn moved(name: &[u8]) -> Option<MovedTo> {
    let name = std::str::from_utf8(name).ok().filter(|name| is_node_name(name))?;
    Some(MovedTo(name.to_owned()))
}
