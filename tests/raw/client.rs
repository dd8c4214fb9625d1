//! A WebSocket client that writes its frames by hand, so that it can also write what RFC 6455 forbids.

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{HOST, Io, Site};

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// A unit that came from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A close frame: its code, 1005 if it has none, and its text.
    Close(u16, String),
    /// The end of the connection.
    End,
}

pub struct Client {
    io: Box<dyn Io>,
    /// Bytes that came and were not looked at yet.
    came: Vec<u8>,
}

/// The answer to a handshake that was not accepted.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
}

impl Client {
    /// Opens a WebSocket at `/ws`, as a page of the same origin does.
    pub async fn open(router: &Router) -> Client {
        Self::open_with(router, &format!("origin: http://{HOST}\r\n")).await.expect("101")
    }

    /// Opens a WebSocket at `/ws` with these header lines besides the handshake's own.
    pub async fn open_with(router: &Router, headers: &str) -> Result<Client, Refused> {
        let handshake = "connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let client = Self::request(router, &format!("{handshake}{headers}")).await?;
        Ok(client)
    }

    /// Sends a GET of `/ws` with these header lines; the connection, if it was upgraded.
    pub async fn request(router: &Router, headers: &str) -> Result<Client, Refused> {
        let mut client = Client { io: Site::here(router.clone()).connect().await, came: Vec::new() };
        client.bytes(format!("GET /ws HTTP/1.1\r\nhost: {HOST}\r\n{headers}\r\n").as_bytes()).await;
        let head = loop {
            assert!(client.read().await, "the connection ended before the answer's head");
            if let Some(at) = client.came.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = client.came.drain(..at + 4).collect::<Vec<u8>>();
                break String::from_utf8(head).unwrap().to_lowercase();
            }
        };
        let status = head[9..12].parse().unwrap();
        if status != 101 {
            return Err(Refused { status, head });
        }
        // The answer to the key of RFC 6455, section 1.3.
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        Ok(client)
    }

    pub async fn bytes(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
    }

    /// Sends one frame: the whole of a message, or of a control frame.
    pub async fn send(&mut self, opcode: u8, payload: impl AsRef<[u8]>) {
        self.frame(0x80 | opcode, payload).await;
    }

    /// Sends a frame with this first byte.
    pub async fn frame(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.bytes(&frame(first, payload.as_ref())).await;
    }

    /// Sends a close frame, unless the server has ended the connection.
    pub async fn close(&mut self, code: u16, text: &str) {
        let frame = frame(0x80 | CLOSE, &[&code.to_be_bytes(), text.as_bytes()].concat());
        let _ = self.io.write_all(&frame).await;
    }

    /// The next unit. Every frame of the server is unmasked, whole and in the shortest form of its length.
    pub async fn next(&mut self) -> Came {
        loop {
            if let Some((first, start, end)) = layout(&self.came) {
                let payload = self.came[start..end].to_vec();
                self.came.drain(..end);
                return came(first, payload);
            }
            if !self.read().await {
                assert!(self.came.is_empty(), "the connection ended within a frame: {:?}", self.came);
                return Came::End;
            }
        }
    }

    /// Whether something came.
    async fn read(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.io.read(&mut buffer).await {
            Ok(length) if length > 0 => self.came.extend_from_slice(&buffer[..length]),
            _ => return false,
        }
        true
    }
}

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    let length = payload.len();
    if length <= 125 {
        frame.push(0x80 | length as u8);
    } else if length <= 0xffff {
        frame.push(0x80 | 126);
        frame.extend_from_slice(&(length as u16).to_be_bytes());
    } else {
        frame.push(0x80 | 127);
        frame.extend_from_slice(&(length as u64).to_be_bytes());
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    frame
}

/// The first byte of the frame that the bytes begin with, and where its payload begins and ends.
fn layout(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (start, length) = match second {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()).into()),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap())),
        length => (2, length.into()),
    };
    let shortest = if length <= 125 {
        2
    } else if length <= 0xffff {
        4
    } else {
        10
    };
    assert_eq!(start, shortest, "a length of {length} has a shorter form");
    let end = start + usize::try_from(length).unwrap();
    (bytes.len() >= end).then_some((first, start, end))
}

fn came(first: u8, payload: Vec<u8>) -> Came {
    assert_eq!(first & 0xf0, 0x80, "a server sends whole frames without reserved bits");
    match first & 0x0f {
        TEXT => Came::Text(String::from_utf8(payload).unwrap()),
        BINARY => Came::Binary(payload),
        PING => Came::Ping(payload),
        PONG => Came::Pong(payload),
        CLOSE if payload.is_empty() => Came::Close(1005, String::new()),
        CLOSE => {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            Came::Close(code, String::from_utf8(payload[2..].to_vec()).unwrap())
        }
        opcode => panic!("opcode {opcode}"),
    }
}
