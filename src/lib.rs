//! Realtime sessions over whatever wire the client's browser and network allow.
//!
//! An application writes against one thing, the [`Session`]. Each client is carried by a WebSocket, a streaming response or a
//! long poll, whichever works, and the wire may change under a live session: **every message arrives once and in order, both
//! ways, for as long as the session is kept; and when it cannot be kept, both sides are told.**
//!
//! ```no_run
//! use anywire::{Anywire, Session};
//! use axum::{Router, response::Html, routing::get};
//!
//! async fn chat(mut session: Session) {
//!     session.join("lobby");
//!     while let Some(message) = session.recv().await {
//!         session.within("lobby").send(message);
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let live = Anywire::builder().handler(chat).build();
//!     let page = Html("<script src=/live/client.js></script>");
//!     let app = Router::new().route("/", get(page)).nest("/live", live.routes());
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     anywire::serve(listener, app).await
//! }
//! ```
//!
//! ```js
//! const session = anywire.connect('/live')
//! session.on('message', text => console.log(text))
//! session.send('hello')
//! ```
//!
//! # What is promised
//!
//! * [`recv`](Session::recv) is cancel-safe; [`send`](SessionHandle::send) waits only while the outbox is full; a
//!   [room send](To::send) never waits.
//! * A session outlives its links by the [grace](Builder::grace) time. The handler does not notice that a link was cut, nor which
//!   transport serves; it can [ask](SessionHandle::transport). A page that reloads comes back to its session too, where the client
//!   is told `resume: true`.
//! * An acknowledged message is in the other half's inbox. [`flush`](SessionHandle::flush) waits for that.
//! * Everything is bounded: messages, bodies, inboxes and outboxes (in bytes), all of them together, sessions, links, times. The
//!   [`Builder`] lists the bounds and their defaults. Request heads are bounded by the HTTP server: [`serve`] does so, others must be told to.
//! * The end is told: [`closed`](SessionHandle::closed) says why, [`unacknowledged`](SessionHandle::unacknowledged) how many sent
//!   messages may not have arrived.
//! * Pages of other sites are kept out on every transport, WebSocket included, by one [origin policy](Origins).
//!
//! [`protocol`] is the text of the wire. [`LocalClient`] tests a handler without a network.
//!
//! # The map of the house
//!
//! ```text
//! server/     the front: URLs, users, tasks     routes/ one file a family    opening: idempotent
//!   |     \
//! transport/  hub/                              bytes for a session          who is here, rooms
//!   |     \   /
//! codec/   shared                               frame <-> bytes, pure        one lock round a machine
//!      \   /   \
//!     session/  deadlines  clock                the machine, pure
//!         |
//!      message  broadcast  config  ids  sync
//! ```
//!
//! | word | is |
//! |---|---|
//! | message | what applications say: text or binary |
//! | frame | what the two halves of a session say to each other |
//! | machine | one half of a session: outbox, inbox, links, heartbeat, grace. `handle_*` in, `poll_*` out, time is an argument |
//! | codec | frame <-> bytes |
//! | shared | a machine behind one short lock, with the wakers of those who wait |
//! | transport | a public way to carry a session; its halves are a downlink and an uplink |
//! | link | one attachment of a transport to a session, with an ordinal |
//!
//! Inwards: the transport reads once, the codec yields frames, the machine takes them under one lock, `recv` is woken. Outwards: `send`
//! puts a message into the machine's outbox, the link is woken when the handler yields, pulls what there is and writes once. Nobody
//! calls back up. A session has one task, its handler's; a WebSocket link has one more; one task keeps the deadlines of all. Who may
//! import whom is held by `tests/architecture.rs`. Lock order: a member's list of rooms, a shard, a room, a session.

mod broadcast;
mod clock;
mod codec;
mod config;
mod deadlines;
mod hub;
mod ids;
mod message;
mod server;
mod session;
mod shared;
#[cfg(test)]
mod simulation;
mod sync;
mod transport;

pub use config::{Origins, Overflow, Transport};
pub use hub::Delivered;
pub use message::Message;
pub use server::{
    Anywire, Auth, AuthRejection, Builder, Handler, Incoming, Live, LocalClient, Outgoing, Received, SendError, Server,
    Session, SessionHandle, SessionHandler, To, serve, serve_until,
};
pub use session::CloseReason;

/// The hash of `client.js`, for the `integrity` attribute of a script tag (W3C Subresource Integrity).
///
/// ```
/// let tag = format!(
///     "<script src=/live/client.js integrity={} crossorigin=anonymous></script>",
///     anywire::CLIENT_JS_INTEGRITY
/// );
/// assert!(tag.contains("integrity=sha384-"));
/// ```
pub const CLIENT_JS_INTEGRITY: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/client-js/dist/anywire.js.sha384"));

/// The hash of `client.mjs`, for the `integrity` attribute of a script tag with `type=module`.
pub const CLIENT_MJS_INTEGRITY: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/client-js/dist/anywire.mjs.sha384"));

#[doc = include_str!("codec/PROTOCOL.md")]
pub mod protocol {}
