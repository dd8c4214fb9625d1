//! The connection by which publications come.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::time::timeout;

use super::{
    frames::Ask,
    here::Here,
    link::{ANSWER, Link, pauses},
};
use crate::{
    cluster::{
        engine::{BusInbox, EngineError},
        pauses::Pauses,
    },
    sync::lock,
};

/// The topics of one frame.
const TOPICS: usize = 512;

/// A node's interests.
pub(super) struct Subscriber {
    here: Arc<Here>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The topics that the node has an interest in.
    wanted: HashSet<Bytes>,
    /// The connection on which all of them are asked for.
    link: Option<Link>,
}

/// A connection is lost.
struct Lost {
    error: EngineError,
    /// All topics were asked for.
    was_whole: bool,
}

impl Subscriber {
    pub(super) fn new(here: Arc<Here>) -> Self {
        Subscriber { here, state: Mutex::default() }
    }

    /// Changes the topics, and waits until the sequencer has confirmed that.
    pub(super) async fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> Result<(), EngineError> {
        let link = {
            let mut state = lock(&self.state);
            state.wanted.extend(add.iter().cloned());
            drop.iter().for_each(|topic| drop_topic(&mut state.wanted, topic));
            state.link.clone().ok_or_else(|| EngineError::new("there is no connection to the sequencer"))?
        };
        let dropped: HashSet<&Bytes> = drop.iter().collect();
        let add: Vec<Bytes> = add.into_iter().filter(|topic| !dropped.contains(topic)).collect();
        // It is an error of this call alone when a sequencer that has much to say confirms nothing in time.
        let asked = timeout(ANSWER, ask(&link, &add, &drop)).await;
        asked.map_err(|_| EngineError::new("the sequencer has not confirmed the topics in time"))?
    }

    /// Stays connected.
    pub(super) async fn run(&self, inbox: BusInbox) {
        let mut pauses = pauses();
        let mut is_told = false;
        // An earlier call that was dropped has taken its connection with it.
        lock(&self.state).link = None;
        loop {
            let Lost { error, was_whole } = self.listen(&inbox, &mut pauses, is_told).await;
            lock(&self.state).link = None;
            if was_whole {
                inbox.cut();
                tracing::info!(%error, "the sequencer of this machine's nodes is gone, and another one takes its place");
                is_told = false;
            } else if !is_told {
                tracing::warn!(folder = %self.here.folder.path().display(), %error, "the engine of the cluster is away");
                is_told = true;
            }
            pauses.wait(was_whole).await;
        }
    }

    /// One connection, until it is lost. The bytes of it move in here and nowhere else, so nothing comes behind its end.
    async fn listen(&self, inbox: &BusInbox, pauses: &mut Pauses, was_away: bool) -> Lost {
        let mut was_whole = false;
        let taking = inbox.clone();
        let connected = self.here.connect(move |event| taking.tell(event)).await;
        let (link, driver) = match connected {
            Ok(connected) => connected,
            Err(error) => return Lost { error, was_whole },
        };
        let tended = async {
            if let Err(error) = self.ask_for_all(&link).await {
                return error;
            }
            // A new sequencer carries nothing before all hear it.
            if let Err(error) = link.while_heard(link.done(&Ask::Listens)).await {
                return error;
            }
            if was_away {
                tracing::info!(folder = %self.here.folder.path().display(), "the engine of the cluster is back");
            }
            pauses.connected();
            was_whole = true;
            inbox.whole();
            link.still_there().await
        };
        let error = tokio::select! {
            error = tended => error,
            error = driver => error,
        };
        Lost { error, was_whole }
    }

    /// Asks for all topics on a new connection, also for those that are added meanwhile, and lets others use it.
    async fn ask_for_all(&self, link: &Link) -> Result<(), EngineError> {
        let mut asked = HashSet::new();
        loop {
            let (add, drop): (Vec<Bytes>, Vec<Bytes>) = {
                let mut state = lock(&self.state);
                let add: Vec<Bytes> = state.wanted.difference(&asked).cloned().collect();
                let drop: Vec<Bytes> = asked.difference(&state.wanted).cloned().collect();
                if add.is_empty() && drop.is_empty() {
                    state.link = Some(link.clone());
                    return Ok(());
                }
                (add, drop)
            };
            link.while_heard(ask(link, &add, &drop)).await?;
            asked.extend(add);
            drop.iter().for_each(|topic| drop_topic(&mut asked, topic));
        }
    }
}

async fn ask(link: &Link, add: &[Bytes], drop: &[Bytes]) -> Result<(), EngineError> {
    for topics in add.chunks(TOPICS) {
        link.done(&Ask::Interest { add: topics.to_vec(), drop: Vec::new() }).await?;
    }
    for topics in drop.chunks(TOPICS) {
        link.done(&Ask::Interest { add: Vec::new(), drop: topics.to_vec() }).await?;
    }
    Ok(())
}

fn drop_topic(topics: &mut HashSet<Bytes>, topic: &Bytes) {
    topics.remove(topic);
}
