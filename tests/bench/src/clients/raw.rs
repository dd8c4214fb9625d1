//! A client without a protocol of its own: a message is a WebSocket message and nothing else.

use super::{Client, Dial, Inbox, Outputs, Phase, websocket};
use anyhow::{Result, bail, ensure};

pub(crate) struct Raw {
    dial: Dial,
    phase: Phase,
    output: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(dial: &Dial) -> Self {
        Self { dial: dial.clone(), phase: Phase::Opening, output: Vec::new() }
    }
}

impl Client for Raw {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn open(&mut self, outputs: &mut Outputs) {
        outputs.0[0] = websocket::upgrade(&self.dial, "/ws");
    }

    fn received(
        &mut self,
        _connection: usize,
        input: &[u8],
        _outputs: &mut Outputs,
        inbox: &mut Inbox,
    ) -> Result<usize> {
        let mut at = 0;
        if self.phase == Phase::Opening {
            let Some(head) = websocket::upgraded(input)? else {
                return Ok(0);
            };
            at = head;
            self.phase = Phase::Open;
        }
        while let Some((opcode, payload)) = websocket::next(input, &mut at, &mut self.output)? {
            match opcode {
                websocket::TEXT => inbox.push(payload),
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
        websocket::frame(websocket::TEXT, &[payload], &mut self.output);
    }

    fn close(&mut self) {
        self.phase = Phase::Closing;
        websocket::frame(websocket::CLOSE, &[&1000_u16.to_be_bytes()], &mut self.output);
    }

    fn flush(&mut self, outputs: &mut Outputs) {
        outputs.0[0].append(&mut self.output);
    }
}
