//! Sessions whose clients speak Socket.IO. A message of such a client is a packet or an attachment of one, or a packet
//! with its attachments, and its namespaces are channels, `/` too.

#[cfg(test)]
mod tests;

use bytestring::ByteString;
use uuid::Uuid;

use super::{CloseReason, Dialect, Frame, Inner, LinkId, SendError, SharedSession, reason, recovery::Recovery};
use crate::{
    broadcast::OutMessage,
    config::RecoveryTerms,
    dialect::{
        Head, Kind, control,
        socketio::{Action, ClientPacket, Connection, Outgoing, Revision, Violation},
    },
    message::{Message, Text},
    packet::Packet,
    payload::Payload,
};

impl SharedSession {
    /// From now on the client speaks Socket.IO. The session must have [all](super::ChannelSet::All) namespaces as
    /// channels. A revision that opens `/` unasked does so with these auth data, which are JSON. With `recovery` the
    /// channels outlive the connection on these terms; whoever shows the secret is the client.
    pub(crate) fn speak_socketio(&self, revision: Revision, auth: &str, recovery: Option<(RecoveryTerms, Uuid)>) {
        let _ = self.dialect.set(Dialect::SocketIo(revision));
        let mut inner = self.lock();
        let limit = usize::try_from(self.params.session.limit).unwrap_or(usize::MAX);
        let Some(channels) = &mut *inner.channels else { return };
        let mut connection = Box::new(Connection::new(revision, limit, channels.most));
        let asked = connection.start();
        channels.connection = Some(connection);
        channels.recovery = recovery.map(|(terms, secret)| Box::new(Recovery::new(terms, secret)));
        if channels.recovery.is_some() {
            inner.machine.park_when_cut();
        }
        if let Action::Connect { namespace, .. } = asked {
            let packet = control(Kind::Connect, &namespace, auth);
            if let Ok(head) = Head::parse(packet.text()) {
                inner.machine.keep_aside(packet.len());
                inner.open_channel(&head, &packet, self);
            }
        }
        self.account(&mut inner);
    }

    /// Reads the texts of a batch as packets if the client speaks Socket.IO: all of their JSON is looked at, and nobody
    /// waits for the session's lock meanwhile. A text that is no packet ends the batch, and the reason is returned
    /// instead of `malformed`, which is what ended it before.
    pub(super) fn read_packets(&self, frames: &mut Vec<Frame>, malformed: Option<CloseReason>) -> Option<CloseReason> {
        let Some(Dialect::SocketIo(revision)) = self.dialect.get() else { return malformed };
        for at in 0..frames.len() {
            let Frame::Message { message, .. } = &mut frames[at] else { continue };
            let OutMessage::Own(Payload::Message(Message::Text(Text(text)))) = message else { continue };
            match ClientPacket::read(*revision, std::mem::take(text)) {
                Ok(packet) => *message = Payload::from(Packet::new(packet.into_text(), Vec::new())).into(),
                Err(violation) => {
                    frames.truncate(at);
                    return Some(reason_of(violation));
                }
            }
        }
        malformed
    }
}

impl Inner {
    fn connection(&mut self) -> Option<&mut Connection> {
        self.channels.as_mut()?.connection.as_deref_mut()
    }

    pub(super) fn speaks_socketio(&self) -> bool {
        self.channels.as_ref().is_some_and(|channels| channels.connection.is_some())
    }

    /// The bytes of messages that wait for their channel to open, or that its client may have missed, and of a packet of
    /// which attachments are still to come.
    pub(super) fn in_channels(&self) -> usize {
        let Some(channels) = self.channels.as_ref().filter(|_| !self.channels.is_quiet()) else { return 0 };
        channels.early_bytes()
            + channels.in_logs()
            + channels.held_by_stomp()
            + channels.connection.as_ref().map_or(0, |connection| connection.held())
    }

