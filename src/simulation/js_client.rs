//! The JavaScript machine that is shipped to clients, behind a pipe.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    client_under_test::ClientUnderTest,
    coverage::Coverage,
    js_host::{Host, HostState, Pipe, bytes, head_json, host_state, list, payload, payload_json, text},
    packet::{Chunk, Contents, Packet},
};
use crate::{
    broadcast::OutMessage,
    codec::native::{Head, Spelling},
    payload::Payload,
    session::{Arrival, Attach, CloseReason, Grant, LinkId, LinkKind, SendError, SessionParams, State, machine::Event},
};

#[derive(Debug)]
pub(crate) struct JsClient {
    pipe: RefCell<Pipe>,
    spellings: BTreeMap<LinkId, Spelling>,
    links: u32,
    grant: Option<Grant>,
    /// The links that were attached to another session.
    foreign: BTreeSet<LinkId>,
}

impl JsClient {
    pub(crate) fn new(host: Rc<RefCell<Host>>, base: u64, outbox: usize) -> Self {
        let answer = host.borrow_mut().ask(&[json!(["new", base, outbox])]);
        let state = host_state(&answer["now"]);
        let pipe = Pipe { host, waiting: Vec::new(), state, arrivals: VecDeque::new(), events: VecDeque::new() };
        JsClient {
            pipe: RefCell::new(pipe),
            spellings: BTreeMap::new(),
            links: 0,
            grant: None,
            foreign: BTreeSet::new(),
        }
    }

    fn later(&mut self, command: Value) {
        self.pipe.get_mut().waiting.push(command);
    }

    fn read<T>(&self, read: impl FnOnce(&HostState) -> T) -> T {
        let mut pipe = self.pipe.borrow_mut();
        pipe.run(None);
        read(&pipe.state)
    }

    fn send_by(&mut self, command: Value) -> Result<(), SendError> {
        match self.pipe.get_mut().run(Some(command)).as_str() {
            Some("ok") => Ok(()),
            Some("full") => Err(SendError::Full),
            Some("closed") => Err(SendError::Closed),
            other => panic!("the host answers {other:?} to a send"),
        }
    }

    /// Keeps the grant of the first session. Returns whether this answer to an attach is of another session.
    fn is_of_another(&mut self, chunk: &Bytes) -> bool {
        if let (Some(start), Some(grant)) = (chunk.strip_prefix(b"sfull,"), self.grant.as_mut()) {
            let fields = start.split(|&byte| byte == b':').next().unwrap_or_default();
            if let Some(secret) = fields.split(|&byte| byte == b',').nth(2) {
                grant.secret = std::str::from_utf8(secret).expect("a head is ASCII").into();
            }
        }
        let Some(start) = chunk.strip_prefix(b"snew,") else { return false };
        let end = start.iter().position(|&byte| byte == b':').expect("a record ends with a colon");
        let fields = String::from_utf8(start[..end].to_vec()).expect("a head is ASCII");
        let fields: Vec<&str> = fields.split(',').collect();
        let count = |at: usize| fields[at].parse().expect("a number");
        let grant = Grant {
            id: fields[1].into(),
            secret: fields[2].into(),
            params: SessionParams {
                interval: count(3),
                timeout: count(4),
                grace: count(5),
                limit: count(6),
                batch: count(7),
                hold: count(8),
                spread: 0,
            },
        };
        self.grant.get_or_insert_with(|| grant.clone()).id != grant.id
    }
}

impl ClientUnderTest for JsClient {
    fn attach(
        &mut self,
        now: u64,
        attach: Attach,
        spelling: Option<Spelling>,
        _: &mut Coverage,
    ) -> Result<LinkId, CloseReason> {
        let spelling = spelling.expect("what goes to the host is encoded");
        self.links += 1;
        let name = match spelling {
            Spelling::Text => "text",
            Spelling::Bytes => "bytes",
            Spelling::WebSocket => "websocket",
        };
        let wire = match attach.kind {
            LinkKind::Duplex => "duplex",
            LinkKind::Opening => "opening",
            LinkKind::Poll { .. } => "poll",
            LinkKind::Stream => "stream",
            LinkKind::Upload => "upload",
        };
        let how = json!({
            "ordinal": attach.ordinal, "turn": attach.turn, "wire": wire, "opening": attach.opening, "spelling": name,
        });
        let refused = self.pipe.get_mut().run(Some(json!(["attach", now, self.links, how])));
        if let Some(code) = refused.as_u64() {
            return Err(CloseReason::new(code as u16, "refused by the host"));
        }
        let link = LinkId::numbered(self.links);
        self.spellings.insert(link, spelling);
        Ok(link)
    }

    fn detach(&mut self, now: u64, link: LinkId, _: &mut Coverage) {
        self.spellings.remove(&link);
        self.later(json!(["detach", now, link.number()]));
    }

    fn retire(&mut self, now: u64, ordinal: u64, _: &mut Coverage) {
        self.later(json!(["retire", now, ordinal]));
    }

