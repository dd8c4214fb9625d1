//! Opens sessions for every family of clients: it judges origins, keeps limits, runs extractors and starts
//! handlers.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::{header, request::Parts};
use bytestring::ByteString;

#[cfg(feature = "cluster")]
use super::moving::state::Movable;
use super::{
    api::{auth::AuthData, handler::AnyHandler, hooks::Hooks, session::Session},
    core::Core,
    node_claim::{NodeClaim, claimed_elsewhere},
    opening::Found,
    origin::{self, Asked, Verdict},
    other_nodes::Claimable,
    refusal::{OpenError, Refusal},
    remote::{peer, remote},
    terms::Terms,
    timekeeper,
};
pub(super) use super::{
    grace_hold::GraceHold,
    opened::{Opened, Opening},
};
use crate::{
    config::Transport,
    hub::Member,
    ids,
    session::{Attach, CloseReason, LinkKind, Names, reason, rules::NATIVE},
    shared::Credential,
    transport::Link,
};

/// Opens the sessions of one server. Each of its families of routes has one.
pub(super) struct Gateway<S> {
    pub(super) core: Arc<Core>,
    /// A gateway without one serves what other nodes forward.
    pub(super) handler: Option<AnyHandler<S>>,
    pub(super) hooks: Hooks,
}

impl<S> Clone for Gateway<S> {
    fn clone(&self) -> Self {
        Gateway { core: self.core.clone(), handler: self.handler.clone(), hooks: self.hooks.clone() }
    }
}

/// The facts that are known of the page that opens a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    verdict: Verdict,
    /// The page means its credentials for this server also if it is of another origin.
    credentials: bool,
}

impl Page {
    /// A page of this server's own.
    pub(super) const OWN: Page = Page { verdict: Verdict::Allowed, credentials: true };

    /// A page that opens by a request. A client that does not know [`Names::CRED`] sends credentials to another
    /// origin only if they are meant.
    pub(super) fn of_request(verdict: Verdict, names: Names) -> Self {
        Page { verdict, credentials: names.contains(Names::CRED) || !names.are_listed() }
    }

    /// A page that opens by a WebSocket, with which a browser sends the cookies in any case.
    pub(super) fn of_socket(verdict: Verdict, names: Names) -> Self {
        Page { verdict, credentials: names.contains(Names::CRED) }
    }
}

impl<S> Gateway<S> {
    /// The gateway for what other nodes forward: it opens no session.
    pub(super) fn forwarded(&self) -> Gateway<()> {
        Gateway { core: self.core.clone(), handler: None, hooks: self.hooks.clone() }
    }

    /// Whether it opens sessions.
    pub(super) fn opens(&self) -> bool {
        self.handler.is_some()
    }

    /// Judges whether the page that sends a request may use the server.
    ///
    /// # Errors
    /// Fails if it may not. A request that names no page is judged later, when it opens a session.
    pub(super) fn judge(&self, parts: &Parts) -> Result<Verdict, CloseReason> {
        let verdict = origin::judge(&self.core.config, Asked::of(parts));
        self.check(parts, verdict).map(|()| verdict)
    }

    /// The same for a request that was [judged](origin::judge_for_cors) already.
    pub(super) fn check(&self, parts: &Parts, verdict: Verdict) -> Result<(), CloseReason> {
        self.check_address(parts);
        match verdict {
            Verdict::Doubted | Verdict::Refused => Err(self.refuse(parts, verdict)),
            Verdict::Allowed | Verdict::Listed | Verdict::Foreign | Verdict::Unknown => Ok(()),
        }
    }

    /// As [`judge`](Self::judge), for a WebSocket on which a page may also attach: where only `Host` speaks
    /// against the page it is judged by what it sends. An opening is refused then, and an attach shows the
    /// secret, which only a page knows that was allowed to open.
    pub(super) fn judge_socket(&self, parts: &Parts) -> Result<Verdict, CloseReason> {
        self.check_address(parts);
        match origin::judge(&self.core.config, Asked::of(parts)) {
            Verdict::Refused => Err(self.refuse(parts, Verdict::Refused)),
            verdict => Ok(verdict),
        }
    }

