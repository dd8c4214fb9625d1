//! The guide, in short chapters.
//!
//! | chapter | explains |
//! |---|---|
//! | [`handlers`] | how to write the code of a session: extractors, auth, receiving, other tasks |
//! | [`events`] | named messages with values, requests and their answers |
//! | [`typescript`] | typing both sides: TypeScript from the server's types |
//! | [`login`] | who a client is: cookies, tokens, refusal, expiry |
//! | [`rooms`] | how to send to many; the last messages of a room |
//! | [`presence`] | who is online |
//! | [`routes`] | how to send from a route or a task |
//! | [`back_pressure`] | slow clients; which calls wait, and which are cancel-safe |
//! | [`life`] | when a session begins and ends, and what it survives |
//! | [`restarts`] | how a server stops and starts again under its clients |
//! | [`many_nodes`] | several servers as one: any request on any node, one room on all |
//! | [`one_machine`] | the same with several processes on one machine, or an old and a new one |
//! | [`deploys`] | how a new version replaces an old one, and sessions go on |
//! | [`testing`] | how to test a handler |
//! | [`limits`] | every bound, its default, and what happens at it |
//! | [`operating`] | figures, logs, open files, memory, sizing |
//! | [`transports`] | what carries a session, and what to put in front of the server |
//! | [`proxies`] | nginx, HAProxy, Caddy and Vite in front of the server |
//! | [`namespaces`] | channels of a session with handlers, rooms and values of their own |
//! | [`clients`] | the client from React, a bundler, Node, a worker; events and close codes |
//! | [`bare_websocket`] | clients without the script |
//! | [`engineio`] | clients of Engine.IO |
//! | [`sockjs`] | clients of SockJS |
//! | [`stomp`] | clients of STOMP |
//! | [`from_socket_io`] | clients of Socket.IO as they are, and moving a page and a server |
//! | [`coming_from`] | the words of Socket.IO, SockJS and SignalR; what is not carried |
//! | [`security`] | origins, auth, Content Security Policy |

// Each chapter is a file of its own, which is readable without rustdoc; the targets of its links are here.

#[doc = include_str!("handlers.md")]
///
/// [`FromRequestParts`]: axum::extract::FromRequestParts
/// [`Session`]: crate::Session
/// [`Live`]: crate::Live
/// [`live()`]: crate::Server::live
/// [`Auth<T>`]: crate::Auth
/// [`open_timeout`]: crate::Builder::open_timeout
/// [`recv`]: crate::Session::recv
/// [`try_recv`]: crate::Session::try_recv
/// [`recv_any`]: crate::Session::recv_any
/// [`stream`]: crate::Session::stream
/// [`sink`]: crate::Session::sink
/// [`close`]: crate::Session::close
/// [`close_reason`]: crate::Session::close_reason
/// [`closed`]: crate::Session::closed
/// [`insert`]: crate::Session::insert
/// [`get`]: crate::Session::get
/// [`Message::json`]: crate::Message::json
/// [`parse_json`]: crate::Message::parse_json
pub mod handlers {}

#[doc = include_str!("events.md")]
///
/// [`Events`]: crate::Events
/// [`concurrent`]: crate::concurrent()
/// [`Data<T>`]: crate::Data
/// [`Args<(A, B)>`]: crate::Args
/// [`Session`]: crate::Session
/// [`Live`]: crate::Live
/// [`insert`]: crate::Session::insert
/// [`EventName`]: crate::EventName
/// [`Fault`]: crate::Fault
/// [`handler`]: crate::Builder::handler
/// [`recv_event`]: crate::Session::recv_event
/// [`recv`]: crate::Session::recv
/// [`request`]: crate::Session::request
/// [`To::request`]: crate::To::request
/// [`Answers`]: crate::Answers
/// [`max_bytes`]: crate::Builder::max_bytes
pub mod events {}

#[doc = include_str!("namespaces.md")]
pub mod namespaces {}

