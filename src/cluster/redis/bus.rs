//! The connection by which publications come.

use std::{
    collections::HashSet,
    convert::Infallible,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use redis::{ConnectionInfo, PushInfo, PushKind, Value};
use tokio::time::{sleep, timeout};

use super::{
    connection::{ANSWER, Link, check, connect},
    records::recorded,
};
use crate::{
    cluster::{
        engine::{BusInbox, EngineError},
        pauses::Pauses,
    },
    sync::lock,
};

/// The topics of one command.
const TOPICS: usize = 512;
/// The time between two questions whether the server is still there.
const CHECK: Duration = Duration::from_secs(2);

/// A node's subscriptions.
pub(super) struct Subscriber {
    info: ConnectionInfo,
    /// The names of channels begin with it.
    prefix: Arc<[u8]>,
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
    pub(super) fn new(info: ConnectionInfo, prefix: Arc<[u8]>) -> Self {
        Subscriber { info, prefix, state: Mutex::default() }
    }

    /// Changes the topics, and waits until the server has confirmed that.
    pub(super) async fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> Result<(), EngineError> {
        let link = {
            let mut state = lock(&self.state);
            state.wanted.extend(add.iter().cloned());
            drop.iter().for_each(|topic| drop_topic(&mut state.wanted, topic));
            state.link.clone().ok_or_else(|| EngineError::new("there is no connection to the server"))?
        };
        let dropped: HashSet<&Bytes> = drop.iter().collect();
        let add: Vec<Bytes> = add.into_iter().filter(|topic| !dropped.contains(topic)).collect();
        // It is an error of this call alone when a server that has much to say confirms nothing in time.
        let asked = timeout(ANSWER, self.ask(&link, &add, &drop)).await;
        asked.map_err(|_| EngineError::new("the server has not confirmed the topics in time"))?
    }

    async fn ask(&self, link: &Link, add: &[Bytes], drop: &[Bytes]) -> Result<(), EngineError> {
        let mut connection = link.connection.clone();
        for topics in add.chunks(TOPICS) {
            connection.subscribe(self.names(topics)).await.map_err(|error| link.failed(&error))?;
        }
        for topics in drop.chunks(TOPICS) {
            connection.unsubscribe(self.names(topics)).await.map_err(|error| link.failed(&error))?;
        }
        Ok(())
    }

    fn names(&self, topics: &[Bytes]) -> Vec<Vec<u8>> {
        topics.iter().map(|topic| [&self.prefix, &topic[..]].concat()).collect()
    }

    /// Stays connected.
    pub(super) async fn run(&self, inbox: BusInbox) {
        let mut pauses = Pauses::new();
        let mut is_told = false;
        // An earlier call that was dropped has taken its connection with it.
        lock(&self.state).link = None;
        loop {
            let Lost { error, was_whole } = self.listen(&inbox, &mut pauses, is_told).await;
            lock(&self.state).link = None;
            if was_whole {
                inbox.cut();
                is_told = false;
            }
            if !is_told {
                tracing::warn!(address = %self.info.addr(), %error, "the engine of the cluster is away");
                is_told = true;
            }
            pauses.wait(was_whole).await;
        }
    }

    /// One connection, until it is lost. The bytes of it move in here and nowhere else, so nothing comes behind its end.
    async fn listen(&self, inbox: &BusInbox, pauses: &mut Pauses, was_away: bool) -> Lost {
        let mut was_whole = false;
        let heard = Arc::new(AtomicBool::new(false));
        let (link, driver) = match connect(&self.info, Some(self.receiver(inbox, &heard))).await {
            Ok(connected) => connected,
            Err(error) => return Lost { error, was_whole },
        };
        let tended = async {
            let Err(error) = async {
                self.ask_for_all(&link, &heard).await?;
                if was_away {
                    tracing::info!(address = %self.info.addr(), "the engine of the cluster is back");
                }
                pauses.connected();
                was_whole = true;
                inbox.whole();
                still_there(&link, &heard).await
            }
            .await;
            error
        };
        let error = tokio::select! {
            error = tended => error,
            () = driver => EngineError::new("the server has closed the connection"),
            () = link.bad() => EngineError::new("the connection to the server is lost"),
        };
        Lost { error, was_whole }
    }

    fn receiver(&self, inbox: &BusInbox, heard: &Arc<AtomicBool>) -> Box<dyn Fn(PushInfo) + Send + Sync> {
        let (prefix, inbox, heard) = (self.prefix.clone(), inbox.clone(), heard.clone());
        Box::new(move |PushInfo { kind, data }| {
            heard.store(true, Ordering::Relaxed);
            let mut data = data.into_iter();
            if let (PushKind::Message, Some(Value::BulkString(name)), Some(Value::BulkString(body))) =
                (kind, data.next(), data.next())
                && name.starts_with(&prefix)
            {
                inbox.hand_over(Bytes::from(name).slice(prefix.len()..), body.into(), recorded);
            }
        })
    }

    /// Asks for all topics on a new connection, also for those that are added meanwhile, and lets others use it.
    async fn ask_for_all(&self, link: &Link, heard: &AtomicBool) -> Result<(), EngineError> {
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
            answered(heard, self.ask(link, &add, &drop)).await?;
            asked.extend(add);
            drop.iter().for_each(|topic| drop_topic(&mut asked, topic));
        }
    }
}

fn drop_topic(topics: &mut HashSet<Bytes>, topic: &Bytes) {
    topics.remove(topic);
}

/// Asks the server again and again whether it is there. Returns when it is not.
async fn still_there(link: &Link, heard: &AtomicBool) -> Result<Infallible, EngineError> {
    loop {
        sleep(CHECK).await;
        answered(heard, check(link)).await?;
    }
}

/// Waits for an answer, as long as anything comes: publications may stand in front of it.
async fn answered<T>(
    heard: &AtomicBool,
    question: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let mut question = pin!(question);
    loop {
        heard.store(false, Ordering::Relaxed);
        match timeout(ANSWER, &mut question).await {
            Ok(answer) => return answer,
            Err(_) if heard.load(Ordering::Relaxed) => {}
            Err(_) => return Err(EngineError::new("the server does not answer")),
        }
    }
}
