//! Limits for each address and for each key of the application, at the opening of sessions.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::http::request::Parts;

use super::{
    limits::{ByteShare, Exceeded, SessionShare, Shares},
    network::{Network, is_near},
    remote::{address, is_trusted, peer},
};
use crate::{
    config::{Config, KeyLimits},
    session::{CloseReason, reason},
    shared::Guard,
};

/// The shares of all addresses and keys.
#[derive(Debug)]
pub(crate) struct Admission {
    by_address: Arc<Shares<Network>>,
    by_key: Option<(KeyLimits, Arc<Shares<Arc<str>>>)>,
    /// It was logged that a peer near by is beyond the limits, which do not hold for it.
    warned: AtomicBool,
}

impl Admission {
    pub(super) fn new(config: &Config) -> Self {
        let by_key = config.by_key.clone().map(|by_key| {
            let shares = Arc::new(Shares::new(by_key.limits));
            (by_key, shares)
        });
        Admission { by_address: Arc::new(Shares::new(config.by_address)), by_key, warned: AtomicBool::new(false) }
    }

    /// Begins to count the body of a request.
    pub(super) fn read(&self, parts: &Parts, config: &Config) -> AddressCount<'_> {
        let opener = Opener::of(parts, config);
        AddressCount { admission: self, held: opener.map(|opener| (self.by_address.begin(opener.network), opener)) }
    }

    /// Counts an opening, and its session for as long as the result lives. `None` if nothing counts it.
    ///
    /// # Errors
    /// Fails if the address or the key has as much as it may have.
    pub(super) fn open(&self, now: u64, parts: &Parts, config: &Config) -> Result<Option<Guard>, CloseReason> {
        let address = self.open_by_address(now, parts, config)?;
        let key = self.by_key.as_ref().and_then(|(by_key, shares)| Some((shares, (by_key.key_of)(parts)?)));
        let key = key.map(|(shares, key)| shares.open(now, key.into())).transpose();
        let key = key.map_err(|exceeded| refusal(exceeded, "key", "limits_by"))?;
        // Each session has one, which takes the least memory.
        Ok(match (address, key) {
            (None, None) => None,
            (Some(address), None) => Some(Box::new(address)),
            (address, Some(key)) => Some(Box::new((address, key))),
        })
    }

    /// Counts a session that another node has opened for this address, for as long as the result lives. It is not refused
    /// where the address has as many as it may have; the next one that it opens is.
    #[cfg(feature = "cluster")]
    pub(super) fn add(&self, now: u64, address: Option<IpAddr>) -> Option<Guard> {
        Some(Box::new(self.by_address.add(now, Network::of(address?))))
    }

    fn open_by_address(
        &self,
        now: u64,
        parts: &Parts,
        config: &Config,
    ) -> Result<Option<SessionShare<Network>>, CloseReason> {
        // Without an address there is nothing to count by.
        let Some(opener) = Opener::of(parts, config) else { return Ok(None) };
        match self.by_address.open(now, opener.network) {
            Ok(held) => Ok(Some(held)),
            Err(exceeded) => self.refuse(&opener, exceeded).map(|()| None),
        }
    }

    /// Fails with the refusal, unless the peer is exempt.
    fn refuse(&self, opener: &Opener, exceeded: Exceeded) -> Result<(), CloseReason> {
        let refusal = refusal(exceeded, "address", "limits_by_address");
        if !opener.exempt {
            return Err(refusal);
        }
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                peer = %opener.peer,
                "{}: not applied, since this peer is near by. If it is a proxy, name it with trusted_proxies: then \
                 the limits hold for each of its clients",
                refusal.text
            );
        }
        Ok(())
    }
}

/// Where a request comes from.
struct Opener {
    peer: IpAddr,
    network: Network,
    /// The limits do not hold: all clients may come through this peer. Nothing that a request says matters here,
    /// only who is at the other end of its connection.
    exempt: bool,
}

impl Opener {
    fn of(parts: &Parts, config: &Config) -> Option<Self> {
        let proxies = &config.trusted_proxies;
        let (peer, address) = (peer(&parts.extensions)?, address(parts, proxies)?);
        let exempt = is_near(peer) && !is_trusted(peer, proxies);
        Some(Opener { peer, network: Network::of(address), exempt })
    }
}

/// The bytes of a body that is being read, which count for its address until this is dropped.
pub(crate) struct AddressCount<'a> {
    admission: &'a Admission,
    held: Option<(ByteShare<Network>, Opener)>,
}

impl AddressCount<'_> {
    /// The body has grown to this length.
    ///
    /// # Errors
    /// Fails if the address may have no more.
    pub(super) fn grow(&mut self, now: u64, length: usize) -> Result<(), CloseReason> {
        let Some((held, opener)) = &mut self.held else { return Ok(()) };
        held.grow(now, length).or_else(|exceeded| self.admission.refuse(opener, exceeded))
    }
}

/// The refusal names what was exceeded, and the knob that sets it.
fn refusal(exceeded: Exceeded, holder: &str, knob: &str) -> CloseReason {
    let (what, limit) = match exceeded {
        Exceeded::Sessions(most) => (format!("{most} sessions"), "sessions"),
        Exceeded::Openings(most) => (format!("{most} openings a second"), "openings"),
        Exceeded::Bytes(most) => (format!("{most} bytes under way"), "bytes"),
    };
    let text = format!("more than {what} of one {holder} ({knob}, Limits::{limit})");
    let code = match exceeded {
        Exceeded::Bytes(_) => reason::SHORT_OF_MEMORY.code,
        Exceeded::Sessions(_) | Exceeded::Openings(_) => reason::TOO_MANY_SESSIONS.code,
    };
    CloseReason::new(code, text)
}
