//! SockJS 0.3.3: over a WebSocket, and over HTTP as sockjs-client speaks it: the answer with the server's frames on
//! connection 0, `xhr_send` on connection 1, one request of each at a time.

use super::http::{self, Answer};
use super::{Client, Dial, Inbox, Outputs, Phase, websocket};
use anyhow::{Context, Result, bail, ensure};
use std::sync::atomic::{AtomicU64, Ordering};

const ARRAY_HEAD: &[u8] = b"[\"";
const ARRAY_TAIL: &[u8] = b"\"]";
const SEPARATOR: &[u8] = b"\",\"";
const DOWN: usize = 0;
const UP: usize = 1;

/// The path of a session that no other client of this process has.
fn session() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("/sockjs/000/s{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Open,
    Heartbeat,
    Messages,
}

/// Reads a frame, and puts its messages into the inbox.
fn read(frame: &[u8], inbox: &mut Inbox) -> Result<Frame> {
    let shown = || format!("frame not understood: {}", String::from_utf8_lossy(frame));
    Ok(match frame {
        b"o" => Frame::Open,
        b"h" => Frame::Heartbeat,
        [b'a', array @ ..] => {
            let inner = array.strip_prefix(ARRAY_HEAD).and_then(|rest| rest.strip_suffix(ARRAY_TAIL));
            let mut rest = inner.with_context(shown)?;
            while let Some(at) = rest.iter().position(|&byte| byte == b'"') {
                let (text, behind) = rest.split_at(at);
                rest = behind.strip_prefix(SEPARATOR).with_context(shown)?;
                inbox.push(text);
            }
            inbox.push(rest);
            Frame::Messages
        }
        _ => bail!(shown()),
    })
}

/// A client over one WebSocket.
pub(crate) struct Socket {
    dial: Dial,
    phase: Phase,
    is_upgraded: bool,
    output: Vec<u8>,
}

impl Socket {
    pub(crate) fn new(dial: &Dial) -> Self {
        Self { dial: dial.clone(), phase: Phase::Opening, is_upgraded: false, output: Vec::new() }
    }
}

impl Client for Socket {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn open(&mut self, outputs: &mut Outputs) {
        outputs.0[0] = websocket::upgrade(&self.dial, &format!("{}/websocket", session()));
    }

    fn received(
        &mut self,
        _connection: usize,
        input: &[u8],
        _outputs: &mut Outputs,
        inbox: &mut Inbox,
    ) -> Result<usize> {
        let mut at = 0;
        if !self.is_upgraded {
            let Some(head) = websocket::upgraded(input)? else {
                return Ok(0);
            };
            at = head;
            self.is_upgraded = true;
        }
        while let Some((opcode, payload)) = websocket::next(input, &mut at, &mut self.output)? {
            match opcode {
                websocket::TEXT => {
                    if read(payload, inbox)? == Frame::Open {
                        ensure!(self.phase == Phase::Opening, "opened twice");
                        self.phase = Phase::Open;
                    }
                }
                _ if self.phase == Phase::Closing => {}
                _ => bail!("the server closed: {}", websocket::reason(payload)),
            }
        }
        Ok(at)
    }

    fn ended(&mut self, _connection: usize) -> Result<()> {
        ensure!(self.phase == Phase::Closing, "the server hung up");
        self.phase = Phase::Closed;
        Ok(())
    }

    fn send(&mut self, payload: &[u8]) {
        websocket::frame(websocket::TEXT, &[ARRAY_HEAD, payload, ARRAY_TAIL], &mut self.output);
    }

    fn close(&mut self) {
        self.phase = Phase::Closing;
        websocket::frame(websocket::CLOSE, &[&1000_u16.to_be_bytes()], &mut self.output);
    }

    fn flush(&mut self, outputs: &mut Outputs) {
        outputs.0[0].append(&mut self.output);
    }
}

/// A client over HTTP.
pub(crate) struct Http {
    dial: Dial,
    phase: Phase,
    session: String,
    /// `xhr_streaming` or `xhr`.
    downlink: &'static str,
    answers: [Answer; 2],
    is_receiving: bool,
    is_sending: bool,
    /// Texts with separators between them.
    queue: Vec<u8>,
}

impl Http {
    pub(crate) fn new(dial: &Dial, downlink: &'static str) -> Self {
        Self {
            dial: dial.clone(),
            phase: Phase::Opening,
            session: session(),
            downlink,
            answers: [Answer::new(), Answer::new()],
            is_receiving: false,
            is_sending: false,
            queue: Vec::new(),
        }
    }

    fn receive(&mut self, out: &mut Vec<u8>) {
        http::post(&self.dial, &format!("{}/{}", self.session, self.downlink), &[], out);
        self.is_receiving = true;
    }

    /// Reads the lines that are complete. One with more than one heartbeat fills the beginning of a stream.
    fn read_lines(&mut self, inbox: &mut Inbox) -> Result<()> {
        let body = std::mem::take(&mut self.answers[DOWN].body);
        let mut rest = &body[..];
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            rest = behind;
            if line.len() > 1 && line.iter().all(|&byte| byte == b'h') {
                continue;
            }
            if read(line, inbox)? == Frame::Open {
                ensure!(self.phase == Phase::Opening, "opened twice");
                self.phase = Phase::Open;
            }
        }
        self.answers[DOWN].body = rest.to_vec();
        Ok(())
    }
}

