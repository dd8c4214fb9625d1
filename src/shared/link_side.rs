//! The calls of a session's links and of the timekeeper.

use std::{sync::atomic::Ordering, task::Context};

use super::{
    Attach, Chunk, ChunkOutcome, CloseReason, Credential, Frame, Inner, LinkId, LinkKind, Names, Outbound, PullStatus,
    SharedSession, reason,
};
use crate::{config::Transport, session::RateEvent};

impl SharedSession {
    /// If it returns `true`, grace does not end before [`cancel_attach`](Self::cancel_attach).
    pub(crate) fn expect_attach(&self) -> bool {
        self.lock().machine.expect_attach(self.runtime.clock.now())
    }

    pub(crate) fn cancel_attach(&self) {
        let mut inner = self.lock();
        inner.machine.cancel_attach(self.runtime.clock.now());
        self.settle(&mut inner);
    }

    /// Checks the credential and attaches the link under one lock, so that a page which is being taken over
    /// attaches before the takeover or not at all.
    pub(crate) fn attach(
        &self,
        credential: Credential<'_>,
        attach: Attach,
        transport: Transport,
    ) -> Result<LinkId, CloseReason> {
        let mut inner = self.lock();
        let now = self.runtime.clock.now();
        let id = inner.attach_with(now, credential, attach, transport)?;
        // A client that only sends, and fetches nothing, has the time that it had.
        if inner.closing.is_some() && !inner.machine.ends_with_its_links() {
            inner.await_close(now, self.params.session.grace);
        }
        if attach.kind != LinkKind::Upload {
            inner.machine.set_transport(id, transport);
        }
        inner.links.add(id);
        // An older request or link may have to end, and what the new one acknowledges may have made room.
        inner.wake_links();
        inner.wake_senders();
        self.settle(&mut inner);
        Ok(id)
    }

    /// Its present link comes by the node that is this process, or straight if that is 0. Returns whether it came by another
    /// way before.
    pub(crate) fn come_by(&self, process: u64) -> bool {
        self.came_by.swap(process, Ordering::Relaxed) != process
    }

    /// Whether its present link comes by the node that is this process.
    #[cfg(feature = "cluster")]
    pub(crate) fn comes_by(&self, process: u64) -> bool {
        self.came_by.load(Ordering::Relaxed) == process
    }

    /// The node is about to end by which its client comes. Answers that wait are given now, and the next request comes by
    /// another node. A session that ends with its connection is closed, if that comes by the node.
    #[cfg(feature = "cluster")]
    pub(crate) fn leave_way(&self) {
        let mut inner = self.lock();
        if inner.machine.ends_with_its_links() && inner.machine.has_connection() {
            drop(inner);
            return self.close(reason::GOING_AWAY);
        }
        inner.machine.end_answers();
        inner.wake_links();
    }

    /// `answered`: HTTP has taken the whole answer of a poll, so that its end is no cut.
    pub(crate) fn detach(&self, link: LinkId, answered: bool) {
        let mut inner = self.lock();
        inner.links.remove(link);
        if answered {
            inner.machine.complete(link);
        }
        let upgrades = inner.machine.is_probing();
        let now = self.runtime.clock.now();
        inner.machine.detach(now, link);
        self.note_parked(&mut inner, now);
        if inner.machine.take_links_need_wake() {
            inner.wake_links(); // Another link carries now.
        }
        if inner.machine.closed().is_some() {
            inner.wake_receivers();
        }
        if upgrades || inner.machine.closed().is_some() {
            inner.wake_senders();
        }
        self.settle(&mut inner);
    }

    /// Takes a batch of frames that was decoded without the lock, and empties it. `malformed` is the reason
    /// why the input behind them could not be decoded. It ends the link, as the first violation does; all
    /// frames behind a violation are dropped, and so are all of a link that has gone, or that another page
    /// has fenced, after they were decoded. Returns whether the transport must stop reading; see
    /// [`reading_stops`](Self::reading_stops).
    pub(crate) fn input(
        &self,
        link: LinkId,
        frames: &mut Vec<Frame>,
        malformed: Option<CloseReason>,
    ) -> Result<bool, CloseReason> {
        let malformed = self.read_packets(frames, malformed);
        let mut inner = self.lock();
        if let Some((session, link)) = inner.place_of(link) {
            drop(inner);
            return session.input(link, frames, malformed);
        }
        let now = self.runtime.clock.now();
        let before = inner.machine.acknowledged();
        let upgrades = inner.machine.is_probing();
        inner.machine.press(self.runtime.pressed());
        let mut outcome = frames.drain(..).try_for_each(|frame| inner.handle_frame(now, link, frame, self));
        if let (Ok(()), Some(malformed)) = (&outcome, malformed) {
            inner.machine.end(now, link, malformed.clone());
            outcome = Err(malformed);
        }
        self.note_parked(&mut inner, now);
        if inner.credentials.awaits_confirmation(link) && inner.machine.is_confirmed(link) {
            inner.credentials.spend();
        }
        if inner.machine.arrivals() > 0 || inner.machine.closed().is_some() {
            inner.wake_receivers();
        }
        if inner.machine.acknowledged() != before || inner.machine.closed().is_some() || upgrades {
            inner.wake_senders();
        }
        if let Some(event) = inner.machine.take_rate_event() {
            self.rate_limited(&mut inner, now, event);
        }
        let wake = inner.machine.take_links_need_wake();
        if wake {
            inner.wake_links();
        }
        if wake | inner.machine.take_deadline_is_nearer() {
            self.settle(&mut inner);
        } else {
            self.account(&mut inner);
        }
        outcome.map(|()| inner.machine.reading_stops())
    }

