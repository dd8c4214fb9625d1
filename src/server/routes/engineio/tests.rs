//! Requests that cross the upgrade of their session: it moves after they have found it, and before they attach.

use std::{convert::Infallible, sync::Arc, task::Poll};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{StatusCode, request::Parts},
};
use futures::FutureExt;

use super::{
    answer::{Answer, respond},
    engine::{Dialect, Engine, Named},
    params::Params,
    poll, upload,
};
use crate::{
    codec::engineio::Revision,
    config::{Config, EngineIo, Transport},
    server::{
        api::{handler::erase, hooks::Hooks, session::Session},
        core::Core,
        gateway::Gateway,
        origin::Verdict,
    },
    session::{Attach, LinkKind},
    shared::{Credential, Frame},
    transport::Link,
};

/// A session that is polled, and how its client asks for it.
struct Client {
    engine: Engine<()>,
    query: String,
}

impl Client {
    async fn open(revision: Revision) -> Self {
        let echo = async |session: Session| {
            while let Some(message) = session.recv().await {
                session.send(message).await.unwrap();
            }
        };
        let gateway = Gateway {
            core: Arc::new(Core::new(Config::default())),
            handler: Some(erase(echo)),
            hooks: Hooks::default(),
        };
        let engine = Engine { gateway, settings: Arc::new(EngineIo::new()), dialect: Dialect::Plain, mount: "".into() };
        let eio = if revision == Revision::V3 { 3 } else { 4 };
        let query = format!("EIO={eio}&transport=polling");
        let (parts, params) = asks(&query);
        let answer = engine.open_by_poll(parts, (), Verdict::Allowed, &params).await.unwrap();
        let (_, body) = text(answer).await;
        let sid = body.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap();
        let query = format!("{query}&sid={sid}");
        Client { engine, query }
    }

    /// A request has come, and has found the session as it is now.
    fn request(&self) -> (Named, Parts, Params) {
        let (parts, mut params) = asks(&self.query);
        (self.engine.named(&mut params).unwrap().unwrap(), parts, params)
    }

    /// A WebSocket of the client's that brings these frames.
    fn socket(&self, frames: impl IntoIterator<Item = Frame>) -> Link {
        let (named, ..) = self.request();
        let kind = LinkKind::Duplex;
        let attach = Attach { ordinal: 2, turn: 0, kind, opening: false, seen: false, received: 0, names: None };
        let link =
            Link::attach(named.shared.clone(), Credential::Sid(named.secret()), attach, Transport::WebSocket).unwrap();
        let mut frames = frames.into_iter();
        link.input(|| Ok(frames.next())).unwrap();
        link
    }
}

fn asks(query: &str) -> (Parts, Params) {
    let parts = Request::get(format!("/engine.io/?{query}")).body(()).unwrap().into_parts().0;
    let params = Params::of(&parts).unwrap();
    (parts, params)
}

async fn text(answer: Answer) -> (StatusCode, String) {
    let (parts, body) = answer.finish(respond).await.into_parts();
    (parts.status, String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap())
}

/// Its client pauses, and sends the confirmation only when the poll has ended: without an answer both would wait.
#[tokio::test(start_paused = true)]
async fn a_poll_that_crosses_the_probe_is_answered_at_once() {
    for (revision, empty) in [(Revision::V4, "6"), (Revision::V3, "1:6")] {
        let client = Client::open(revision).await;
        let (named, _, params) = client.request();
        let socket = client.socket([Frame::Probe]);
        let answer = poll::answer(&client.engine, named, &params, 0).await.unwrap();
        let answered = text(answer).now_or_never();
        assert_eq!(answered, Some((StatusCode::OK, empty.to_owned())));
        drop(socket);
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_crosses_the_confirmation_comes_too_late() {
    let client = Client::open(Revision::V4).await;
    let (named, _, params) = client.request();
    let _socket = client.socket([Frame::Probe, Frame::Confirm]);
    let refused = poll::answer(&client.engine, named, &params, 0).await.err().unwrap().respond(false);
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

/// An upload that the client has begun before it moved is taken: nobody would send it again.
#[tokio::test(start_paused = true)]
async fn an_upload_that_crosses_the_confirmation_is_taken() {
    for (revision, body) in [(Revision::V4, "4late"), (Revision::V3, "5:4late")] {
        let client = Client::open(revision).await;
        let (named, parts, params) = client.request();
        let (begun, come) = futures::channel::oneshot::channel::<Result<&'static str, Infallible>>();
        let body_stream = Body::from_stream(come.map(Result::unwrap).into_stream());
        let mut taken = Box::pin(upload::take(&client.engine, named, &params, &parts, body_stream));
        assert!((&mut taken).now_or_never().is_none(), "its body is still to come");
        let socket = client.socket([Frame::Probe, Frame::Confirm]);
        begun.send(Ok(body)).unwrap();
        assert_eq!(text(taken.await.unwrap()).await, (StatusCode::OK, "ok".to_owned()));
        let mut got = Vec::new();
        std::future::poll_fn(|cx| {
            socket.pull(cx, |outbound| {
                got.push(format!("{outbound:?}"));
                true
            });
            if got.len() > 1 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert!(got[1].contains("late"), "the probe's answer, and the echo: {got:?}");
    }
}