#[cfg_attr(feature = "typescript", doc = include_str!("typescript.md"))]
#[cfg_attr(
    not(feature = "typescript"),
    doc = "The chapter is about the feature `typescript`, and its examples need it."
)]
///
/// [`Contract`]: crate::Contract
/// [`Bytes`]: bytes::Bytes
pub mod typescript {}

#[doc = include_str!("login.md")]
///
/// [`Auth<T>`]: crate::Auth
/// [`expires_at`]: crate::Session::expires_at
/// [`set_user`]: crate::Session::set_user
/// [`find`]: crate::Live::find
/// [`close_user`]: crate::Live::close_user
/// [`authorize`]: crate::Builder::authorize
/// [`on_refused`]: crate::Builder::on_refused
pub mod login {}

#[doc = include_str!("presence.md")]
///
/// [`join_as`]: crate::Session::join_as
/// [`presence`]: crate::Live::presence
/// [`names`]: crate::Presence::names
/// [`grace`]: crate::Builder::grace
/// [`len`]: crate::Live::len
/// [`sessions`]: crate::Live::sessions
/// [`insert`]: crate::Session::insert
/// [`get`]: crate::Session::get
pub mod presence {}

#[doc = include_str!("routes.md")]
///
/// [`Live`]: crate::Live
/// [`acknowledged`]: crate::Session::acknowledged
pub mod routes {}

#[doc = include_str!("rooms.md")]
///
/// [`join_since`]: crate::Session::join_since
/// [`History`]: crate::History
///
/// [`Delivered`]: crate::Delivered
/// [`droppable`]: crate::To::droppable
/// [`latest`]: crate::To::latest
/// [`slow_members`]: crate::Builder::slow_members
/// [`members`]: crate::Live::members
/// [`rooms`]: crate::Session::rooms
pub mod rooms {}

#[doc = include_str!("back_pressure.md")]
///
/// [room send]: crate::To::send
/// [`inbox`]: crate::Builder::inbox
/// [`outbox`]: crate::Builder::outbox
/// [`send`]: crate::Session::send
/// [`try_send`]: crate::Session::try_send
/// [`send_droppable`]: crate::Session::send_droppable
/// [`send_latest`]: crate::Session::send_latest
/// [`latest`]: crate::To::latest
/// [`droppable_mark`]: crate::Builder::droppable_mark
/// [`slow_members`]: crate::Builder::slow_members
/// [`SlowMember`]: crate::SlowMember
/// [`close`]: crate::Session::close
/// [`acknowledged`]: crate::Session::acknowledged
/// [`Overflow::Wait`]: crate::Overflow::Wait
/// [`droppable`]: crate::To::droppable
/// [`sink`]: crate::Session::sink
/// [`recv`]: crate::Session::recv
/// [`recv_any`]: crate::Session::recv_any
/// [`shutdown`]: crate::Live::shutdown
pub mod back_pressure {}

#[doc = include_str!("life.md")]
///
/// [`protocol`]: crate::protocol
/// [`is_connected`]: crate::Session::is_connected
/// [`recv`]: crate::Session::recv
/// [`close_reason`]: crate::Session::close_reason
/// [`close`]: crate::Session::close
/// [`abort`]: crate::Session::abort
/// [`unacknowledged`]: crate::Session::unacknowledged
/// [`is_page_gone`]: crate::CloseReason::is_page_gone
/// [`shutdown`]: crate::Live::shutdown
pub mod life {}

#[doc = include_str!("restarts.md")]
///
/// [`serve`]: crate::serve
/// [`bind`]: crate::bind
/// [`recv`]: crate::Session::recv
/// [`shutdown`]: crate::Live::shutdown
/// [`reconnect_rate`]: crate::Builder::reconnect_rate
pub mod restarts {}

