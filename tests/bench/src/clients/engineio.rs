//! Socket.IO 5 over Engine.IO 4, one event with one string argument.

use super::event::Events;
use super::http::{self, Answer};
use super::{Client, Dial, Inbox, Outputs, Phase, Talk, websocket};
use anyhow::{Context, Result, bail, ensure};

const EVENT_HEAD: &[u8] = b"42[\"e\",\"";
const EVENT_TAIL: &[u8] = b"\"]";
const MESSAGE: u8 = b'4';
const CONNECT: &[u8] = b"40";
const DISCONNECT: &[u8] = b"41";
const ENGINE_CLOSE: &[u8] = b"1";
const PONG: &[u8] = b"3";
const SEPARATOR: u8 = 0x1e;

/// A packet of the server.
enum Packet<'packet> {
    Handshake(&'packet [u8]),
    Connected,
    Event(&'packet [u8]),
    Answer(&'packet [u8]),
    Ping,
    Nothing,
    Closed,
}

fn read(packet: &[u8]) -> Result<Packet<'_>> {
    if let Some(text) = packet.strip_prefix(EVENT_HEAD).and_then(|rest| rest.strip_suffix(EVENT_TAIL)) {
        return Ok(Packet::Event(text));
    }
    Ok(match packet {
        [b'0', json @ ..] => Packet::Handshake(json),
        [b'4', b'0', ..] => Packet::Connected,
        [b'4', b'3', ..] => Packet::Answer(&packet[1..]),
        [b'2', ..] => Packet::Ping,
        [b'6'] => Packet::Nothing,
        [b'1'] | [b'4', b'1', ..] => Packet::Closed,
        _ => bail!("packet not understood: {}", String::from_utf8_lossy(packet)),
    })
}

/// A client over one WebSocket.
pub(crate) struct Socket {
    dial: Dial,
    phase: Phase,
    is_upgraded: bool,
    events: Events,
    output: Vec<u8>,
}

impl Socket {
    pub(crate) fn new(dial: &Dial) -> Self {
        Self {
            dial: dial.clone(),
            phase: Phase::Opening,
            is_upgraded: false,
            events: Events::new(dial.talk),
            output: Vec::new(),
        }
    }

    fn packet(&mut self, parts: &[&[u8]]) {
        websocket::frame(websocket::TEXT, parts, &mut self.output);
    }

    fn packet_received(&mut self, packet: &[u8], inbox: &mut Inbox) -> Result<()> {
        match read(packet)? {
            Packet::Event(text) => inbox.push(text),
            Packet::Answer(packet) => self.events.read(packet, inbox)?,
            Packet::Handshake(_) => self.packet(&[CONNECT]),
            Packet::Connected => self.phase = Phase::Open,
            Packet::Ping => self.packet(&[PONG]),
            Packet::Nothing => {}
            Packet::Closed => ensure!(self.phase == Phase::Closing, "the server disconnected"),
        }
        Ok(())
    }
}

impl Client for Socket {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn open(&mut self, outputs: &mut Outputs) {
        outputs.0[0] = websocket::upgrade(&self.dial, "/socket.io/?EIO=4&transport=websocket");
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
                websocket::TEXT => self.packet_received(payload, inbox)?,
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
        if self.dial.talk != Talk::Requests {
            return self.packet(&[EVENT_HEAD, payload, EVENT_TAIL]);
        }
        let mut head = vec![MESSAGE];
        self.events.head(&mut head);
        self.packet(&[&head, payload, EVENT_TAIL]);
    }

    fn close(&mut self) {
        self.phase = Phase::Closing;
        self.packet(&[DISCONNECT]);
        websocket::frame(websocket::CLOSE, &[&1000_u16.to_be_bytes()], &mut self.output);
    }

    fn flush(&mut self, outputs: &mut Outputs) {
        outputs.0[0].append(&mut self.output);
    }
}

/// A client over long polling: GETs on connection 0, POSTs on connection 1, one of each at a time.
pub(crate) struct Polling {
    dial: Dial,
    phase: Phase,
    path: String,
    answers: [Answer; 2],
    is_polling: bool,
    is_posting: bool,
    /// Packets with separators between them.
    queue: Vec<u8>,
}

impl Polling {
    pub(crate) fn new(dial: &Dial) -> Self {
        Self {
            dial: dial.clone(),
            phase: Phase::Opening,
            path: "/socket.io/?EIO=4&transport=polling".to_owned(),
            answers: [Answer::new(), Answer::new()],
            is_polling: false,
            is_posting: false,
            queue: Vec::new(),
        }
    }

    fn packet(&mut self, parts: &[&[u8]]) {
        if !self.queue.is_empty() {
            self.queue.push(SEPARATOR);
        }
        for part in parts {
            self.queue.extend_from_slice(part);
        }
    }

    /// The session is closed when nothing is under way any more.
    fn settle(&mut self) {
        let is_done = !self.is_polling && !self.is_posting && self.queue.is_empty();
        if is_done && self.phase == Phase::Closing {
            self.phase = Phase::Closed;
        }
    }

    fn polled(&mut self, body: &[u8], inbox: &mut Inbox) -> Result<()> {
        for packet in body.split(|&byte| byte == SEPARATOR) {
            match read(packet)? {
                Packet::Event(text) => inbox.push(text),
                Packet::Answer(_) => bail!("nobody asked over polling"),
                Packet::Handshake(json) => {
                    let json = std::str::from_utf8(json)?;
                    let sid =
                        json.split_once("\"sid\":\"").and_then(|(_, rest)| rest.split('"').next()).context("no sid")?;
                    self.path = format!("{}&sid={sid}", self.path);
                    self.packet(&[CONNECT]);
                }
                Packet::Connected => self.phase = Phase::Open,
                Packet::Ping => self.packet(&[PONG]),
                Packet::Nothing => {}
                Packet::Closed => ensure!(self.phase == Phase::Closing, "the server disconnected"),
            }
        }
        Ok(())
    }

    fn answered(&mut self, connection: usize, inbox: &mut Inbox) -> Result<()> {
        let answer = &mut self.answers[connection];
        let (status, body) = (answer.status, std::mem::take(&mut answer.body));
        if connection == 0 {
            self.is_polling = false;
            if status == 200 {
                return self.polled(&body, inbox);
            }
        } else {
            self.is_posting = false;
            if status == 200 {
                return Ok(());
            }
        }
        // The poll that the close ends may be answered that the session is gone.
        ensure!(self.phase == Phase::Closing, "status {status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }
}

impl Client for Polling {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn open(&mut self, outputs: &mut Outputs) {
        http::get(&self.dial, &self.path, &mut outputs.0[0]);
        self.is_polling = true;
    }

    fn received(
        &mut self,
        connection: usize,
        input: &[u8],
        _outputs: &mut Outputs,
        inbox: &mut Inbox,
    ) -> Result<usize> {
        let progress = self.answers[connection].feed(input)?;
        if progress.is_done {
            self.answered(connection, inbox)?;
            ensure!(progress.used == input.len(), "an answer without a request");
        }
        self.settle();
        Ok(progress.used)
    }

    fn ended(&mut self, connection: usize) -> Result<()> {
        // An idle uplink may go at any time: the next POST makes another.
        let is_idle = connection == 1 && !self.is_posting;
        ensure!(is_idle || self.phase == Phase::Closing, "the server hung up on connection {connection}");
        match connection {
            0 => self.is_polling = false,
            _ => self.is_posting = false,
        }
        self.settle();
        Ok(())
    }

    fn is_uploading(&self) -> bool {
        self.is_posting
    }

    fn send(&mut self, payload: &[u8]) {
        self.packet(&[EVENT_HEAD, payload, EVENT_TAIL]);
    }

    fn close(&mut self) {
        self.phase = Phase::Closing;
        self.packet(&[DISCONNECT]);
        self.packet(&[ENGINE_CLOSE]);
    }

    fn flush(&mut self, outputs: &mut Outputs) {
        if !self.is_polling && matches!(self.phase, Phase::Opening | Phase::Open) {
            http::get(&self.dial, &self.path, &mut outputs.0[0]);
            self.is_polling = true;
        }
        if !self.is_posting && !self.queue.is_empty() {
            http::post(&self.dial, &self.path, &[&self.queue], &mut outputs.0[1]);
            self.queue.clear();
            self.is_posting = true;
        }
    }
}
