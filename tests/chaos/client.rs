//! A client that sends, receives and comes back for as long as it is asked to, and writes down what it was told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    history::{Phase, Publication, Received, Session},
    http::Balancer,
    random::Random,
    support::{Payload, Peer, Record, attempt},
};

/// A client that has nothing to send looks this often whether it has something to acknowledge.
const IDLE: Duration = Duration::from_millis(200);

/// The transports of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Socket,
    Stream,
    Poll,
}

/// The work of all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Each sends a message in each interval. Of so many messages one is published to the room.
    Send {
        every: Duration,
        publish: u64,
    },
    /// Each publishes one message to its room.
    Greet,
    /// Nobody sends, and everything comes to its end.
    Settle,
    Stop,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    pub(crate) phase: Phase,
    pub(crate) work: Work,
}

/// The account of one client.
#[derive(Default)]
pub(crate) struct Diary {
    /// Its sessions, by id.
    pub(crate) sessions: Vec<(String, Session)>,
    /// When each session but the first opened.
    pub(crate) back: Vec<Instant>,
    /// How long each message waited for its answer, by the phase of the message.
    pub(crate) waits: Vec<(Phase, Duration)>,
    /// The longest time of each phase in which nothing came.
    pub(crate) silences: BTreeMap<Phase, Duration>,
    /// How often things went wrong with its links.
    pub(crate) tally: BTreeMap<String, u64>,
}

/// The reason why a link ended, and what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The link is over, and the session lives.
    Again,
    /// The server asks to come back no sooner.
    Later(Duration),
    /// The session is gone.
    Lost,
    /// The client was asked to stop.
    Stop,
}

pub(crate) struct Client {
    number: u32,
    room: String,
    pub(super) kind: Kind,
    pub(super) peer: Peer,
    pub(super) random: Random,
    pub(super) balancer: Arc<Balancer>,
    pub(super) orders: watch::Receiver<Orders>,
    /// The number of the last phase for which the client has nothing more to send or to receive.
    settled: Arc<AtomicU64>,
    /// The messages that all clients have received.
    count_received: Arc<AtomicU64>,
    attempt: String,
    session: Session,
    /// The number of the last message of all sessions.
    last: u64,
    /// The messages that wait for their answers: the number, the phase and when it was sent.
    waiting: VecDeque<(u64, Phase, Instant)>,
    /// How many of the present session's publications are to come back to itself.
    own: u64,
    pub(super) next_send: Instant,
    pub(super) heard: Instant,
    /// When the last message of this phase came.
    pub(super) message: Option<Instant>,
    /// When the present trouble began.
    trouble: Option<Instant>,
    diary: Diary,
}

impl Client {
    pub(crate) fn new(
        number: u32,
        room: String,
        kind: Kind,
        balancer: Arc<Balancer>,
        orders: watch::Receiver<Orders>,
        settled: Arc<AtomicU64>,
        count_received: Arc<AtomicU64>,
    ) -> Self {
        let now = Instant::now();
        Client {
            number,
            room,
            kind,
            peer: Peer::new(&crate::nowhere()),
            random: Random::new(u64::from(number) + 1),
            balancer,
            orders,
            settled,
            count_received,
            attempt: attempt(),
            session: Session::default(),
            last: 0,
            waiting: VecDeque::new(),
            own: 0,
            next_send: now,
            heard: now,
            message: None,
            trouble: None,
            diary: Diary::default(),
        }
    }

    /// Lives until it is asked to stop.
    pub(crate) async fn live(mut self, begin: Duration) -> Diary {
        sleep(begin).await;
        self.next_send = Instant::now();
        loop {
            let end = match self.kind {
                Kind::Socket => self.over_socket().await,
                Kind::Stream | Kind::Poll => self.over_http().await,
            };
            let wait = match end {
                End::Stop => break,
                // As our client in the browser: a session that was open is replaced at once.
                End::Lost if self.is_open() => {
                    self.lost();
                    self.trouble = None;
                    Duration::ZERO
                }
                End::Lost => {
                    self.lost();
                    self.pause()
                }
                End::Again => self.pause(),
                End::Later(wait) => wait + self.pause(),
            };
            let mut orders = self.orders.clone();
            tokio::select! {
                biased;
                _ = orders.wait_for(|orders| orders.work == Work::Stop) => break,
                () = sleep(wait) => {}
            }
        }
        self.write_down(false);
        self.diary
    }

    /// The time until it tries again, in proportion to that since its troubles began.
    fn pause(&mut self) -> Duration {
        let since = *self.trouble.get_or_insert_with(Instant::now);
        let longer = (since.elapsed() / 4).clamp(Duration::from_millis(200), Duration::from_secs(10));
        longer.mul_f64(0.5 + self.random.below(1_000) as f64 / 2_000.0)
    }

    pub(super) fn count(&mut self, what: impl Into<String>) {
        let what = what.into();
        crate::told::tell_of(&format!("client {}", self.number), &format!("{:?} {} {what}", self.kind, self.peer.id));
        *self.diary.tally.entry(what).or_default() += 1;
    }

    /// Whether it has a session.
    pub(super) fn is_open(&self) -> bool {
        !self.peer.id.is_empty()
    }

    /// The first record of an opening.
    pub(super) fn opening(&mut self) -> crate::support::Body {
        self.peer.switch();
        let (ordinal, attempt) = (self.peer.ordinal, self.attempt.clone());
        self.peer.body().with_text('o', &[&1, &ordinal, &attempt], &self.room)
    }

