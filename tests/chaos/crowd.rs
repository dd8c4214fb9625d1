//! Many clients, and what they do at the same time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    client::{Client, Diary, Kind, Orders, Work},
    figures::Times,
    history::{History, Phase},
    http::Balancer,
};

/// Everything comes to its end within this time, however slow the machine is.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Crowd {
    orders: watch::Sender<Orders>,
    settled: Vec<Arc<AtomicU64>>,
    received: Arc<AtomicU64>,
    clients: JoinSet<Diary>,
}

/// The load of a crowd.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) clients: u32,
    pub(crate) in_a_room: u32,
    /// Each sends a message in this time,
    pub(crate) every: Duration,
    /// of so many of which one goes to its room.
    pub(crate) publish: u64,
}

impl Crowd {
    /// Opens a session for each client: seven of ten by WebSocket, two by streams and one by polls.
    pub(crate) fn begin(load: Load, balancer: &Arc<Balancer>) -> Crowd {
        let orders = watch::Sender::new(Orders { phase: 0, work: Work::Greet });
        let (mut settled, received, mut clients) = (Vec::new(), Arc::<AtomicU64>::default(), JoinSet::new());
        for number in 0..load.clients {
            let kind = match number % 10 {
                0..7 => Kind::Socket,
                7..9 => Kind::Stream,
                _ => Kind::Poll,
            };
            let room = format!("room-{}", number / load.in_a_room);
            settled.push(Arc::<AtomicU64>::default());
            let (orders, settled) = (orders.subscribe(), settled[number as usize].clone());
            let client = Client::new(number, room, kind, balancer.clone(), orders, settled, received.clone());
            clients.spawn(client.live(Duration::from_millis(u64::from(number))));
        }
        Crowd { orders, settled, received, clients }
    }

    /// All send, from now on, in this phase.
    pub(crate) fn send(&self, phase: Phase, load: Load) {
        self.orders.send_replace(Orders { phase, work: Work::Send { every: load.every, publish: load.publish } });
    }

    /// Nobody sends any more. Waits until each has the answers to its own messages, and those that it has published, and
    /// nothing else has come for this time.
    pub(crate) async fn settle(&mut self, quiet: Duration) {
        self.orders.send_modify(|orders| orders.work = Work::Settle);
        self.settled(quiet).await;
    }

    /// Waits until each has a session, is in its room and has heard itself there.
    pub(crate) async fn greeted(&mut self) {
        self.settled(Duration::ZERO).await;
    }

    async fn settled(&mut self, quiet: Duration) {
        let phase = u64::from(self.orders.borrow().phase);
        let begun = Instant::now();
        let mut last = (self.received.load(Ordering::Relaxed), begun);
        loop {
            sleep(Duration::from_millis(50)).await;
            if let Some(ended) = self.clients.try_join_next() {
                panic!("a client has ended: {:?}", ended.map(|diary| diary.tally));
            }
            let received = self.received.load(Ordering::Relaxed);
            if received != last.0 {
                last = (received, Instant::now());
            }
            let count = |settled: &&Arc<AtomicU64>| settled.load(Ordering::Relaxed) > phase;
            let settled = self.settled.iter().filter(count).count();
            if settled == self.settled.len() && last.1.elapsed() >= quiet {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "phase {phase}: {settled} of {} clients have settled", self.settled.len());
        }
    }

    pub(crate) async fn stop(self) -> Accounts {
        self.orders.send_modify(|orders| orders.work = Work::Stop);
        Accounts(self.clients.join_all().await)
    }
}

/// The accounts of all clients.
pub(crate) struct Accounts(Vec<Diary>);

impl Accounts {
    /// Adds what the clients wrote to what the handlers have written.
    pub(crate) fn join(&mut self, history: &mut History) {
        for (id, session) in self.0.iter_mut().flat_map(|diary| std::mem::take(&mut diary.sessions)) {
            history.add_client(&id, session);
        }
        // A session that was opened twice, and whose client took the other one, has no turn.
        history.sessions.retain(|_, session| !session.room.is_empty() || !session.turns.is_empty());
    }

    /// How long it took from this moment on until those were back that lost their sessions.
    pub(crate) fn back(&self, since: Instant) -> Times {
        self.0.iter().flat_map(|diary| &diary.back).map(|back| back.saturating_duration_since(since)).collect()
    }

    /// The waits for answers to messages of this phase.
    pub(crate) fn waits(&self, phase: Phase) -> Times {
        let waits = self.0.iter().flat_map(|diary| &diary.waits);
        waits.filter(|(of, _)| *of == phase).map(|(_, wait)| *wait).collect()
    }

    /// Of each client the longest time of a phase in which no message came.
    pub(crate) fn silences(&self, phase: Phase) -> Times {
        self.0.iter().filter_map(|diary| diary.silences.get(&phase).copied()).collect()
    }

    /// How often links ended, by the reason.
    pub(crate) fn tally(&self) -> BTreeMap<&str, u64> {
        let mut tally = BTreeMap::new();
        for (what, count) in self.0.iter().flat_map(|diary| &diary.tally) {
            *tally.entry(what.as_str()).or_default() += count;
        }
        tally
    }
}
