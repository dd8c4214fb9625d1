//! A page of Socket.IO 4 that comes back as socket.io-client does, and the transcripts of recoveries.

use anywire::{Args, Delivered};
use bytes::Bytes;
use serde_json::Value;

use super::{
    client::{Came, Client, Socket},
    recovery::{Opened, away, connect, house, socket},
};

/// A page with a socket of `/`. It remembers what socket.io-client does.
pub(super) struct Page {
    client: Client,
    connection: Option<Socket>,
    /// The connection before, if it is lost and nobody has noticed.
    lost: Option<Socket>,
    pub(super) opened: Option<Opened>,
    /// The text that came last as the last argument of an event, whatever it is.
    pub(super) offset: Option<String>,
    /// The events, with their bytes in place and without their offsets.
    pub(super) heard: Vec<Value>,
    /// Whether it has recovered when it connected last.
    pub(super) recovered: bool,
}

impl Page {
    pub(super) fn new(client: &Client) -> Self {
        Page {
            client: client.clone(),
            connection: None,
            lost: None,
            opened: None,
            offset: None,
            heard: Vec::new(),
            recovered: false,
        }
    }

    /// Connects, and waits for the answer.
    pub(super) async fn connect(&mut self) {
        let packet = match &self.opened {
            Some(opened) => opened.claim("/", self.offset.as_deref()),
            None => connect("/", ""),
        };
        self.connect_with(&packet).await;
    }

    pub(super) async fn connect_with(&mut self, packet: &str) {
        let mut connection = socket(&self.client).await;
        connection.say(packet).await;
        self.connection = Some(connection);
        // The answer comes first: an event before it the page would keep, and hear again if this connection broke.
        let opened = Opened::read(&self.packet().await, "/");
        self.recovered = self.opened.as_ref().is_some_and(|before| before.pid == opened.pid);
        if let Some(before) = &self.opened {
            assert_eq!(before.sid == opened.sid, self.recovered);
        }
        self.opened = Some(opened);
    }

    /// The connection breaks.
    pub(super) fn cut(&mut self) {
        self.connection = None;
    }

    /// The connection is lost, which the server does not notice before the next one is.
    pub(super) fn lose(&mut self) {
        self.lost = self.connection.take();
    }

    pub(super) fn connection(&mut self) -> &mut Socket {
        self.connection.as_mut().expect("it is connected")
    }

    /// The next packet of Socket.IO that is a text; pings are answered.
    async fn packet(&mut self) -> String {
        loop {
            let text = self.connection().text().await;
            if text != "2" {
                return text;
            }
            self.connection().say("3").await;
        }
    }

    /// The event of a packet, for which its attachments are awaited. Bytes are lists.
    async fn event(&mut self, text: &str) -> Value {
        let (mut bytes, mut list) = (Vec::new(), text.strip_prefix("42").unwrap_or(text));
        if let Some(rest) = text.strip_prefix("45") {
            let (count, behind) = rest.split_once('-').unwrap_or_else(|| panic!("{text}"));
            list = behind;
            for _ in 0..count.parse().unwrap() {
                match self.connection().next().await {
                    Came::Binary(came) => bytes.push(Value::from(came)),
                    other => panic!("{other:?} for an attachment"),
                }
            }
        }
        let mut list: Value = serde_json::from_str(list).unwrap_or_else(|_| panic!("{text}"));
        for item in list.as_array_mut().unwrap() {
            if item.get("_placeholder").is_some() {
                *item = bytes[usize::try_from(item["num"].as_u64().unwrap()).unwrap()].take();
            }
        }
        list
    }

    fn take(&mut self, mut list: Value) {
        let items = list.as_array_mut().unwrap();
        let offset = items.pop().and_then(|last| last.as_str().map(str::to_owned));
        self.offset = Some(offset.unwrap_or_else(|| panic!("{list} has an offset")));
        self.heard.push(list);
    }

    /// Hears the next event.
    pub(super) async fn hear(&mut self) {
        let text = self.packet().await;
        // An event that wants an answer has no offset.
        if text.starts_with("42") && text.as_bytes()[2].is_ascii_digit() {
            let at = text.find('[').unwrap();
            return self.heard.push(serde_json::from_str(&text[at..]).unwrap());
        }
        let event = self.event(&text).await;
        self.take(event);
    }
}

