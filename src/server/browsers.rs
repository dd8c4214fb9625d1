//! How many answers wait in each browser. One that speaks HTTP/1.1 has some six connections to a host for all of its pages; if answers
//! that wait took them all, nothing else would get through, not even an upload.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// So many answers of one browser may wait at once.
const SEATS: u8 = 3;

/// More browsers than this are not counted. Whoever waits without being counted does no harm to others.
const MOST: usize = 100_000;

/// The browsers in which answers wait.
#[derive(Debug, Default)]
pub(crate) struct Browsers {
    waiting: Mutex<HashMap<Arc<str>, u8>>,
}

/// What a browser's next answer may do.
#[derive(Debug)]
pub(super) enum Sitting {
    /// It may wait, and counts for as long as it keeps this.
    Seat(Seat),
    /// It may wait.
    Uncounted,
    /// It may not wait.
    Full,
}

/// Counts one answer that waits.
#[derive(Debug)]
pub(super) struct Seat {
    browsers: Arc<Browsers>,
    browser: Arc<str>,
}

impl Sitting {
    pub(super) fn seat(self) -> Option<Seat> {
        match self {
            Sitting::Seat(seat) => Some(seat),
            Sitting::Uncounted | Sitting::Full => None,
        }
    }
}

impl Browsers {
    pub(super) fn sit(self: &Arc<Self>, browser: &str) -> Sitting {
        let mut waiting = self.lock();
        if let Some((browser, _)) = waiting.get_key_value(browser) {
            let browser = browser.clone();
            let count = waiting.entry(browser.clone()).or_default();
            if *count >= SEATS {
                return Sitting::Full;
            }
            *count += 1;
            return Sitting::Seat(Seat { browsers: self.clone(), browser });
        }
        if waiting.len() >= MOST {
            return Sitting::Uncounted;
        }
        let browser: Arc<str> = browser.into();
        waiting.insert(browser.clone(), 1);
        Sitting::Seat(Seat { browsers: self.clone(), browser })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut waiting = self.browsers.lock();
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
        let browsers = Arc::new(Browsers::default());
        let mut seats: Vec<Sitting> = (0..3).map(|_| browsers.sit("a")).collect();
        assert!(seats.iter().all(|sitting| matches!(sitting, Sitting::Seat(_))));
        assert!(matches!(browsers.sit("a"), Sitting::Full));
        assert!(matches!(browsers.sit("b"), Sitting::Seat(_)), "another browser, and it has gone at once");
        seats.pop();
        assert!(matches!(browsers.sit("a"), Sitting::Seat(_)));
        drop(seats);
        assert!(browsers.lock().is_empty());
    }

    #[test]
    fn not_more_than_so_many_are_counted() {
        let browsers = Arc::new(Browsers::default());
        let seats: Vec<Sitting> = (0..MOST).map(|number| browsers.sit(&number.to_string())).collect();
        assert!(matches!(browsers.sit("one more"), Sitting::Uncounted));
        assert!(matches!(browsers.sit("7"), Sitting::Seat(_)), "one that is known");
        drop(seats);
        assert!(browsers.lock().is_empty() && browsers.lock().capacity() < 1000);
    }
}
