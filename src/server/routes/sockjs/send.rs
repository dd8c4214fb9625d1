//! A request by which a client sends.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, header, request::Parts},
};
use bytes::Bytes;

use super::{
    answer::{Answer, respond},
    receive::attach,
    service::{GROWTH, Refused, Service},
    table::Sender,
};
use crate::{
    codec::{
        Codec, ContentType,
        sockjs::{self, Unfit},
    },
    hub::Member,
    server::routes::upload,
    session::{LinkKind, reason},
    shared::Credential,
    transport::{self, BodyError, Link},
};

/// The type of an answer without content: one old browser complains of any other.
const TYPE: ContentType = sockjs::TEXT;

const FORM: &str = "application/x-www-form-urlencoded";

/// The types of bodies that are taken as they are. The first is that of a request without a type; clients have sent
/// `T` for `text/plain`.
const PLAIN: [&str; 6] = ["", "text/plain", "t", "application/json", "application/xml", "text/xml"];

impl<S: Clone + Send + Sync + 'static> Service<S> {
    /// Takes messages, and answers when the handler has had its turn: what it sends then is there for the next poll.
    /// While the inbox is full the answer waits, and with it the client's next messages.
    pub(super) async fn take(
        &self,
        parts: Parts,
        body: Body,
        sender: &'static Sender,
        name: &str,
    ) -> Result<Answer, Refused> {
        self.serves(sender.transport)?;
        self.gateway.judge(&parts)?;
        let core = self.core();
        let named = self.names.session(name);
        if named.is_none()
            && let Some(node) = self.claims.look(name).await
        {
            return match self.forward(&node, Request::from_parts(parts, body)).await {
                Err(reason) if reason.is_session_gone() => Err(unknown()),
                forwarded => Ok(forwarded?),
            };
        }
        let member = named.and_then(|id| core.hub.get(id));
        let (data, _counted) = self.read(&parts, body, member.as_ref()).await?;
        let data = payload(sender, &parts, data).ok_or_else(no_payload)?;
        sockjs::check(&data).map_err(|unfit| match unfit {
            Unfit::Broken => Refused::malformed("Broken JSON encoding."),
            Unfit::NoPayload => no_payload(),
        })?;
        let member = member.ok_or_else(unknown)?;
        if data.len() > core.config.message_limit && self.has_too_large(&data) {
            return Err(reason::TOO_LARGE.into());
        }
        let mut body = transport::Body { codec: self.codec(), rest: Some(data) };
        let attach = attach(LinkKind::Upload, false);
        let link = Link::attach(member.shared.clone(), Credential::Attempt, attach, sender.transport);
        let link = link.map_err(|_| unknown())?;
        transport::take(&link, &mut body).await?;
        transport::settled(&link).await;
        let (status, content) = if sender.scripts { (StatusCode::OK, "ok") } else { (StatusCode::NO_CONTENT, "") };
        let mut response = respond(TYPE, content.into(), None, None);
        *response.status_mut() = status;
        Ok(Answer::ready(response))
    }

    /// Reads the body, and returns it with what counts it while it is there.
    async fn read(
        &self,
        parts: &Parts,
        body: Body,
        member: Option<&Arc<Member>>,
    ) -> Result<(Bytes, Option<crate::shared::UnderWay>), Refused> {
        let core = self.core();
        let most = core.config.body_limit().saturating_mul(GROWTH);
        let read = match member {
            Some(member) => upload::read(core, &member.shared, parts, body, most).await,
            // An answer about the body comes before one about the session, but not for any price.
            None => upload::read_small(core, body).await.map(|data| (data, None)),
        };
        let reason = match read {
            Ok(read) => return Ok(read),
            Err(BodyError::Refused(_)) if member.is_none() => return Err(unknown()),
            Err(BodyError::Refused(reason)) if reason == reason::BODY_TOO_LARGE => return Err(reason.into()),
            Err(BodyError::Refused(reason)) => reason,
            Err(BodyError::Broken) => reason::BODY_BROKEN,
            Err(BodyError::TooSlow) => reason::TOOK_TOO_LONG,
        };
        // The session cannot go on, because something that the client has sent is lost.
        if let Some(member) = member {
            member.shared.abort(reason.clone());
        }
        Err(reason.into())
    }

    /// Whether a message in it is above the limit. Then none of them is taken.
    fn has_too_large(&self, data: &Bytes) -> bool {
        let (mut codec, mut rest) = (self.codec(), Some(data.clone()));
        loop {
            match codec.read(&mut rest) {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }
}

/// The messages in a body, if it is of a type that is taken.
fn payload(sender: &Sender, parts: &Parts, data: Bytes) -> Option<Bytes> {
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(Ok(""), |value| value.to_str()).ok()?;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if sender.scripts && kind.eq_ignore_ascii_case(FORM) {
        return sockjs::form_data(&data).map(Into::into);
    }
    PLAIN.iter().any(|plain| kind.eq_ignore_ascii_case(plain)).then_some(data)
}

fn no_payload() -> Refused {
    Refused::malformed("Payload expected.")
}

fn unknown() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, reason::UNKNOWN)
}