#[cfg_attr(feature = "redis", doc = include_str!("many_nodes.md"))]
#[cfg_attr(
    not(feature = "redis"),
    doc = "The chapter is about the features `cluster` and `redis`, and its examples need them."
)]
///
#[cfg_attr(feature = "redis", doc = "[`Redis`]: crate::Redis")]
#[cfg_attr(feature = "cluster", doc = "[`InProcess`]: crate::InProcess")]
#[cfg_attr(feature = "cluster", doc = "[`Bus`]: crate::Bus")]
#[cfg_attr(feature = "cluster", doc = "[`Directory`]: crate::Directory")]
#[cfg_attr(feature = "cluster", doc = "[`Cluster::from_env`]: crate::Cluster::from_env")]
/// [`To::now`]: crate::To::now
/// [`To::local`]: crate::To::local
/// [`To`]: crate::To
/// [`Delivered`]: crate::Delivered
/// [`on_room_gap`]: crate::Builder::on_room_gap
/// [`join_since`]: crate::Session::join_since
/// [`message_limit`]: crate::Builder::message_limit
/// [`Live::members`]: crate::Live::members
/// [`Live::count`]: crate::Live::count
/// [`Live::send_to`]: crate::Live::send_to
/// [`Live::ready`]: crate::Live::ready
/// [`Session::set_user`]: crate::Session::set_user
/// [`authorize`]: crate::Builder::authorize
/// [`Stats`]: crate::Stats
pub mod many_nodes {}

#[cfg_attr(all(unix, feature = "host"), doc = include_str!("one_machine.md"))]
#[cfg_attr(
    not(all(unix, feature = "host")),
    doc = "The chapter is about the feature `host`, and its examples need it and a system of UNIX."
)]
///
#[cfg_attr(all(unix, feature = "host"), doc = "[`Host`]: crate::Host")]
#[cfg_attr(all(unix, feature = "host"), doc = "[`bind_shared`]: crate::bind_shared")]
#[cfg_attr(all(unix, feature = "host"), doc = "[`Cluster::from_env`]: crate::Cluster::from_env")]
/// [`serve`]: crate::serve
pub mod one_machine {}

#[cfg_attr(feature = "cluster", doc = include_str!("deploys.md"))]
#[cfg_attr(not(feature = "cluster"), doc = "The chapter is about the feature `cluster`, and its examples need it.")]
///
/// [`movable`]: crate::Builder::movable
/// [`save`]: crate::Session::save
/// [`restored`]: crate::Session::restored
/// [`recv`]: crate::Session::recv
/// [`is_moving`]: crate::Session::is_moving
/// [`moving`]: crate::Session::moving
/// [`is_draining`]: crate::Live::is_draining
/// [`shutdown`]: crate::Live::shutdown
pub mod deploys {}

#[doc = include_str!("testing.md")]
///
/// [`LocalClient`]: crate::LocalClient
/// [`idle`]: crate::LocalClient::idle
/// [`try_recv`]: crate::LocalClient::try_recv
/// [`recv_within`]: crate::LocalClient::recv_within
/// [`open`]: crate::LocalClient::open
/// [`open_with`]: crate::LocalClient::open_with
pub mod testing {}

#[doc = include_str!("operating.md")]
///
/// [`limits`]: crate::guide::limits
/// [`serve`]: crate::serve
/// [`stats`]: crate::Live::stats
/// [`record_metrics`]: crate::Live::record_metrics
/// [`max_bytes`]: crate::Builder::max_bytes
/// [`max_sessions`]: crate::Builder::max_sessions
/// [`max_connections`]: crate::Serve::max_connections
/// [`reconnect_rate`]: crate::Builder::reconnect_rate
/// [`trusted_proxies`]: crate::Builder::trusted_proxies
/// [`protocol`]: crate::protocol
pub mod operating {}

