//! The task that sleeps until the next deadline of any session.

use std::sync::{Arc, Weak};

use super::core::Core;

/// Starts the task if it does not run. The task ends when the server is dropped.
#[expect(clippy::disallowed_methods, reason = "one task for the deadlines of all sessions")]
pub(super) fn ensure(core: &Arc<Core>) {
    if core.wants_timekeeper() {
        tokio::spawn(keep(Arc::downgrade(core)));
    }
}

async fn keep(core: Weak<Core>) {
    loop {
        let (runtime, relief) = {
            let Some(core) = core.upgrade() else { return };
            while let Some(due) = core.runtime.due() {
                for id in due {
                    if core.hub.get(id).is_some_and(|member| member.shared.handle_timeout()) {
                        core.forget(id);
                    }
                }
            }
            core.attempts.purge();
            core.end_overdue();
            let relief = core.relieve();
            (core.runtime.clone(), relief)
        };
        match runtime.next().into_iter().chain(relief).min() {
            // The time has come, or an earlier deadline was added. The loop looks again in both cases.
            Some(next) => drop(tokio::time::timeout_at(runtime.clock().instant(next), runtime.sooner()).await),
            None => runtime.sooner().await,
        }
    }
}
