//! How many connections there may be, in all and of each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    server::network::{Network, is_near},
    sync::lock,
};

/// The bounds on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Most {
    pub(crate) in_all: usize,
    pub(crate) of_an_address: usize,
}

/// The bound that one more connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    InAll,
    OfAnAddress,
}

/// The places for connections of one server.
#[derive(Debug)]
pub(crate) struct Places {
    most: Most,
    taken: AtomicUsize,
    /// How many each address has that has any.
    shares: Mutex<HashMap<Network, usize>>,
}

impl Places {
    pub(crate) fn new(most: Most) -> Arc<Self> {
        Arc::new(Places { most, taken: AtomicUsize::new(0), shares: Mutex::default() })
    }

    /// A place for one more connection.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Full> {
        let more = |taken| (taken < self.most.in_all).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).map_err(|_| Full::InAll)?;
        // From here on the place is given back when it is dropped.
        let mut place = Place { of: self.clone(), holder: None };
        // Behind a machine near by all the world may be.
        if !is_near(peer) {
            let holder = Network::of(peer);
            let mut shares = lock(&self.shares);
            let share = shares.entry(holder).or_default();
            if *share >= self.most.of_an_address {
                drop(shares);
                return Err(Full::OfAnAddress);
            }
            *share += 1;
            place.holder = Some(holder);
        }
        Ok(place)
    }
}

/// The place of one connection. A connection that became a WebSocket keeps it.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<Places>,
    holder: Option<Network>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.taken.fetch_sub(1, Relaxed);
        if let Some(holder) = self.holder {
            let mut shares = lock(&self.of.shares);
            if let Some(share) = shares.get_mut(&holder) {
                *share -= 1;
                if *share == 0 {
                    shares.remove(&holder);
                }
            }
        }
    }
}
