//! A client that answers the requests of its server, each after a while, and goes where its session goes.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{EventClient, HOST, Site, Socket};

/// How long a juror thinks about a request before it answers.
pub type Thinks = fn(u32) -> Duration;

/// A client over WebSockets, whose session may be at any of the sites.
pub struct Juror {
    pub id: String,
    secret: String,
    socket: Socket,
    sites: Vec<Site>,
    links: usize,
    ordinal: u64,
    /// The number of the last message that has come, and that of the next one on this link.
    received: u64,
    next: u64,
    /// The number of the last message that was sent, and those that are not acknowledged.
    last: u64,
    outbox: VecDeque<(u64, String)>,
    thinks: Thinks,
    /// The answers that are due at a time.
    due: BTreeMap<(Instant, u64), u32>,
    leaves: Option<Instant>,
    /// The numbers that it was asked.
    asked: Vec<u32>,
}

/// A juror in a task of its own.
pub struct Seated {
    pub id: String,
    stop: watch::Sender<()>,
    asked: JoinHandle<Vec<u32>>,
}

impl Juror {
    /// A juror whose session is at the first site. When it has to leave, it goes to the others in turn.
    pub async fn open(sites: Vec<Site>, thinks: Thinks) -> Self {
        let client = EventClient::open(&sites[0], "events").await;
        Juror {
            id: client.id.clone(),
            secret: client.secret().to_owned(),
            socket: client.socket,
            sites,
            links: 0,
            ordinal: 17,
            received: 0,
            next: 1,
            last: 0,
            outbox: VecDeque::new(),
            thinks,
            due: BTreeMap::new(),
            leaves: None,
            asked: Vec::new(),
        }
    }

    pub fn seat(mut self) -> Seated {
        let (stop, mut stopped) = watch::channel(());
        let id = self.id.clone();
        let asked = tokio::spawn(async move {
            tokio::select! {
                () = self.sit() => unreachable!("it sits until it is told to go"),
                _ = stopped.changed() => self.asked,
            }
        });
        Seated { id, stop, asked }
    }

    async fn sit(&mut self) {
        loop {
            let due = self.due.first_key_value().map(|((at, _), _)| *at);
            tokio::select! {
                message = self.socket.io.next() => match message {
                    Some(Ok(Message::Text(text))) => self.hear(&text).await,
                    Some(Ok(Message::Ping(_))) => {}
                    // The link is over, whatever the reason: another one says whether the session is.
                    _ => self.link().await,
                },
                () = at(due) => self.answer().await,
                () = at(self.leaves) => self.link().await,
            }
        }
    }

    /// Takes the records of one text.
    async fn hear(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(packet) = rest.strip_prefix('e') {
                return self.take(packet);
            }
            let (record, behind) = rest.split_once(':').expect(text);
            let (letter, fields) = record.split_at(1);
            rest = behind;
            match letter {
                "n" => self.next = number(fields),
                "a" => self.acknowledged(number(fields)),
                "p" => fields.split_once(',').into_iter().for_each(|(_, received)| self.acknowledged(number(received))),
                "z" => self.leaves = Some(Instant::now() + Duration::from_millis(number(fields))),
                "w" => self.socket.text(format!("a{}:", self.received)).await,
                "x" => return,
                other => panic!("{other} of {text}"),
            }
        }
    }

    /// An event, which is a request.
    fn take(&mut self, packet: &str) {
        assert!(self.next <= self.received + 1, "messages are missing: {} behind {}", self.next, self.received);
        let again = self.next <= self.received;
        self.next += 1;
        if again {
            return;
        }
        self.received += 1;
        let (id, values) = packet.strip_prefix('2').and_then(|rest| rest.split_once('[')).expect(packet);
        let asked = values.strip_prefix("\"n?\",").and_then(|rest| rest.strip_suffix(']')).expect(packet);
        let asked = asked.parse().expect(packet);
        self.asked.push(asked);
        // Of several that are due at once, the first comes first.
        self.due.insert((Instant::now() + (self.thinks)(asked), number(id)), asked);
    }

    /// Answers what is due first.
    async fn answer(&mut self) {
        let ((_, id), number) = self.due.pop_first().expect("one is due");
        self.last += 1;
        let answer = format!("e3{id}[{number}]");
        self.outbox.push_back((self.last, answer.clone()));
        // A link that has just ended is noticed where it is read.
        for text in [format!("a{}:", self.received), answer] {
            let _ = self.socket.io.send(Message::text(text)).await;
        }
    }

    fn acknowledged(&mut self, received: u64) {
        while self.outbox.front().is_some_and(|(number, _)| *number <= received) {
            self.outbox.pop_front();
        }
    }

    /// Makes a new link at the next site that takes it.
    async fn link(&mut self) {
        self.leaves = None;
        for _ in 0..100 {
            let others = &self.sites[1..];
            let site = others[self.links % others.len()].clone();
            self.links += 1;
            self.ordinal += 1;
            if self.try_link(&site).await {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("no node takes the link");
    }

    async fn try_link(&mut self, site: &Site) -> bool {
        let (path, origin) = (format!("websocket?session={}", self.id), format!("http://{HOST}"));
        let Ok(mut socket) = site.websocket_as(&path, &[("origin", &origin)]).await else { return false };
        let Juror { ordinal, id, secret, received, .. } = &*self;
        socket.text(format!("r1,{ordinal},0,0,{id},{secret},{received},events:")).await;
        let Some(Ok(Message::Text(text))) = socket.io.next().await else { return false };
        let Some((head, rest)) = text.split_once(':') else { return false };
        let Some(taken) = head.strip_prefix("sfull,") else {
            assert!(head.starts_with("x40") || head.starts_with("x4202"), "the session is lost: {text}");
            return false;
        };
        self.acknowledged(number(taken.split(',').next().unwrap()));
        let first = self.outbox.front().map_or(self.last + 1, |(number, _)| *number);
        socket.text(format!("v:n{first}:")).await;
        for (_, answer) in &self.outbox {
            socket.text(answer.clone()).await;
        }
        self.socket = socket;
        Box::pin(self.hear(rest)).await;
        true
    }
}

impl Seated {
    /// The numbers that it was asked.
    pub async fn rise(self) -> Vec<u32> {
        self.stop.send(()).unwrap();
        self.asked.await.unwrap()
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

fn number(field: &str) -> u64 {
    field.parse().unwrap_or_else(|_| panic!("{field} is no number"))
}
