//! Clients that talk to a handler which counts, and keeps the count when its session moves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anywire::{Anywire, Session, ShutDown, Why};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    house::House,
    support::{Peer, Record, Records, Site, Socket, SocketEvent},
};

/// The figures of all handlers.
#[derive(Clone, Default)]
pub struct Handlers {
    pub started: Arc<AtomicUsize>,
    pub moved: Arc<AtomicUsize>,
    /// Handlers whose sessions have ended.
    pub ended: Arc<AtomicUsize>,
}

/// Answers each message with its number and its text. The next number goes along when the session moves.
async fn count(session: Session, handlers: Handlers) {
    let mut count: u64 = session.restored().unwrap().unwrap_or_default();
    handlers.started.fetch_add(1, Relaxed);
    handlers.moved.fetch_add(usize::from(session.why() == Why::Moved), Relaxed);
    while let Some(message) = session.recv().await {
        let _ = session.send(format!("{count} {}", message.as_text().unwrap())).await;
        count += 1;
        session.save(&count).unwrap();
    }
    handlers.ended.fetch_add(usize::from(!session.is_moving()), Relaxed);
}

/// Three nodes whose sessions move.
pub async fn counting() -> (House, Handlers) {
    counting_on(3).await
}

/// A number of nodes whose sessions move.
pub async fn counting_on(nodes: usize) -> (House, Handlers) {
    let handlers = Handlers::default();
    let counted = handlers.clone();
    let builder = Anywire::builder().movable().handler(move |session: Session| count(session, counted.clone()));
    let house = House::new(nodes, builder);
    house.ready().await;
    sleep(Duration::from_secs(2)).await;
    (house, handlers)
}

/// Begins to shut a node down, and waits until the others know of it.
pub async fn shut_down(house: &House, nth: usize, window: Duration) -> JoinHandle<ShutDown> {
    let live = house.servers[nth].live();
    let shutdown = tokio::spawn(async move { live.shutdown(window).await });
    sleep(Duration::from_millis(1_500).min(window / 2)).await;
    shutdown
}

/// The link of a client.
pub enum Line {
    Polls,
    Stream(&'static str, Option<Records>),
    Socket(Box<Socket>),
}

/// A client that numbers what it says, and checks each answer.
pub struct Talk {
    pub peer: Peer,
    pub line: Line,
    pub said: usize,
    /// When it makes a new link, since its server goes away.
    pub leaves: Option<Instant>,
    pub links: usize,
    /// The nodes that a balancer gives its new links to, if not the present one.
    sites: Vec<Site>,
}

impl Talk {
    pub async fn polls(site: &Site) -> Self {
        Self::new(Peer::open(site).await, Line::Polls)
    }

    pub async fn stream(site: &Site, route: &'static str) -> Self {
        Self::new(Peer::open(site).await, Line::Stream(route, None))
    }

    pub async fn socket(site: &Site) -> Self {
        let (peer, socket) = Peer::open_socket(site).await;
        Self::new(peer, Line::Socket(Box::new(socket)))
    }

    fn new(peer: Peer, line: Line) -> Self {
        Talk { peer, line, said: 0, leaves: None, links: 1, sites: Vec::new() }
    }

    /// Says something, and waits for the answer to all that it has said. Refusals that ask to come back are obeyed.
    pub async fn say(&mut self) {
        self.peer.put(format!("m{}", self.said));
        self.said += 1;
        if let Line::Socket(socket) = &mut self.line {
            socket.flight(&self.peer).await;
        } else {
            self.upload().await;
        }
        for _ in 0..1000 {
            if self.peer.got.len() >= self.said {
                break;
            }
            self.hear().await;
        }
        let expected: Vec<_> = (0..self.said).map(|number| format!("{number} m{number}")).collect();
        assert_eq!(self.peer.texts(), expected);
        assert_eq!(self.peer.gaps, []);
    }

    async fn upload(&mut self) {
        for _ in 0..100 {
            let body = self.peer.flight(self.peer.upload_head());
            let answer = self.peer.site.post(&self.peer.path("send"), body.bytes).await;
            if answer.status == 200 {
                let records = answer.records();
                return self.take(&records);
            }
            assert_eq!(answer.refusal(503).0, 4202);
            sleep(Duration::from_millis(100)).await;
        }
        panic!("no node takes the upload");
    }

    fn take(&mut self, records: &[Record]) {
        self.peer.take(records);
        if let Some(delay) = self.peer.go_away.take() {
            self.leaves = Some(Instant::now() + Duration::from_millis(delay));
        }
    }

    /// Takes what comes next. A link that has ended is replaced.
    async fn hear(&mut self) {
        match &mut self.line {
            Line::Polls => {
                self.peer.turn += 1;
                let answer = self.peer.send_poll().await;
                match answer.status.as_u16() {
                    200 => self.take(&answer.records()),
                    409 => self.link().await,
                    status => {
                        assert_eq!(answer.refusal(status).0, 4202, "{status}");
                        sleep(Duration::from_millis(100)).await;
                        // Its session may wait for a new link at the node that has it now: a refused poll is the end of a link.
                        self.link().await;
                    }
                }
            }
            Line::Stream(route, None) => {
                let stream = self.peer.stream(route).await;
                self.line = Line::Stream(route, Some(stream));
            }
            Line::Stream(_, Some(stream)) => match stream.next().await {
                Some(records) if ends(&records) => {
                    self.take(&records);
                    self.link().await;
                }
                Some(records) => self.take(&records),
                None => self.link().await,
            },
            Line::Socket(socket) => match socket.next().await {
                SocketEvent::Records(records) => self.take(&records),
                SocketEvent::Closed(code, text) => {
                    assert!([4000, 4202].contains(&code), "{code} {text}");
                    self.link().await;
                }
                SocketEvent::Broken => self.link().await,
            },
        }
    }

    /// Makes a new link at the present site, or at another one if it is refused there.
    pub async fn link(&mut self) {
        self.links += 1;
        for attempt in 0..100 {
            if self.try_link().await {
                return;
            }
            sleep(Duration::from_millis(100)).await;
            if !self.sites.is_empty() {
                self.peer.site = self.sites[attempt % self.sites.len()].clone();
            }
        }
        panic!("no node takes the link");
    }

    async fn try_link(&mut self) -> bool {
        if matches!(self.line, Line::Socket(_)) {
            let mut socket = self.peer.attach_socket().await;
            let SocketEvent::Records(records) = socket.next().await else { return false };
            self.take(&records);
            if !self.peer.seen {
                return false;
            }
            socket.text("v:").await;
            socket.flight(&self.peer).await;
            self.line = Line::Socket(Box::new(socket));
            return true;
        }
        self.peer.switch();
        self.peer.turn += 1;
        let answer = self.peer.send_poll().await;
        if answer.status != 200 {
            let code = answer.refusal(answer.status.as_u16()).0;
            assert!(code == 4202 || code / 100 == 40, "{code}");
            return false;
        }
        self.take(&answer.records());
        if let Line::Stream(_, stream) = &mut self.line {
            *stream = None;
        }
        true
    }

    /// Says something; if it is time, it makes a new link at one of these sites before.
    pub async fn go_on(&mut self, sites: &[Site]) {
        self.sites = sites.to_vec();
        if self.leaves.is_some_and(|at| at <= Instant::now()) {
            self.leaves = None;
            self.peer.site = sites[self.links % sites.len()].clone();
            self.link().await;
        }
        self.say().await;
    }
}

fn ends(records: &[Record]) -> bool {
    records.iter().any(|record| matches!(record, Record::LinkClose(..)))
}
