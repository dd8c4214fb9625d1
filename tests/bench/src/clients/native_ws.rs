//! The native protocol over a WebSocket.

use super::native::{Session, Spelling};
use super::{Client, Dial, Inbox, Outputs, Phase, Talk, event, websocket};
use anyhow::{Result, bail, ensure};

pub(crate) struct Socket {
    dial: Dial,
    phase: Phase,
    is_upgraded: bool,
    session: Session,
    /// Records to be sent before the next message, or alone at the end of the turn.
    head: Vec<u8>,
    output: Vec<u8>,
    is_counting: bool,
}

impl Socket {
    pub(crate) fn new(dial: &Dial) -> Self {
        Self {
            dial: dial.clone(),
            phase: Phase::Opening,
            is_upgraded: false,
            session: Session::new(dial.talk),
            head: Vec::new(),
            output: Vec::new(),
            is_counting: false,
        }
    }
}

impl Client for Socket {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn open(&mut self, outputs: &mut Outputs) {
        outputs.0[0] = websocket::upgrade(&self.dial, "/live/websocket");
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
            self.head.extend_from_slice(self.session.opening().as_bytes());
        }
        while let Some((opcode, payload)) = websocket::next(input, &mut at, &mut self.output)? {
            match opcode {
                websocket::TEXT => {
                    let used = self.session.read(payload, Spelling::WebSocket, inbox)?;
                    ensure!(used == payload.len(), "a record is cut short");
                }
                _ if self.phase == Phase::Closing => {
                    websocket::frame(websocket::CLOSE, &[payload], &mut self.output);
                }
                _ => bail!("the server closed: {}", websocket::reason(payload)),
            }
        }
        if self.phase == Phase::Opening && self.session.is_started {
            self.phase = Phase::Open;
            self.head.extend_from_slice(b"v:");
        }
        if let Some(reason) = &self.session.ended {
            ensure!(self.phase == Phase::Closing, "the server ended it: {reason}");
        }
        self.session.control(&mut self.head);
        Ok(at)
    }

    fn ended(&mut self, _connection: usize) -> Result<()> {
        ensure!(self.phase == Phase::Closing, "the server hung up");
        ensure!(self.session.acknowledged == self.session.sent, "hung up without acknowledging the close");
        self.phase = Phase::Closed;
        Ok(())
    }

    fn send(&mut self, payload: &[u8]) {
        self.session.sent += 1;
        if !self.is_counting {
            self.is_counting = true;
            let number = format!("n{}:", self.session.sent);
            self.head.extend_from_slice(number.as_bytes());
        }
        let is_event = self.dial.talk != Talk::Messages;
        self.head.push(if is_event { b'e' } else { b'm' });
        if is_event {
            self.session.events.head(&mut self.head);
        }
        let tail = if is_event { event::TAIL } else { b"" };
        websocket::frame(websocket::TEXT, &[&self.head, payload, tail], &mut self.output);
        self.head.clear();
    }

    fn close(&mut self) {
        self.phase = Phase::Closing;
        let close = self.session.closing();
        self.head.extend_from_slice(close.as_bytes());
    }

    fn flush(&mut self, outputs: &mut Outputs) {
        if !self.head.is_empty() {
            websocket::frame(websocket::TEXT, &[&self.head], &mut self.output);
            self.head.clear();
        }
        outputs.0[0].append(&mut self.output);
    }
}
