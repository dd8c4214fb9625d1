//! What links do with a session.

use std::task::Context;

use super::{
    Attach, Chunk, ChunkOutcome, CloseReason, Credential, Frame, Inner, LinkId, LinkKind, Outbound, PullStatus,
    SharedSession, reason,
};
use crate::config::Transport;

impl SharedSession {
    /// Holds off the end of grace until [`cancel_attach`](Self::cancel_attach), if it returns `true`.
    pub(crate) fn expect_attach(&self) -> bool {
        self.lock().machine.expect_attach(self.runtime.clock.now())
    }

    pub(crate) fn cancel_attach(&self) {
        let mut inner = self.lock();
        inner.machine.cancel_attach();
        self.settle(&mut inner);
    }

    /// Under one lock with the check of its key: a page that is being taken over attaches before that or not at all.
    pub(crate) fn attach(
        &self,
        credential: Credential<'_>,
        attach: Attach,
        transport: Transport,
    ) -> Result<LinkId, CloseReason> {
        let mut inner = self.lock();
        let now = self.runtime.clock.now();
        let id = inner.attach_with(now, credential, attach)?;
        if inner.closing.is_some() {
            inner.await_close(now, self.params.session.grace);
        }
        if attach.kind != LinkKind::Upload {
            inner.transport = transport;
        }
        if inner.links.is_empty() {
            inner.links.reserve_exact(1);
        }
        inner.links.push((id, None));
        // An older turn or link may have to go, and its acknowledgement may have made room.
        inner.wake_links();
        inner.wake_senders();
        self.settle(&mut inner);
        Ok(id)
    }

    pub(crate) fn detach(&self, link: LinkId) {
        let mut inner = self.lock();
        inner.links.retain(|(id, _)| *id != link);
        inner.machine.detach(self.runtime.clock.now(), link);
        if inner.machine.take_links_need_wake() {
            inner.wake_links(); // Another carries now.
        }
        if inner.machine.closed().is_some() {
            inner.wake_receiver();
            inner.wake_senders();
        }
        self.settle(&mut inner);
    }

    /// Takes a batch of frames that was decoded without the lock, and empties it. `malformed` is what stood behind them and could
    /// not be decoded. The first violation, or that, ends the link; what follows it is dropped. A link that was superseded
    /// after its frames were decoded feeds nothing.
    pub(crate) fn input(
        &self,
        link: LinkId,
        frames: &mut Vec<Frame>,
        malformed: Option<CloseReason>,
    ) -> Result<(), CloseReason> {
        let mut inner = self.lock();
        let now = self.runtime.clock.now();
        let before = inner.machine.acknowledged();
        let limit = self.params.session.limit;
        let machine = &mut inner.machine;
        let mut outcome = frames.drain(..).try_for_each(|frame| match frame {
            Frame::Message { message, .. } if message.as_message().len() as u64 > limit => {
                machine.end(now, link, reason::TOO_LARGE);
                Err(reason::TOO_LARGE)
            }
            frame => machine.handle_frame(now, link, frame),
        });
        if let (Ok(()), Some(malformed)) = (&outcome, malformed) {
            machine.end(now, link, malformed.clone());
            outcome = Err(malformed);
        }
        if inner.machine.arrivals() > 0 || inner.machine.closed().is_some() {
            inner.wake_receiver();
        }
        if inner.machine.acknowledged() != before || inner.machine.closed().is_some() {
            inner.wake_senders();
        }
        if inner.machine.take_links_need_wake() {
            inner.wake_links();
            self.settle(&mut inner);
        } else {
            self.account(&mut inner);
        }
        outcome
    }

