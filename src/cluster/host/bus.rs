//! The connection by which publications come.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::watch, time::timeout};

use super::{
    frames::{Answer, Ask},
    hearing::Hearing,
    here::Here,
    link::{ANSWER, Link, Note, pauses, refused},
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

/// For so long the next sequencer is waited for with a change of topics.
const PATIENCE: Duration = Duration::from_secs(1);

/// A node's interests.
pub(super) struct Subscriber {
    here: Arc<Here>,
    /// The topics that the node has an interest in.
    wanted: Mutex<HashSet<Bytes>>,
    line: watch::Sender<Line>,
}

/// The connection to the sequencer.
enum Line {
    Down,
    /// On this one all topics are asked for.
    Up(Link),
    /// An epoch has ended in good order, and the next one has begun.
    Between,
}

/// A connection is lost.
struct Lost {
    error: EngineError,
    /// All topics were asked for.
    was_whole: bool,
    /// The epoch that has ended in good order.
    over: Option<u64>,
}

impl Subscriber {
    pub(super) fn new(here: Arc<Here>) -> Self {
        Subscriber { here, wanted: Mutex::default(), line: watch::Sender::new(Line::Down) }
    }

    /// Changes the topics, and waits until the sequencer has confirmed that.
    pub(super) async fn interest(&self, add: Vec<Bytes>, drop: Vec<Bytes>) -> Result<(), EngineError> {
        {
            let mut wanted = lock(&self.wanted);
            wanted.extend(add.iter().cloned());
            drop.iter().for_each(|topic| drop_topic(&mut wanted, topic));
        }
        let dropped: HashSet<&Bytes> = drop.iter().collect();
        let add: Vec<Bytes> = add.into_iter().filter(|topic| !dropped.contains(topic)).collect();
        loop {
            let link = self.link().await?;
            // It is an error of this call alone when a sequencer that has much to say confirms nothing in time.
            match timeout(ANSWER, ask(&link, &add, &drop)).await {
                Ok(Err(_)) if link.is_over() => {}
                Ok(asked) => return asked,
                Err(_) => return Err(EngineError::new("the sequencer has not confirmed the topics in time")),
            }
        }
    }

    /// The connection. Between two epochs it is waited for.
    async fn link(&self) -> Result<Link, EngineError> {
        let mut line = self.line.subscribe();
        let is_known = |line: &Line| match line {
            Line::Up(link) => !link.is_over(),
            Line::Down => true,
            Line::Between => false,
        };
        if let Ok(Ok(line)) = timeout(PATIENCE, line.wait_for(is_known)).await
            && let Line::Up(link) = &*line
        {
            return Ok(link.clone());
        }
        Err(EngineError::new("there is no connection to the sequencer"))
    }

    /// Stays connected.
    pub(super) async fn run(&self, inbox: BusInbox) {
        let mut pauses = pauses();
        let mut is_told = false;
        let hearing = Arc::new(Hearing::new(inbox));
        // An earlier call that was dropped has taken its connection with it.
        self.line.send_replace(Line::Down);
        loop {
            let Lost { error, was_whole, over } = tokio::select! {
                lost = self.listen(&hearing, &mut pauses, is_told) => lost,
                never = hearing.bound() => match never {},
            };
            hearing.lost(over);
            let is_between = hearing.is_between();
            self.line.send_replace(if is_between { Line::Between } else { Line::Down });
            if was_whole {
                tracing::info!(%error, "the sequencer of this machine's nodes is gone, and another one takes its place");
                is_told = false;
            } else if !is_told {
                tracing::warn!(folder = %self.here.folder.path().display(), %error, "the engine of the cluster is away");
                is_told = true;
            }
            if !is_between {
                pauses.wait(was_whole).await;
            }
        }
    }

    /// One connection, until it is lost. The bytes of it move in here and nowhere else, so nothing comes behind its end.
    async fn listen(&self, hearing: &Arc<Hearing>, pauses: &mut Pauses, was_away: bool) -> Lost {
        let taking = hearing.clone();
        let connected = self.here.connect(move |event| taking.take(event)).await;
        let (link, driver) = match connected {
            Ok(connected) => connected,
            Err(error) => return Lost { error, was_whole: false, over: None },
        };
        let mut was_whole = false;
        let tended = async {
            if let Err(error) = self.ask_for_all(&link).await {
                return error;
            }
            // A new sequencer carries nothing before all hear it. From the answer on it does, so that is noted at once.
            let (listening, epoch) = (hearing.clone(), link.epoch());
            let note: Note = Box::new(move |answer| match answer {
                Answer::Refused(_) => {}
                answer => listening.listens(epoch, *answer == Answer::InTime),
            });
            match link.while_heard(link.ask(&Ask::Listens, Some(note))).await {
                Ok(Answer::Refused(why)) => return refused(&why),
                Ok(_) => {}
                Err(error) => return error,
            }
            if was_away {
                tracing::info!(folder = %self.here.folder.path().display(), "the engine of the cluster is back");
            }
            pauses.connected();
            was_whole = true;
            link.still_there().await
        };
        let error = tokio::select! {
            error = tended => error,
            error = driver => error,
        };
        Lost { error, was_whole, over: link.is_over().then(|| link.epoch()) }
    }

    /// Asks for all topics on a new connection, also for those that are added meanwhile, and lets others use it.
    async fn ask_for_all(&self, link: &Link) -> Result<(), EngineError> {
        let mut asked = HashSet::new();
        loop {
            let (add, drop): (Vec<Bytes>, Vec<Bytes>) = {
                let wanted = lock(&self.wanted);
                let add: Vec<Bytes> = wanted.difference(&asked).cloned().collect();
                let drop: Vec<Bytes> = asked.difference(&wanted).cloned().collect();
                if add.is_empty() && drop.is_empty() {
                    self.line.send_replace(Line::Up(link.clone()));
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
