//! Sessions that move from node to node: who asks for them, who gives them, and where they are.

mod giving;
mod ownership;
mod pace;
mod sessions;
mod state;
mod table;
mod taking;
#[cfg(test)]
mod tests;
mod witness;
mod words;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;
use tokio::{sync::watch, time::timeout};
use uuid::Uuid;

use self::{
    ownership::Ownership,
    state::{Kept, MOUNT, PATIENCE, Place, State},
    taking::{LEARNT, NOWHERE},
    words::{Ask, MOST_WORDS},
};
pub(super) use self::{
    sessions::{Ear, Frozen, Prepared, Sessions},
    words::{SessionId, Stays},
};
use super::{
    membership::Membership,
    peers::{PeerLinks, Tasks},
};
use crate::{
    cluster::{Directory, Secret},
    owners::{self, Found, Known, Seek},
    server::other_nodes::{Moving, Serve, Way},
    session::{CloseReason, reason},
};

/// A request waits for this time until it may look for a session in the directory.
const LOOKING: Duration = Duration::from_secs(4);

/// A session may move, or be on its way, so often while it is looked for.
const MOST_STEPS: usize = 4;

/// The moves of one node.
pub(super) struct Moves {
    state: Arc<State>,
    /// Other nodes are served for as long as it is there.
    _serve: Arc<Serve>,
    /// They end with the node.
    _tasks: Tasks,
}

impl Moves {
    pub(super) fn new(
        links: &Arc<PeerLinks>,
        directory: Arc<dyn Directory>,
        secret: Secret,
        membership: &Arc<Membership>,
        sessions: Arc<dyn Sessions>,
    ) -> Self {
        let tasks = Tasks::default();
        let owned = Ownership::new(directory, secret, membership.clone());
        let state = State::new(membership.clone(), links.clone(), sessions, owned, tasks.executor());
        let asked = Arc::downgrade(&state);
        let serve: Arc<Serve> = Arc::new(move |request| Box::pin(answer(asked.clone(), request)));
        links.mount(MOUNT, Arc::downgrade(&serve));
        Moves { state, _serve: serve, _tasks: tasks }
    }

    /// Keeps the claims of the sessions that have come here, for as long as the server lives.
    pub(super) fn run(&self) -> impl Future<Output = ()> + Send + use<> {
        let state = self.state.clone();
        async move {
            let lives = |session| state.sessions.has(session);
            state.owned.run(lives, |session| lives(session) && !state.is_under_way(session)).await;
        }
    }

    /// Tells each time that the directory may have lost what it was told.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.state.owned.losses()
    }

    /// The number of sessions that have left, and of those that have come.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.state.moved.get(), self.state.taken.get())
    }
}

/// Answers another node.
async fn answer(state: Weak<State>, request: Request) -> Response {
    let asked = to_bytes(request.into_body(), MOST_WORDS).await.ok().and_then(|asked| Ask::read(&asked));
    match (state.upgrade(), asked) {
        (None, _) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (_, None) => StatusCode::BAD_REQUEST.into_response(),
        (Some(state), Some(Ask::Take(take))) => Body::from(state.asked_for(take).await.write()).into_response(),
        (Some(state), Some(Ask::Push(push))) => Body::from(vec![u8::from(state.offered(push).await)]).into_response(),
        (Some(state), Some(Ask::Taken(taken))) => {
            state.told(&taken);
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

impl Moving for Moves {
    fn moved_to(&self, session: Uuid) -> Option<String> {
        match self.state.place(session)? {
            Place::At(node) if node != self.state.me() => Some(node),
            _ => None,
        }
    }

    fn is_nowhere(&self, session: Uuid) -> bool {
        !self.state.sessions.has(session) && self.state.place(session) == Some(Place::Nowhere)
    }

    fn way(&self, id: &str, forwarded: bool) -> Way {
        let Some(session) = SessionId::read(id) else { return Way::Here };
        match self.state.seek(&session, forwarded) {
            (Seek::Serve | Seek::Gone, _) => Way::Here,
            (_, Some(node)) => Way::To(node),
            _ => {
                let state = self.state.clone();
                Way::Open(Box::pin(async move { state.find(&session, forwarded).await }))
            }
        }
    }

    fn brings(&self, id: &str) -> bool {
        let Some(SessionId { born, number }) = SessionId::read(id) else { return false };
        self.state.whom_to_ask(&born, number).is_some()
    }

    fn bring(&self, id: &str, secret: &str) -> BoxFuture<'static, ()> {
        let (session, secret) = (SessionId::read(id), secret.to_owned());
        let from = session.as_ref().and_then(|session| self.state.whom_to_ask(&session.born, session.number));
        let state = self.state.clone();
        Box::pin(async move {
            if let (Some(session), Some(from)) = (session, from) {
                state.bring(session, from, Some(secret)).await;
            }
        })
    }

    fn learn(&self, session: Uuid, node: &str) {
        if !self.state.sessions.has(session) {
            self.state.learn(session, Place::At(node.to_owned()), LEARNT);
        }
    }

    fn lost(&self, session: Uuid, tried: &str) -> BoxFuture<'static, Result<Option<String>, CloseReason>> {
        let (state, tried) = (self.state.clone(), tried.to_owned());
        Box::pin(async move {
            if state.place(session) == Some(Place::At(tried.clone())) {
                state.forget_place(session);
            }
            state.look(session).await?;
            Ok(match state.place(session) {
                Some(Place::At(node)) if node != state.me() => Some(node),
                _ => None,
            })
        })
    }

    fn may_leave(&self, session: Uuid) -> bool {
        self.state.sessions.prepare(session, None).is_ok()
    }

    fn any_leaves(&self) -> bool {
        self.state.any_under_way()
    }

    fn push(&self, session: Uuid) -> BoxFuture<'static, bool> {
        let state = self.state.clone();
        Box::pin(async move { state.push(session).await })
    }
}

