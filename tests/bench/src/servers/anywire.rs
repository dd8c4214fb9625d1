//! Anywire as its README writes it: all defaults, so with its origin policy and with acknowledgements.

use super::{GREETING, Scene};
use anywire::{Anywire, Session};
use axum::Router;

const ROOM: &str = "all";

pub(super) fn router(scene: Scene) -> Router {
    let live = match scene {
        Scene::Echo => Anywire::builder().handler(echo).build(),
        Scene::Fanout => Anywire::builder().handler(fanout).build(),
    };
    Router::new().nest("/live", live.routes())
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
