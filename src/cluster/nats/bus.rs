//! The connection by which publications come.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::{
    connection::{ANSWERS, Take, Target, beside},
    link::{ANSWER, Link},
    names::word,
    protocol::{put_end, put_subscription},
    records::recorded,
};
use crate::{
    cluster::{
        engine::{BusInbox, EngineError},
        pauses::Pauses,
    },
    sync::lock,
};

/// The topics that are asked for before the server must confirm them.
const TOPICS: usize = 512;
/// The time between two questions whether the server is still there.
const CHECK: Duration = Duration::from_secs(2);

/// A node's subscriptions.
pub(super) struct Subscriber {
    target: Arc<Target>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The topics that the node has an interest in.
    wanted: HashSet<Bytes>,
    /// The topics for which the present connection may have to be asked for something.
    changed: HashSet<Bytes>,
    /// Those that the present connection was asked for, and the number of each. The server sends a topic that was asked
    /// for twice twice.
    asked: HashMap<Bytes, u64>,
    topics: HashMap<u64, Bytes>,
    last: u64,
    /// The connection on which all topics are asked for.
    link: Option<Link>,
}

/// A connection is lost.
struct Lost {
    error: EngineError,
    /// All topics were asked for.
    was_whole: bool,
}

impl Subscriber {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Subscriber { target, state: Arc::default() }
    }

    /// Changes the topics, and waits until the server has confirmed that.
    pub(super) async fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> Result<(), EngineError> {
        let link = {
            let mut state = lock(&self.state);
            state.changed.extend(add.iter().chain(&drop).cloned());
            state.wanted.extend(add);
            for topic in &drop {
                state.wanted.remove(topic);
            }
            let link = state.link.clone();
            link.ok_or_else(|| EngineError::new("there is no connection to the server"))?
        };
        // It is an error of this call alone when a server that has much to say confirms nothing in time.
        let asked = timeout(ANSWER, self.ask(&link)).await;
        asked.map_err(|_| EngineError::new("the server has not confirmed the topics in time"))?
    }

    /// Asks for all that is wanted and was not asked for, and the other way round, until there is no more of that.
    async fn ask(&self, link: &Link) -> Result<(), EngineError> {
        loop {
            let is_all = self.ask_for_some(link);
            // Where this fails, the server may lack some of what it was asked for.
            link.flush().await.inspect_err(|error| link.set_bad(error))?;
            if is_all {
                return Ok(());
            }
        }
    }

    /// Writes the next commands. Returns whether no more are needed.
    fn ask_for_some(&self, link: &Link) -> bool {
        let mut state = lock(&self.state);
        let State { wanted, changed, asked, topics, last, .. } = &mut *state;
        let some: Vec<Bytes> = changed.iter().take(TOPICS).cloned().collect();
        // It is written under the lock, so that it is in the order of the numbers. A connection that is lost is closed before
        // its state is forgotten, and this is not called for a closed one: what is noted is of the present connection.
        link.write(|out| {
            for topic in &some {
                changed.remove(topic);
                if wanted.contains(topic) {
                    if !asked.contains_key(topic) {
                        *last += 1;
                        let number = *last + ANSWERS;
                        asked.insert(topic.clone(), number);
                        topics.insert(number, topic.clone());
                        put_subscription(out, &subject(&self.target.prefix, topic), number);
                    }
                } else if let Some(number) = asked.remove(topic) {
                    topics.remove(&number);
                    put_end(out, number);
                }
            }
        });
        changed.is_empty()
    }

    /// Stays connected.
    pub(super) async fn run(&self, inbox: BusInbox) {
        let mut pauses = Pauses::new();
        let mut is_told = false;
        loop {
            // An earlier call that was dropped has taken its connection with it.
            lock(&self.state).disconnect();
            let Lost { error, was_whole } = self.listen(&inbox, &mut pauses, is_told).await;
            lock(&self.state).disconnect();
            if was_whole {
                inbox.cut();
                is_told = false;
            }
            if !is_told {
                tracing::warn!(address = %self.target.addresses(), %error, "the engine of the cluster is away");
                is_told = true;
            }
            pauses.wait(was_whole).await;
        }
    }

    /// One connection, until it is lost. The bytes of it move in here and nowhere else, so nothing comes behind its end.
    async fn listen(&self, inbox: &BusInbox, pauses: &mut Pauses, was_away: bool) -> Lost {
        let mut was_whole = false;
        let (link, mut driver) = match self.target.connect(self.receiver(inbox)).await {
            Ok(connected) => connected,
            Err(error) => return Lost { error, was_whole },
        };
        let tended = async {
            let Err(error) = async {
                self.ask_for_all(&link).await?;
                if was_away {
                    tracing::info!(address = %self.target.addresses(), "the engine of the cluster is back");
                }
                pauses.connected();
                was_whole = true;
                inbox.whole();
                still_there(&link).await
            }
            .await;
            Err::<Infallible, _>(error)
        };
        let error = tokio::select! {
            lost = beside(&mut driver, tended) => lost.map_or_else(|error| error, |never| match never {}),
            error = link.bad() => error,
        };
        Lost { error, was_whole }
    }

    fn receiver(&self, inbox: &BusInbox) -> Take {
        let (state, inbox) = (self.state.clone(), inbox.clone());
        Box::new(move |message| {
            let topic = lock(&state).topics.get(&message.subscription).cloned();
            if let Some(topic) = topic {
                inbox.hand_over(topic, message.body, |topic, body| recorded(topic, &message.headers, body));
            }
        })
    }

    /// Asks for all topics on a new connection, also for those that are added meanwhile, and lets others use it.
    async fn ask_for_all(&self, link: &Link) -> Result<(), EngineError> {
        loop {
            self.ask(link).await?;
            let mut state = lock(&self.state);
            if state.changed.is_empty() {
                state.link = Some(link.clone());
                return Ok(());
            }
        }
    }
}

impl State {
    fn disconnect(&mut self) {
        self.link = None;
        self.asked.clear();
        self.topics.clear();
        self.changed.clone_from(&self.wanted);
    }
}

/// The subject of a topic.
pub(super) fn subject(prefix: &str, topic: &[u8]) -> String {
    format!("{prefix}.room.{}", word(topic))
}

/// Asks the server again and again whether it is there. Returns when it is not.
async fn still_there(link: &Link) -> Result<Infallible, EngineError> {
    loop {
        sleep(CHECK).await;
        link.flush().await?;
    }
}