/// The lines of a transcript: the connection, the direction, and the rest; comments have none.
fn lines(transcript: &str) -> Vec<(&str, &str, &str)> {
    let told = |line: &&str| line.starts_with('W') || line.starts_with('#') && line.contains("recovered ");
    transcript
        .lines()
        .filter(told)
        .map(|line| match line.strip_prefix('#') {
            Some(comment) => ("", "", comment),
            None => {
                let mut parts = line.splitn(3, ' ');
                (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
            }
        })
        .collect()
}

/// Whether a line of the server is an event, whose JSON it begins with.
fn is_event(line: &str) -> bool {
    line.starts_with("42") || line.starts_with("45")
}

/// Replays a transcript: the server sends what it sent, and the page does what it did. Returns whether the page recovered
/// at each connection but those that were its first, and whether the reference did.
async fn replay(transcript: &str) -> Vec<(bool, bool)> {
    let (live, client) = house();
    let (mut page, mut recovered, mut sent, mut heard) = (Page::new(&client), Vec::new(), Vec::new(), Vec::new());
    let lines = lines(transcript);
    let reference: Vec<bool> =
        lines.iter().filter(|line| line.0.is_empty()).map(|line| line.2.contains("recovered true")).collect();
    let send = |line: &str| {
        let list = &line[line.find('[').unwrap()..];
        let mut list: Vec<Value> = serde_json::from_str(list).unwrap();
        let asks = line.as_bytes()[2].is_ascii_digit() && line.starts_with("42");
        // The recorded offset stands last, but for a request and for what may be skipped.
        let offset = list.last().and_then(Value::as_str).is_some_and(|last| last.starts_with("Q8W"));
        if offset {
            list.pop();
        }
        let binary = line.starts_with("45");
        let name = list[0].as_str().unwrap().to_owned();
        let room = live.to("room");
        match (binary, asks, offset) {
            (true, ..) => room.emit(&*name, Args((&list[1], Bytes::from_static(&[1])))),
            (_, true, _) => {
                let session = live.sessions().remove(0);
                let data = list[1].clone();
                tokio::spawn(async move { drop(session.request::<_, _, Value>(&*name, data).await) });
                Delivered::default()
            }
            (_, _, true) => room.emit(&*name, Args(list[1..].to_vec())),
            (_, _, false) => room.droppable().emit(&*name, Args(list[1..].to_vec())),
        };
        if binary {
            list[2] = Value::from(vec![1]);
        }
        Value::from(list)
    };
    let mut at = 0;
    while let Some(&(_, direction, text)) = lines.get(at) {
        at += 1;
        match (direction, text) {
            (">", text) if text.starts_with("40") => {
                let before = page.opened.is_some();
                let first = !text.contains("pid");
                if first {
                    (page.opened, page.offset) = (None, None);
                }
                match text.contains("nonsense") {
                    // The page states what it was made to state.
                    true if text.contains("\"pid\":\"nonsense\"") => {
                        page.connect_with("40{\"pid\":\"nonsense\"}").await
                    }
                    true => {
                        let claim = page.opened.as_ref().unwrap().claim("/", Some("nonsense"));
                        page.connect_with(&claim).await;
                    }
                    false => page.connect().await,
                }
                if !first && before {
                    recovered.push(page.recovered);
                }
                if page.recovered {
                    for _ in &sent {
                        page.hear().await;
                    }
                    heard.append(&mut sent);
                }
                sent.clear();
                // The missed events come before the answer in the transcript.
                while !lines[at].2.starts_with("40{") {
                    at += 1;
                }
                at += 1;
            }
            (">", text) if text.starts_with("close") => {
                page.cut();
                away(&live).await;
                // The events that the page misses stand between its next CONNECT and the answer.
                let next = lines[at..].iter().skip_while(|line| !(line.1 == ">" && line.2.starts_with("40")));
                let missed = next.skip(1).take_while(|line| !line.2.starts_with("40{") && !line.2.starts_with("close"));
                sent = missed.filter(|line| line.1 == "<" && is_event(line.2)).map(|line| send(line.2)).collect();
            }
            (">", "41") => page.connection().say("41").await,
            ("<", text) if is_event(text) => {
                heard.push(send(text));
                page.hear().await;
            }
            _ => {}
        }
    }
    assert_eq!(page.heard, heard);
    assert_eq!(recovered.len(), reference.len());
    recovered.into_iter().zip(reference).collect()
}

fn transcript(name: &str) -> String {
    let path = format!("{}/tests/vectors/socketio/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_page_of_the_transcript_recovers_as_it_did() {
    let outcomes = replay(&transcript("client4-recovery")).await;
    assert_eq!(outcomes, [(true, true), (false, false), (false, false)]);
}

#[tokio::test(start_paused = true)]
async fn the_pages_recover_that_the_reference_lost() {
    let outcomes = replay(&transcript("client4-recovery-hazards")).await;
    assert_eq!(outcomes, [(true, false), (true, false), (true, true)]);
}
