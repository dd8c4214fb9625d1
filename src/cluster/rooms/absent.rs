//! Behind an outage nodes come back at different moments. The one that is back first holds what it has to say until the
//! others have said a word, since they would miss it.

use super::{
    state::{Absent, ClusterRooms},
    types::Publisher,
};

/// The longest time for which the others are waited for.
const HOLD: u64 = 3_000;

impl<M> ClusterRooms<M> {
    /// Whether what rooms have to say waits. All of it is late.
    pub(super) fn waits_for_others(&self) -> bool {
        // A deaf node hears nothing, but others hear it.
        self.absent.is_some() || (self.line.split && !self.line.is_up() && !self.line.deaf)
    }

    /// The line is whole again, `was_down` milliseconds after it was cut: the others are waited for.
    pub(super) fn wait_for_others(&mut self, now: u64, was_down: u64) {
        // Short cuts, one behind another, do not make it wait for ever.
        if self.absent.is_some() && was_down < self.settings.split_after {
            return;
        }
        let mut silent = self.before_cut.clone();
        silent.extend(&self.others);
        self.absent = (!silent.is_empty()).then_some(Absent { silent, until: now + HOLD });
        // Those that were never away answer.
        self.ask(now);
    }

    /// Another node has said a word: it hears what is published from now on.
    pub(super) fn has_spoken(&mut self, now: u64, publisher: Publisher) {
        let Some(absent) = &mut self.absent else { return };
        absent.silent.retain(|silent| *silent != publisher);
        self.stop_waiting(now);
    }

    /// All that is held follows, if nobody is waited for any more.
    pub(super) fn stop_waiting(&mut self, now: u64) {
        let is_over = |absent: &mut Absent| absent.silent.is_empty() || now >= absent.until;
        if self.line.is_up() && self.absent.take_if(is_over).is_some() {
            self.line.mark(now);
        }
    }
}
