//! Opens sessions for every family of clients: origin, limits, extractors, the handler's start.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::{header, request::Parts};
use bytestring::ByteString;

use super::{
    api::{
        auth::AuthData,
        handler::{AnyHandler, Ready, Turns},
        live::SessionHandle,
        session::Session,
    },
    core::Core,
    opening::Found,
    origin::Verdict,
    refusal::{OpenError, Refusal},
    remote::remote,
    timekeeper,
};
use crate::{
    config::{Origins, Transport},
    hub::Member,
    ids,
    session::{
        Attach, CloseReason, reason,
        rules::{NATIVE, Rules},
    },
    shared::{Credential, SharedSession},
    transport::Link,
};

const ORIGIN_REFUSED: CloseReason = CloseReason::fixed(4300, "this origin may not open sessions here");
const ORIGIN_UNKNOWN: CloseReason =
    CloseReason::fixed(4300, "no Origin header; only a server that allows any origin opens sessions without one");
pub(super) const TOO_SLOW: CloseReason = CloseReason::fixed(4007, "took too long");
const NOT_OPENED: CloseReason = CloseReason::fixed(4007, "no opening with this attempt id came");

/// What the routes serve from.
pub(super) struct Gateway<S> {
    pub(super) core: Arc<Core>,
    pub(super) handler: AnyHandler<S>,
}

impl<S> Clone for Gateway<S> {
    fn clone(&self) -> Self {
        Gateway { core: self.core.clone(), handler: self.handler.clone() }
    }
}

/// A session, and its handler if this open was the first and the handler is still to be started.
///
/// Dropped before its handler was started, it takes the session back: no link will come that could end it.
pub(super) struct Opened {
    pub(super) member: Arc<Member>,
    fresh: Option<(Ready, SessionHandle)>,
}

impl Opened {
    /// Starts the handler, once the first flight is in its inbox.
    #[expect(clippy::disallowed_methods, reason = "the one task of a session: its handler's")]
    pub(super) fn start(&mut self) {
        if let Some((ready, handle)) = self.fresh.take() {
            let future = ready(Session::new(handle));
            tokio::spawn(Turns::new(self.member.shared.clone(), future));
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some((_, handle)) = self.fresh.take() {
            handle.core.forget(self.member.id());
        }
    }
}

impl<S> Gateway<S> {
    /// Whether pages of the origin that a request names may open sessions.
    ///
    /// # Errors
    /// If they may not. A request that names no origin is judged when it opens a session.
    pub(super) fn judge(&self, parts: &Parts) -> Result<Verdict, CloseReason> {
        match self.core.config.origins.judge(&parts.headers, &parts.uri) {
            Verdict::Refused => Err(ORIGIN_REFUSED),
            verdict => Ok(verdict),
        }
    }

    /// The session of an opening that bears an attempt id: made by the first with this id, found by the others.
    ///
    /// Waits for the extractors, or for another opening with this id. Cancel-safe: the next with this id opens the session.
    pub(super) async fn open(
        &self,
        mut parts: Parts,
        state: S,
        verdict: Verdict,
        attempt: &ByteString,
        auth: ByteString,
    ) -> Result<Opened, Refusal> {
        self.check_origin(verdict, &mut parts)?;
        let claim = match self.core.attempts.claim(attempt).await? {
            Found::Session(member) => return Ok(Opened { member, fresh: None }),
            Found::First(claim) => claim,
        };
        match self.create(parts, state, Some(auth), &NATIVE).await {
            Ok(opened) => {
                claim.open(&opened.member);
                Ok(opened)
            }
            // The claim is dropped: what was refused may be tried again.
            Err(OpenError::Refused(refusal)) => Err(refusal),
            Err(rejected) => {
                let refusal = rejected.into_refusal().await;
                claim.reject(refusal.clone());
                Err(refusal)
            }
        }
    }

    /// A new session for a client whose opening cannot be repeated, for it bears no attempt id.
    ///
    /// `auth` is `None` where the client had no place to give auth data: then [`Auth`](crate::Auth) rejects, and
    /// `Option<Auth<T>>` is `None`. Waits for the extractors. Cancel-safe: there is no session then.
    ///
    /// # Errors
    /// The extractor's answer as it made it, or the server's refusal.
    pub(super) async fn open_new(
        &self,
        mut parts: Parts,
        state: S,
        verdict: Verdict,
        auth: Option<ByteString>,
        rules: &'static Rules,
    ) -> Result<Opened, OpenError> {
        self.check_origin(verdict, &mut parts)?;
        self.create(parts, state, auth, rules).await
    }

