//! The messages that clients may have missed.

use bytestring::ByteString;

use super::Recovery;
use crate::{
    broadcast::{OutMessage, OutMessageRef},
    dialect::{Head, socketio::Size},
    packet::Offset,
    payload::Payload,
    shared::{
        Inner, SharedSession, WhenBehind,
        channels::{Channel, Channels},
    },
};

impl SharedSession {
    /// A message with its offset, if the client gets offsets.
    pub(in crate::shared) fn with_offset(&self, inner: &Inner, message: OutMessage) -> OutMessage {
        if inner.recovery().is_none() || !matches!(event_of(message.payload()), Some(Head { id: None, .. })) {
            return message;
        }
        let next = || self.runtime.next_offset();
        match message {
            OutMessage::Shared(broadcast) => {
                broadcast.stamp(next);
                OutMessage::Shared(broadcast)
            }
            OutMessage::Own(payload) => Payload::from(payload.to_event().with_offset(next())).into(),
        }
    }

    /// Keeps a message of a channel that is parked; returns whether it was not skipped. Gives back any other.
    pub(in crate::shared) fn keep_parked(
        &self,
        inner: &mut Inner,
        how: &WhenBehind,
        message: OutMessage,
    ) -> Result<bool, OutMessage> {
        if inner.parked_channel(&message).is_none_or(|channel| channel.over) {
            return Err(message);
        }
        if *how == WhenBehind::Skip {
            return Ok(false);
        }
        let message = self.with_offset(inner, message);
        let key = match how {
            WhenBehind::Latest(key) => Some(key),
            _ => None,
        };
        inner.keep_unwritten(key, message);
        self.account(inner);
        Ok(true)
    }
}

impl Inner {
    pub(in crate::shared) fn recovery(&self) -> Option<&Recovery> {
        self.channels.as_ref()?.recovery.as_deref()
    }

    /// The channel of a message, if that is parked.
    fn parked_channel(&mut self, message: &OutMessage) -> Option<&mut Channel> {
        let channels = self.channels.as_deref_mut()?;
        if channels.all.iter().all(|channel| channel.parked.is_none()) {
            return None;
        }
        let head = event_of(message.payload())?;
        // The first one of the namespace is that whose handler runs.
        let channel = channels.all.iter_mut().find(|channel| channel.namespace == *head.namespace);
        channel.filter(|channel| channel.parked.is_some())
    }

    /// Keeps a message that was not written in the log of its channel. Returns the number of a request.
    pub(super) fn keep_unwritten(&mut self, key: Option<&ByteString>, message: OutMessage) -> Option<u64> {
        let id = event_of(message.payload())?.id;
        self.parked_channel(&message)?.keep(key, message);
        id
    }
}

impl Channels {
    /// The client is being sent a message. It may not get it.
    pub(in crate::shared) fn note_written(&mut self, message: OutMessageRef<'_>) {
        let Some(Head { id: None, namespace, .. }) = event_of(message.payload()) else { return };
        if let Some(channel) = self.all.iter_mut().find(|channel| !channel.over && channel.namespace == *namespace) {
            channel.keep(None, message.to_owned());
        }
    }

    /// The bytes that the logs hold and nobody else counts.
    pub(in crate::shared) fn in_logs(&self) -> usize {
        self.all.iter().filter_map(|channel| channel.log.as_ref()).map(|log| log.held()).sum()
    }
}

impl Channel {
    fn keep(&mut self, key: Option<&ByteString>, message: OutMessage) {
        let Some(log) = &mut self.log else { return };
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let size = Size { bytes: size(message.len()), own: size(message.len() - message.shared_len()) };
        let offset = offset_of(&message);
        match key {
            Some(key) => log.put(key, offset, size, message),
            None => log.push(offset, size, message),
        }
    }
}

/// The head of an event, or of a message as the event that it becomes.
fn event_of(payload: &Payload) -> Option<Head<'_>> {
    const MESSAGE: &str = "2[\"message\"]";
    let text = match payload {
        Payload::Message(_) => MESSAGE,
        Payload::Event(packet) => packet.text(),
    };
    Head::parse(text).ok().filter(|head| head.kind.is_event())
}

fn offset_of(message: &OutMessage) -> Option<Offset> {
    match message {
        OutMessage::Shared(broadcast) => broadcast.offset(),
        OutMessage::Own(payload @ Payload::Event(packet))
            if matches!(event_of(payload), Some(Head { id: None, .. })) =>
        {
            packet.offset()
        }
        OutMessage::Own(_) => None,
    }
}
