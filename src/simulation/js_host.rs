//! The program that holds the shipped JavaScript machine, and the pipe to it.

use std::{
    cell::RefCell,
    collections::{BTreeSet, VecDeque},
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    rc::Rc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::{Value, json};

use crate::{
    codec::native::Head,
    message::{Message, Text},
    packet::Packet,
    payload::Payload,
    session::{Arrival, CloseReason, Names, State, machine::Event},
};

/// The program that holds the machine. All its input comes from here, so its output depends on the seed
/// alone.
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

    pub(super) fn ask(&mut self, commands: &[Value]) -> Value {
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
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The machine's state after the last command.
#[derive(Debug)]
pub(super) struct HostState {
    pub(super) state: State,
    pub(super) closed: Option<CloseReason>,
    pub(super) deadline: Option<u64>,
    pub(super) received: u64,
    pub(super) acknowledged: u64,
    pub(super) unacknowledged: usize,
    pub(super) last_sent: u64,
    pub(super) carrier: Option<u64>,
    pub(super) seen: BTreeSet<u64>,
    pub(super) over: BTreeSet<u32>,
    pub(super) wants_upload: bool,
}

/// The pipe to the machine. Commands wait until their effect must be known.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) host: Rc<RefCell<Host>>,
    pub(super) waiting: Vec<Value>,
    pub(super) state: HostState,
    pub(super) arrivals: VecDeque<Arrival>,
    pub(super) events: VecDeque<Event>,
}

impl Pipe {
    /// Runs the commands that wait and then `last`, whose result it returns.
    pub(super) fn run(&mut self, last: Option<Value>) -> Value {
        self.waiting.extend(last);
        if self.waiting.is_empty() {
            return Value::Null;
        }
        let commands = std::mem::take(&mut self.waiting);
        let mut answer = self.host.borrow_mut().ask(&commands);
        let now = &answer["now"];
        self.arrivals.extend(list(&now["arrivals"]).iter().map(arrival));
        self.events.extend(list(&now["events"]).iter().filter_map(event));
        self.state = host_state(now);
        answer["results"].as_array_mut().and_then(Vec::pop).unwrap_or(Value::Null)
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"))
}

pub(super) fn text(value: &Value) -> ByteString {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).into()
}

fn reason(code: &Value, text: &Value) -> CloseReason {
    CloseReason::new(number(code) as u16, text.as_str().unwrap_or_default())
}

pub(super) fn bytes(base64: &Value) -> Bytes {
    STANDARD.decode(&*text(base64)).expect("the host writes base64").into()
}

pub(super) fn payload(value: &Value) -> Payload {
    match value[0].as_str() {
        Some("t") => Message::Text(Text(text(&value[1]))).into(),
        Some("b") => Message::Binary(bytes(&value[1])).into(),
        _ => {
            let attachments = value[2].as_array().expect("a list").iter().map(bytes).collect();
            Packet::new(text(&value[1]), attachments).into()
        }
    }
}

pub(super) fn payload_json(payload: &Payload) -> Value {
    match payload {
        Payload::Message(Message::Text(text)) => json!(["t", &**text]),
        Payload::Message(Message::Binary(bytes)) => json!(["b", STANDARD.encode(bytes)]),
        Payload::Event(packet) => {
            let attachments: Vec<_> = packet.attachments().iter().map(|bytes| STANDARD.encode(bytes)).collect();
            json!(["e", &**packet.text(), attachments])
        }
    }
}

fn arrival(value: &Value) -> Arrival {
    if value[0] == "gap" {
        return Arrival::Gap { from: number(&value[1]), to: number(&value[2]) };
    }
    Arrival::Message(payload(value))
}

fn event(value: &Value) -> Option<Event> {
    match value[0].as_str()? {
        "opened" => Some(Event::Opened),
        "away" => Some(Event::GoAway(number(&value[1]))),
        "lost" => Some(Event::Lost(reason(&value[1], &value[2]))),
        "violation" => None,
        other => panic!("the host reports {other}"),
    }
}

pub(super) fn host_state(now: &Value) -> HostState {
    let state = match now["state"].as_str() {
        Some("opening") => State::Opening,
        Some("open") => State::Open,
        Some("interrupted") => State::Interrupted,
        Some("closing") => State::Closing,
        Some("closed") => State::Closed,
        other => panic!("the host's state is {other:?}"),
    };
    HostState {
        state,
        closed: now["closed"].as_array().map(|closed| reason(&closed[0], &closed[1])),
        deadline: now["deadline"].as_f64().map(|deadline| deadline.ceil() as u64),
        received: number(&now["received"]),
        acknowledged: number(&now["acknowledged"]),
        unacknowledged: number(&now["unacknowledged"]) as usize,
        last_sent: number(&now["lastSent"]),
        carrier: now["carrier"].as_u64(),
        seen: list(&now["seen"]).iter().map(number).collect(),
        over: list(&now["over"]).iter().map(|link| number(link) as u32).collect(),
        wants_upload: now["wantsUpload"] == true,
    }
}

/// The field of the names, which a client of an earlier version does not have.
fn names_json(names: Names) -> Option<Value> {
    names.are_listed().then(|| names.to_string().into())
}

pub(super) fn head_json(head: &Head) -> Value {
    match head {
        Head::Open { version, ordinal, attempt, names, auth } => {
            let mut head = vec![json!("o"), json!(version), json!(ordinal), json!(**attempt)];
            head.extend(names_json(*names));
            head.push(json!(**auth));
            Value::Array(head)
        }
        Head::Join { version, ordinal, attempt } => json!(["j", version, ordinal, &**attempt]),
        Head::Resume { version, ordinal, turn, seen, token, names } => {
            let seen = u8::from(*seen);
            let mut head = json!(["r", version, ordinal, turn, seen, &*token.id, &*token.secret, token.received]);
            head.as_array_mut().expect("it is an array").extend(names_json(*names));
            head
        }
        Head::TakeOver { .. } => unreachable!("the simulated client is one page"),
        Head::Upload { version, token } => json!(["u", version, &*token.id, &*token.secret, token.received]),
    }
}