    /// Takes a message of a client that speaks Socket.IO.
    ///
    /// # Errors
    /// Fails if it violates the protocol, which ends the link.
    pub(super) fn take_socketio(
        &mut self,
        now: u64,
        link: LinkId,
        message: OutMessage,
        session: &SharedSession,
    ) -> Result<(), CloseReason> {
        // A connection that is lost feeds nothing.
        if self.machine.link_is_gone(link) {
            return Ok(());
        }
        if !self.machine.takes_messages_from(link) {
            // The connection must not learn of what is refused, as on a WebSocket before its upgrade, or ignored.
            return self.machine.handle_frame(now, link, Frame::Message { number: 0, message });
        }
        let Some(connection) = self.connection() else { return Ok(()) };
        let action = match message.into_payload() {
            // A spelling in which a packet holds its attachments has no messages of attachments.
            Payload::Event(packet) if !packet.attachments().is_empty() => connection.whole(packet),
            // It was read before the session was locked.
            Payload::Event(packet) => connection.packet(ClientPacket::of_text(packet.into_text())),
            Payload::Message(Message::Text(Text(text))) => connection.text(text),
            Payload::Message(Message::Binary(bytes)) => connection.binary(bytes),
        };
        let action = action.map_err(|violation| {
            let reason = reason_of(violation);
            self.machine.end(now, link, reason.clone());
            reason
        })?;
        self.note_owed(now, session);
        let packet = match action {
            Action::Nothing => return Ok(()),
            Action::Reply(packet) => {
                self.send_as_it_is(session, Payload::from(packet).into());
                return Ok(());
            }
            Action::Packet(packet) => packet,
            Action::Connect { namespace, auth } => control(Kind::Connect, &namespace, &auth),
            Action::Disconnect { namespace } => control(Kind::Disconnect, &namespace, ""),
        };
        let message = Payload::from(packet).into();
        self.machine.handle_frame(now, link, Frame::Message { number: 0, message })?;
        if let Some(packet) = self.machine.set_aside(true) {
            self.take_packet(packet, session);
        }
        Ok(())
    }

    /// A message as the client gets it; `None` if it gets nothing, or not yet.
    ///
    /// # Errors
    /// Gives it back if there is no room for it.
    pub(super) fn outgoing(&mut self, message: OutMessage) -> Result<Option<OutMessage>, (SendError, OutMessage)> {
        let message = self.keep_early(message)?;
        Ok(message.and_then(|message| self.spelled(message)))
    }

    /// The same for a message of a channel that is open. What opens or ends a channel has its effect here, once.
    pub(super) fn spelled(&mut self, message: OutMessage) -> Option<OutMessage> {
        let OutMessage::Own(Payload::Event(packet)) = &message else { return Some(message) };
        let Some(connection) = self.connection().filter(|_| packet.is_control()) else { return Some(message) };
        match connection.outgoing(packet) {
            Outgoing::Same => Some(message),
            Outgoing::Other(packet) => Some(Payload::from(packet).into()),
            Outgoing::Nothing => None,
        }
    }

    /// Sends a packet of the server's own, however full the outbox is: there are few of these. Without it the client
    /// does not learn what the packet says.
    pub(super) fn send_control(&mut self, packet: Packet, session: &SharedSession) {
        if session.speaks_stomp() {
            return self.send_stomp_answer(&packet, session);
        }
        let outgoing = self.outgoing(Payload::from(packet).into());
        let sent = match outgoing {
            Ok(Some(message)) => self.machine.send_over_limit(message),
            Ok(None) => Ok(()),
            Err((error, _)) => Err(error),
        };
        match sent {
            Ok(()) => self.wake_carriers(),
            Err(error) => tracing::debug!(?error, "a packet was not sent"),
        }
    }

    /// The session is about to close: a client that speaks Socket.IO gets the end of each of its namespaces before,
    /// by which it learns that the server has meant it.
    pub(super) fn disconnect(&mut self, session: &SharedSession) {
        if !self.speaks_socketio() || self.machine.close_reason().is_some() {
            return;
        }
        let all = self.channels.iter_mut().flat_map(|channels| &mut channels.all);
        let mut namespaces: Vec<ByteString> = Vec::new();
        for channel in all.filter(|channel| channel.accepted && !channel.over) {
            channel.over = true;
            namespaces.push(channel.namespace.clone());
        }
        for namespace in namespaces {
            self.send_control(control(Kind::Disconnect, &namespace, ""), session);
        }
        self.wake_channels();
    }
}

/// The reason for which a connection ends that has violated the protocol.
pub(crate) fn reason_of(violation: Violation) -> CloseReason {
    match violation {
        Violation::Malformed(text) => CloseReason::malformed(text),
        Violation::TooLarge => reason::TOO_LARGE,
    }
}