    /// Logs a warning, though not each time, if proxies are trusted and cannot be known.
    fn check_address(&self, parts: &Parts) {
        if !self.core.config.trusted_proxies.is_empty() && peer(&parts.extensions).is_none() && self.core.may_warn() {
            tracing::warn!(
                "trusted_proxies() has no effect: the HTTP server does not report the address of a connection, as \
                 anywire::serve and into_make_service_with_connect_info do"
            );
        }
    }

    /// Counts a refusal of what clients ask for, and tells the application of it. `kept` is the request.
    pub(super) fn refused(&self, what: &str, reason: &CloseReason, kept: Option<&Parts>) {
        self.core.refused(reason);
        self.hooks.refused(what, reason, kept);
    }

    /// The reason of a refusal. It is logged as a warning, though not each time, because it is often the server
    /// that is not set up for its own pages.
    fn refuse(&self, parts: &Parts, verdict: Verdict) -> CloseReason {
        let refusal = origin::refusal(&self.core.config, Asked::of(parts), verdict);
        if self.core.may_warn() {
            tracing::warn!("{}", refusal.text);
        }
        refusal
    }

    /// Opens a session with an attempt id: the first opening with this id makes the session, and the others
    /// find it.
    ///
    /// In a cluster it is the first among the openings on all nodes. Where that cannot be known, since the engine does not
    /// answer, the handler starts only when the client has shown that this session is the one it uses.
    ///
    /// Waits for the extractors, or for another opening with this id, and in a cluster for the engine, for a few seconds at
    /// most. Cancel-safe: the next opening with this id makes the session.
    pub(super) async fn open(
        &self,
        mut parts: Parts,
        state: S,
        page: Page,
        attempt: &ByteString,
        auth: ByteString,
    ) -> Result<Opening, Refusal> {
        self.check_page(page, &mut parts)?;
        let opener = self.core.attempts.opener(&parts.headers);
        let claim = match self.core.attempts.claim(attempt, opener).await? {
            Found::Session(member) => return Ok(Opening::Here(Opened::again(&member))),
            // It was forwarded: its session has come from another node, or is gone.
            Found::First(_) if !self.opens() => {
                let used = self.core.has_session_of(attempt);
                return Err(if used { reason::ATTEMPT_USED } else { reason::NOT_HERE }.into());
            }
            Found::First(claim) => claim,
        };
        let among_nodes = match self.claim_among_nodes(attempt).await {
            Ok(claim) => claim,
            Err(decided) => return decided,
        };
        let on_proof = among_nodes.as_ref().is_some_and(|claim| !claim.is_certain);
        let opened = self.create(parts, state, Some(auth), self.core.terms(&NATIVE), (Some(attempt), on_proof)).await;
        let refusal = match opened {
            Ok(mut opened) => {
                if let Err(node) = opened.claimed_by(among_nodes).await {
                    return Ok(Opening::Elsewhere(node));
                }
                opened.decide(claim);
                return Ok(Opening::Here(opened));
            }
            // The claims are dropped, so that the client may try again with the same attempt id.
            Err(OpenError::Refused(refusal)) if refusal.reason != reason::ATTEMPT_USED => return Err(refusal),
            Err(OpenError::Refused(refusal)) => refusal,
            Err(rejected) => {
                let refusal = rejected.into_refusal().await;
                claim.reject(refusal.clone());
                refusal
            }
        };
        NodeClaim::keep(among_nodes);
        Err(refusal)
    }

    /// Claims an attempt among the nodes of a cluster; `None` without one. The error is the result of the opening: another
    /// node has the attempt, or this one takes no session now, and claims nothing.
    async fn claim_among_nodes(&self, attempt: &ByteString) -> Result<Option<NodeClaim>, Result<Opening, Refusal>> {
        let Some(nodes) = self.core.nodes() else { return Ok(None) };
        let elsewhere = match self.core.admit_new() {
            Ok(()) => match NodeClaim::make(nodes, attempt, self.core.runtime.clock()).await {
                Ok(claim) => return Ok(Some(claim)),
                Err(node) => Ok(node),
            },
            Err(refusal) => nodes.look(Claimable::Attempt(attempt)).await.ok_or(Refusal::from(refusal)),
        };
        Err(elsewhere.map(Opening::Elsewhere))
    }