    fn receive(&mut self, now: u64, link: LinkId, packet: Packet, _: &mut Coverage) {
        let Some(&spelling) = self.spellings.get(&link) else { return };
        let Contents::Chunks(chunks) = packet.payload else { panic!("what goes to the host is encoded") };
        let mut chunks_json = Vec::new();
        for chunk in chunks {
            if matches!(&chunk, Chunk::Text(bytes) if self.is_of_another(bytes)) {
                self.foreign.insert(link);
                return;
            }
            chunks_json.push(match (chunk, spelling) {
                (Chunk::Binary(bytes), _) | (Chunk::Text(bytes), Spelling::Bytes) => {
                    json!(["b", STANDARD.encode(&bytes)])
                }
                (Chunk::Text(bytes), _) => json!(["t", std::str::from_utf8(&bytes).expect("text is UTF-8")]),
            });
        }
        self.later(json!(["receive", now, link.number(), chunks_json]));
    }

    fn transmit(&mut self, now: u64, link: LinkId, head: Option<Head>, limit: usize) -> Option<Packet> {
        let spelling = self.spellings[&link];
        let head = head.as_ref().map(head_json);
        let answer = self.pipe.get_mut().run(Some(json!(["transmit", now, link.number(), head, limit])));
        let chunks = answer.as_array()?.iter().map(|chunk| match (chunk[0] == "t", spelling) {
            (true, _) => Chunk::Text(text(&chunk[1]).into_bytes()),
            (false, Spelling::WebSocket) => Chunk::Binary(bytes(&chunk[1])),
            (false, _) => Chunk::Text(bytes(&chunk[1])),
        });
        Some(Packet::new(None, Contents::Chunks(chunks.collect())))
    }

    fn timeout(&mut self, now: u64, _: &mut Coverage) {
        self.later(json!(["timeout", now]));
    }

    fn deadline(&self) -> Option<u64> {
        self.read(|state| state.deadline)
    }

    fn send(&mut self, message: OutMessage, _: &mut Coverage) -> Result<(), SendError> {
        self.send_by(json!(["send", payload_json(message.payload())]))
    }

    fn send_droppable(&mut self, now: u64, message: OutMessage, _: &mut Coverage) -> Result<bool, SendError> {
        match self.send_by(json!(["sendDroppable", now, payload_json(message.payload())])) {
            Err(SendError::Full) => Ok(false),
            result => result.map(|()| true),
        }
    }

    fn numbers_skipped(&self) -> bool {
        false
    }

    fn flush(&mut self, _: &mut Coverage) {
        self.later(json!(["flush"]));
    }

    fn close(&mut self, now: u64, reason: CloseReason, _: &mut Coverage) {
        // The public session calls the machine once.
        if !matches!(self.state(), State::Closing | State::Closed) {
            self.later(json!(["close", now, reason.code, &*reason.text]));
        }
    }

    fn abort(&mut self, now: u64, reason: CloseReason, _: &mut Coverage) {
        if self.state() != State::Closed {
            self.later(json!(["abort", now, reason.code, &*reason.text]));
        }
    }

    fn arrival(&mut self) -> Option<Arrival> {
        self.pipe.get_mut().run(None);
        self.pipe.get_mut().arrivals.pop_front()
    }

    fn event(&mut self) -> Option<Event> {
        self.pipe.get_mut().run(None);
        let event = self.pipe.get_mut().events.pop_front()?;
        match event {
            // As in the shipped client: the loser of a race of openings ends nothing but itself.
            Event::Lost(reason) if reason.code == 4102 && self.grant.is_some() => self.event(),
            // A session that has ended cannot be lost.
            Event::Lost(_) if self.state() == State::Closed => self.event(),
            event => Some(event),
        }
    }

    fn state(&self) -> State {
        self.read(|state| state.state)
    }

    fn closed(&self) -> Option<CloseReason> {
        self.read(|state| state.closed.clone())
    }

    fn link_is_over(&self, link: LinkId) -> bool {
        self.foreign.contains(&link) || self.read(|state| state.over.contains(&link.number()))
    }

    fn wants_upload(&self) -> bool {
        self.read(|state| state.wants_upload)
    }

    fn seen(&self, ordinal: u64) -> bool {
        self.read(|state| state.seen.contains(&ordinal))
    }

    fn carrier(&self) -> Option<u64> {
        self.read(|state| state.carrier)
    }

    fn received(&self) -> u64 {
        self.read(|state| state.received)
    }

    fn acknowledged(&self) -> u64 {
        self.read(|state| state.acknowledged)
    }

    fn unacknowledged(&self) -> usize {
        self.read(|state| state.unacknowledged)
    }

    fn last_sent(&self) -> u64 {
        self.read(|state| state.last_sent)
    }

    fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    fn salvage(&mut self) -> (Vec<Payload>, Vec<Payload>) {
        let left = self.pipe.get_mut().run(Some(json!(["salvage"])));
        let messages = |name: &str| list(&left[name]).iter().map(payload).collect();
        (messages("unknown"), messages("unsent"))
    }
}
