//! The one task that sleeps until the next deadline of any session.

use std::sync::{Arc, Weak};

use super::core::Core;

/// Starts the task if it does not run. It ends when the server is dropped.
#[expect(clippy::disallowed_methods, reason = "one task for the deadlines of all sessions")]
pub(super) fn ensure(core: &Arc<Core>) {
    if core.wants_timekeeper() {
        tokio::spawn(keep(Arc::downgrade(core)));
    }
}

async fn keep(core: Weak<Core>) {
    loop {
        let schedule = {
            let Some(core) = core.upgrade() else { return };
            while let Some(due) = core.schedule.due() {
                for id in due {
                    if core.hub.get(id).is_some_and(|member| member.shared.handle_timeout()) {
                        core.forget(id);
                    }
                }
            }
            core.attempts.purge();
            core.schedule.clone()
        };
        match schedule.next() {
            // Either way there is something to look at.
            Some(next) => drop(tokio::time::timeout_at(schedule.clock().instant(next), schedule.sooner()).await),
            None => schedule.sooner().await,
        }
    }
}
