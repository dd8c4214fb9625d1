//! The native protocol over HTTP: the downlink's requests on connection 0, uploads on connection 1, one of
//! each at a time.

use super::http::{self, Answer};
use super::native::{ORDINAL, Session, Spelling};
use super::native_ways::{Pace, Way};
use super::wrapping::{CALLBACK, Unwrapper, Wrapping};
use super::{Client, Dial, Inbox, Outputs, Phase};
use anyhow::{Result, ensure};
use std::collections::VecDeque;
use std::mem;

const DOWN: usize = 0;
const UP: usize = 1;

pub(crate) struct Http {
    dial: Dial,
    phase: Phase,
    way: &'static Way,
    unwrapper: Unwrapper,
    session: Session,
    answers: [Answer; 2],
    turn: u64,
    is_attached: bool,
    is_uploading: bool,
    /// Message records with their lengths; the first message has the number `first`.
    queue: Vec<u8>,
    lengths: VecDeque<usize>,
    first: u64,
    /// Records to be sent before the messages of the next upload.
    head: Vec<u8>,
    closing: Option<String>,
}

impl Http {
    pub(crate) fn new(dial: &Dial, way: &'static Way) -> Self {
        Self {
            dial: dial.clone(),
            phase: Phase::Opening,
            way,
            unwrapper: Unwrapper::new(way.wrapping),
            session: Session::new(dial.talk),
            answers: [Answer::new(), Answer::new()],
            turn: 0,
            is_attached: false,
            is_uploading: false,
            queue: Vec::new(),
            lengths: VecDeque::new(),
            first: 1,
            head: Vec::new(),
            closing: None,
        }
    }

    fn path(&self, request: &str) -> String {
        let bytes = if self.way.has_bytes { "&bytes=1" } else { "" };
        format!("/live/{request}?session={}{bytes}", self.session.id)
    }

    fn attach(&mut self, out: &mut Vec<u8>) {
        self.turn += 1;
        let Session { id, secret, received, .. } = &self.session;
        let record = format!("r1,{ORDINAL},{},1,{id},{secret},{received}:", self.turn);
        let path = self.path(self.way.name);
        if self.way.is_get {
            let mut path = path.into_bytes();
            if self.way.has_callback {
                path.extend_from_slice(format!("&callback={CALLBACK}").as_bytes());
            }
            path.extend_from_slice(b"&data=");
            http::encode(record.as_bytes(), &mut path);
            http::get(&self.dial, &String::from_utf8_lossy(&path), out);
        } else {
            http::post(&self.dial, &path, &[record.as_bytes()], out);
        }
        self.session.acked();
        self.is_attached = true;
    }

    /// Takes as many queued messages as fit into one body.
    fn batch(&mut self) -> Vec<u8> {
        let mut size = 0;
        let mut count = 0;
        for length in &self.lengths {
            if count > 0 && size + length > self.session.batch {
                break;
            }
            size += length;
            count += 1;
        }
        self.lengths.drain(..count);
        let rest = self.queue.split_off(size);
        self.first += count as u64;
        mem::replace(&mut self.queue, rest)
    }

    fn upload(&mut self, out: &mut Vec<u8>) {
        let Session { id, secret, received, .. } = &self.session;
        let mut body = format!("u1,{id},{secret},{received}:").into_bytes();
        self.session.acked();
        if self.way.by_form {
            // The answer says nothing, so the server acknowledges on the poll that waits.
            body.extend_from_slice(b"w:");
        }
        self.session.control(&mut body);
        body.append(&mut self.head);
        if !self.lengths.is_empty() {
            body.extend_from_slice(format!("n{}:", self.first).as_bytes());
            body.append(&mut self.batch());
        }
        if self.lengths.is_empty()
            && let Some(close) = self.closing.take()
        {
            body.extend_from_slice(close.as_bytes());
        }
        if self.way.by_form {
            let (mut once, mut twice) = (Vec::new(), b"data=".to_vec());
            http::encode(&body, &mut once);
            http::encode(&once, &mut twice);
            http::post(&self.dial, &self.path("form-post"), &[&twice], out);
        } else {
            http::post(&self.dial, &self.path("send"), &[&body], out);
        }
        self.is_uploading = true;
    }

    fn has_to_upload(&self) -> bool {
        let session = &self.session;
        // The next attach of a poll acknowledges by itself.
        let is_acking = session.is_acking && (self.is_attached || self.phase == Phase::Closing);
        // The next form sends again all that is not acknowledged by then.
        let may_send = !self.way.by_form || self.is_taken();
        let is_sending = may_send && (!self.lengths.is_empty() || self.closing.is_some());
        is_sending || session.pong.is_some() || is_acking
    }

