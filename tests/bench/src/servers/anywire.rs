//! Anywire as its README writes it: all defaults, so with its origin policy and with acknowledgements. The
//! native protocol has a shortcut.

use super::{GREETING, Scene};
use ::anywire::{Anywire, Data, Events, Reply, Session};
use anyhow::{Result, bail};
use axum::Router;

const ROOM: &str = "all";
const EVENT: &str = "e";

pub(super) fn router(scene: Scene) -> Result<Router> {
    with_live(scene).map(|(router, _)| router)
}

/// The router, and the server whose open sessions pass it by.
pub(super) fn with_live(scene: Scene) -> Result<(Router, ::anywire::Server)> {
    let live = match scene {
        Scene::Echo => Anywire::builder().handler(echo).build(),
        Scene::Fanout => Anywire::builder().handler(fanout).build(),
        Scene::Requests => Anywire::builder().events(Events::new().on(EVENT, answer)).build(),
        Scene::EventRoom => {
            let events = Events::new().on_open(enter).on(EVENT, send_on);
            Anywire::builder().events(events).build()
        }
        Scene::NodeRoom => bail!("one server is not many nodes"),
    };
    Ok((Router::new().nest("/live", live.routes()), live))
}

/// The same for clients of Socket.IO, whose messages are events.
pub(super) fn socketio(scene: Scene) -> Result<Router> {
    let events = Events::new();
    let events = match scene {
        Scene::Echo => events.on(EVENT, send_back),
        Scene::Requests => events.on(EVENT, answer),
        Scene::Fanout | Scene::EventRoom => events.on_open(enter).on(EVENT, send_on),
        Scene::NodeRoom => bail!("one server is not many nodes"),
    };
    // The clients are programs, with an `Origin` of the server's own.
    Ok(Anywire::builder().events(events).build().socketio("/socket.io"))
}

/// The same for clients of SockJS, whose messages are texts.
pub(super) fn sockjs(scene: Scene) -> Result<Router> {
    let live = match scene {
        Scene::Echo => Anywire::builder().handler(echo).build(),
        Scene::Fanout => Anywire::builder().handler(fanout).build(),
        Scene::Requests | Scene::EventRoom | Scene::NodeRoom => bail!("SockJS has no events"),
    };
    Ok(live.sockjs("/sockjs"))
}

async fn send_back(Data(text): Data<String>, session: Session) {
    // This fails only when the session is over.
    let _ = session.emit(EVENT, &text).await;
}

async fn echo(session: Session) {
    while let Some(message) = session.recv().await {
        if session.send(message).await.is_err() {
            return;
        }
    }
}

async fn fanout(session: Session) {
    session.join(ROOM);
    while let Some(message) = session.recv().await {
        if message.as_bytes().first() == Some(&GREETING) {
            if session.send(message).await.is_err() {
                return;
            }
        } else {
            session.within(ROOM).send(message);
        }
    }
}

async fn answer(Data(text): Data<String>) -> Reply<String> {
    Reply(text)
}

async fn enter(session: Session) {
    session.join(ROOM);
}

async fn send_on(Data(text): Data<String>, session: Session) {
    if text.as_bytes().first() == Some(&GREETING) {
        // This fails only when the session is over.
        let _ = session.emit(EVENT, &text).await;
    } else {
        session.within(ROOM).emit(EVENT, &text);
    }
}