    /// The rate limit has paused the client, or has ended or closed the session.
    fn rate_limited(&self, inner: &mut Inner, now: u64, event: RateEvent) {
        if event == RateEvent::Paused {
            self.runtime.rate_pauses.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.runtime.rate_ends.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(session = %self.id, reason = ?inner.machine.close_reason(), "too fast");
        if inner.machine.closed().is_none() && inner.closing.is_none() {
            inner.await_close(now, self.params.session.grace);
        }
        inner.wake_senders();
    }

    /// The transport has read bytes of a frame that is not complete yet.
    pub(crate) fn read_part(&self, link: LinkId, bytes: usize) {
        let (mut inner, now) = (self.lock(), self.runtime.clock.now());
        inner.machine.handle_part(now, link, bytes);
        inner.part_of_owed(now);
    }

    /// The connection has taken bytes that had waited for it.
    pub(crate) fn wrote(&self, link: LinkId) {
        self.lock().machine.handle_write(self.runtime.clock.now(), link);
    }

    /// Whether the transport must stop reading: the inbox is full, and a message cannot be refused. If so,
    /// the waker is registered.
    pub(crate) fn reading_stops(&self, link: LinkId, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        let stops = inner.machine.reading_stops() && inner.machine.closed().is_none();
        if stops {
            inner.register(link, cx.waker());
        }
        stops
    }

    /// Gives `take` whatever the link sends next, until it returns `false`; registers the waker when there is
    /// nothing more.
    pub(crate) fn pull(
        &self,
        link: LinkId,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Outbound<'_>) -> bool,
    ) -> PullStatus {
        let mut inner = self.lock();
        let before = inner.machine.acknowledged();
        let Inner { machine, channels, credentials, .. } = &mut *inner;
        let in_url = machine.link_transport(link).is_none_or(Transport::has_secret_in_url);
        // Of channels that are quiet there are no logs, and it stays known that they are.
        let channels = if channels.is_quiet() { None } else { channels.as_deref_mut() };
        let mut logs = channels.filter(|channels| channels.recovery.is_some());
        let now = self.runtime.clock.now();
        let (mut timed, mut behind) = (false, false);
        let pulled = loop {
            let is_behind = behind;
            let write = |mut outbound: Outbound<'_>| {
                if let Outbound::Frame(Frame::Attached(attached)) = &mut outbound {
                    self.complete(credentials, in_url, attached);
                }
                if let (Outbound::Message { message, .. }, Some(channels)) = (&outbound, &mut logs) {
                    channels.note_written(*message);
                }
                timed |= matches!(outbound, Outbound::Frame(Frame::Ping { .. } | Frame::AckRequest));
                // Behind a message no control frame can be due, and neither behind the numbers of those that were skipped.
                behind = matches!(outbound, Outbound::Message { .. } | Outbound::Frame(Frame::Gap { .. }));
                take(outbound)
            };
            let sent = match is_behind {
                true => machine.transmit_behind(now, link, write),
                false => machine.transmit(now, link, write),
            };
            match sent {
                Some(true) => {}
                Some(false) => break PullStatus::More,
                None if machine.link_is_over(link) => break PullStatus::Over,
                None => {
                    inner.register(link, cx.waker());
                    break PullStatus::Drained;
                }
            }
        };
        let written = inner.machine.acknowledged() != before;
        if written {
            // In a codec without acknowledgements a message counts as acknowledged once the link has it.
            inner.wake_senders();
            if inner.machine.closed().is_some() {
                inner.wake_receivers();
            }
        }
        // A ping starts the wait for its answer, and a written close can end the session.
        if timed || written && inner.machine.closed().is_some() {
            self.settle(&mut inner);
        } else if written {
            self.account(&mut inner);
        }
        pulled
    }

    /// Whether a link should wait before it sends: the handler was woken, perhaps by input that this link has
    /// just brought, and the messages that it sends can leave together with the acknowledgement. If so, the
    /// waker is registered, and woken when the handler yields.
    pub(crate) fn awaits_turn(&self, link: LinkId, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        let awaits = inner.turn.awaits_turn();
        if awaits {
            inner.register(link, cx.waker());
        }
        awaits
    }

    /// The reason why a link that cannot write must end. `None` if it need not; then the waker is registered.
    pub(crate) fn link_ending(&self, link: LinkId, cx: &mut Context<'_>) -> Option<CloseReason> {
        let mut inner = self.lock();
        let ending = inner.machine.link_ending(link);
        if ending.is_none() {
            inner.register(link, cx.waker());
        }
        ending
    }

