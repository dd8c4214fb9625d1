//! A connection to an engine for questions and their answers, which is kept.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{engine::EngineError, pauses::Pauses};
use crate::sync::lock;

/// The time within which a connection is there.
pub(super) const CONNECT: Duration = Duration::from_secs(3);

/// Moves a connection, and says why it is lost.
pub(super) type Lost = BoxFuture<'static, EngineError>;

/// A connection that is made: what others use, and what moves it.
pub(super) type Connecting<L> = BoxFuture<'static, Result<(L, Lost), EngineError>>;

/// Makes a connection.
pub(super) type Connect<L> = Arc<dyn Fn() -> Connecting<L> + Send + Sync>;

/// A connection that is made at its first use, and anew when it is lost.
pub(super) struct Kept<L> {
    connect: Connect<L>,
    state: Arc<watch::Sender<State<L>>>,
    /// It ends with this.
    keeper: Mutex<JoinSet<()>>,
}

enum State<L> {
    /// Nobody knows yet whether there is a server.
    New,
    Up(L),
    Down(EngineError),
}

impl<L: Clone + Send + Sync + 'static> Kept<L> {
    pub(super) fn new(connect: Connect<L>) -> Self {
        Kept { connect, state: Arc::new(watch::Sender::new(State::New)), keeper: Mutex::default() }
    }

    /// The connection. The first one is waited for; one that is lost is waited for so long.
    pub(super) async fn link(&self, patience: Duration) -> Result<L, EngineError> {
        self.keep();
        let mut watched = self.state.subscribe();
        let first = match &*watched.borrow_and_update() {
            State::Up(link) => return Ok(link.clone()),
            State::Down(error) if patience.is_zero() => return Err(error.clone()),
            State::Down(_) => false,
            State::New => true,
        };
        let is_known = |state: &State<L>| matches!(state, State::Up(_)) || (first && matches!(state, State::Down(_)));
        let _ = timeout(if first { CONNECT } else { patience }, watched.wait_for(is_known)).await;
        match &*self.state.borrow() {
            State::Up(link) => Ok(link.clone()),
            State::Down(error) => Err(error.clone()),
            State::New => Err(EngineError::new("the server does not answer")),
        }
    }

    fn keep(&self) {
        let mut keeper = lock(&self.keeper);
        // One that has ended has done so with its runtime, and what it knew is gone.
        while keeper.try_join_next().is_some() {}
        if keeper.is_empty() {
            self.state.send_replace(State::New);
            keeper.spawn(keep(self.connect.clone(), self.state.clone()));
        }
    }
}

async fn keep<L>(connect: Connect<L>, state: Arc<watch::Sender<State<L>>>) {
    let mut pauses = Pauses::new();
    loop {
        let connected = connect().await;
        let was_connected = connected.is_ok();
        let error = match connected {
            Ok((link, lost)) => {
                pauses.connected();
                state.send_replace(State::Up(link));
                lost.await
            }
            Err(error) => error,
        };
        state.send_replace(State::Down(error));
        pauses.wait(was_connected).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_connection_is_kept_on_each_runtime_on_which_it_is_used() {
        let made = Arc::new(AtomicU32::new(0));
        let connect: Connect<u32> = Arc::new({
            let made = made.clone();
            move || {
                let number = made.fetch_add(1, Ordering::Relaxed);
                Box::pin(async move { Ok((number, Box::pin(std::future::pending()) as Lost)) })
            }
        });
        let kept = Kept::new(connect);
        for number in 0..3 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for _ in 0..2 {
                assert_eq!(runtime.block_on(kept.link(Duration::ZERO)), Ok(number));
            }
        }
    }
}
