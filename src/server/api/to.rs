//! A send to a room, to several rooms or to all sessions.

use std::{fmt::Display, sync::Arc};

use serde::Serialize;

use super::{send_error::SendError, sending::payload_in, session::Session};
use crate::{
    broadcast::OutMessage,
    config::{SlowMember, check_close_code},
    dialect::{IntoArgs, Sends, event, event_by_variant},
    hub::{Audience, Delivered, Member, Position, Target, into_room_key},
    message::{JsonError, Message},
    packet::Packet,
    payload::Payload,
    server::{core::Core, other_nodes::AskedElsewhere},
    session::{
        CloseReason,
        droppable::{LONGEST_KEY, WhenBehind},
    },
};

/// A send to rooms that is being prepared, or a command for all their members: exclude members, then call
/// [`send`](Self::send), [`emit`](Self::emit), [`request`](Self::request), or a [command](#commands).
#[must_use]
#[derive(Clone, Debug)]
pub struct To<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) namespace: &'a str,
    pub(super) target: Target,
    pub(super) reach: Reach,
}

/// The nodes that a send reaches, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All members get it in the one order of the room, if the cluster's engine has one.
    InOrder,
    /// The members on this node get it at once.
    Now,
    /// The members on this node alone get it.
    Local,
}

impl<'a> To<'a> {
    pub(in crate::server) fn new(core: &'a Arc<Core>, namespace: &'a str, audience: Audience) -> Self {
        let target = Target {
            audience,
            except: Vec::new(),
            except_rooms: Vec::new(),
            when_behind: WhenBehind::Keep,
            name: None,
            at: None,
            gathering: None,
            now: if core.hub.has_histories() { core.runtime.clock().now() } else { 0 },
        };
        To { core, namespace, target, reach: Reach::InOrder }
    }

    /// A send to the members of a room.
    pub(super) fn room(core: &'a Arc<Core>, namespace: &'a str, room: String) -> Self {
        Self::new(core, namespace, Audience::Room(into_room_key(namespace, room)))
    }

    /// Excludes a session.
    pub fn except(mut self, session: &Session) -> Self {
        self.target.except.push(session.key());
        self
    }

    /// Excludes the members of another room. They are looked up when the message is sent.
    pub fn except_room(mut self, room: impl Into<String>) -> Self {
        self.target.except_rooms.push(into_room_key(self.namespace, room.into()));
        self
    }

    /// Marks the message as droppable, as [`send_droppable`](Session::send_droppable) does: members that
    /// are behind miss it and are informed of the gap, and do not lose their session.
    pub fn droppable(mut self) -> Self {
        self.target.when_behind = WhenBehind::Skip;
        self
    }

    /// Marks the message as the newest value of a key, as [`send_latest`](Session::send_latest) does: for
    /// members that are behind it waits until a newer one replaces it. A key has at most 256 bytes; a message
    /// with a longer one is sent to no member, and logged.
    pub fn latest(mut self, key: impl AsRef<str>) -> Self {
        self.target.when_behind = WhenBehind::Latest(key.as_ref().into());
        self
    }

    /// Sends to the members on this node at once, and to those on other nodes as soon as they are reached: for cursors,
    /// typing marks and the like. Two members on different nodes may then get this message and others in different
    /// orders. Otherwise the members on this node get it when it has come back from the [cluster's](crate::guide::many_nodes)
    /// engine, in the one order that all members have. Without a cluster there is no difference, nor for messages that are
    /// kept in a [history](crate::Builder::rooms): these have one order.
    pub fn now(mut self) -> Self {
        self.reach = Reach::Now;
        self
    }

    /// Sends to the members on this node alone. Without a [cluster](crate::guide::many_nodes) these are all. A history that
    /// the cluster's engine keeps has no such message.
    pub fn local(mut self) -> Self {
        self.reach = Reach::Local;
        self
    }

    /// Sends the message, and returns how many members got it. Never waits: the session of a member whose
    /// outbox is full ends, or what else [`slow_members`](crate::Builder::slow_members) has, unless the message
    /// is [droppable](Self::droppable) or the [latest](Self::latest) of a key. The message is encoded once for
    /// each kind of link. All members get the messages of one room in the same order. A message above the limit
    /// is sent to no member, logged, and [told apart](Delivered::too_large).
    ///
    /// In a [cluster](crate::guide::many_nodes) the members on all nodes get it, those on this node as well when it has
    /// come back from the engine, unless this is the only node; see [`Delivered::published`], [`now`](Self::now) and
    /// [`local`](Self::local). What is sent to several rooms goes to each of them on its own there: a member that joins or
    /// leaves one of them at that moment may get it twice, or not.
    ///
    /// Messages that a handler sends before it next awaits leave together, as one write for each member. A
    /// message that is sent from elsewhere leaves at once.
    pub fn send(self, message: impl Into<Message>) -> Delivered {
        let payload = payload_in(self.namespace, message.into());
        self.send_payload(payload)
    }