    /// Whether the handler's first turn is over, so that the first flush carries the messages that it sent.
    /// If not, the waker is registered.
    pub(crate) fn has_turned(&self, link: LinkId, cx: &mut Context<'_>) -> bool {
        let mut inner = self.lock();
        let ready = inner.machine.closed().is_some() || !inner.turn.awaits_first_turn();
        if !ready {
            inner.register(link, cx.waker());
        }
        ready
    }

    /// Does what is due. The timekeeper calls this; it forgets the session if this returns that it is over.
    pub(crate) fn handle_timeout(&self) -> bool {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let now = self.runtime.clock.now();
        // Otherwise the entry that fired is stale: the entry of `scheduled` is still queued, and must not be
        // queued twice.
        if inner.scheduled <= now {
            inner.scheduled = u64::MAX;
        }
        inner.machine.handle_timeout(now);
        self.note_parked(inner, now);
        self.end_overdue(inner, now);
        if inner.expires <= now {
            inner.expires = u64::MAX;
            inner.machine.abort(now, reason::LOGIN_EXPIRED);
        }
        inner.check_close(now, self.params.session.grace);
        inner.check_owed(now);
        inner.check_beats(now, self);
        if let Some(chunked) = &mut inner.chunked {
            chunked.expire(now);
        }
        inner.wake_links();
        if inner.machine.closed().is_some() {
            inner.wake_receivers();
            inner.wake_senders();
        }
        self.settle(inner);
        inner.machine.is_over()
    }

    /// Takes a piece of an upload of at most `limit` bytes.
    pub(crate) fn take_chunk(&self, secret: &str, chunk: Chunk<'_>, limit: usize) -> Result<ChunkOutcome, CloseReason> {
        let mut inner = self.lock();
        inner.credentials.verify(secret, true)?;
        if inner.forgotten {
            return Err(reason::ENDED);
        }
        // A message that comes late for a session that was closed in order is still acknowledged.
        if let Some(reason) = inner.machine.closed().filter(|reason| reason.is_session_gone()) {
            return Err(reason.clone());
        }
        let gathered = inner.chunked.get_or_insert_default().take(self.runtime.clock.now(), chunk, limit);
        self.settle(&mut inner);
        gathered
    }
}

impl Inner {
    fn handle_frame(
        &mut self,
        now: u64,
        link: LinkId,
        frame: Frame,
        session: &SharedSession,
    ) -> Result<(), CloseReason> {
        let is_event = matches!(&frame, Frame::Message { message, .. } if message.is_event());
        if is_event && session.speaks_stomp() {
            let reason = CloseReason::malformed("a client of STOMP sends frames, and no events of another protocol");
            self.machine.end(now, link, reason.clone());
            return Err(reason);
        }
        let frame = match frame {
            Frame::Message { message, .. } if self.speaks_socketio() => {
                return self.take_socketio(now, link, message, session);
            }
            frame => frame,
        };
        self.machine.handle_frame(now, link, frame)?;
        // An answer does not wait behind events: the handler may have asked its own client.
        if is_event && let Some(packet) = self.machine.set_aside(self.root_is_channel()) {
            self.take_packet(packet, session);
        }
        Ok(())
    }

    /// Attaches a link that shows a credential which matches.
    pub(super) fn attach_with(
        &mut self,
        now: u64,
        credential: Credential<'_>,
        attach: Attach,
        transport: Transport,
    ) -> Result<LinkId, CloseReason> {
        let in_url = transport.has_secret_in_url();
        match credential {
            Credential::Attempt if self.credentials.used => Err(reason::ATTEMPT_USED),
            Credential::Attempt => self.machine.attach(now, attach),
            Credential::Sid(_) if !self.machine.has_sid() => Err(reason::WRONG_SECRET),
            Credential::Sid(secret) => {
                self.credentials.verify(secret, true)?;
                self.machine.attach(now, attach)
            }
            _ if self.machine.has_sid() => Err(reason::WRONG_SECRET),
            Credential::Secret { secret, next } => {
                self.credentials.verify(secret, in_url)?;
                let id = self.machine.attach(now, attach)?;
                if attach.kind.carries_down() && !in_url && self.machine.names().contains(Names::ROTATE) {
                    self.credentials.renew((attach.kind == LinkKind::Duplex).then_some(id), next);
                }
                Ok(id)
            }
            Credential::Instance { secret, instance, .. } if self.credentials.is_repeat(secret, instance) => {
                self.machine.take_over(now, attach, true)
            }
            Credential::Instance { secret, instance, next } => {
                // A page that has just come has sent nothing before.
                self.credentials.verify(secret, in_url).map_err(|_| reason::WRONG_SECRET)?;
                let id = self.machine.take_over(now, attach, false)?;
                self.credentials.take_over(secret, instance, next());
                self.chunked = None;
                self.page += 1;
                self.of_former_pages = u32::try_from(self.machine.arrivals()).unwrap_or(u32::MAX);
                if let Some(mut questions) = self.questions.take() {
                    questions.give_up();
                }
                Ok(id)
            }
        }
    }
}
