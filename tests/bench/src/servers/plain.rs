//! axum's WebSocket as it is usually written: defaults, and for each message one send and so one flush.

use super::members::Members;
use super::{GREETING, Scene};
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};

pub(super) fn router(scene: Scene) -> Router {
    let route = match scene {
        Scene::Echo => any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)),
        _ => any(fanout),
    };
    Router::new().route("/ws", route).with_state(Members::default())
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn fanout(upgrade: WebSocketUpgrade, State(members): State<Members>) -> Response {
    upgrade.on_upgrade(async move |socket| {
        let (mut sink, mut stream) = socket.split();
        let (id, sender, mut receiver) = members.join();
        let writer = tokio::spawn(async move {
            while let Some(message) = receiver.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
        });
        while let Some(Ok(message)) = stream.next().await {
            match &message {
                Message::Text(text) if text.as_bytes().first() == Some(&GREETING) => {
                    // A send fails only if the writer is gone, and so is its socket.
                    let _ = sender.send(message);
                }
                Message::Text(_) | Message::Binary(_) => members.broadcast(&message),
                _ => {}
            }
        }
        members.leave(id);
        drop(sender);
        // This fails only if the writer panicked, which has been printed by then.
        let _ = writer.await;
    })
}
