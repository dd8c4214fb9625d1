//! Transcripts of RabbitMQ and its clients: a broker of some lines answers what was sent as RabbitMQ did, but for the
//! differences in the table.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::fuzz::transcripts;

/// The answers in which RabbitMQ differs from us: the transcript, the connection, its answer and ours. An answer that
/// it does not give is the last of ours.
const DIFFERENCES: [(&str, &str, Option<&str>, &str); 9] = [
    // The login is not the frames' affair.
    ("errors-by-hand", "W1", Some("ERROR"), "CONNECTED 1.2"),
    // SUBSCRIBE has an id in STOMP 1.2.
    ("errors-by-hand", "W6", None, "ERROR"),
    // The history of a repeated header is passed on.
    (
        "errors-by-hand",
        "W13",
        Some("MESSAGE subscription=1 destination=/topic/twice foo=first x"),
        "MESSAGE subscription=1 destination=/topic/twice foo=first foo=second x",
    ),
    // An ERROR tells why the connection ends.
    ("errors-by-hand", "W14", None, "ERROR"),
    // A RECEIPT answers DISCONNECT.
    ("errors-by-hand", "W16", None, "RECEIPT bye"),
    ("stompjs-old-versions", "", None, "RECEIPT close-0"),
    ("stompjs-queue-acks", "", None, "RECEIPT close-0"),
    ("stompjs-topic", "", None, "RECEIPT close-0"),
    // STOMP 1.0 has no escapes.
    (
        "stompjs-old-versions",
        "W1",
        Some("MESSAGE subscription=s destination=/topic/v h=a\\cb\\n x"),
        "MESSAGE subscription=s destination=/topic/v h=a:b\\n x",
    ),
];

/// Without a carrier's limits.
const WIDE: Limits = Limits { headers: 100, header_bytes: 10_000, body: 10_000 };

/// An answer without all that no two servers have in common.
fn summary(frame: &ClientFrame) -> String {
    let value = |name| frame.headers.get(name).unwrap_or_default();
    match &frame.command[..] {
        "CONNECTED" => format!("CONNECTED {}", value("version")),
        "RECEIPT" => format!("RECEIPT {}", value("receipt-id")),
        "MESSAGE" => {
            // Here only the messages of queues are told whether they come again, and no message its transaction.
            let dropped = ["content-length", "message-id", "ack", "transaction"];
            let is_kept =
                |name: &str, value: &str| !dropped.contains(&name) && (name, value) != ("redelivered", "false");
            let kept = frame.headers.iter().filter(|(name, value)| is_kept(name, value));
            let headers: String = kept.map(|(name, value)| format!(" {name}={value}")).collect();
            format!("MESSAGE{headers} {}", String::from_utf8_lossy(&frame.body))
        }
        other => other.to_owned(),
    }
}

fn parse(version: Version, message: Message) -> Vec<ClientFrame> {
    let mut reader = Reader::new(WIDE);
    reader.set_version(version);
    reader.push(message);
    let mut frames = Vec::new();
    while let Some(input) = reader.next().expect("a frame of a server") {
        if let Input::Frame(frame) = input {
            frames.push(frame);
        }
    }
    frames
}

/// A message of a transcript; `None` if the line is about the connection.
fn message_of(line: &str) -> Option<Message> {
    if let Some(digits) = line.strip_prefix("bin ") {
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        return Some((0..digits.len()).step_by(2).map(byte).collect::<Vec<u8>>().into());
    }
    let is_event = line.starts_with("open ") || line.starts_with("close ") || line.starts_with("101 ");
    if is_event {
        return None;
    }
    let (mut text, mut rest) = (String::new(), line);
    while let Some((before, behind)) = rest.split_once('\\') {
        text += before;
        let (escape, length) = match behind.as_bytes()[0] {
            b'n' => ('\n', 1),
            b'r' => ('\r', 1),
            b'\\' => ('\\', 1),
            b'x' => (char::from(u8::from_str_radix(&behind[1..3], 16).unwrap()), 3),
            other => panic!("{line}: {other}"),
        };
        text.push(escape);
        rest = &behind[length..];
    }
    Some((text + rest).into())
}

/// A broker for one connection.
struct Broker {
    reader: Reader,
    version: Option<Version>,
    subscriptions: Subscriptions,
    /// The numbers of all subscriptions so far.
    numbers: Vec<u64>,
    transactions: Transactions,
    /// The messages that wait in each queue, and whether they come again.
    queues: BTreeMap<ByteString, VecDeque<(u64, bool)>>,
    /// The contents of all messages of queues, by their tags.
    contents: Vec<Message>,
    answers: Vec<Message>,
    has_ended: bool,
}

impl Broker {
    fn new() -> Self {
        Broker {
            reader: Reader::new(WIDE),
            version: None,
            subscriptions: Subscriptions::new(10, 100),
            numbers: Vec::new(),
            transactions: Transactions::new(10, 10_000),
            queues: BTreeMap::new(),
            contents: Vec::new(),
            answers: Vec::new(),
            has_ended: false,
        }
    }

    fn take(&mut self, message: Message) {
        self.reader.push(message);
        if let Err(refusal) = self.obey_all() {
            let receipt = refusal.receipt.as_deref();
            self.answers.push(error(self.version, &refusal.message, &refusal.detail, receipt));
            self.has_ended = true;
        }
    }

    fn obey_all(&mut self) -> Result<(), Refusal> {
        while let Some(input) = self.reader.next()? {
            let Input::Frame(frame) = input else { continue };
            let Asked { request, receipt: wanted } = read_request(self.version, frame)?;
            self.obey(request)?;
            if let Some(id) = wanted {
                self.answers.push(receipt(self.version.unwrap(), &id));
            }
        }
        Ok(())
    }

