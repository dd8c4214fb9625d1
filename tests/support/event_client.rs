//! A client of events whose records are written by hand.

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::{Site, Socket, attempt};

/// A client that writes and reads the messages of its WebSocket by hand.
pub struct Client(pub Socket);

impl Client {
    /// A client that lists these names.
    pub async fn open(site: &Site, names: &str) -> Self {
        let mut socket = site.websocket("websocket").await;
        socket.text(format!("o1,17,{},0,{names}:", attempt())).await;
        let mut client = Client(socket);
        let start = client.next().await;
        assert!(start.starts_with("snew,0,"), "{start}");
        client.send("v:n1:").await;
        client
    }

    pub async fn send(&mut self, text: &str) {
        self.0.text(text).await;
    }

    pub async fn bytes(&mut self, bytes: &'static [u8]) {
        self.0.io.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next message, which may be of bytes.
    pub async fn any(&mut self) -> Message {
        loop {
            match self.0.io.next().await.unwrap().unwrap() {
                Message::Ping(_) => {}
                message => return message,
            }
        }
    }

    pub async fn next(&mut self) -> String {
        self.any().await.into_text().unwrap().to_string()
    }

    /// The next event or message; control records are skipped.
    pub async fn event(&mut self) -> String {
        loop {
            let text = self.next().await;
            if text.starts_with(['e', 'm']) {
                return text;
            }
        }
    }
}