    /// Opens a new session for a client without an attempt id, whose opening cannot be repeated.
    ///
    /// `auth` is `None` if the family of clients has no place for auth data. Then [`Auth`](crate::Auth)
    /// rejects, and `Option<Auth<T>>` is `None`. Waits for the extractors. Cancel-safe: no session was made.
    ///
    /// # Errors
    /// Fails with the extractor's answer as it made it, or with the server's refusal.
    pub(super) async fn open_new(
        &self,
        mut parts: Parts,
        state: S,
        page: Page,
        auth: Option<ByteString>,
        terms: Terms,
    ) -> Result<Opened, OpenError> {
        self.check_page(page, &mut parts)?;
        self.create(parts, state, auth, terms, (None, false)).await
    }

    /// Fails if the page may not open sessions. Removes the credentials that the browser has added if they are
    /// not meant for this server: another site could use them otherwise.
    fn check_page(&self, page: Page, parts: &mut Parts) -> Result<(), CloseReason> {
        match page.verdict {
            Verdict::Allowed => return Ok(()),
            Verdict::Listed if page.credentials => return Ok(()),
            Verdict::Listed | Verdict::Foreign => {
                parts.headers.remove(header::AUTHORIZATION);
            }
            Verdict::Unknown if self.core.config.origins.admit_programs() => {}
            Verdict::Unknown => return Err(reason::NO_ORIGIN),
            Verdict::Doubted => return Err(reason::OPEN_BY_HTTP),
            Verdict::Refused => return Err(reason::ORIGIN_REFUSED),
        }
        parts.headers.remove(header::COOKIE);
        Ok(())
    }

    /// The request of a page that has shown a session's secret, without the credentials that the page does not mean.
    pub(super) fn as_page(&self, mut parts: Parts, page: Page) -> Parts {
        if self.check_page(page, &mut parts).is_err() {
            parts.headers.remove(header::COOKIE);
            parts.headers.remove(header::AUTHORIZATION);
        }
        parts
    }

    /// Runs the extractors and makes the session, if the limits allow it.
    async fn create(
        &self,
        mut parts: Parts,
        state: S,
        auth: Option<ByteString>,
        terms: Terms,
        (attempt, on_proof): (Option<&ByteString>, bool),
    ) -> Result<Opened, OpenError> {
        let Some(handler) = &self.handler else { return Err(reason::NOT_HERE.into()) };
        self.core.admit_new()?;
        let now = self.core.runtime.clock().now();
        let held = self.core.admission.open(now, &parts, &self.core.config)?;
        let remote = remote(&parts, &self.core.config, self.core.runtime.pool());
        #[cfg(feature = "cluster")]
        let for_moves = auth.clone().filter(|_| attempt.is_some());
        if let Some(auth) = auth {
            parts.extensions.insert(AuthData(auth));
        }
        let ready = tokio::time::timeout(self.core.config.open_timeout, handler(parts, state)).await;
        let ready =
            ready.map_err(|_| reason::TOOK_TOO_LONG)?.map_err(|rejection| OpenError::Rejected(Box::new(rejection)))?;
        self.core.admit_new()?; // Others may have come while the extractors ran.
        self.core.make_room()?;
        timekeeper::ensure(&self.core);
        let attempt = attempt.map(|attempt| &**attempt);
        let member = self.core.create(remote, terms, ready.channels, held, attempt)?;
        tracing::debug!(session = %member.id(), remote = ?member.remote.address, "opened");
        #[cfg(feature = "cluster")]
        for_moves.into_iter().for_each(|auth| Movable::enable(&self.core, &member, ready.channels, auth));
        let shared = member.shared.clone();
        shared.have_channels(ready.channels, self.core.config.channels);
        let fresh = Some((ready, Session { core: self.core.clone(), member }));
        let mut opened = Opened { shared, fresh, on_proof, unsure: None };
        if opened.is_asked_for() {
            let _hold = GraceHold::of(&opened.shared);
            opened.ask().await?;
        }
        Ok(opened)
    }