    /// Whether the server has acknowledged all that was uploaded.
    fn is_taken(&self) -> bool {
        self.session.acknowledged + 1 >= self.first
    }

    /// Whether the client asks for what there is, though no answer waits for that.
    fn expects(&self) -> bool {
        let is_sent = !self.is_uploading && self.lengths.is_empty();
        self.way.pace != Pace::ShortPoll || (is_sent && self.session.received < self.session.sent)
    }

    /// Reads the records of an answer, as far as they are complete. The answer to the opening is not wrapped, and neither is
    /// that to an upload.
    fn read_records(&mut self, connection: usize, inbox: &mut Inbox) -> Result<()> {
        let body = &mut self.answers[connection].body;
        if connection == UP || self.turn == 0 || self.way.wrapping == Wrapping::Plain {
            let used = self.session.read(body, Spelling::Lengths, inbox)?;
            body.drain(..used);
            return Ok(());
        }
        let mut records = Vec::new();
        self.unwrapper.take(body, &mut records)?;
        let used = self.session.read(&records, Spelling::Lengths, inbox)?;
        ensure!(used == records.len(), "a flush ends within a record: {}", String::from_utf8_lossy(&records));
        Ok(())
    }

    fn finish(&mut self, connection: usize) -> Result<()> {
        let answer = &self.answers[connection];
        ensure!(answer.body.is_empty(), "the body ends within a record: {}", String::from_utf8_lossy(&answer.body));
        if connection == UP {
            self.is_uploading = false;
            ensure!(self.way.by_form || self.is_taken(), "the server did not take all of an upload");
        } else {
            self.is_attached = false;
            self.unwrapper.end();
        }
        Ok(())
    }

    /// The session is closed when the close is acknowledged and the downlink's last answer has ended.
    fn settle(&mut self) {
        let is_acknowledged = self.closing.is_none() && self.session.acknowledged == self.session.sent;
        if self.phase == Phase::Closing && is_acknowledged && !self.is_attached && !self.is_uploading {
            self.phase = Phase::Closed;
        }
    }
}

impl Client for Http {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn open(&mut self, outputs: &mut Outputs) {
        let body = self.session.opening();
        let path = if self.way.has_bytes { "/live/open?bytes=1" } else { "/live/open" };
        http::post(&self.dial, path, &[body.as_bytes()], &mut outputs.0[DOWN]);
        self.is_attached = true;
    }

    fn received(
        &mut self,
        connection: usize,
        input: &[u8],
        _outputs: &mut Outputs,
        inbox: &mut Inbox,
    ) -> Result<usize> {
        let progress = self.answers[connection].feed(input)?;
        self.read_records(connection, inbox)?;
        let answer = &self.answers[connection];
        if let Some(reason) = &self.session.ended {
            ensure!(self.phase == Phase::Closing, "status {}, the server ended it: {reason}", answer.status);
        }
        if progress.is_done {
            self.finish(connection)?;
            ensure!(progress.used == input.len(), "an answer without a request");
        }
        let is_ready = self.way.pace != Pace::Stream || self.turn > 0;
        if self.phase == Phase::Opening && self.session.is_started && is_ready {
            self.phase = Phase::Open;
        }
        self.settle();
        Ok(progress.used)
    }

    fn ended(&mut self, connection: usize) -> Result<()> {
        // An idle connection may go at any time: the next request makes another.
        let is_idle = match connection {
            DOWN => !self.is_attached,
            _ => !self.is_uploading,
        };
        ensure!(is_idle, "the server hung up in the middle of an answer");
        Ok(())
    }

    fn is_uploading(&self) -> bool {
        self.is_uploading
    }

    fn send(&mut self, payload: &[u8]) {
        self.session.sent += 1;
        let head = format!("m{}:", payload.len());
        self.queue.extend_from_slice(head.as_bytes());
        self.queue.extend_from_slice(payload);
        self.lengths.push_back(head.len() + payload.len());
    }

    fn close(&mut self) {
        self.phase = Phase::Closing;
        self.closing = Some(self.session.closing());
    }

    fn flush(&mut self, outputs: &mut Outputs) {
        if !self.is_attached
            && self.expects()
            && self.session.is_started
            && self.session.ended.is_none()
            && matches!(self.phase, Phase::Opening | Phase::Open)
        {
            self.attach(&mut outputs.0[DOWN]);
        }
        if !self.is_uploading && self.session.is_started && self.has_to_upload() {
            self.upload(&mut outputs.0[UP]);
        }
    }
}
