//! The JavaScript machine that is shipped to clients, behind a pipe.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    rc::Rc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::{Value, json};

use super::{
    client_under_test::ClientUnderTest,
    coverage::Coverage,
    packet::{Chunk, Packet, Payload},
};
use crate::{
    broadcast::OutMessage,
    codec::native::{Head, Spelling},
    message::Message,
    session::{Arrival, Attach, CloseReason, Grant, LinkId, LinkKind, SendError, SessionParams, State, machine::Event},
};

/// The program that holds the machine. It is told everything and asks nothing, so its answers are the seed's too.
#[derive(Debug)]
pub(crate) struct Host {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Host {
    /// `None` if there is no Node.
    pub(crate) fn start() -> Option<Rc<RefCell<Host>>> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/client-js/test/pair-host.mjs");
        let mut child = Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let to = child.stdin.take().expect("a pipe was asked for");
        let from = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        Some(Rc::new(RefCell::new(Host { child, to, from })))
    }

    fn ask(&mut self, commands: &[Value]) -> Value {
        let mut line = serde_json::to_vec(commands).expect("commands are JSON");
        line.push(b'\n');
        self.to.write_all(&line).expect("the host lives");
        let mut answer = String::new();
        self.from.read_line(&mut answer).expect("the host lives");
        assert!(!answer.is_empty(), "the host has ended at {}", String::from_utf8_lossy(&line));
        serde_json::from_str(&answer).expect("the host answers in JSON")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the machine stands after the last command.
#[derive(Debug)]
struct Standing {
    state: State,
    closed: Option<CloseReason>,
    deadline: Option<u64>,
    received: u64,
    acknowledged: u64,
    unacknowledged: usize,
    said: u64,
    carrier: Option<u64>,
    seen: BTreeSet<u64>,
    over: BTreeSet<u32>,
    wants_upload: bool,
}

/// Commands wait until somebody must know what they did.
#[derive(Debug)]
struct Pipe {
    host: Rc<RefCell<Host>>,
    waiting: Vec<Value>,
    standing: Standing,
    arrivals: VecDeque<Arrival>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
pub(crate) struct JsClient {
    pipe: RefCell<Pipe>,
    spellings: BTreeMap<LinkId, Spelling>,
    links: u32,
    grant: Option<Grant>,
    /// Links that brought the start of another session.
    strange: BTreeSet<LinkId>,
}

impl Pipe {
    /// Does what waits, and `last`, whose result it gives.
    fn run(&mut self, last: Option<Value>) -> Value {
        self.waiting.extend(last);
        if self.waiting.is_empty() {
            return Value::Null;
        }
        let commands = std::mem::take(&mut self.waiting);
        let mut answer = self.host.borrow_mut().ask(&commands);
        let now = &answer["now"];
        self.arrivals.extend(list(&now["arrivals"]).iter().map(arrival));
        self.events.extend(list(&now["events"]).iter().filter_map(event));
        self.standing = standing(now);
        answer["results"].as_array_mut().and_then(Vec::pop).unwrap_or(Value::Null)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn text(value: &Value) -> ByteString {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).into()
}

fn reason(code: &Value, words: &Value) -> CloseReason {
    CloseReason::new(number(code) as u16, words.as_str().unwrap_or_default())
}

fn bytes(base64: &Value) -> Bytes {
    STANDARD.decode(&*text(base64)).expect("the host writes base64").into()
}

fn message(value: &Value) -> Message {
    if value[0] == "t" { Message::Text(text(&value[1])) } else { Message::Binary(bytes(&value[1])) }
}

fn told(message: &Message) -> Value {
    match message {
        Message::Text(text) => json!(["t", &**text]),
        Message::Binary(bytes) => json!(["b", STANDARD.encode(bytes)]),
    }
}

fn arrival(value: &Value) -> Arrival {
    if value[0] == "gap" {
        return Arrival::Gap { from: number(&value[1]), to: number(&value[2]) };
    }
    Arrival::Message(message(value))
}

fn event(value: &Value) -> Option<Event> {
    match value[0].as_str()? {
        "opened" => Some(Event::Opened),
        "away" => Some(Event::GoAway(number(&value[1]))),
        "lost" => Some(Event::Lost(reason(&value[1], &value[2]))),
        "violation" => None,
        other => panic!("the host tells of {other}"),
    }
}

fn standing(now: &Value) -> Standing {
    let state = match now["state"].as_str() {
        Some("opening") => State::Opening,
        Some("open") => State::Open,
        Some("interrupted") => State::Interrupted,
        Some("closing") => State::Closing,
        Some("closed") => State::Closed,
        other => panic!("the host's state is {other:?}"),
    };
    Standing {
        state,
        closed: now["closed"].as_array().map(|closed| reason(&closed[0], &closed[1])),
        deadline: now["deadline"].as_f64().map(|deadline| deadline.ceil() as u64),
        received: number(&now["received"]),
        acknowledged: number(&now["acknowledged"]),
        unacknowledged: number(&now["unacknowledged"]) as usize,
        said: number(&now["said"]),
        carrier: now["carrier"].as_u64(),
        seen: list(&now["seen"]).iter().map(number).collect(),
        over: list(&now["over"]).iter().map(|link| number(link) as u32).collect(),
        wants_upload: now["wantsUpload"] == true,
    }
}

impl JsClient {
    pub(crate) fn new(host: Rc<RefCell<Host>>, base: u64, outbox: usize) -> Self {
        let answer = host.borrow_mut().ask(&[json!(["new", base, outbox])]);
        let standing = standing(&answer["now"]);
        let pipe = Pipe { host, waiting: Vec::new(), standing, arrivals: VecDeque::new(), events: VecDeque::new() };
        JsClient {
            pipe: RefCell::new(pipe),
            spellings: BTreeMap::new(),
            links: 0,
            grant: None,
            strange: BTreeSet::new(),
        }
    }

    fn later(&mut self, command: Value) {
        self.pipe.get_mut().waiting.push(command);
    }

    fn stands<T>(&self, read: impl FnOnce(&Standing) -> T) -> T {
        let mut pipe = self.pipe.borrow_mut();
        pipe.run(None);
        read(&pipe.standing)
    }

    /// Notes the grant of a start; true if it is another session's.
    fn is_of_another(&mut self, chunk: &Bytes) -> bool {
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
            },
        };
        self.grant.get_or_insert_with(|| grant.clone()).id != grant.id
    }
}

fn told_head(head: &Head) -> Value {
    match head {
        Head::Open { version, ordinal, attempt, auth } => json!(["o", version, ordinal, &**attempt, &**auth]),
        Head::Join { version, ordinal, attempt } => json!(["j", version, ordinal, &**attempt]),
        Head::Resume { version, ordinal, turn, seen, token } => {
            json!(["r", version, ordinal, turn, u8::from(*seen), &*token.id, &*token.secret, token.received])
        }
        Head::TakeOver { version, ordinal, instance, token } => {
            json!(["t", version, ordinal, &**instance, &*token.id, &*token.secret, token.received])
        }
        Head::Upload { version, token } => json!(["u", version, &*token.id, &*token.secret, token.received]),
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
        let spelling = spelling.expect("what goes to the host is spelled");
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
        let Payload::Chunks(chunks) = packet.payload else { panic!("what goes to the host is spelled") };
        let mut told = Vec::new();
        for chunk in chunks {
            if matches!(&chunk, Chunk::Text(bytes) if self.is_of_another(bytes)) {
                self.strange.insert(link);
                return;
            }
            told.push(match (chunk, spelling) {
                (Chunk::Binary(bytes), _) | (Chunk::Text(bytes), Spelling::Bytes) => {
                    json!(["b", STANDARD.encode(&bytes)])
                }
                (Chunk::Text(bytes), _) => json!(["t", std::str::from_utf8(&bytes).expect("text is UTF-8")]),
            });
        }
        self.later(json!(["receive", now, link.number(), told]));
    }

    fn transmit(&mut self, now: u64, link: LinkId, head: Option<Head>, limit: usize) -> Option<Packet> {
        let spelling = self.spellings[&link];
        let head = head.as_ref().map(told_head);
        let told = self.pipe.get_mut().run(Some(json!(["transmit", now, link.number(), head, limit])));
        let chunks = told.as_array()?.iter().map(|chunk| match (chunk[0] == "t", spelling) {
            (true, _) => Chunk::Text(text(&chunk[1]).into_bytes()),
            (false, Spelling::WebSocket) => Chunk::Binary(bytes(&chunk[1])),
            (false, _) => Chunk::Text(bytes(&chunk[1])),
        });
        Some(Packet { order: 0, head: None, payload: Payload::Chunks(chunks.collect()) })
    }

    fn timeout(&mut self, now: u64, _: &mut Coverage) {
        self.later(json!(["timeout", now]));
    }

    fn deadline(&self) -> Option<u64> {
        self.stands(|standing| standing.deadline)
    }

    fn send(&mut self, message: OutMessage, _: &mut Coverage) -> Result<(), SendError> {
        match self.pipe.get_mut().run(Some(json!(["send", told(message.as_message())]))).as_str() {
            Some("ok") => Ok(()),
            Some("full") => Err(SendError::Full),
            Some("closed") => Err(SendError::Closed),
            other => panic!("the host answers {other:?} to a send"),
        }
    }

    fn send_droppable(&mut self, message: OutMessage, cover: &mut Coverage) -> Result<bool, SendError> {
        self.send(message, cover).map(|()| true) // The shipped client drops nothing.
    }

    fn flush(&mut self, _: &mut Coverage) {
        self.later(json!(["flush"]));
    }

    fn close(&mut self, now: u64, reason: CloseReason, _: &mut Coverage) {
        // The public session asks the machine once.
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
            // As the driver has it: the loser of a race of openings loses only itself.
            Event::Lost(reason) if reason.code == 4102 && self.grant.is_some() => self.event(),
            // What has ended cannot be lost.
            Event::Lost(_) if self.state() == State::Closed => self.event(),
            event => Some(event),
        }
    }

    fn state(&self) -> State {
        self.stands(|standing| standing.state)
    }

    fn closed(&self) -> Option<CloseReason> {
        self.stands(|standing| standing.closed.clone())
    }

    fn link_is_over(&self, link: LinkId) -> bool {
        self.strange.contains(&link) || self.stands(|standing| standing.over.contains(&link.number()))
    }

    fn wants_upload(&self) -> bool {
        self.stands(|standing| standing.wants_upload)
    }

    fn seen(&self, ordinal: u64) -> bool {
        self.stands(|standing| standing.seen.contains(&ordinal))
    }

    fn carrier(&self) -> Option<u64> {
        self.stands(|standing| standing.carrier)
    }

    fn received(&self) -> u64 {
        self.stands(|standing| standing.received)
    }

    fn acknowledged(&self) -> u64 {
        self.stands(|standing| standing.acknowledged)
    }

    fn unacknowledged(&self) -> usize {
        self.stands(|standing| standing.unacknowledged)
    }

    fn said(&self) -> u64 {
        self.stands(|standing| standing.said)
    }

    fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    fn salvage(&mut self) -> (Vec<Message>, Vec<Message>) {
        let left = self.pipe.get_mut().run(Some(json!(["salvage"])));
        let messages = |name: &str| list(&left[name]).iter().map(message).collect();
        (messages("unknown"), messages("unsent"))
    }
}