#[doc = include_str!("limits.md")]
///
/// [`serve`]: crate::serve
/// [`Builder`]: crate::Builder
/// [`message_limit`]: crate::Builder::message_limit
/// [`inbox`]: crate::Builder::inbox
/// [`outbox`]: crate::Builder::outbox
/// [`overflow`]: crate::Builder::overflow
/// [`slow_members`]: crate::Builder::slow_members
/// [`droppable_mark`]: crate::Builder::droppable_mark
/// [`max_sessions`]: crate::Builder::max_sessions
/// [`keep_headers`]: crate::Builder::keep_headers
/// [`limits_by_address`]: crate::Builder::limits_by_address
/// [`limits_by`]: crate::Builder::limits_by
/// [`rate_limit`]: crate::Builder::rate_limit
/// [`patience`]: crate::RateLimit::patience
/// [`max_namespaces`]: crate::Builder::max_namespaces
/// [`max_bytes`]: crate::Builder::max_bytes
/// [`stream_budget`]: crate::Builder::stream_budget
/// [`hold`]: crate::Builder::hold
/// [`reconnect_rate`]: crate::Builder::reconnect_rate
/// [`rooms`]: crate::Builder::rooms
/// [`open_timeout`]: crate::Builder::open_timeout
/// [`heartbeat_interval`]: crate::Builder::heartbeat_interval
/// [`heartbeat_timeout`]: crate::Builder::heartbeat_timeout
/// [`grace`]: crate::Builder::grace
/// [`origins`]: crate::Builder::origins
/// [`hosts`]: crate::Builder::hosts
/// [`trusted_proxies`]: crate::Builder::trusted_proxies
/// [`without`]: crate::Builder::without
/// [`node`]: crate::Builder::node
/// [`max_connections`]: crate::Serve::max_connections
/// [`max_connections_per_address`]: crate::Serve::max_connections_per_address
pub mod limits {}

#[doc = include_str!("transports.md")]
///
/// [`Session::transport`]: crate::Session::transport
/// [`restarts`]: crate::guide::restarts
/// [`serve`]: crate::serve
/// [`Transport`]: crate::Transport
/// [`trusted_proxies`]: crate::Builder::trusted_proxies
pub mod transports {}

#[doc = include_str!("proxies.md")]
///
/// [`heartbeat_interval`]: crate::Builder::heartbeat_interval
/// [`message_limit`]: crate::Builder::message_limit
/// [`hosts`]: crate::Builder::hosts
/// [`trusted_proxies`]: crate::Builder::trusted_proxies
/// [`without`]: crate::Builder::without
/// [`node`]: crate::Builder::node
/// [`Session::remote_address`]: crate::Session::remote_address
pub mod proxies {}

#[doc = include_str!("clients.md")]
///
/// [`Builder::origins`]: crate::Builder::origins
/// [`proxies`]: crate::guide::proxies
/// [`from_socket_io`]: crate::guide::from_socket_io
/// [`security`]: crate::guide::security
/// [`protocol`]: crate::protocol
pub mod clients {}

#[doc = include_str!("bare_websocket.md")]
///
/// [`Origins::Any`]: crate::Origins::Any
/// [`Origins::and_programs`]: crate::Origins::and_programs
/// [`Auth<T>`]: crate::Auth
/// [`acknowledged`]: crate::Session::acknowledged
/// [`unacknowledged`]: crate::Session::unacknowledged
pub mod bare_websocket {}

#[doc = include_str!("engineio.md")]
///
/// [`Session::transport`]: crate::Session::transport
/// [`Session::id`]: crate::Session::id
/// [`Auth<T>`]: crate::Auth
/// [`acknowledged`]: crate::Session::acknowledged
/// [`grace`]: crate::Builder::grace
/// [`Origins`]: crate::Origins
/// [`Origins::and_programs`]: crate::Origins::and_programs
/// [`from_socket_io`]: crate::guide::from_socket_io
pub mod engineio {}

