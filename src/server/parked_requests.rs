//! The number of parked requests of each browser. A browser that speaks HTTP/1.1 has about six connections to
//! a host for all its pages. If parked requests took them all, no other request could leave, not even an
//! upload.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::network::Network;
use crate::sync::lock;

/// The number of requests of one browser that may be parked at the same time.
const PERMITS: u8 = 3;

/// Upper bound on counted browsers. Requests of further browsers are parked without being counted, which
/// harms no other browser.
const MOST: usize = 100_000;

/// The parked requests of each browser.
#[derive(Debug, Default)]
pub(crate) struct ParkedRequests {
    waiting: Mutex<HashMap<Browser, u8>>,
}

/// A browser, by the id that it gives and the network that it is in. Ids stand in URLs, so that others may know
/// them: elsewhere than in its own network nobody takes a browser's permits.
type Browser = (Arc<str>, Option<Network>);

/// The decision about a browser's next request.
#[derive(Debug)]
pub(super) enum Parking {
    /// The request may be parked, and counts for as long as it keeps this permit.
    Permit(Permit),
    /// The request may be parked.
    Uncounted,
    /// The request may not be parked.
    Full,
}

/// Counts one parked request.
#[derive(Debug)]
pub(super) struct Permit {
    parked: Arc<ParkedRequests>,
    browser: Browser,
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
    /// `network` is that of the client, if its address is known.
    pub(super) fn acquire(self: &Arc<Self>, browser: &str, network: Option<Network>) -> Parking {
        let browser: Browser = (browser.into(), network);
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= MOST && !waiting.contains_key(&browser) {
            return Parking::Uncounted;
        }
        let count = waiting.entry(browser.clone()).or_default();
        if *count >= PERMITS {
            return Parking::Full;
        }
        *count += 1;
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
            // Many browsers have gone: the memory of the map is returned.
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
        let mut permits: Vec<Parking> = (0..3).map(|_| parked.acquire("a", None)).collect();
        assert!(permits.iter().all(|parking| matches!(parking, Parking::Permit(_))));
        assert!(matches!(parked.acquire("a", None), Parking::Full));
        assert!(matches!(parked.acquire("b", None), Parking::Permit(_)), "another browser, and it has gone at once");
        let elsewhere = Network::of("2001:db8::1".parse().unwrap());
        assert!(matches!(parked.acquire("a", Some(elsewhere)), Parking::Permit(_)), "the same id in another network");
        permits.pop();
        assert!(matches!(parked.acquire("a", None), Parking::Permit(_)));
        drop(permits);
        assert!(lock(&parked.waiting).is_empty());
    }

    #[test]
    fn not_more_than_so_many_are_counted() {
        let parked = Arc::new(ParkedRequests::default());
        let permits: Vec<Parking> = (0..MOST).map(|number| parked.acquire(&number.to_string(), None)).collect();
        assert!(matches!(parked.acquire("one more", None), Parking::Uncounted));
        assert!(matches!(parked.acquire("7", None), Parking::Permit(_)), "one that is known");
        drop(permits);
        assert!(lock(&parked.waiting).is_empty() && lock(&parked.waiting).capacity() < 1000);
    }
}
