//! What links do with a session.

use std::task::Context;

use super::{Attach, CloseReason, Frame, Key, LinkId, Pulled, Saying, Shared, Wire, reason};
use crate::config::Transport;

impl Shared {
    /// Holds off the end of grace until [`abandon`](Self::abandon), if it returns `true`.
    pub(crate) fn begin(&self) -> bool {
        self.lock().machine.begin(self.schedule.clock.now())
    }

    pub(crate) fn abandon(&self) {
        let mut inner = self.lock();
        inner.machine.abandon();
        self.settle(&mut inner);
    }

    /// Under one lock with the check of its key: a page that is being taken over attaches before that or not at all.
    pub(crate) fn attach(&self, key: Key<'_>, attach: Attach, transport: Transport) -> Result<LinkId, CloseReason> {
        let mut inner = self.lock();
        let now = self.schedule.clock.now();
        let id = inner.enter(now, key, attach)?;
        if inner.closing.is_some() {
            inner.await_close(now, self.terms.grace);
        }
        if attach.wire != Wire::Upload {
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
        inner.machine.detach(self.schedule.clock.now(), link);
        if inner.machine.take_stir() {
            inner.wake_links(); // Another carries now.
        }
        self.settle(&mut inner);
    }

    /// Hands over what one read brought: `read` yields frames until `None`. A violation or a malformed record ends the link.
    pub(crate) fn input(
        &self,
        link: LinkId,
        mut read: impl FnMut() -> Result<Option<Frame>, CloseReason>,
    ) -> Result<(), CloseReason> {
        let mut inner = self.lock();
        let now = self.schedule.clock.now();
        let before = inner.machine.acknowledged();
        let outcome = loop {
            match read() {
                Ok(Some(Frame::Message { parcel, .. })) if parcel.message().len() as u64 > self.terms.limit => {
                    inner.machine.end(link, reason::TOO_LARGE);
                    break Err(reason::TOO_LARGE);
                }
                Ok(Some(frame)) => match inner.machine.handle_frame(now, link, frame) {
                    Ok(()) => {}
                    Err(violation) => break Err(violation),
                },
                Ok(None) => break Ok(()),
                Err(malformed) => {
                    inner.machine.end(link, malformed.clone());
                    break Err(malformed);
                }
            }
        };
        if inner.machine.arrivals() > 0 || inner.machine.closed().is_some() {
            inner.wake_receiver();
        }
        if inner.machine.acknowledged() != before || inner.machine.closed().is_some() {
            inner.wake_senders();
        }
        if inner.machine.take_stir() {
            inner.wake_links();
            self.settle(&mut inner);
        } else {
            self.account(&mut inner);
        }
        outcome
    }

    /// Gives `take` what the link has to say, until it returns `false`; registers the waker when there is nothing.
    pub(crate) fn pull(&self, link: LinkId, cx: &mut Context<'_>, mut take: impl FnMut(Saying<'_>) -> bool) -> Pulled {
        let mut inner = self.lock();
        let secret = inner.keys.secret;
        let machine = &mut inner.machine;
        let now = self.schedule.clock.now();
        let (mut timed, mut run) = (false, false);
        let mut say = |saying: Saying<'_>| {
            timed |= matches!(saying, Saying::Frame(Frame::Ping { .. } | Frame::Want));
            (matches!(saying, Saying::Message { .. }), take(self.complete(secret, saying)))
        };
        let pulled = loop {
            let said = match run {
                true => machine.transmit_run(now, link, &mut say),
                false => machine.transmit(now, link, &mut say),
            };
            match said {
                Some((message, true)) => run = message,
                Some((_, false)) => break Pulled::More,
                None if machine.link_is_over(link) => break Pulled::Over,
                None => {
                    inner.register(link, cx.waker());
                    break Pulled::Drained;
                }
            }
        };
        if timed {
            // Its answer is awaited from now on.
            self.settle(&mut inner);
        }
        pulled
    }

    /// Whether a link that has just brought input should wait: the handler was woken, and what it says can go out together with
    /// the acknowledgement. If so, the waker is registered and woken when the handler yields.
    pub(crate) fn awaits_turn(&self, link: LinkId, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        if inner.turn_due {
            inner.stirred = true;
            inner.register(link, cx.waker());
        }
        inner.turn_due
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
        let ready = inner.turned || inner.machine.closed().is_some();
        if !ready {
            inner.register(link, cx.waker());
        }
        ready
    }

    /// The timekeeper's call. Returns whether the session is over, so that it can be forgotten.
    pub(crate) fn handle_timeout(&self) -> bool {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let now = self.schedule.clock.now();
        // Else it is an earlier deadline's entry; ours is still there, and a second would never go away.
        if inner.scheduled <= now {
            inner.scheduled = u64::MAX;
        }
        inner.machine.handle_timeout(now);
        inner.check_close(now, self.terms.grace);
        inner.wake_links();
        if inner.machine.closed().is_some() {
            inner.wake_receiver();
            inner.wake_senders();
        }
        self.settle(inner);
        inner.machine.is_over()
    }
}