#[doc = include_str!("sockjs.md")]
///
/// [`Session::transport`]: crate::Session::transport
/// [`Session::id`]: crate::Session::id
/// [`Events`]: crate::Events
/// [`Auth<T>`]: crate::Auth
/// [`SendError::NoBinary`]: crate::SendError::NoBinary
/// [`SockJs::binary_as_base64`]: crate::SockJs::binary_as_base64
/// [`SockJs::disconnect_delay`]: crate::SockJs::disconnect_delay
/// [`SockJs::sockjs_url`]: crate::SockJs::sockjs_url
/// [`acknowledged`]: crate::Session::acknowledged
/// [`grace`]: crate::Builder::grace
/// [`message_limit`]: crate::Builder::message_limit
/// [`Origins`]: crate::Origins
/// [`Origins::and_programs`]: crate::Origins::and_programs
pub mod sockjs {}

#[doc = include_str!("stomp.md")]
///
/// [`sockjs`]: crate::guide::sockjs
/// [`Auth<T>`]: crate::Auth
/// [`open_timeout`]: crate::Builder::open_timeout
/// [`slow_members`]: crate::Builder::slow_members
/// [`Stomp`]: crate::Stomp
/// [`Stomp::broker`]: crate::Stomp::broker
/// [`Stomp::heartbeat`]: crate::Stomp::heartbeat
pub mod stomp {}

#[doc = include_str!("coming_from.md")]
///
/// [`Auth<T>`]: crate::Auth
/// [`events`]: crate::guide::events
/// [`Events`]: crate::Events
/// [`join`]: crate::Session::join
/// [`insert`]: crate::Session::insert
/// [`get`]: crate::Session::get
/// [`transports`]: crate::guide::transports
/// [`bare_websocket`]: crate::guide::bare_websocket
/// [`sockjs`]: crate::guide::sockjs
/// [`from_socket_io`]: crate::guide::from_socket_io
/// [`engineio`]: crate::guide::engineio
/// [`Origins::and_programs`]: crate::Origins::and_programs
pub mod coming_from {}

#[doc = include_str!("from_socket_io.md")]
///
/// [`Events`]: crate::Events
/// [`Fault`]: crate::Fault
/// [`Auth<T>`]: crate::Auth
/// [`on`]: crate::Events::on
/// [`on_open`]: crate::Events::on_open
/// [`on_other`]: crate::Events::on_other
/// [`on_end`]: crate::Events::on_end
/// [`layer`]: crate::Events::layer
/// [`concurrent`]: crate::concurrent()
/// [`emit_droppable`]: crate::Session::emit_droppable
/// [`join`]: crate::Session::join
/// [`insert`]: crate::Session::insert
/// [`limits`]: crate::guide::limits
/// [`proxies`]: crate::guide::proxies
/// [`engineio`]: crate::guide::engineio
/// [`SocketIo::client`]: crate::SocketIo::client
/// [`SocketIo::engine`]: crate::SocketIo::engine
/// [`Origins`]: crate::Origins
/// [`Origins::and_programs`]: crate::Origins::and_programs
/// [`slow_members`]: crate::Builder::slow_members
/// [`max_namespaces`]: crate::Builder::max_namespaces
pub mod from_socket_io {}

#[doc = include_str!("security.md")]
///
/// [`limits`]: crate::guide::limits
/// [`Origins::Same`]: crate::Origins::Same
/// [`and_programs`]: crate::Origins::and_programs
/// [`hosts`]: crate::Builder::hosts
/// [`Origins::Any`]: crate::Origins::Any
/// [`Auth<T>`]: crate::Auth
/// [`remote_address`]: crate::Session::remote_address
/// [`trusted_proxies`]: crate::Builder::trusted_proxies
/// [`without`]: crate::Builder::without
/// [`CLIENT_JS_INTEGRITY`]: crate::CLIENT_JS_INTEGRITY
/// [`CLIENT_MJS_INTEGRITY`]: crate::CLIENT_MJS_INTEGRITY
pub mod security {}
