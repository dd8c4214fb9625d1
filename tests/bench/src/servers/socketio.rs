//! socketioxide with its defaults, with events as in its examples.

use super::{GREETING, Scene};
use anyhow::{Result, bail};
use axum::Router;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};

const EVENT: &str = "e";
const ROOM: &str = "all";

pub(super) fn router(scene: Scene) -> Result<Router> {
    let (layer, io) = SocketIo::new_layer();
    match scene {
        Scene::Echo => io.ns("/", async |socket: SocketRef| {
            socket.on(EVENT, async |socket: SocketRef, Data(text): Data<String>| {
                // This fails only when the socket is gone.
                let _ = socket.emit(EVENT, &text);
            });
        }),
        Scene::Requests => io.ns("/", async |socket: SocketRef| {
            socket.on(EVENT, async |Data(text): Data<String>, ack: AckSender| {
                // This fails only when the socket is gone.
                let _ = ack.send(&text);
            });
        }),
        Scene::Fanout | Scene::EventRoom => io.ns("/", async |socket: SocketRef| {
            socket.join(ROOM);
            socket.on(EVENT, async |socket: SocketRef, Data(text): Data<String>| {
                // Both fail only for sockets that are gone.
                if text.as_bytes().first() == Some(&GREETING) {
                    let _ = socket.emit(EVENT, &text);
                } else {
                    let _ = socket.within(ROOM).emit(EVENT, &text).await;
                }
            });
        }),
        Scene::NodeRoom => bail!("one server is not many nodes"),
    };
    Ok(Router::new().layer(layer))
}
