//! A handshake by a poll, whose answer is the packet that opens the session.

use axum::{
    http::{HeaderValue, Method, header, request::Parts},
    response::Response,
};

use super::{
    answer::{Answer, respond, wrapping_of},
    engine::{Dialect, Engine},
    params::{Carrying, Params},
    refusal::EngineRefusal,
};
use crate::{
    codec::engineio::{OpenPacket, Revision, TEXT},
    config::{RecoveryTerms, Transport},
    dialect::socketio,
    ids,
    server::{
        gateway::{Opened, Page},
        origin::Verdict,
        refusal::OpenError,
    },
    session::{Attach, LinkKind, Names},
    shared::Credential,
    transport::Link,
};

impl<S: Clone + Send + Sync + 'static> Engine<S> {
    /// Opens a session that is polled.
    pub(super) async fn open_by_poll(
        &self,
        parts: Parts,
        state: S,
        verdict: Verdict,
        params: &Params,
    ) -> Result<Answer, EngineRefusal> {
        if parts.method != Method::GET {
            return Err(EngineRefusal::handshake_method());
        }
        if params.carrying != Carrying::Polling {
            return Err(EngineRefusal::bad_request("a WebSocket is opened by an upgrade"));
        }
        let revision = self.revision(params)?;
        let page = Page::of_request(verdict, Names::default());
        let mut opened = self.open(parts, state, page, revision).await?;
        let attach = self.first(revision, LinkKind::Opening);
        let link = Link::attach(opened.shared.clone(), Credential::Attempt, attach, Transport::Polling);
        // Nobody knows the session yet. If the server has ended it, the next poll tells.
        link.into_iter().for_each(Link::complete);
        let mut body = Vec::new();
        let sid = opened.shared.sid();
        let upgrades: &[&str] = if self.serves(Carrying::WebSocket) { &["websocket"] } else { &[] };
        self.open_packet(revision, &sid, upgrades).write(revision, &mut body);
        opened.start();
        let mut response = respond(TEXT, body, wrapping_of(params).as_deref(), None);
        self.set_cookie(&sid, &mut response);
        Ok(Answer::ready(response))
    }

    /// Runs the extractors and makes the session.
    pub(super) async fn open(
        &self,
        parts: Parts,
        state: S,
        page: Page,
        revision: Revision,
    ) -> Result<Opened, EngineRefusal> {
        // Revision 4 of Socket.IO opens `/` unasked.
        let auth = if revision == Revision::V3 { query_auth(&parts) } else { String::new() };
        match self.gateway.open_new(parts, state, page, None, self.terms(revision)).await {
            Ok(opened) if self.dialect.is_socketio() => {
                let recovery = self.recovery(revision).map(|terms| (terms, ids::random()));
                opened.shared.speak_socketio(dialect_revision(revision), &auth, recovery);
                Ok(opened)
            }
            Ok(opened) => Ok(opened),
            Err(error) => Err(EngineRefusal::of_opening(OpenError::into_refusal(error).await)),
        }
    }

    pub(super) fn open_packet<'a>(&self, revision: Revision, sid: &'a str, upgrades: &'a [&'a str]) -> OpenPacket<'a> {
        let terms = self.terms(revision);
        OpenPacket {
            sid,
            upgrades,
            ping_interval: terms.interval,
            ping_timeout: terms.timeout,
            max_payload: self.core().config.message_limit,
        }
    }

    pub(super) fn set_cookie(&self, sid: &str, response: &mut Response) {
        let Some(name) = &self.settings.cookie else { return };
        if let Ok(cookie) = HeaderValue::from_str(&format!("{name}={sid}; Path=/; HttpOnly; SameSite=Lax")) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }

    /// The terms on which clients of this revision recover.
    fn recovery(&self, revision: Revision) -> Option<RecoveryTerms> {
        match self.dialect {
            Dialect::SocketIo(_, terms) => terms.filter(|_| revision == Revision::V4),
            Dialect::Plain => None,
        }
    }

    /// The first link of a session. Its client has the answer when it makes the next request.
    pub(super) fn first(&self, revision: Revision, kind: LinkKind) -> Attach {
        let names = match (self.dialect, self.recovery(revision)) {
            (Dialect::Plain, _) => None,
            (Dialect::SocketIo(..), None) => Some(Names::EVENTS),
            (Dialect::SocketIo(..), Some(_)) => Some(Names::EVENTS.with(Names::OFFSETS)),
        };
        Attach { ordinal: 1, turn: 0, kind, opening: true, seen: true, received: 0, names }
    }
}

/// The revision of Socket.IO that goes with one of Engine.IO.
fn dialect_revision(revision: Revision) -> socketio::Revision {
    match revision {
        Revision::V3 => socketio::Revision::R4,
        Revision::V4 => socketio::Revision::R5,
    }
}

/// The application's parameters of a handshake as JSON: the auth data of clients that can send no other.
fn query_auth(parts: &Parts) -> String {
    let own = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        !matches!(name, "EIO" | "transport" | "sid" | "t" | "j" | "b64")
    };
    let query: Vec<&str> = parts.uri.query().unwrap_or_default().split('&').filter(own).collect();
    socketio::query_to_json(&query.join("&"))
}