impl State {
    /// The next thing to do for a request that names a session, and the node that it is for, if it is for another one.
    fn seek(&self, SessionId { born, number }: &SessionId, forwarded: bool) -> (Seek, Option<String>) {
        let place = match () {
            () if self.is_under_way(*number) => owners::Place::Unclear,
            () if self.sessions.has(*number) => owners::Place::Here,
            () => owners::Place::Absent,
        };
        let learnt = self.place(*number);
        let known = learnt.as_ref().map(|place| match place {
            Place::At(node) => Known::At(self.standing(node)),
            Place::Nowhere => Known::Nowhere,
        });
        let next = owners::seek(place, known, self.standing(born), forwarded);
        let to = match (next, learnt) {
            (Seek::ToBirth, _) => Some(born.clone()),
            (Seek::ToOwner, Some(Place::At(node))) => Some(node),
            _ => None,
        };
        (next, to)
    }

    /// Finds out where a session is. The result is the node, or `None` if it is here or nowhere.
    ///
    /// A session that is still on its way when the time is up, may be so for as long as the directory is away: the client is
    /// to come back then.
    async fn find(&self, session: &SessionId, forwarded: bool) -> Result<Option<String>, CloseReason> {
        timeout(PATIENCE, self.find_in_steps(session, forwarded)).await.unwrap_or(Err(reason::UNREACHABLE))
    }

    async fn find_in_steps(&self, session: &SessionId, forwarded: bool) -> Result<Option<String>, CloseReason> {
        for _ in 0..MOST_STEPS {
            match self.seek(session, forwarded) {
                (Seek::Serve | Seek::Gone, _) => return Ok(None),
                (Seek::Wait, _) => self.settled(session.number, PATIENCE).await,
                (Seek::Look, _) => self.look(session.number).await?,
                (Seek::ToBirth | Seek::ToOwner, Some(node)) => return Ok(Some(node)),
                (Seek::ToBirth | Seek::ToOwner | Seek::NotNow, _) => break,
            }
        }
        Err(reason::UNREACHABLE)
    }

    /// Looks for a session in the directory, and learns what that says, unless this node has learned something else
    /// meanwhile, which is newer.
    async fn look(&self, number: Uuid) -> Result<(), CloseReason> {
        let before = self.place(number);
        let looked = timeout(LOOKING, async {
            let Ok(_place) = self.looks.acquire().await else { return Err(reason::UNREACHABLE) };
            self.owned.look(number).await.map_err(|error| {
                tracing::debug!(session = %number, %error, "the directory does not say where a session is");
                reason::UNREACHABLE
            })
        });
        let (place, time) = match looked.await.unwrap_or(Err(reason::UNREACHABLE))? {
            Found::At(owner) => (Place::At(owner.name), LEARNT),
            Found::Nowhere => (Place::Nowhere, NOWHERE),
            Found::Unclear => return Err(reason::UNREACHABLE),
        };
        if self.place(number) == before {
            self.learn(number, place, time);
        }
        Ok(())
    }

    /// The node that is to be asked for a session when its client makes a new link here: one that shuts down, or one that
    /// may have a session which waits for its client.
    fn whom_to_ask(&self, born: &str, number: Uuid) -> Option<String> {
        if !self.may_take() || self.sessions.has(number) {
            return None;
        }
        let (node, may_wait) = match self.place(number) {
            Some(Place::At(node)) => (node, true),
            Some(Place::Nowhere) => return None,
            None => (born.to_owned(), false),
        };
        let drains = self.drains(&node);
        let keeps = self
            .kept(number)
            .is_some_and(|Kept { node: keeper, why }| keeper == node && !(why == Stays::Runs && drains));
        (node != self.me() && !keeps && (drains || may_wait)).then_some(node)
    }
}
