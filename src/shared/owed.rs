//! How long a client of Socket.IO may owe the attachments of a packet.

use super::{Inner, SharedSession, reason};

impl Inner {
    /// A message of the client has come. If attachments are missing behind it, the next one has its time from now on.
    pub(super) fn note_owed(&mut self, now: u64, session: &SharedSession) {
        let Some(channels) = &mut *self.channels else { return };
        let owes = channels.connection.as_ref().is_some_and(|connection| connection.is_owed());
        channels.owes_since = owes.then_some(now);
        if owes {
            self.machine.handle_piece(now);
            session.schedule(self);
        }
    }

    /// A part of a message has come, which may be the attachment that is missing.
    pub(super) fn part_of_owed(&mut self, now: u64) {
        if let Some(since) = self.channels.as_mut().and_then(|channels| channels.owes_since.as_mut()) {
            *since = now;
        }
    }

    /// Since when the client owes an attachment.
    pub(super) fn owes_since(&self) -> Option<u64> {
        self.channels.as_ref()?.owes_since
    }

    /// When [`check_owed`](Self::check_owed) has something to do. An upload that is coming in, which has a pace of
    /// its own, may bring the attachment.
    pub(super) fn owed_deadline(&self) -> Option<u64> {
        let since = self.owes_since().filter(|_| !self.machine.is_uploading() && self.machine.closed().is_none())?;
        Some(since + self.machine.piece_patience())
    }

    /// Ends the session of a client that has sent nothing of the attachment which is missing. What this server has
    /// not read, because the inbox was full, may have it.
    pub(super) fn check_owed(&mut self, now: u64) {
        if self.owed_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        match self.machine.reading_stops() {
            true => self.part_of_owed(now),
            false => self.machine.abort(now, reason::ATTACHMENT_MISSING),
        }
    }
}
