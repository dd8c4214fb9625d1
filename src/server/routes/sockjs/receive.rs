//! A request by which a client receives. The first one of a name opens the session.

use std::sync::Arc;

use axum::http::request::Parts;
use percent_encoding::percent_decode;

use super::{
    answer::{Answer, carry, closed},
    names::{Claim, Found},
    service::{Refused, Service},
    table::Receiver,
};
use crate::{
    codec::sockjs::INTERRUPTED,
    hub::Member,
    server::{
        gateway::{GraceHold, Page},
        origin::Verdict,
        other_nodes::CLAIM_HOLDS,
        refusal::{OpenError, Refusal},
        routes::elsewhere,
    },
    session::{Attach, CloseReason, LinkKind, Names, reason, rules::SOCKJS},
    shared::{Credential, SharedSession},
    transport::{Link, Wrapping},
};

impl<S: Clone + Send + Sync + 'static> Service<S> {
    pub(super) async fn receive(
        &self,
        state: S,
        parts: Parts,
        receiver: &'static Receiver,
        name: &str,
    ) -> Result<Answer, Refused> {
        self.serves(receiver.transport)?;
        let verdict = self.gateway.judge(&parts)?;
        let wrapping = wrapping(receiver, &parts)?;
        let core = self.core();
        let found = self.names.claim(core.runtime.clock().now(), name, |id| core.hub.get(id).is_some());
        let reason = match found {
            // Another node takes this one for the node that has the session.
            Found::Free(_) if !self.gateway.opens() => interrupted(),
            Found::Free(claim) => {
                // A node that opens nothing claims no names, and another one may have this one.
                let elsewhere = match core.admit_new() {
                    Ok(()) => self.claims.claim(name).await,
                    Err(reason) => match self.claims.look(name).await {
                        None => return Ok(self.refuse(&reason.into(), Some(&parts), receiver, wrapping)),
                        node => node,
                    },
                };
                if let Some(node) = elsewhere {
                    drop(claim);
                    return self.receive_from(&node, parts, receiver, wrapping).await;
                }
                return Box::pin(self.open(state, parts, verdict, receiver, wrapping, claim)).await;
            }
            Found::Opening => still_open(),
            Found::Gone => interrupted(),
            Found::Session(id) => match core.hub.get(id).map(|member| self.attach(&member, receiver)) {
                Some(Ok(link)) => {
                    elsewhere::note_way(core, elsewhere::way_of(&parts), &link, 1);
                    return Ok(self.carry(link, receiver, wrapping));
                }
                Some(Err(reason)) if reason == reason::DUPLICATE => still_open(),
                Some(Err(reason)) => reason,
                None => interrupted(),
            },
        };
        Ok(closed(&reason, receiver, wrapping))
    }

    /// Has a request answered by the node that has claimed its name.
    async fn receive_from(
        &self,
        node: &str,
        parts: Parts,
        receiver: &'static Receiver,
        wrapping: Wrapping,
    ) -> Result<Answer, Refused> {
        let forwarded = elsewhere::forward_patiently(self.core(), node, self.claims.mount(), parts);
        match Box::pin(forwarded).await {
            Ok(response) => Ok(Answer::ready(response)),
            Err(reason) if reason.is_session_gone() => Ok(closed(&interrupted(), receiver, wrapping)),
            Err(reason) => Err(reason.into()),
        }
    }

    /// Opens the session of a name. A client that is refused reads why, by a frame that ends its session before it
    /// has begun: most of its transports cannot read a status. If another node has got the name while the extractors
    /// ran, the request is that node's.
    async fn open(
        &self,
        state: S,
        parts: Parts,
        verdict: Verdict,
        receiver: &'static Receiver,
        wrapping: Wrapping,
        claim: Claim,
    ) -> Result<Answer, Refused> {
        // Another node may get the name, and the request with it.
        let came = self.core().nodes().map(|_| parts.clone());
        let kept = self.gateway.hooks.keep(&parts);
        let page = Page::of_request(verdict, Names::default());
        let mut opened = match self.gateway.open_new(parts, state, page, None, self.terms(&SOCKJS)).await {
            Ok(opened) => opened,
            Err(error) => {
                let refusal = OpenError::into_refusal(error).await;
                self.claims.release(claim.name());
                return Ok(self.refuse(&refusal, kept.as_deref(), receiver, wrapping));
            }
        };
        if let Some(parts) = came
            && let Some(node) = self.lost_to(&claim, &opened.shared).await
        {
            drop((opened, claim));
            return self.receive_from(&node, parts, receiver, wrapping).await;
        }
        let kind = if receiver.streams { LinkKind::Stream } else { LinkKind::Opening };
        let link = Link::attach(opened.shared.clone(), Credential::Attempt, attach(kind, true), receiver.transport);
        claim.open(self.core().runtime.clock().now(), opened.shared.id());
        opened.start();
        Ok(match link {
            Ok(link) => self.carry(link, receiver, wrapping),
            Err(reason) => closed(&reason, receiver, wrapping),
        })
    }

    /// The node that has the name of a session which is about to start. Extractors and the application may have taken
    /// so long that the name has to be claimed once more.
    ///
    /// Waits for the engine then, for two seconds at most. Cancel-safe: the claim ends by itself.
    async fn lost_to(&self, claim: &Claim, shared: &Arc<SharedSession>) -> Option<String> {
        if self.core().runtime.clock().now() - claim.since() < CLAIM_HOLDS {
            return None;
        }
        let _hold = GraceHold::of(shared);
        self.claims.claim(claim.name()).await
    }

    fn refuse(&self, refusal: &Refusal, parts: Option<&Parts>, receiver: &Receiver, wrapping: Wrapping) -> Answer {
        refusal.log();
        self.gateway.refused("sockjs", &refusal.reason, parts);
        closed(&refusal.reason, receiver, wrapping)
    }

    fn attach(&self, member: &Member, receiver: &Receiver) -> Result<Link, CloseReason> {
        let hold = self.terms(&SOCKJS).interval;
        let kind = if receiver.streams { LinkKind::Stream } else { LinkKind::Poll { hold } };
        Link::attach(member.shared.clone(), Credential::Attempt, attach(kind, false), receiver.transport)
    }

    fn carry(&self, link: Link, receiver: &Receiver, wrapping: Wrapping) -> Answer {
        carry(link, self.codec(), receiver, wrapping, self.settings.response_limit)
    }
}

