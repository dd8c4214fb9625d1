//! A connection to a server of NATS.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::{
    link::{Link, says},
    protocol::{Heard, Message, Reader, put_subscription},
    url::Servers,
};
use crate::{
    cluster::{engine::EngineError, kept::CONNECT},
    ids,
};

/// The number of the subscription to answers. Others have higher ones.
pub(super) const ANSWERS: u64 = 1;

/// The bytes that are read, and written, at once.
const PIECE: usize = 64 << 10;
/// The oldest server that forgets a message after a time of the message's own.
const OLDEST: (u32, u32) = (2, 11);

/// Moves the bytes of a connection; it ends with it, and tells why. When it is dropped, the connection is closed.
pub(super) type Driver = BoxFuture<'static, EngineError>;

/// Gets the messages of subscriptions.
pub(super) type Take = Box<dyn Fn(Message) + Send + Sync>;

/// The servers, and how a connection to one of them begins.
pub(super) struct Target {
    servers: Servers,
    /// All subjects begin with it.
    pub(super) prefix: String,
    /// The server whose turn it is.
    turn: AtomicUsize,
}

impl Target {
    pub(super) fn new(servers: Servers, prefix: String) -> Self {
        Target { servers, prefix, turn: AtomicUsize::new(0) }
    }

    /// The servers, for the log.
    pub(super) fn addresses(&self) -> String {
        self.servers.to_string()
    }

    fn address(&self, turn: usize) -> (&str, u16) {
        let addresses = &self.servers.addresses;
        let (host, port) = &addresses[turn % addresses.len()];
        (host, *port)
    }

    /// Another server is to be tried than the one whose turn this was. Returns whether there is one.
    fn pass_on(&self, turn: usize) -> bool {
        let next = turn.wrapping_add(1);
        // Another connection may have found the same.
        let _ = self.turn.compare_exchange(turn, next, Ordering::Relaxed, Ordering::Relaxed);
        self.servers.addresses.len() > 1
    }

    /// Connects to one of the servers. `take` gets the messages that come.
    pub(super) async fn connect(self: &Arc<Self>, take: Take) -> Result<(Link, Driver), EngineError> {
        let turn = self.turn.load(Ordering::Relaxed);
        let connected = timeout(CONNECT, async {
            let stream = TcpStream::connect(self.address(turn)).await.map_err(EngineError::new)?;
            stream.set_nodelay(true).map_err(EngineError::new)?;
            self.greet(stream, turn, take).await
        });
        let connected = connected.await.unwrap_or_else(|_| Err(EngineError::new("the server does not answer")));
        if connected.is_err() {
            self.pass_on(turn);
        }
        connected
    }

    async fn greet(
        self: &Arc<Self>,
        mut stream: TcpStream,
        turn: usize,
        take: Take,
    ) -> Result<(Link, Driver), EngineError> {
        let mut reader = Reader::default();
        let max_payload = match heard(&mut stream, &mut reader).await? {
            Heard::Info(info) => judge(&info)?,
            Heard::Refused(text) => return Err(says(&text)),
            _ => return Err(no_server()),
        };
        let inbox = format!("{}.inbox.{}", self.prefix, ids::random().simple());
        let mut hello = format!("CONNECT {}\r\n", self.hello()).into_bytes();
        put_subscription(&mut hello, &format!("{inbox}.*"), ANSWERS);
        hello.extend_from_slice(b"PING\r\n");
        stream.write_all(&hello).await.map_err(EngineError::new)?;
        loop {
            match heard(&mut stream, &mut reader).await? {
                Heard::Pong => break,
                Heard::Ping => stream.write_all(b"PONG\r\n").await.map_err(EngineError::new)?,
                Heard::Refused(text) => return Err(says(&text)),
                Heard::Info(_) | Heard::Fine => {}
                Heard::Message(_) => return Err(no_server()),
            }
        }
        let link = Link::new(max_payload, inbox);
        let closed = Closed(link.clone());
        let target = self.clone();
        let leaves = move || target.pass_on(turn);
        let driver = Box::pin(async move {
            let link = &closed.0;
            let (read, write) = stream.into_split();
            tokio::select! {
                error = listen(leaves, link, read, reader, take) => error,
                error = speak(link, write) => error,
            }
        });
        Ok((link, driver))
    }

    /// The words by which a client introduces itself.
    fn hello(&self) -> Value {
        let mut hello = json!({
            "verbose": false, "pedantic": false, "echo": true, "headers": true, "no_responders": true, "protocol": 1,
            "name": "anywire", "lang": "rust", "version": env!("CARGO_PKG_VERSION"),
        });
        for (name, value) in &self.servers.credentials {
            hello[*name] = value.as_str().into();
        }
        hello
    }
}

