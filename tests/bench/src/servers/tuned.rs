//! axum's WebSocket at its best: a read buffer of 4 KiB, and one flush for all messages that are ready.

use super::members::Members;
use super::{GREETING, Scene};
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use futures_util::{FutureExt, SinkExt, StreamExt};

const READ_BUFFER: usize = 4096;

pub(super) fn router(scene: Scene) -> Router {
    let route = match scene {
        Scene::Echo => any(async |upgrade: WebSocketUpgrade| upgrade.read_buffer_size(READ_BUFFER).on_upgrade(echo)),
        _ => any(fanout),
    };
    Router::new().route("/ws", route).with_state(Members::default())
}

async fn echo(mut socket: WebSocket) {
    while let Some(first) = socket.next().await {
        let mut next = Some(first);
        while let Some(message) = next {
            let Ok(message) = message else { return };
            if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.feed(message).await.is_err() {
                return;
            }
            next = socket.next().now_or_never().flatten();
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

async fn fanout(upgrade: WebSocketUpgrade, State(members): State<Members>) -> Response {
    upgrade.read_buffer_size(READ_BUFFER).on_upgrade(async move |socket| {
        let (mut sink, mut stream) = socket.split();
        let (id, sender, mut receiver) = members.join();
        let writer = tokio::spawn(async move {
            while let Some(first) = receiver.recv().await {
                let mut next = Some(first);
                while let Some(message) = next {
                    if sink.feed(message).await.is_err() {
                        return;
                    }
                    next = receiver.try_recv().ok();
                }
                if sink.flush().await.is_err() {
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
