//! A downlink over HTTP that attaches: whether it waits, and for what.

use axum::http::request::Parts;

use super::{
    params,
    table::{Budget, Downlink},
};
use crate::{
    codec::native::ResumeToken,
    config::millis,
    hub::Member,
    server::{
        core::Core,
        gateway::Gateway,
        network::Network,
        parked_requests::{Parking, Permit},
        remote,
        routes::elsewhere,
    },
    session::{Attach, CloseReason, LinkKind, Machine, Names},
    transport::{Link, Wait},
};

/// Polls that are held for less than this time, in milliseconds, are not held at all, because clients would make
/// one after the other.
const LEAST_HOLD: u64 = 100;

/// A downlink that is attached. Its first flush waits for what is named, or it is a stream.
pub(super) type Attached = (Link, Option<Wait>, Option<Permit>);

/// Attaches a downlink to the session of a token.
pub(super) fn attach<S>(
    gateway: &Gateway<S>,
    row: &Downlink,
    (ordinal, turn, seen, names): (u64, u64, bool, Names),
    token: &ResumeToken,
    member: &Member,
    parts: &Parts,
) -> Result<Attached, CloseReason> {
    let core = &gateway.core;
    let mut permit = None;
    let (kind, wait) = match row.budget {
        // The client has received nothing on this ordinal yet. It wants to know first whether this transport
        // works.
        _ if !seen => (LinkKind::Opening, Some(Wait::Nothing)),
        Budget::AtOnce => (LinkKind::Poll { hold: 0 }, Some(Wait::Nothing)),
        Budget::Flush if holds_no_poll(core, member) => (LinkKind::Poll { hold: 0 }, Some(Wait::Rest)),
        budget => match acquire(core, parts) {
            Parking::Full => (LinkKind::Poll { hold: 0 }, Some(Wait::Rest)),
            parking => {
                permit = parking.permit();
                match budget {
                    Budget::Bytes => (LinkKind::Stream, None),
                    _ => (LinkKind::Poll { hold: millis(core.config.hold()) }, Some(Wait::Something)),
                }
            }
        },
    };
    let attach = Attach { ordinal, turn, kind, opening: false, seen, received: token.received, names: Some(names) };
    let link = gateway.attach(member, &token.secret, attach, row.transport)?;
    elsewhere::note_way(core, elsewhere::way_of(parts), &link, ordinal);
    Ok((link, wait, permit))
}

/// Returns whether no poll is held: by the server's settings, or because the path to this client is known to
/// hold no request open.
fn holds_no_poll(core: &Core, member: &Member) -> bool {
    millis(core.config.hold()) < LEAST_HOLD || member.shared.look(Machine::idle_limit_is_zero)
}

/// Returns whether this request may be parked.
fn acquire(core: &Core, parts: &Parts) -> Parking {
    let Some(browser) = params::browser(parts) else { return Parking::Uncounted };
    let address = remote::address(parts, &core.config.trusted_proxies);
    core.parked.acquire(browser, address.map(Network::of))
}
