//! Realtime sessions for [axum](https://docs.rs/axum): **every message arrives exactly once and in order, in
//! both directions, even when the connection drops, the network changes, or the transport has to be
//! replaced.**
//!
//! You write against one [`Session`]. It is carried over a WebSocket, a streaming response or long polling,
//! whichever the client's browser and network allow, and the transport may change while the session is live.
//! If a session cannot be kept, both sides learn what may be missing. Nothing is lost silently.
//!
//! ```no_run
//! use anywire::{Anywire, Session};
//! use axum::{Router, response::Html, routing::get};
//!
//! async fn chat(session: Session) {
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
//!     anywire::serve(anywire::bind("127.0.0.1:8080").await?, app).await
//! }
//! ```
//!
//! ```js
//! const session = anywire.connect('/live')
//! session.on('message', text => console.log(text))
//! session.send('hello')
//! ```
//!
//! # The promises
//!
//! * **Delivery.** A message that was acknowledged is in the other side's inbox; one that was not is sent
//!   again on the next link. [`acknowledged`](Session::acknowledged) waits for the acknowledgement, and
//!   [`unacknowledged`](Session::unacknowledged) counts what may not have arrived.
//! * **Life.** A session outlives its connections by the [`grace`](Builder::grace) time. The handler does not
//!   notice that a connection was cut, nor which [`transport`](Session::transport) carries. A page that
//!   reloads comes back to its session where the client has the option `resume: true`. See [`guide::life`].
//! * **Waiting.** [`recv`](Session::recv) waits for a message and is cancel-safe.
//!   [`send`](Session::send) waits only while the outbox is full. A [room send](To::send) never waits.
//!   See [`guide::back_pressure`].
//! * **Bounds.** Messages, bodies, inboxes, outboxes, all of them together, sessions and times are bounded.
//!   See [`guide::limits`].
//! * **Security.** Pages of other sites are kept out on every transport, WebSocket included, by one
//!   [origin policy](Origins). See [`guide::security`].
//!
//! # Where to go on
//!
//! The [`guide`] has short chapters, from [handlers and extractors](guide::handlers) and
//! [logging in](guide::login) to [restarts](guide::restarts) and [proxies](guide::proxies). [`protocol`] is the
//! text of the protocol on the wire, from which a client can be written.

mod broadcast;
mod clock;
#[cfg(feature = "cluster")]
mod cluster;
mod codec;
mod config;
mod deadlines;
mod dialect;
#[cfg(test)]
mod fuzz;
pub mod guide;
mod hub;
mod ids;
mod message;
#[cfg(any(feature = "cluster", test))]
mod owners;
#[cfg(any(feature = "cluster", test))]
mod packed;
mod packet;
mod payload;
mod pool;
mod seldom;
mod server;
mod session;
mod shared;
#[cfg(test)]
mod simulation;
mod sync;
mod transport;
#[cfg(feature = "typescript")]
mod typescript;

#[cfg(all(unix, feature = "host"))]
pub use cluster::Host;
#[cfg(feature = "nats")]
pub use cluster::Nats;
#[cfg(feature = "redis")]
pub use cluster::Redis;
#[cfg(feature = "cluster")]
pub use cluster::{
    Bus, BusEvent, BusInbox, Claim, Cluster, Directory, EngineError, InProcess, InProcessNode, Order, Past, Place,
    Publication, RECORDED, Record, Recorded, Retention,
};
pub use config::{
    EngineIo, History, Limits, Origins, Overflow, Parser, RateLimit, SlowMember, SockJs, SocketIo, Transport,
};
pub use dialect::{
    Args, Asks, Data, Event, Fault, Fits, FromArgs, IntoArgs, NameError, Named, Reply, Request, Sends, Takes,
};
pub use hub::{Delivered, JoinError, Joined, Position};
pub use message::{JsonError, Message, Text};
#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
pub use server::bind_shared;
pub use server::{
    Answer, Answered, Answers, Anywire, Auth, AuthRejection, Builder, Concurrent, EventHandler, EventName, Events,
    FromEvent, Handler, Incoming, IntoAnswer, Live, LocalClient, LocalEvent, LocalRequest, Messages, Next, OpenHandler,
    OpenOutcome, Outgoing, Presence, PresenceChange, Received, Refused, RequestError, Requesting, Returned,
    RoomRequest, SendError, SendToError, Serve, Server, Session, SessionHandler, SessionId, ShutDown, Stats, Stomp,
    StompTopic, To, TrySendError, bind, concurrent, serve,
};
#[cfg(feature = "cluster")]
pub use server::{ClusterState, RestoreError, RoomGap, SaveError, Why};
pub use session::CloseReason;
#[cfg(feature = "typescript")]
pub use typescript::{Contract, TypedName, TypedValues};

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
#[doc = include_str!("codec/EXAMPLE.md")]
#[doc = include_str!("codec/EVENTS.md")]
pub mod protocol {}

/// The README's code is compiled with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