    /// Sends an event, as [`send`](Self::send) sends a message. `data` is one value; [`Args`](crate::Args) are
    /// several, and `()` is none. It is written once for all members. Members that know no events get its JSON as
    /// a text message, in which placeholders stand for bytes. An event that cannot be written, because no event may
    /// have its name or its values have no JSON, is sent to no member, and logged.
    ///
    /// ```
    /// use anywire::{Live, Session};
    ///
    /// fn said(session: &Session, live: &Live, text: &str) {
    ///     session.to("lobby").emit("said", text);
    ///     live.to("ticker").latest("ACME").emit("price", 12.5);
    /// }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "so that data is given as it is at hand, by value or not")]
    pub fn emit<N: Sends<D>, D: IntoArgs>(self, name: N, data: D) -> Delivered {
        let packet = event(self.namespace, None, name.name(), &data);
        self.send_event(packet, name.name())
    }

    /// Sends an event that is a variant of a serde enum, as [`Session::emit_enum`] does, to the members, as
    /// [`emit`](Self::emit) does.
    ///
    /// ```
    /// use anywire::Live;
    ///
    /// #[derive(serde::Serialize)]
    /// #[serde(rename_all = "kebab-case")]
    /// enum Out {
    ///     Joined(String),
    ///     MovedTo(f64, f64),
    /// }
    ///
    /// fn moved(live: &Live, x: f64, y: f64) {
    ///     live.to("board").droppable().emit_enum(&Out::MovedTo(x, y));
    /// }
    /// ```
    pub fn emit_enum<E: Serialize>(self, variant: &E) -> Delivered {
        let packet = event_by_variant(self.namespace, None, variant);
        self.send_event(packet, std::any::type_name::<E>())
    }

    fn send_event(self, packet: Result<Packet, impl Display>, event: &str) -> Delivered {
        match packet {
            Ok(packet) => self.send_payload(packet.into()),
            Err(error) => {
                tracing::warn!(to = ?self.target.audience, event, %error, "an event was not sent");
                Delivered::default()
            }
        }
    }

    pub(super) fn send_payload(self, payload: Payload) -> Delivered {
        let Some((to, message, slow)) = self.prepared(payload) else {
            return Delivered { too_large: true, ..Delivered::default() };
        };
        let delivered = match to.core.nodes() {
            Some(nodes) if to.reach != Reach::Local => nodes.send(&to.target, &message, &slow, to.reach == Reach::Now),
            _ => to.core.hub.deliver(&to.target, &message, &slow),
        };
        to.sent(delivered)
    }

    /// Sends a request, which has this id, to its audience. The target says where the answers go; the result is what other
    /// nodes tell of it.
    pub(super) fn ask_payload(self, id: u64, payload: Payload) -> Result<Option<Box<dyn AskedElsewhere>>, SendError> {
        let (to, message, slow) = self.prepared(payload).ok_or(SendError::TooLarge)?;
        match to.core.nodes() {
            Some(nodes) if to.reach != Reach::Local => {
                let asked = nodes.ask(id, &to.target, &message, &slow, to.reach == Reach::Now);
                to.sent(Delivered::default());
                asked.map_err(|_| SendError::Full)
            }
            _ => {
                let delivered = to.core.hub.deliver(&to.target, &message, &slow);
                to.sent(delivered);
                Ok(None)
            }
        }
    }

    /// The message, and the reason for which slow members end. `None` if it is above the limit, which is logged.
    fn prepared(mut self, payload: Payload) -> Option<(Self, OutMessage, CloseReason)> {
        let policy = self.core.config.slow_members;
        match &self.target.when_behind {
            WhenBehind::Keep if policy == SlowMember::Gap => self.target.when_behind = WhenBehind::KeepOrSkip,
            WhenBehind::Latest(key) if key.len() > LONGEST_KEY => return self.too_large("key", key.len()),
            _ => {}
        }
        if payload.len() > self.core.config.message_limit {
            return self.too_large("message", payload.len());
        }
        let message = OutMessage::shared(payload, self.core.runtime.pool());
        Some((self, message, CloseReason::of_slow_client(policy)))
    }

    fn sent(&self, delivered: Delivered) -> Delivered {
        self.core.counters.room_sends.add(1);
        if delivered.skipped + delivered.slow > 0 {
            self.core.counters.skipped.add(delivered.skipped);
            self.core.counters.slow.add(delivered.slow);
        }
        self.core.relieve();
        delivered
    }

