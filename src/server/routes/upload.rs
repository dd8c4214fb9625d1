//! The bodies of uploads that are read whole before any of it is taken.

use std::sync::Arc;

use axum::{body::Body, http::request::Parts};
use bytes::Bytes;

use crate::{
    server::core::Core,
    session::reason,
    shared::{SharedSession, UnderWay},
    transport::{self, BodyError},
};

/// A body of no more bytes is read however much is held, and does not count.
pub(super) const UNCOUNTED: usize = 4 * 1024;

/// A body is taken up to so many bytes however short memory is: its messages wait then.
const MODEST: usize = 64 * 1024;

/// The number of times that the largest body may be on its way to one session.
const BODIES: usize = 2;

/// Reads a body of at most `most` bytes for a session, and returns it with what counts it while it is there.
pub(super) async fn read(
    core: &Core,
    shared: &Arc<SharedSession>,
    parts: &Parts,
    body: Body,
    most: usize,
) -> Result<(Bytes, Option<UnderWay>), BodyError> {
    let mut by_address = core.admission.read(parts, &core.config);
    let mut counted = None;
    let grow = |_: &[u8], length| {
        if length > most {
            return Err(reason::BODY_TOO_LARGE);
        } else if length <= UNCOUNTED {
            return Ok(());
        }
        by_address.grow(core.runtime.clock().now(), length)?;
        let under_way = counted.get_or_insert_with(|| UnderWay::new(shared.clone()));
        under_way.set(length, most.saturating_mul(BODIES))?;
        if length > MODEST { core.admit_more() } else { Ok(()) }
    };
    let data = transport::read_body(body.into_data_stream(), core.config.open_timeout, grow).await?;
    Ok((transport::apart(data), counted))
}

/// Reads a small body, for which there is no session.
pub(super) async fn read_small(core: &Core, body: Body) -> Result<Bytes, BodyError> {
    let grow = |_: &[u8], length| if length > UNCOUNTED { Err(reason::BODY_TOO_LARGE) } else { Ok(()) };
    transport::read_body(body.into_data_stream(), core.config.open_timeout, grow).await
}
