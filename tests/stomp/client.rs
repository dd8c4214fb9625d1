//! A client of STOMP that writes its frames by hand, over any carrier.

use std::time::Duration;

use super::{
    frame::Frame,
    wire::{Came, Carrier, Wire},
};
use crate::support::Site;

pub const VERSIONS: [&str; 3] = ["1.0", "1.1", "1.2"];

/// Nothing takes so long, not even a heart-beat.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Client {
    pub wire: Wire,
    pub version: String,
    barriers: u32,
}

/// A thing that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Frame(Frame),
    Beat,
    End(u16),
}

impl Client {
    /// A client that has not sent CONNECT, over a bare WebSocket. It reads frames of this version.
    pub async fn open(site: &Site, version: &str) -> Self {
        Self::over(site, Carrier::WebSocket, version).await
    }

    pub async fn over(site: &Site, carrier: Carrier, version: &str) -> Self {
        Client { wire: Wire::open(site, carrier).await, version: version.to_owned(), barriers: 0 }
    }

    /// A client that is connected, over a bare WebSocket.
    pub async fn connect(site: &Site, version: &str) -> Self {
        Self::connect_over(site, Carrier::WebSocket, version, "").await
    }

    /// The same over any carrier, with further header lines in CONNECT.
    pub async fn connect_over(site: &Site, carrier: Carrier, version: &str, headers: &str) -> Self {
        let mut client = Self::over(site, carrier, version).await;
        client.say(&format!("CONNECT\naccept-version:{version}\nhost:chat.test\n{headers}\n^@")).await;
        let connected = client.frame().await;
        assert_eq!((&*connected.command, connected.get("version")), ("CONNECTED", Some(version)));
        client
    }

    /// Sends a text message in which `^@` stands for NUL, as in the specifications.
    pub async fn say(&mut self, text: &str) {
        self.wire.text(&text.replace("^@", "\0")).await;
    }

    /// Sends these bytes as a binary message.
    pub async fn bytes(&mut self, bytes: &[u8]) {
        self.wire.binary(bytes).await;
    }

    /// Sends a frame of these lines, without a body, and waits for its receipt, behind which nothing else has come.
    pub async fn ask(&mut self, lines: &str) {
        self.barriers += 1;
        let receipt = format!("asked-{}", self.barriers);
        self.say(&format!("{lines}\nreceipt:{receipt}\n\n^@")).await;
        self.receipt(&receipt).await;
    }

    pub async fn subscribe(&mut self, id: &str, destination: &str, ack: &str) {
        self.ask(&format!("SUBSCRIBE\nid:{id}\ndestination:{destination}\nack:{ack}")).await;
    }

    /// Sends a text to a destination, and waits for the receipt.
    pub async fn publish(&mut self, destination: &str, body: &str) {
        self.barriers += 1;
        let receipt = format!("sent-{}", self.barriers);
        self.say(&format!("SEND\ndestination:{destination}\nreceipt:{receipt}\n\n{body}^@")).await;
        self.receipt(&receipt).await;
    }

    /// Sends `body` with this further header line, and waits for the receipt.
    pub async fn publish_with(&mut self, destination: &str, line: &str) {
        self.say(&format!("SEND\ndestination:{destination}\nreceipt:with\n{line}\n\nbody^@")).await;
        self.receipt("with").await;
    }

    pub async fn ack(&mut self, message: &Frame) {
        self.settle("ACK", message).await;
    }

    pub async fn nack(&mut self, message: &Frame) {
        self.settle("NACK", message).await;
    }

    async fn settle(&mut self, command: &str, message: &Frame) {
        let lines = self.settling(command, message);
        self.ask(&lines).await;
    }

    /// The lines of an ACK or NACK, as the version has them.
    pub fn settling(&self, command: &str, message: &Frame) -> String {
        match &*self.version {
            "1.2" => format!("{command}\nid:{}", message.header("ack")),
            "1.1" => format!(
                "{command}\nmessage-id:{}\nsubscription:{}",
                message.header("message-id"),
                message.header("subscription")
            ),
            _ => format!("{command}\nmessage-id:{}", message.header("message-id")),
        }
    }

    /// The next thing that comes.
    pub async fn hear(&mut self) -> Heard {
        let came = tokio::time::timeout(PATIENCE, self.wire.next()).await.expect("something comes");
        match came {
            Came::Text(text) if text == "\n" => Heard::Beat,
            Came::Text(text) => Heard::Frame(Frame::read(&self.version, text.as_bytes())),
            Came::Binary(bytes) => {
                assert!(std::str::from_utf8(&bytes).is_err(), "a frame that is UTF-8 is a text: {bytes:?}");
                Heard::Frame(Frame::read(&self.version, &bytes))
            }
            Came::Closed(code, _) => Heard::End(code),
            Came::Broken => Heard::End(1006),
        }
    }

    /// The next frame; heart-beats are skipped.
    pub async fn frame(&mut self) -> Frame {
        loop {
            match self.hear().await {
                Heard::Frame(frame) => return frame,
                Heard::Beat => {}
                Heard::End(code) => panic!("the session ended with {code} and no frame"),
            }
        }
    }

    /// The next frame, which is a MESSAGE.
    pub async fn message(&mut self) -> Frame {
        let frame = self.frame().await;
        assert_eq!(frame.command, "MESSAGE", "{frame:?}");
        for name in ["destination", "message-id"] {
            frame.header(name);
        }
        frame
    }

    /// The next frame, which is a MESSAGE with this body.
    pub async fn hears(&mut self, body: &str) -> Frame {
        let frame = self.message().await;
        assert_eq!(frame.text(), body, "{frame:?}");
        frame
    }

    /// The next frame, which is this RECEIPT.
    pub async fn receipt(&mut self, id: &str) {
        let frame = self.frame().await;
        assert_eq!((&*frame.command, frame.get("receipt-id")), ("RECEIPT", Some(id)), "{frame:?}");
    }

    /// Nothing has come that was not read: the answer to a frame is the next thing.
    pub async fn has_heard_all(&mut self) {
        self.barriers += 1;
        let name = format!("barrier-{}", self.barriers);
        self.ask(&format!("BEGIN\ntransaction:{name}")).await;
        self.ask(&format!("ABORT\ntransaction:{name}")).await;
    }

    /// The next frame, which is an ERROR behind which the connection goes on.
    pub async fn error(&mut self) -> Frame {
        let frame = self.frame().await;
        assert_eq!(frame.command, "ERROR", "{frame:?}");
        frame
    }

    /// The next frame, which is an ERROR, and the end.
    pub async fn last_error(&mut self) -> Frame {
        let frame = self.error().await;
        self.ends().await;
        assert!(!frame.header("message").is_empty());
        frame
    }

    /// The session ends. Returns the code.
    pub async fn ends(&mut self) -> u16 {
        match self.hear().await {
            Heard::End(code) => code,
            other => panic!("it has not ended: {other:?}"),
        }
    }
}