/// The session's name is all that its client shows, so that the secret is never used.
pub(super) fn attach(kind: LinkKind, opening: bool) -> Attach {
    Attach { ordinal: 1, turn: 0, kind, opening, seen: !opening, received: 0, names: None }
}

/// The wrapping of an answer, with the callback that the query names.
fn wrapping(receiver: &'static Receiver, parts: &Parts) -> Result<Wrapping, Refused> {
    if receiver.callback == 0 {
        return Ok(Wrapping::new(receiver.row, ""));
    }
    let pairs = parts.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let named =
        pairs.filter(|(key, value)| matches!(*key, "c" | "callback") && !value.is_empty()).map(|(_, value)| value);
    let Some(value) = named.into_iter().next() else {
        return Err(Refused::malformed("\"callback\" parameter required"));
    };
    let name: Vec<u8> = percent_decode(value.as_bytes()).collect();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    match std::str::from_utf8(&name) {
        Ok(text) if name.iter().all(fits) && name.len() <= receiver.callback => Ok(Wrapping::new(receiver.row, text)),
        _ => Err(Refused::malformed("invalid \"callback\" parameter")),
    }
}

/// Another request receives already.
fn still_open() -> CloseReason {
    CloseReason::new(2010, "Another connection still open")
}

fn interrupted() -> CloseReason {
    let (code, text) = INTERRUPTED;
    CloseReason::new(code, text)
}
