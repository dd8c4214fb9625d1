//! This process in the folder: it says that it lives, reaches the sequencer, and becomes it where there is none.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use super::{
    folder::{Epoch, Folder, Kind, Socket},
    frames::{Ask, VERSION},
    link::{ANSWER, Driver, Ears, Link, beside, silent},
    own::Own,
    sequencer::{self, Process, Seat},
};
use crate::{
    cluster::engine::{BusEvent, EngineError},
    ids,
    sync::lock,
};

/// The tries to reach a sequencer while others come and go.
const TRIES: usize = 16;

/// The pause after a member's socket could not be answered.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A process that goes waits for so long until another one has the sequencer's place.
const HANDING_OVER: Duration = Duration::from_millis(500);

/// One server's place on this machine.
pub(super) struct Here {
    pub(super) folder: Arc<Folder>,
    pub(super) member: u64,
    pub(super) own: Arc<Own>,
    /// This process goes soon: it is not to be the sequencer.
    retires: watch::Sender<bool>,
    seat: watch::Sender<Seat>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The task that says that this process lives. It ends with its runtime.
    presence: Option<AbortHandle>,
    /// The server is gone.
    ended: bool,
    /// That task, and the sequencer, if it is here.
    tasks: JoinSet<()>,
}

impl Here {
    pub(super) fn new(folder: Arc<Folder>, member: u64) -> Self {
        let (own, retires, seat) = (Arc::new(Own::new()), watch::Sender::new(false), watch::Sender::new(Seat::Free));
        Here { folder, member, own, retires, seat, state: Mutex::default() }
    }

    /// This process goes soon. If the sequencer is here, another process takes its place, which is waited for, if there is
    /// one: in good order nobody misses anything.
    pub(super) async fn retire(&self) {
        let mut seat = self.seat.subscribe();
        self.retires.send_replace(true);
        let _ = timeout(HANDING_OVER, seat.wait_for(|seat| *seat != Seat::Taken)).await;
    }

    /// The sequencer of this epoch goes, and this process takes its place, unless it goes too.
    fn succeed(&self, number: u64) {
        if *self.retires.borrow() {
            return;
        }
        if let Err(error) = self.take_over(number + 1) {
            tracing::warn!(%error, "this process could not take the sequencer's place");
        }
    }

    /// Ends all that this process does for others.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        state.tasks.abort_all();
    }

    /// The others see that this process lives: it has a socket that does not refuse.
    fn be_present(&self) -> Result<(), EngineError> {
        let mut state = lock(&self.state);
        if state.ended {
            return Err(EngineError::new("the server is gone"));
        }
        if state.presence.as_ref().is_none_or(AbortHandle::is_finished) {
            // A sequencer that was here has ended with its runtime too.
            while state.tasks.try_join_next().is_some() {}
            let socket = self.folder.listen(&Kind::Member.name(self.member)).map_err(|error| self.failed(&error))?;
            state.presence = Some(state.tasks.spawn(stay(socket)));
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> EngineError {
        EngineError::new(format_args!("the folder {}: {error}", self.folder.path().display()))
    }

    /// Connects to the sequencer. If there is none, or if it does not answer, this process may become it.
    pub(super) async fn connect(
        self: &Arc<Self>,
        take: impl Fn(BusEvent) + Send + Sync + Clone + 'static,
    ) -> Connected {
        self.be_present()?;
        for _ in 0..TRIES {
            let epoch = self.folder.epoch().map_err(|error| self.failed(&error))?;
            let Some(Epoch { number, socket }) = epoch else {
                self.take_over(1)?;
                continue;
            };
            let stream = match self.folder.connect(&socket).await {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    self.take_over(number + 1)?;
                    continue;
                }
                Err(error) => return Err(self.failed(&error)),
            };
            let here = Arc::downgrade(self);
            let take_over = Box::new(move || here.upgrade().iter().for_each(|here| here.succeed(number)));
            let (link, mut driver) = Link::open(stream, number, Ears { take: Box::new(take.clone()), take_over });
            let hello = Ask::Hello { version: VERSION, member: self.member };
            match timeout(ANSWER, beside(&mut driver, link.done(&hello))).await {
                Ok(Ok(())) => return Ok((link, driver)),
                // It has ended just now, or has found that its epoch is over.
                Ok(Err(error)) if self.is_latest(number) && !self.folder.is_gone(&socket).await => return Err(error),
                Ok(Err(_)) => {}
                // It is stopped, or hangs. When it goes on, it finds that its epoch is over before it says anything.
                Err(_) if self.is_latest(number) => self.take_over(number + 1)?,
                Err(_) => {}
            }
        }
        Err(silent())
    }

    fn is_latest(&self, number: u64) -> bool {
        self.folder.epoch().is_ok_and(|epoch| epoch.is_none_or(|epoch| epoch.number == number))
    }

    /// Begins the epoch of this number, unless another process does.
    fn take_over(&self, number: u64) -> Result<(), EngineError> {
        let name = Kind::Engine.name(ids::random().as_u64_pair().0);
        let socket = self.folder.listen(&name).map_err(|error| self.failed(&error))?;
        if self.folder.begin(number, &name).map_err(|error| self.failed(&error))? {
            let mut state = lock(&self.state);
            if !state.ended {
                let (folder, retires, seat) = (self.folder.clone(), self.retires.subscribe(), self.seat.clone());
                let process = Process { folder, member: self.member, retires, seat };
                state.tasks.spawn(sequencer::run(process, number, socket));
            }
        }
        Ok(())
    }
}

/// A connection to the sequencer, and what moves its bytes.
pub(super) type Connected = Result<(Link, Driver), EngineError>;

/// Lets others see that this process lives, for as long as it does.
async fn stay(socket: Socket) {
    loop {
        if socket.listener.accept().await.is_err() {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}
