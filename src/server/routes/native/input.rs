//! The input of a request: its body, or the parameter that stands for it. As long as no secret was shown it is
//! small, and whatever has come counts.

use axum::{body::Body, http::request::Parts};
use bytes::Bytes;
use bytestring::ByteString;

use super::{params, table::Route};
use crate::{
    codec::native::{Head, NativeCodec, Spelling},
    pool::Held,
    server::{admission::AddressCount, core::Core, refusal::Refusal},
    session::{CloseReason, reason},
    shared::UnderWay,
    transport::{self, BodyError},
};

/// The longest opening, and the longest first message of a WebSocket, in bytes.
pub(super) const MOST_OPENING: usize = 96 * 1024;

/// The longest auth data, in bytes.
const MOST_AUTH: usize = 64 * 1024;

/// The most bytes of messages that an opening may bring.
pub(super) const MOST_FIRST_FLIGHT: usize = 16 * 1024;

/// An input of no more bytes is read however much is held, and does not count.
const UNCOUNTED: usize = 4 * 1024;

/// The input of a session is taken up to so many bytes however short memory is: its messages wait then.
const MODEST: usize = 64 * 1024;

/// The beginning of an input in which its head record must be.
pub(super) const BEGINNING: usize = 8 * 1024;

/// The factor by which a form may be longer than its data. Encoded twice, one byte of text becomes five, and
/// the limit is that of base64, where a message takes four thirds of its length.
const FORM_GROWTH: usize = 4;

/// The number of times that the largest body may be on its way to one session.
const BODIES: usize = 2;

/// Fails if an opening's auth data are too long.
pub(super) fn check_auth(auth: &ByteString) -> Result<(), CloseReason> {
    if auth.len() > MOST_AUTH { Err(reason::AUTH_TOO_LARGE) } else { Ok(()) }
}

/// The input of a request.
pub(super) struct Input {
    pub(super) data: Bytes,
    /// The body, if another node may have the session, to which it is forwarded then.
    pub(super) body: Option<Bytes>,
    /// It counts the input while that is there.
    pub(super) counted: Counted,
}

/// Reads the input of a request. It may be a part of the connection's buffer: a session that numbers its messages lets no
/// input wait, and its messages are copies.
pub(super) async fn read(
    core: &Core,
    route: Route,
    parts: &Parts,
    body: Body,
    spelling: Spelling,
    by_address: &mut AddressCount<'_>,
) -> Result<Input, Refusal> {
    let mut counted = Counted::Nothing;
    if route.is_get() {
        return Ok(Input { data: params::data(parts)?, body: core.nodes().map(|_| Bytes::new()), counted });
    }
    let form = matches!(route, Route::FormPost);
    let grow = |beginning: &[u8], length| {
        if length <= UNCOUNTED {
            return Ok(());
        }
        by_address.grow(core.runtime.clock().now(), length)?;
        if let Counted::Nothing = counted {
            counted = count(core, beginning, form, spelling);
        }
        counted.grow(core, length, if form { FORM_GROWTH } else { 1 })
    };
    let body = transport::read_body(body.into_data_stream(), core.config.open_timeout, grow).await;
    let body = body.map_err(|error| match error {
        BodyError::Refused(reason) => reason,
        BodyError::Broken => reason::BODY_BROKEN,
        BodyError::TooSlow => reason::TOOK_TOO_LONG,
    })?;
    let whole = core.nodes().map(|_| body.clone());
    if !form {
        return Ok(Input { data: body, body: whole, counted });
    }
    let data = params::form(&body)?;
    let limit = if let Counted::Proven(_) = counted { core.config.body_limit() } else { MOST_OPENING };
    match data.len() > limit {
        true => Err(reason::BODY_TOO_LARGE.into()),
        false => Ok(Input { data, body: whole, counted }),
    }
}

/// Where the bytes of an input count.
pub(super) enum Counted {
    Nothing,
    /// Nobody is known to whom they belong.
    Unproven(Unproven),
    /// The input begins with the secret of a session, with which it counts.
    Proven(UnderWay),
}

fn count(core: &Core, beginning: &[u8], form: bool, spelling: Spelling) -> Counted {
    match shown(core, beginning, form, spelling) {
        Some(under_way) => Counted::Proven(under_way),
        None => Counted::Unproven(Unproven::new(core)),
    }
}

/// The session whose secret an input begins with.
fn shown(core: &Core, beginning: &[u8], form: bool, spelling: Spelling) -> Option<UnderWay> {
    let beginning = &beginning[..beginning.len().min(BEGINNING)];
    let mut beginning = match form {
        true => params::beginning_of_form(beginning)?,
        false => Bytes::copy_from_slice(beginning),
    };
    let head = NativeCodec::new(spelling, 0).read_head(&mut beginning).ok()??;
    let (Head::Resume { token, .. } | Head::TakeOver { token, .. } | Head::Upload { token, .. }) = head else {
        return None;
    };
    let member = core.find(&token.id).here()?;
    member.shared.knows(&token.secret).then(|| UnderWay::new(member.shared.clone()))
}

impl Counted {
    /// The input has grown to this length. `growth` is the factor by which its form lengthens it.
    fn grow(&mut self, core: &Core, length: usize, growth: usize) -> Result<(), CloseReason> {
        match self {
            Counted::Nothing => Ok(()),
            Counted::Unproven(_) if length > MOST_OPENING.saturating_mul(growth) => Err(reason::OPENING_TOO_LARGE),
            Counted::Unproven(unproven) => unproven.grow(core, length),
            Counted::Proven(under_way) => {
                let limit = core.config.body_limit().saturating_mul(growth);
                if length > limit {
                    return Err(reason::BODY_TOO_LARGE);
                }
                under_way.set(length, limit.saturating_mul(BODIES))?;
                if length > MODEST { core.admit_more() } else { Ok(()) }
            }
        }
    }
}

/// Bytes of which nobody is known to whom they belong. All of them together are a small part of the memory.
pub(super) struct Unproven {
    in_all: Held,
    among_unproven: Held,
}

impl Unproven {
    fn new(core: &Core) -> Self {
        Unproven { in_all: core.runtime.pool().hold(0), among_unproven: core.unproven.hold(0) }
    }

    /// They are so many now.
    ///
    /// # Errors
    /// Fails if all of them together are too many.
    fn grow(&mut self, core: &Core, length: usize) -> Result<(), CloseReason> {
        self.in_all.set(length);
        self.among_unproven.set(length);
        if core.unproven.is_over() { Err(reason::SHORT_OF_MEMORY) } else { Ok(()) }
    }
}

/// The first message of a WebSocket, which counts for its address, and among the bytes of which nobody is known
/// to whom they belong.
pub(super) struct FirstMessage<'a> {
    core: &'a Core,
    by_address: AddressCount<'a>,
    unproven: Unproven,
}

impl<'a> FirstMessage<'a> {
    pub(super) fn new(core: &'a Core, parts: &Parts) -> Self {
        FirstMessage { core, by_address: core.admission.read(parts, &core.config), unproven: Unproven::new(core) }
    }

    /// The message has grown to this length.
    ///
    /// # Errors
    /// Fails if the address has too many bytes under way, or if all of them together are too many.
    pub(super) fn grow(&mut self, length: usize) -> Result<(), CloseReason> {
        if length <= UNCOUNTED {
            return Ok(());
        }
        self.by_address.grow(self.core.runtime.clock().now(), length)?;
        self.unproven.grow(self.core, length)
    }
}