    /// Gives `take` what the link has to say, until it returns `false`; registers the waker when there is nothing.
    pub(crate) fn pull(
        &self,
        link: LinkId,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Outbound<'_>) -> bool,
    ) -> PullStatus {
        let mut inner = self.lock();
        let secret = inner.credentials.secret;
        let before = inner.machine.acknowledged();
        let machine = &mut inner.machine;
        let now = self.runtime.clock.now();
        let (mut timed, mut run) = (false, false);
        let mut say = |saying: Outbound<'_>| {
            timed |= matches!(saying, Outbound::Frame(Frame::Ping { .. } | Frame::AckRequest));
            (matches!(saying, Outbound::Message { .. }), take(self.complete(secret, saying)))
        };
        let pulled = loop {
            let said = match run {
                true => machine.transmit_run(now, link, &mut say),
                false => machine.transmit(now, link, &mut say),
            };
            match said {
                Some((message, true)) => run = message,
                Some((_, false)) => break PullStatus::More,
                None if machine.link_is_over(link) => break PullStatus::Over,
                None => {
                    inner.register(link, cx.waker());
                    break PullStatus::Drained;
                }
            }
        };
        let written = inner.machine.acknowledged() != before;
        if written {
            // Without acknowledgements a message is done once the link has it.
            inner.wake_senders();
            if inner.machine.closed().is_some() {
                inner.wake_receiver();
            }
        }
        if timed || written {
            // The answer to a ping is awaited from now on.
            self.settle(&mut inner);
        }
        pulled
    }

    /// Whether a link that has just brought input should wait: the handler was woken, and what it says can go out together with
    /// the acknowledgement. If so, the waker is registered and woken when the handler yields.
    pub(crate) fn awaits_turn(&self, link: LinkId, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        let awaits = inner.turn.awaits_turn();
        if awaits {
            inner.register(link, cx.waker());
        }
        awaits
    }

    /// Why a link that cannot write shall be given up; registers the waker while it need not.
    pub(crate) fn link_ending(&self, link: LinkId, cx: &mut Context<'_>) -> Option<CloseReason> {
        let mut inner = self.lock();
        let ending = inner.machine.link_ending(link);
        if ending.is_none() {
            inner.register(link, cx.waker());
        }
        ending
    }

    /// Whether the handler has been polled since the session opened: its first words can ride on the first flush.
    pub(crate) fn has_turned(&self, link: LinkId, cx: &mut Context<'_>) -> bool {
        let mut inner = self.lock();
        let ready = inner.machine.closed().is_some() || !inner.turn.awaits_first_turn();
        if !ready {
            inner.register(link, cx.waker());
        }
        ready
    }

    /// The timekeeper's call. Returns whether the session is over, so that it can be forgotten.
    pub(crate) fn handle_timeout(&self) -> bool {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let now = self.runtime.clock.now();
        // Else it is an earlier deadline's entry; ours is still there, and a second would never go away.
        if inner.scheduled <= now {
            inner.scheduled = u64::MAX;
        }
        inner.machine.handle_timeout(now);
        inner.check_close(now, self.params.session.grace);
        inner.wake_links();
        if inner.machine.closed().is_some() {
            inner.wake_receiver();
            inner.wake_senders();
        }
        self.settle(inner);
        inner.machine.is_over()
    }

    /// Takes a piece of an upload of at most `limit` bytes.
    pub(crate) fn take_chunk(&self, secret: &str, chunk: Chunk<'_>, limit: usize) -> Result<ChunkOutcome, CloseReason> {
        let mut inner = self.lock();
        inner.credentials.verify(secret)?;
        if inner.forgotten {
            return Err(reason::ENDED);
        }
        let gathered = inner.chunked.get_or_insert_default().take(chunk, limit);
        self.account(&mut inner);
        gathered
    }
}

impl Inner {
    /// Attaches a link that shows a credential which matches.
    pub(super) fn attach_with(
        &mut self,
        now: u64,
        credential: Credential<'_>,
        attach: Attach,
    ) -> Result<LinkId, CloseReason> {
        match credential {
            Credential::Attempt if self.credentials.used => Err(reason::ATTEMPT_USED),
            Credential::Attempt => self.machine.attach(now, attach),
            Credential::Secret(secret) => {
                self.credentials.verify(secret)?;
                self.machine.attach(now, attach)
            }
            Credential::Instance { secret, instance, .. } if self.credentials.is_repeat(secret, instance) => {
                self.machine.take_over(now, attach, true)
            }
            Credential::Instance { secret, instance, next } => {
                self.credentials.verify(secret)?;
                let id = self.machine.take_over(now, attach, false)?;
                self.credentials.rotate(next, instance);
                self.chunked = None;
                Ok(id)
            }
        }
    }
}