/// A driver has ended, or was dropped.
struct Closed(Link);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The most bytes of a payload, if the server can be an engine.
fn judge(info: &[u8]) -> Result<usize, EngineError> {
    let info: Value = serde_json::from_slice(info).map_err(|_| no_server())?;
    let version = info["version"].as_str().ok_or_else(no_server)?;
    let mut words = version.split('.').map_while(|word| word.parse::<u32>().ok());
    let found = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if found < OLDEST {
        let (major, minor) = OLDEST;
        return Err(EngineError::new(format_args!("the server has version {version}: {major}.{minor} is needed")));
    }
    if info["tls_required"] == true {
        return Err(EngineError::new("the server asks for TLS, which is not there yet"));
    }
    let most = info["max_payload"].as_u64().ok_or_else(no_server)?;
    Ok(usize::try_from(most).unwrap_or(usize::MAX))
}

fn no_server() -> EngineError {
    EngineError::new("this is no server of NATS")
}

/// The next thing that the server says.
async fn heard(stream: &mut TcpStream, reader: &mut Reader) -> Result<Heard, EngineError> {
    loop {
        if let Some(heard) = reader.next().map_err(|_| no_server())? {
            return Ok(heard);
        }
        if stream.read_buf(&mut reader.buffer).await.map_err(EngineError::new)? == 0 {
            return Err(EngineError::new("the server has closed the connection"));
        }
    }
}

/// Reads until the connection ends. What comes is handed over here: who is too slow for it is waited for by the server.
/// `leaves` tells whether there is another server, when this one is about to end.
async fn listen(
    leaves: impl Fn() -> bool,
    link: &Link,
    mut read: OwnedReadHalf,
    mut reader: Reader,
    take: Take,
) -> EngineError {
    loop {
        loop {
            match reader.next() {
                Ok(Some(Heard::Info(info))) if is_leaving(&info) && leaves() => {
                    return EngineError::new("the server is about to end");
                }
                Ok(Some(heard)) => handle(link, heard, &take),
                Ok(None) => break,
                Err(_) => return EngineError::new("the server says what no server of NATS says"),
            }
        }
        reader.buffer.reserve(PIECE);
        match read.read_buf(&mut reader.buffer).await {
            Ok(0) => return link.why_closed(),
            Ok(_) => link.has_moved(),
            Err(error) => return EngineError::new(error),
        }
    }
}

fn handle(link: &Link, heard: Heard, take: &Take) {
    match heard {
        Heard::Message(message) if message.subscription == ANSWERS => link.answered(message),
        Heard::Message(message) => take(message),
        Heard::Ping => link.write(|out| out.extend_from_slice(b"PONG\r\n")),
        Heard::Pong => link.flushed(),
        Heard::Refused(text) => link.refused(&text),
        Heard::Info(_) | Heard::Fine => {}
    }
}

/// Whether the server says that it ends its connections soon.
fn is_leaving(info: &[u8]) -> bool {
    serde_json::from_slice::<Value>(info).is_ok_and(|info| info["ldm"] == true)
}

async fn speak(link: &Link, mut write: OwnedWriteHalf) -> EngineError {
    loop {
        let bytes = link.next_bytes().await;
        for piece in bytes.chunks(PIECE) {
            if let Err(error) = write.write_all(piece).await {
                return EngineError::new(error);
            }
            link.has_moved();
        }
    }
}

/// Waits for something that needs the connection, while its driver runs.
pub(super) async fn beside<T>(
    driver: &mut Driver,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => done,
        error = driver => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_judged_by_what_it_says_of_itself() {
        let judged = |text: &str| judge(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(judged(r#"{"version":"2.11.0","max_payload":1048576}"#), Ok(1 << 20));
        assert_eq!(judged(r#"{"version":"3.0.0-beta.1","max_payload":5,"tls_required":false}"#), Ok(5));
        let old = judged(r#"{"version":"2.10.29","max_payload":1048576}"#).unwrap_err();
        assert_eq!(old, "the server has version 2.10.29: 2.11 is needed");
        let tls = judged(r#"{"version":"2.11.0","max_payload":1,"tls_required":true}"#).unwrap_err();
        assert_eq!(tls, "the server asks for TLS, which is not there yet");
        for other in ["", "{}", "[1]", r#"{"version":"2.12.0"}"#, r#"{"version":3,"max_payload":1}"#] {
            assert_eq!(judged(other).unwrap_err(), "this is no server of NATS", "{other}");
        }
        assert!(is_leaving(br#"{"ldm":true}"#) && !is_leaving(b"{}") && !is_leaving(b""));
    }
}
