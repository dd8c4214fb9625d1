//! A connection for questions and their answers, which is kept.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{
    frames::{Answer, Ask},
    here::Here,
    link::{ANSWER, Link, beside, pauses, refused, silent},
    own::note,
};
use crate::{
    clock::Clock,
    cluster::engine::{BusEvent, EngineError},
    sync::lock,
};

/// A connection is waited for, unless there was none for so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection that is made at the first question, and anew when it is lost.
pub(super) struct Commands {
    here: Arc<Here>,
    /// It tells the sequencer what this process has.
    tells: bool,
    state: Arc<watch::Sender<State>>,
    /// It ends with this.
    keeper: Mutex<JoinSet<()>>,
}

#[derive(Clone)]
enum State {
    /// There is no connection yet, or it was lost just now.
    Connecting,
    Up(Link),
    Down(EngineError),
}

impl Commands {
    pub(super) fn new(here: Arc<Here>, tells: bool) -> Self {
        Commands { here, tells, state: Arc::new(watch::Sender::new(State::Connecting)), keeper: Mutex::default() }
    }

    /// Connects, and stays connected.
    pub(super) fn keep(&self) {
        let mut keeper = lock(&self.keeper);
        // One that has ended has done so with its runtime, and what it knew is gone.
        while keeper.try_join_next().is_some() {}
        if keeper.is_empty() {
            self.state.send_replace(State::Connecting);
            keeper.spawn(keep(self.here.clone(), self.tells, self.state.clone()));
        }
    }

    pub(super) fn end(&self) {
        lock(&self.keeper).abort_all();
    }

    /// Asks for one thing, again if the connection is lost meanwhile: what is asked here may be done twice.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, EngineError> {
        let asked = async {
            loop {
                let link = self.link(PATIENCE).await?;
                match link.ask(&ask, note(&self.here.own, &ask)).await {
                    Ok(Answer::Refused(why)) => return Err(refused(&why)),
                    Ok(answer) => return Ok(answer),
                    Err(_) if link.is_closed() => {}
                    Err(error) => return Err(error),
                }
            }
        };
        timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(silent()))
    }

    /// Says several things, and waits until all are taken. Fails if the connection is lost meanwhile.
    pub(super) async fn give(&self, say: &[Ask], patience: Duration) -> Result<(), EngineError> {
        let link = self.link(patience).await?;
        for ask in say {
            link.say(ask)?;
        }
        match timeout(ANSWER, link.done(&Ask::Ping)).await {
            Ok(done) => done,
            Err(_) => {
                // Its answers could come behind those of the next batch.
                link.close();
                Err(silent())
            }
        }
    }

    /// The connection, which is waited for.
    async fn link(&self, patience: Duration) -> Result<Link, EngineError> {
        self.keep();
        let mut watched = self.state.subscribe();
        let is_up = |state: &State| matches!(state, State::Up(link) if !link.is_closed());
        let is_known = |state: &State| is_up(state) || matches!(state, State::Down(_));
        let known = timeout(patience, watched.wait_for(is_known)).await;
        match known {
            Ok(Ok(known)) => match &*known {
                State::Up(link) => Ok(link.clone()),
                State::Down(error) => Err(error.clone()),
                State::Connecting => Err(silent()),
            },
            _ => Err(silent()),
        }
    }
}

async fn keep(here: Arc<Here>, tells: bool, state: Arc<watch::Sender<State>>) {
    let mut pauses = pauses();
    let since = Clock::start();
    let mut lost_at = Some(0);
    loop {
        let (mut was_up, mut is_over) = (false, false);
        let error = async {
            let (link, mut driver) = here.connect(|_: BusEvent| {}).await?;
            if tells {
                beside(&mut driver, link.while_heard(here.own.tell(&link))).await?;
            }
            pauses.connected();
            (was_up, lost_at) = (true, None);
            state.send_replace(State::Up(link.clone()));
            let error = tokio::select! {
                error = driver => error,
                error = link.still_there() => error,
            };
            is_over = link.is_over();
            Err::<(), _>(error)
        };
        let Err(error) = error.await else { continue };
        let lost = *lost_at.get_or_insert(since.now());
        let is_away = u128::from(since.now() - lost) >= PATIENCE.as_millis();
        state.send_replace(if is_away { State::Down(error) } else { State::Connecting });
        // The next sequencer is there, and answers nobody before all have told it what they have.
        if !is_over {
            pauses.wait(was_up).await;
        }
    }
}