    /// Takes what came. Returns the end of the link if that says so.
    pub(super) fn take(&mut self, records: &[Record]) -> Option<End> {
        let now = Instant::now();
        let was_open = self.is_open();
        self.heard = now;
        let last = records.iter().find_map(|record| match record {
            Record::LinkClose(code, _) => Some(self.judge(*code)),
            _ => None,
        });
        if let Some(Record::New(_, grant)) = records.first() {
            assert!(!was_open || grant.id == self.peer.id, "another session than the present one");
        }
        self.peer.take(records);
        assert_eq!(self.peer.closed, None, "the server has closed the session");
        if !was_open && self.is_open() {
            self.opened(now);
        }
        if records.iter().any(|record| matches!(record, Record::New(..) | Record::Full(_))) {
            self.trouble = None;
        }
        for (from, to) in std::mem::take(&mut self.peer.gaps) {
            self.session.received.push(Received::Gap(to - from + 1));
        }
        let got = std::mem::take(&mut self.peer.got);
        if let (Some(last), false) = (self.message, got.is_empty()) {
            if now - last > Duration::from_millis(800) {
                crate::told::tell_of(
                    &format!("client {}", self.number),
                    &format!("SILENCE {} {:?}", self.peer.id, now - last),
                );
            }
            let longest = self.diary.silences.entry(self.orders.borrow().phase).or_default();
            *longest = (now - last).max(*longest);
        }
        if !got.is_empty() {
            self.message = Some(now);
            self.count_received.fetch_add(got.len() as u64, Ordering::Relaxed);
        }
        for payload in got {
            let Payload::Text(text) = payload else { panic!("bytes came") };
            self.received(&text, now);
        }
        self.report();
        last
    }

    fn opened(&mut self, now: Instant) {
        if self.diary.sessions.is_empty() {
            self.count("first sessions");
        } else {
            self.diary.back.push(now);
        }
        let (client, room, opened) = (self.number, self.room.clone(), self.orders.borrow().phase);
        self.session = Session { client, room, opened, ..Session::default() };
    }

    fn received(&mut self, text: &str, now: Instant) {
        let fields: Vec<&str> = text.split(' ').collect();
        let received = match fields[..] {
            ["a", turn, message] => {
                let (turn, message) = (turn.parse().unwrap(), message.parse().unwrap());
                if self.waiting.front().is_some_and(|(waits, ..)| *waits == message) {
                    let (_, phase, since) = self.waiting.pop_front().unwrap();
                    self.diary.waits.push((phase, now - since));
                }
                Received::Answer { turn, message }
            }
            ["r", session, number] => {
                self.own -= u64::from(session == self.peer.id);
                Received::Published(Publication { session: session.to_owned(), number: number.parse().unwrap() })
            }
            _ => panic!("{text:?} came"),
        };
        self.session.received.push(received);
    }

    /// Says that nothing is left to do, if so.
    pub(super) fn report(&self) {
        let Orders { phase, work } = *self.orders.borrow();
        let has_all = self.peer.outbox.is_empty() && self.waiting.is_empty() && self.own == 0;
        let is_done = work == Work::Settle || (work == Work::Greet && !self.session.sent.is_empty());
        if is_done && self.is_open() && has_all {
            self.settled.fetch_max(u64::from(phase) + 1, Ordering::Relaxed);
        }
    }

    /// Numbers the message that is due, if there is one.
    pub(super) fn compose(&mut self) -> Option<(u64, String)> {
        let Orders { phase, work } = *self.orders.borrow();
        let (every, publish) = match work {
            Work::Send { every, publish } => (every, publish),
            Work::Greet if self.session.sent.is_empty() => (IDLE, 1),
            _ => {
                self.next_send = Instant::now() + IDLE;
                return None;
            }
        };
        self.next_send = (self.next_send + every).max(Instant::now());
        if self.peer.paused.is_some() || !self.is_open() {
            return None;
        }
        self.last += 1;
        let is_published = (self.last + u64::from(self.number)).is_multiple_of(publish);
        self.own += u64::from(is_published);
        let kind = if is_published { "p" } else { "m" };
        let text = format!("{} {phase} {kind}", self.last);
        self.peer.put(text.as_str());
        self.session.sent.push(self.last);
        self.waiting.push_back((self.last, phase, Instant::now()));
        Some((self.peer.last, text))
    }

    pub(super) fn judge(&mut self, code: u16) -> End {
        self.count(code.to_string());
        match code / 100 {
            40 => End::Again,
            41 => End::Lost,
            42 => End::Again,
            _ => panic!("client {}: a link ended with {code}", self.number),
        }
    }

    /// The session is gone: the messages that are not acknowledged are unknown, and a new one opens.
    fn lost(&mut self) {
        if self.is_open() {
            self.write_down(true);
        }
        self.attempt = attempt();
        self.peer = Peer::new(&self.peer.site);
        (self.waiting, self.own) = (VecDeque::new(), 0);
    }

    fn write_down(&mut self, lost: bool) {
        let mut session = std::mem::take(&mut self.session);
        session.lost = lost;
        session.acknowledged = session.sent.len() - self.peer.outbox.len();
        if lost {
            // As they are, and not as they were counted above.
            let number = |payload: &Payload| match payload {
                Payload::Text(text) => text.split(' ').next().unwrap().parse().unwrap(),
                Payload::Binary(_) => unreachable!(),
            };
            session.unknown = self.peer.outbox.iter().map(|(_, payload)| number(payload)).collect();
        }
        if self.is_open() {
            self.diary.sessions.push((self.peer.id.clone(), session));
        }
    }
}