impl Client for Http {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn open(&mut self, outputs: &mut Outputs) {
        self.receive(&mut outputs.0[DOWN]);
    }

    fn received(
        &mut self,
        connection: usize,
        input: &[u8],
        _outputs: &mut Outputs,
        inbox: &mut Inbox,
    ) -> Result<usize> {
        let progress = self.answers[connection].feed(input)?;
        let (status, expected) = (self.answers[connection].status, if connection == DOWN { 200 } else { 204 });
        if connection == DOWN && status == expected {
            self.read_lines(inbox)?;
        }
        if progress.is_done {
            let body = &self.answers[connection].body;
            ensure!(status == expected && body.is_empty(), "status {status}: {}", String::from_utf8_lossy(body));
            ensure!(progress.used == input.len(), "an answer without a request");
            match connection {
                DOWN => self.is_receiving = false,
                _ => self.is_sending = false,
            }
        }
        Ok(progress.used)
    }

    fn ended(&mut self, connection: usize) -> Result<()> {
        // An idle connection may go at any time: the next request makes another.
        let is_idle = if connection == DOWN { !self.is_receiving } else { !self.is_sending };
        ensure!(is_idle, "the server hung up on connection {connection}");
        Ok(())
    }

    fn is_uploading(&self) -> bool {
        self.is_sending
    }

    fn send(&mut self, payload: &[u8]) {
        self.queue.extend_from_slice(if self.queue.is_empty() { ARRAY_HEAD } else { SEPARATOR });
        self.queue.extend_from_slice(payload);
    }

    /// Over HTTP a client has no word for it: it goes away, and the server notices that later.
    fn close(&mut self) {
        self.phase = Phase::Closing;
    }

    fn flush(&mut self, outputs: &mut Outputs) {
        if !self.is_receiving && self.phase != Phase::Closing {
            self.receive(&mut outputs.0[DOWN]);
        }
        if !self.is_sending && !self.queue.is_empty() {
            let path = format!("{}/xhr_send", self.session);
            http::post(&self.dial, &path, &[&self.queue, ARRAY_TAIL], &mut outputs.0[UP]);
            self.queue.clear();
            self.is_sending = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Talk;
    use std::net::SocketAddr;

    fn client(downlink: &'static str) -> (Http, Outputs, Inbox) {
        let dial = Dial::new(SocketAddr::from(([127, 0, 0, 1], 1)), Talk::Messages);
        (Http::new(&dial, downlink), Outputs::default(), Inbox::default())
    }

    #[test]
    fn frames_are_checked() {
        let mut inbox = Inbox::default();
        assert_eq!(read(b"a[\"x\",\"\",\"yz\"]", &mut inbox).unwrap(), Frame::Messages);
        assert_eq!(inbox.iter().collect::<Vec<_>>(), [&b"x"[..], b"", b"yz"]);
        for wrong in ["", "oo", "hh", "a[]", "a[\"x\"", "a[\"x\" ,\"y\"]", "c[3000,\"Go away!\"]", "m\"x\""] {
            assert!(read(wrong.as_bytes(), &mut inbox).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stream_in_any_pieces() {
        let stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhhh\n\r\n2\r\no\n\r\n6\r\na[\"one\
                       \r\n4\r\n\"]\nh\r\n1\r\n\n\r\n0\r\n\r\n";
        for size in 1..=stream.len() {
            let (mut client, mut outputs, mut inbox) = client("xhr_streaming");
            client.open(&mut outputs);
            let mut input = Vec::new();
            for piece in stream.chunks(size) {
                input.extend_from_slice(piece);
                let used = client.received(DOWN, &input, &mut outputs, &mut inbox).unwrap();
                input.drain(..used);
            }
            assert_eq!((client.phase(), client.is_receiving), (Phase::Open, false), "pieces of {size}");
            assert_eq!(inbox.iter().collect::<Vec<_>>(), [b"one"]);
        }
    }

    #[test]
    fn what_waits_is_sent_as_one_array() {
        let (mut client, mut outputs, mut inbox) = client("xhr");
        client.open(&mut outputs);
        outputs.0[DOWN].clear();
        client.send(b"a");
        client.flush(&mut outputs);
        assert!(outputs.0[UP].ends_with(b"\r\n\r\n[\"a\"]"));
        for text in [b"b", b"c"] {
            client.send(text);
        }
        outputs.0[UP].clear();
        client.flush(&mut outputs);
        assert!(outputs.0[UP].is_empty(), "one at a time");
        client.received(UP, b"HTTP/1.1 204 No Content\r\n\r\n", &mut outputs, &mut inbox).unwrap();
        client.flush(&mut outputs);
        assert!(outputs.0[UP].ends_with(b"\r\n\r\n[\"b\",\"c\"]"));
        assert!(outputs.0[DOWN].is_empty(), "a request waits");
    }
}
