//! The line between this node and the engine: whether it is there, and whether it gives back what it is given.

/// A word to oneself is to come back: a marker. What was published before it comes before it, or never.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// The time since which it is wanted.
    since: u64,
    /// One with this number, or a later one, is enough.
    number: u64,
    said: Option<Said>,
}

/// When a marker was published first and last, and the number that it had first.
#[derive(Clone, Copy, Debug)]
struct Said {
    first: u64,
    last: u64,
    number: u64,
}

/// The news that a marker brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Returned {
    /// One that was published before it has not come.
    pub(super) lost: bool,
}

#[derive(Debug)]
pub(super) struct Line {
    /// The time since which nothing comes; `None` while publications come.
    pub(super) down_since: Option<u64>,
    /// It is down since markers did not come back, and the engine has not said so.
    pub(super) deaf: bool,
    pub(super) split: bool,
    /// The engine was connected before.
    pub(super) was_whole: bool,
    /// The time at which something came.
    pub(super) heard: u64,
    /// All that was published before this time has come, or is known to be missing.
    pub(super) sound_until: u64,
    /// The number of the last marker.
    number: u64,
    /// The highest number of a marker that has come back.
    back: u64,
    wanted: Option<Wanted>,
}

impl Line {
    pub(super) fn new(now: u64) -> Self {
        Line {
            down_since: Some(now),
            deaf: false,
            split: false,
            was_whole: false,
            heard: now,
            sound_until: now,
            number: 0,
            back: 0,
            wanted: None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.down_since.is_none()
    }

    /// Wants a marker behind all that is published by now. Returns the least number that it has.
    pub(super) fn mark(&mut self, now: u64) -> u64 {
        let number = self.number + 1;
        self.wanted.get_or_insert(Wanted { since: now, number, said: None }).number = number;
        number
    }

    /// The number of the marker to publish now, if one is due. `pace` is the time between two of them.
    pub(super) fn next_marker(&mut self, now: u64, pace: u64) -> Option<u64> {
        if self.marker_due(pace).is_none_or(|due| now < due) {
            return None;
        }
        let wanted = self.wanted.as_mut()?;
        self.number += 1;
        let said = wanted.said.get_or_insert(Said { first: now, last: now, number: self.number });
        said.last = now;
        Some(self.number)
    }

    /// The time at which a marker is to be published.
    pub(super) fn marker_due(&self, pace: u64) -> Option<u64> {
        if !self.is_up() && !self.deaf {
            return None;
        }
        self.wanted.map(|wanted| wanted.said.map_or(wanted.since, |said| said.last + pace))
    }

    /// The highest number of a marker that has come back; 0 if none has.
    pub(super) fn back(&self) -> u64 {
        self.back
    }

    /// A marker of ours has come back; `None` if nothing is learnt by it.
    pub(super) fn returned(&mut self, now: u64, number: u64) -> Option<Returned> {
        self.back = self.back.max(number.min(self.number));
        let wanted = self.wanted?;
        let said = wanted.said.filter(|said| (said.number..=self.number).contains(&number))?;
        self.wanted = (number < wanted.number).then_some(Wanted { since: now, number: self.number + 1, said: None });
        Some(Returned { lost: number > said.number })
    }

    /// The time since which a marker is waited for.
    pub(super) fn marked_since(&self) -> Option<u64> {
        self.wanted.map(|wanted| wanted.since)
    }

    /// The time at which the marker that is waited for was published first.
    pub(super) fn said_since(&self) -> Option<u64> {
        self.wanted.and_then(|wanted| wanted.said).map(|said| said.first)
    }

    /// Nothing comes any more.
    pub(super) fn cut(&mut self, now: u64) {
        self.deaf = false;
        self.wanted = None;
        if self.down_since.is_none() {
            self.down_since = Some(now);
            self.sound_until = self.heard;
        }
    }

    /// Publications come again. Returns whether they came before, and may be missing since then.
    pub(super) fn whole(&mut self, now: u64) -> bool {
        if self.down_since.take().is_none() {
            self.sound_until = self.heard;
        }
        self.deaf = false;
        self.heard = now;
        self.wanted = None;
        std::mem::replace(&mut self.was_whole, true)
    }
}