    /// Finds the session that another request opens with this attempt id, on this node or on another one. Waits for it for
    /// the open timeout. Cancel-safe.
    ///
    /// The origin is not judged: the request brings the attempt id, which only the page that opens has, as a
    /// resume brings the secret.
    pub(super) async fn join(&self, attempt: &str) -> Result<Opening, Refusal> {
        let here = async { Ok(Opening::Here(Opened::again(&*self.core.attempts.join(attempt).await?))) };
        let joined = async {
            // An opening that another node forwards has its attempt here.
            let Some(nodes) = self.core.nodes().filter(|_| self.opens()) else { return here.await };
            tokio::select! {
                biased;
                here = here => here,
                node = claimed_elsewhere(&**nodes, attempt) => Ok(Opening::Elsewhere(node)),
            }
        };
        let joined = tokio::time::timeout(self.core.config.open_timeout, joined).await;
        joined.map_err(|_| Refusal::from(reason::NOT_OPENED))?
    }

    /// Asks the application whether a client may make this link, if it is a new one and somebody wants to be asked.
    /// `parts` makes the request as the application sees it.
    ///
    /// Waits for the application. Cancel-safe: nothing was attached.
    pub(super) async fn authorize(
        &self,
        parts: impl FnOnce() -> Parts,
        page: Page,
        (id, secret): (&str, &str),
        link: Option<u64>,
    ) -> Result<(), CloseReason> {
        let Some(authorize) = &self.hooks.authorize else { return Ok(()) };
        let member = self.core.member(id)?;
        if link.is_some_and(|ordinal| member.shared.look(|machine| machine.has_link(ordinal))) {
            return Ok(());
        } else if !member.shared.knows(secret) {
            return Err(reason::WRONG_SECRET);
        }
        let parts = self.as_page(parts(), page);
        let session = Session { core: self.core.clone(), member };
        let judged = tokio::time::timeout(self.core.config.open_timeout, authorize(parts, session)).await;
        if judged.map_err(|_| reason::TOOK_TOO_LONG)? { Ok(()) } else { Err(reason::NOT_AUTHORIZED) }
    }

    /// Attaches a link to a session, if the secret fits.
    pub(super) fn attach(
        &self,
        member: &Member,
        secret: &str,
        attach: Attach,
        transport: Transport,
    ) -> Result<Link, CloseReason> {
        tracing::trace!(session = %member.id(), %transport, attach.ordinal, attach.turn, "attach");
        self.attach_to(member, Credential::Secret { secret, next: ids::random }, attach, transport)
    }

    /// Attaches the first link of a page that takes the session over from the page before it.
    pub(super) fn take_over(
        &self,
        id: &str,
        secret: &str,
        instance: &str,
        attach: Attach,
        transport: Transport,
    ) -> Result<Link, CloseReason> {
        let member = self.core.member(id)?;
        tracing::debug!(session = %member.id(), %transport, "taken over");
        self.core.counters.take_overs.add(1);
        let credential = Credential::Instance { secret, instance, next: ids::random };
        self.attach_to(&member, credential, attach, transport)
    }

    /// Attaches, and asks a client that has made a new link to a server which shuts down to make another one.
    fn attach_to(
        &self,
        member: &Member,
        credential: Credential<'_>,
        attach: Attach,
        transport: Transport,
    ) -> Result<Link, CloseReason> {
        let new = attach.turn == 0 && attach.kind != LinkKind::Upload;
        let ordinal = attach.ordinal;
        let link = Link::attach(member.shared.clone(), credential, attach, transport)?;
        if new {
            self.core.counters.resumes.add(1);
        }
        if new && let Some(delay) = self.core.go_away_delay() {
            member.shared.go_away(delay, ordinal);
        }
        Ok(link)
    }
}