    /// A request without an origin opens a session only where all origins may, and without its cookies.
    fn check_origin(&self, verdict: Verdict, parts: &mut Parts) -> Result<(), CloseReason> {
        match verdict {
            Verdict::Allowed => Ok(()),
            Verdict::Refused => Err(ORIGIN_REFUSED),
            Verdict::Unknown if self.core.config.origins != Origins::Any => Err(ORIGIN_UNKNOWN),
            Verdict::Unknown => {
                parts.headers.remove(header::COOKIE);
                Ok(())
            }
        }
    }

    /// Runs the extractors and makes the session, within the limits.
    async fn create(
        &self,
        mut parts: Parts,
        state: S,
        auth: Option<ByteString>,
        rules: &'static Rules,
    ) -> Result<Opened, OpenError> {
        self.core.admit_new()?;
        let remote = remote(&parts, &self.core.config.trusted_proxies);
        if let Some(auth) = auth {
            parts.extensions.insert(AuthData(auth));
        }
        let ready = tokio::time::timeout(self.core.config.open_timeout, (self.handler)(parts, state)).await;
        let ready = ready.map_err(|_| TOO_SLOW)?.map_err(|rejection| OpenError::Rejected(Box::new(rejection)))?;
        self.core.admit_new()?; // Others may have come while the extractors ran.
        timekeeper::ensure(&self.core);
        let member = self.core.create(remote, rules);
        tracing::debug!(session = %member.id(), remote = ?member.remote.address, "opened");
        let handle = SessionHandle { core: self.core.clone(), member: member.clone() };
        Ok(Opened { member, fresh: Some((ready, handle)) })
    }

    /// The session that another request opens.
    ///
    /// Where it comes from need not be known: it brings the attempt id, which only the page that opens has, as a resume brings the secret.
    pub(super) async fn join(&self, attempt: &str) -> Result<Opened, Refusal> {
        let joined = tokio::time::timeout(self.core.config.open_timeout, self.core.attempts.join(attempt)).await;
        let member = joined.map_err(|_| Refusal::from(NOT_OPENED))??;
        self.core.admit_back()?;
        Ok(Opened { member, fresh: None })
    }

    /// Attaches a link to the session with this id, if the secret is the session's.
    pub(super) fn attach(
        &self,
        id: &str,
        secret: &str,
        attach: Attach,
        transport: Transport,
    ) -> Result<Link, CloseReason> {
        let member = self.core.find(id).here().ok_or(reason::UNKNOWN)?;
        self.core.admit_back()?;
        tracing::trace!(session = %member.id(), %transport, attach.ordinal, attach.turn, "attach");
        Link::attach(member.shared.clone(), Credential::Secret(secret), attach, transport)
    }

    /// Attaches a page that goes on with the session of the one before it.
    pub(super) fn take_over(
        &self,
        id: &str,
        secret: &str,
        instance: &str,
        attach: Attach,
        transport: Transport,
    ) -> Result<Link, CloseReason> {
        let member = self.core.find(id).here().ok_or(reason::UNKNOWN)?;
        self.core.admit_back()?;
        tracing::debug!(session = %member.id(), %transport, "taken over");
        let credential = Credential::Instance { secret, instance, next: ids::random() };
        Link::attach(member.shared.clone(), credential, attach, transport)
    }
}

/// Holds off the end of grace of the session that a request names, while the request is on its way in and nobody knows whose it is.
pub(super) struct GraceHold(Option<Arc<SharedSession>>);

impl GraceHold {
    /// `session` is the id that the request names, if it names one.
    pub(super) fn new(core: &Core, session: Option<&str>) -> Self {
        let member = session.and_then(|id| core.find(id).here());
        GraceHold(member.filter(|member| member.shared.expect_attach()).map(|member| member.shared.clone()))
    }
}

impl Drop for GraceHold {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.cancel_attach();
        }
    }
}
