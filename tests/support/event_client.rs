//! A client of events that writes and reads the messages of its WebSocket by hand.

use std::collections::VecDeque;

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::{peer::attempt, site::Site, socket::Socket};

pub struct EventClient {
    pub socket: Socket,
    pub id: String,
    secret: String,
    /// How many messages the server had taken when this page came.
    pub received: u64,
    /// The requests that this client has made in [`settle`](Self::settle).
    settled: u32,
    /// Events that came while it settled.
    early: VecDeque<String>,
}

impl EventClient {
    /// A client that lists these names.
    pub async fn open(site: &Site, names: &str) -> Self {
        let mut socket = site.websocket("websocket").await;
        socket.text(format!("o1,17,{},0,{names}:", attempt())).await;
        let mut client = Self::granted(socket).await;
        assert_eq!(client.received, 0);
        client.confirm().await;
        client
    }

    /// The next page, which takes the session over and has not confirmed its link yet.
    pub async fn take_over(&self, site: &Site) -> Self {
        let mut socket = site.websocket(&format!("websocket?session={}", self.id)).await;
        socket.text(format!("t1,18,instance-1,{},{},1,events:", self.id, self.secret)).await;
        Self::granted(socket).await
    }

    async fn granted(socket: Socket) -> Self {
        let (id, secret) = Default::default();
        let mut client = EventClient { socket, id, secret, received: 0, settled: 0, early: VecDeque::new() };
        let record = client.next().await;
        let mut fields = record.split([',', ':']);
        assert_eq!(fields.next(), Some("snew"), "{record}");
        client.received = fields.next().unwrap().parse().unwrap();
        client.id = fields.next().unwrap().to_owned();
        client.secret = fields.next().unwrap().to_owned();
        client
    }

    /// Confirms the link, and goes on with the next message.
    pub async fn confirm(&mut self) {
        self.send(&format!("v:n{}:", self.received + 1)).await;
    }

    pub fn secret(&self) -> &str {
        &self.secret
    }

    pub async fn send(&mut self, text: &str) {
        self.socket.text(text).await;
    }

    pub async fn bytes(&mut self, bytes: &'static [u8]) {
        self.socket.io.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next message, which may be of bytes.
    pub async fn any(&mut self) -> Message {
        loop {
            match self.socket.io.next().await.unwrap().unwrap() {
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
        if let Some(early) = self.early.pop_front() {
            return early;
        }
        loop {
            let text = self.next().await;
            if text.starts_with(['e', 'm']) {
                return text;
            }
        }
    }

    /// The next event, which is a request: its id, and its name and values.
    pub async fn asked(&mut self) -> (u64, String) {
        let event = self.event().await;
        let Some((id, values)) = event.strip_prefix("e2").and_then(|rest| rest.split_once('[')) else {
            panic!("{event} is no event")
        };
        (id.parse().unwrap_or_else(|_| panic!("{event} is no request")), format!("[{values}"))
    }

    /// Waits until the server has taken everything that this client has sent, and it has received everything that
    /// the server had sent by then. The server must handle events, and none of the name `settle`.
    pub async fn settle(&mut self) {
        self.settled += 1;
        let id = 7_000_000 + self.settled;
        self.send(&format!("e2{id}[\"settle\"]")).await;
        let mut early = VecDeque::new();
        loop {
            let event = self.event().await;
            if event.starts_with(&format!("e7{id}{{")) {
                self.early = early;
                return;
            }
            early.push_back(event);
        }
    }

    /// Answers a request and settles.
    pub async fn answer(&mut self, id: u64, values: &str) {
        self.send(&format!("e3{id}{values}")).await;
        self.settle().await;
    }
}