    fn obey(&mut self, request: Request) -> Result<(), Refusal> {
        match request {
            Request::Connect(connect) => {
                self.version = Some(connect.version);
                self.reader.set_version(connect.version);
                self.answers.push(connected(connect.version, "1", (0, 0)));
            }
            Request::Send(Send { transaction: Some(name), destination, content }) => {
                let send = Send { transaction: None, destination, content };
                self.transactions.add(&name, Deferred::Send(send, None))?;
            }
            Request::Send(send) => self.send(&send)?,
            Request::Subscribe(subscribe) => {
                let key = subscribe.destination.clone();
                let is_queue = key.starts_with("/queue/");
                let source = if is_queue { Source::Queue(key.clone()) } else { Source::Room(key.clone()) };
                self.numbers.push(self.subscriptions.add(subscribe, source)?);
                self.pump(&key);
            }
            Request::Unsubscribe { id } => {
                let removed = self.subscriptions.remove(&id);
                let (subscription, due) = removed.ok_or_else(|| Refusal::new("no subscription", ""))?;
                self.put_back(due);
                self.pump(&subscription.destination);
            }
            Request::Settle(settle) => {
                let settled = self.subscriptions.settle(&settle)?;
                if !settle.positive {
                    self.put_back(settled);
                }
            }
            Request::Begin { transaction } => self.transactions.begin(&transaction)?,
            Request::Commit { transaction } => {
                for request in self.transactions.commit(&transaction)? {
                    let Deferred::Send(send, _) = request else { panic!("{request:?}") };
                    self.send(&send)?;
                }
            }
            Request::Abort { transaction } => self.transactions.abort(&transaction)?,
            Request::Disconnect => {}
        }
        Ok(())
    }

    fn send(&mut self, send: &Send) -> Result<(), Refusal> {
        let (destination, content) = (&send.destination, send.content.encode());
        if destination.starts_with("/topic/") {
            let numbers: Vec<u64> = self.subscriptions.of_room(&[destination]).collect();
            for number in numbers {
                let version = self.version.unwrap();
                self.answers.extend(self.subscriptions.deliver(version, number, &content, None, None, &[]));
            }
            return Ok(());
        }
        if !destination.starts_with("/queue/") {
            return Err(Refusal::new("unknown destination", ""));
        }
        self.contents.push(content);
        let tag = self.contents.len() as u64 - 1;
        self.queues.entry(destination.clone()).or_default().push_back((tag, false));
        self.pump(destination);
        Ok(())
    }

    /// Messages of a queue that were not consumed wait again, in their order.
    fn put_back(&mut self, due: Vec<Delivery>) {
        for delivery in due.into_iter().rev() {
            let key = delivery.queue.expect("only queues remember");
            self.queues.entry(key.clone()).or_default().push_front((delivery.tag.unwrap(), true));
            self.pump(&key);
        }
    }

    /// Sends the messages that wait in a queue to its consumer.
    fn pump(&mut self, key: &ByteString) {
        let is_consumer = |number: u64| self.subscriptions.get(number).is_some_and(|it| it.queue() == Some(key));
        let Some(number) = self.numbers.iter().copied().find(|&number| is_consumer(number)) else { return };
        let version = self.version.unwrap();
        while let Some((tag, again)) = self.queues.get_mut(key).and_then(VecDeque::pop_front) {
            let content = &self.contents[tag as usize];
            let frame = self.subscriptions.deliver(version, number, content, Some(again), Some(tag), &[]);
            self.answers.push(frame.expect("there is room"));
        }
    }
}

/// Replays a connection. Returns the answers of the transcript, and ours.
fn replay(lines: &[&str]) -> (Vec<String>, Vec<String>) {
    let (mut broker, mut theirs, mut ids) = (Broker::new(), Vec::new(), Vec::new());
    for line in lines {
        let (direction, line) = line.split_once(' ').unwrap();
        let Some(message) = message_of(line) else { continue };
        if direction == "<" {
            let frames = parse(broker.version.unwrap_or(V1_2), message);
            let messages = frames.iter().filter(|frame| frame.command == "MESSAGE");
            ids.extend(messages.map(|frame| frame.headers.get("message-id").unwrap().to_owned()));
            theirs.extend(frames.iter().map(summary));
        } else if !broker.has_ended {
            // The nth message has the number n here.
            let message = match message.as_text() {
                Some(text) => {
                    ids.iter().zip(1..).fold(text.to_owned(), |text, (id, n)| text.replace(id, &n.to_string())).into()
                }
                None => message,
            };
            broker.take(message);
        }
    }
    let frames = broker.answers.into_iter().flat_map(|answer| parse(broker.version.unwrap_or(V1_2), answer));
    (theirs, frames.map(|frame| summary(&frame)).collect())
}

#[test]
fn all_is_answered_as_in_the_transcripts() {
    let (mut connections, mut used) = (0, [0; DIFFERENCES.len()]);
    for (name, text) in transcripts("stomp") {
        let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (connection, line) = line.split_once(' ').unwrap();
            all.entry(connection).or_default().push(line);
        }
        for (connection, lines) in all {
            let (mut theirs, ours) = replay(&lines);
            for (nth, (of, at, answer, instead)) in DIFFERENCES.iter().enumerate() {
                if name != *of || !(at.is_empty() || connection == *at) {
                    continue;
                }
                used[nth] += 1;
                match answer {
                    Some(answer) => *theirs.iter_mut().find(|it| it == answer).expect(answer) = (*instead).to_owned(),
                    None => theirs.push((*instead).to_owned()),
                }
            }
            assert_eq!(ours, theirs, "{name} {connection}");
            connections += 1;
        }
    }
    assert_eq!(connections, 20);
    assert!(used.iter().all(|&times| times > 0), "{used:?}");
}