    /// Sends the message that `message` makes for its position in the room's
    /// [history](crate::Builder::rooms), so that the page knows how far it has come; see
    /// [`join_since`](Session::join_since). `message` is called once, and again when another message has taken
    /// the position meanwhile. Otherwise as [`send`](Self::send).
    ///
    /// In a [cluster](crate::guide::many_nodes) whose engine keeps histories the position is good on all nodes, and only
    /// another message of this node can take it. Otherwise each node has a history and positions of its own there, and the
    /// members on this node get the message at once, as with [`now`](Self::now).
    ///
    /// # Panics
    /// Panics if the send is not to one room that has a history, if the message may be skipped, or if it is
    /// [local](Self::local) and the cluster's engine keeps the history.
    pub fn send_numbered(self, mut message: impl FnMut(&Position) -> Message) -> Delivered {
        let kept = self.target.when_behind == WhenBehind::Keep;
        loop {
            let position = match &self.target.audience {
                Audience::Room(room) if kept => self.next_position(room),
                _ => None,
            };
            let Some(position) = position else {
                panic!("{:?} has no history in which a message has a position", self.target.audience)
            };
            let message = message(&position);
            let mut attempt = self.clone();
            attempt.target.at = Some(position);
            let delivered = attempt.send(message);
            if !delivered.overtaken {
                return delivered;
            }
        }
    }

    /// The position of the next message to the room with this key, if it has a history.
    fn next_position(&self, room: &str) -> Option<Position> {
        let of_all = self.core.nodes().and_then(|nodes| nodes.next_position(room));
        match of_all {
            // It is not for the members on this node alone.
            Some(position) => (self.reach != Reach::Local).then_some(position),
            None => self.core.hub.next_position(room),
        }
    }

    fn too_large<T>(&self, what: &str, bytes: usize) -> Option<T> {
        tracing::warn!(to = ?self.target.audience, what, bytes, "a message above the limit was not sent");
        None
    }

    /// Sends a value as JSON text, as [`send`](Self::send) does.
    ///
    /// # Errors
    /// Fails as [`Message::json`] does. Then the value was sent to nobody.
    pub fn send_json<T: Serialize + ?Sized>(self, value: &T) -> Result<Delivered, JsonError> {
        Message::json(value).map(|message| self.send(message))
    }
}

/// # Commands
///
/// A command is for the members as of now, each once, without those that are excluded. [`droppable`](Self::droppable) and
/// [`latest`](Self::latest) mean nothing to it. A member that joins or leaves at the same time may be in it or not.
/// No command waits. In a [cluster](crate::guide::many_nodes) a command is for the members on this node.
///
/// ```
/// use anywire::{Live, Session};
///
/// fn start(live: &Live, host: &Session) {
///     let players = live.to("lobby").except_room("watchers").join("game");
///     live.to("lobby").leave("lobby");
///     live.to("game").except(host).emit("players", players);
/// }
///
/// fn stop(live: &Live) {
///     live.to_any(["game", "watchers"]).close(3001, "the game is over");
/// }
/// ```
impl To<'_> {
    /// Adds the members to a room, as [`Session::join`] does. Returns how many were not in it.
    pub fn join(self, room: &str) -> usize {
        let joins = |member: &Arc<Member>| self.core.hub.join(member, room).is_some();
        self.core.hub.audience(self.namespace, &self.target).iter().filter(|member| joins(member)).count()
    }

    /// Removes the members from a room, as [`Session::leave`] does. Returns how many were in it.
    pub fn leave(self, room: &str) -> usize {
        let leaves = |member: &Arc<Member>| self.core.hub.leave(member, room).is_some();
        self.core.hub.audience(self.namespace, &self.target).iter().filter(|member| leaves(member)).count()
    }

    /// Closes the sessions of the members behind everything that was sent, as [`Session::close`] does. Returns how
    /// many were neither over nor closed here before.
    ///
    /// # Panics
    /// Panics if the code is neither 1000 nor one of your own from 3000 to 3999.
    pub fn close(self, code: u16, text: impl Into<String>) -> usize {
        check_close_code(code);
        let reason = CloseReason::new(code, text.into());
        let sessions = self.sessions();
        for session in &sessions {
            session.end(reason.clone());
        }
        sessions.len()
    }

    /// Returns the sessions of the members, without those that are over or were closed here.
    pub fn sessions(self) -> Vec<Session> {
        let members = self.core.hub.audience(self.namespace, &self.target).into_iter();
        let sessions = members.map(|member| Session { core: self.core.clone(), member });
        sessions.filter(|session| !session.is_closed()).collect()
    }
}
