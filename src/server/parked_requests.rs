//! How many answers wait in each browser. One that speaks HTTP/1.1 has some six connections to a host for all of its pages; if answers
//! that wait took them all, nothing else would get through, not even an upload.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::sync::lock;

/// So many answers of one browser may wait at once.
const PERMITS: u8 = 3;

/// More browsers than this are not counted. Whoever waits without being counted does no harm to others.
const MOST: usize = 100_000;

/// The browsers in which answers wait.
#[derive(Debug, Default)]
pub(crate) struct ParkedRequests {
    waiting: Mutex<HashMap<Arc<str>, u8>>,
}

/// What a browser's next answer may do.
#[derive(Debug)]
pub(super) enum Parking {
    /// It may wait, and counts for as long as it keeps this.
    Permit(Permit),
    /// It may wait.
    Uncounted,
    /// It may not wait.
    Full,
}

/// Counts one answer that waits.
#[derive(Debug)]
pub(super) struct Permit {
    parked: Arc<ParkedRequests>,
    browser: Arc<str>,
}

impl Parking {
    pub(super) fn permit(self) -> Option<Permit> {
        match self {
            Parking::Permit(permit) => Some(permit),
            Parking::Uncounted | Parking::Full => None,
        }
    }
}

impl ParkedRequests {
    pub(super) fn acquire(self: &Arc<Self>, browser: &str) -> Parking {
        let mut waiting = lock(&self.waiting);
        if let Some((browser, _)) = waiting.get_key_value(browser) {
            let browser = browser.clone();
            let count = waiting.entry(browser.clone()).or_default();
            if *count >= PERMITS {
                return Parking::Full;
            }
            *count += 1;
            return Parking::Permit(Permit { parked: self.clone(), browser });
        }
        if waiting.len() >= MOST {
            return Parking::Uncounted;
        }
        let browser: Arc<str> = browser.into();
        waiting.insert(browser.clone(), 1);
        Parking::Permit(Permit { parked: self.clone(), browser })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut waiting = lock(&self.parked.waiting);
        let Some(count) = waiting.get_mut(&self.browser) else { return };
        *count -= 1;
        if *count == 0 {
            waiting.remove(&self.browser);
            // A crowd has gone.
            if waiting.capacity() > 4 * (waiting.len() + 64) {
                waiting.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_may_wait_and_nothing_is_left() {
        let parked = Arc::new(ParkedRequests::default());
        let mut permits: Vec<Parking> = (0..3).map(|_| parked.acquire("a")).collect();
        assert!(permits.iter().all(|parking| matches!(parking, Parking::Permit(_))));
        assert!(matches!(parked.acquire("a"), Parking::Full));
        assert!(matches!(parked.acquire("b"), Parking::Permit(_)), "another browser, and it has gone at once");
        permits.pop();
        assert!(matches!(parked.acquire("a"), Parking::Permit(_)));
        drop(permits);
        assert!(lock(&parked.waiting).is_empty());
    }

    #[test]
    fn not_more_than_so_many_are_counted() {
        let parked = Arc::new(ParkedRequests::default());
        let permits: Vec<Parking> = (0..MOST).map(|number| parked.acquire(&number.to_string())).collect();
        assert!(matches!(parked.acquire("one more"), Parking::Uncounted));
        assert!(matches!(parked.acquire("7"), Parking::Permit(_)), "one that is known");
        drop(permits);
        assert!(lock(&parked.waiting).is_empty() && lock(&parked.waiting).capacity() < 1000);
    }
}
