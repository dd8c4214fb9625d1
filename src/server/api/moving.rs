//! Sessions that move to other nodes, as an application sees it.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use super::{builder::Builder, session::Session};
use crate::{
    message::JsonError,
    server::moving::state::{MOST_SAVED, Movable},
};

/// Why a session's handler runs, as [`Session::why`] returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The client has opened the session.
    New,
    /// The session has moved: another handler had it before, on another node or, if nobody there took it, on this one.
    Moved,
}

/// Why [`Session::save`] has kept nothing. What was saved before stands.
#[derive(Debug)]
#[non_exhaustive]
pub enum SaveError {
    /// The value cannot be written as JSON.
    Json(JsonError),
    /// It has so many bytes as JSON, which is more than 262,144.
    TooLarge(usize),
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SaveError::Json(error) => write!(f, "the state cannot be written as JSON: {error}"),
            SaveError::TooLarge(length) => {
                write!(f, "the state has {length} bytes as JSON, and a session takes {MOST_SAVED} along at most")
            }
        }
    }
}

impl std::error::Error for SaveError {}

/// Why [`Session::restored`] cannot give what was saved: it is not of this type. Another version of the application may have
/// saved it.
#[derive(Debug)]
pub struct RestoreError(serde_json::Error);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what was saved is not of this type: {}", self.0)
    }
}

impl std::error::Error for RestoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl<H> Builder<H> {
    /// Lets sessions move to other nodes of the [cluster](Self::cluster) when this one shuts down, with all that they hold:
    /// no message is lost, comes twice or changes its place, and the client notices nothing but a moment's pause. Default:
    /// sessions stay where they were opened. Without a cluster this does nothing.
    ///
    /// A handler does not move. It is asked to return: every way to receive gives `None`, and
    /// [`is_moving`](Session::is_moving) is `true`. It has five seconds for that. What it has [saved](Session::save) goes
    /// along, and the handler on the other node begins with it ([`restored`](Session::restored)). Three duties follow:
    ///
    /// * Save what the next handler needs, and begin with it.
    /// * Return when there is nothing more to receive. A handler that only sends watches [`moving`](Session::moving).
    /// * Do not say goodbye when `is_moving()`: the client is still there. To end the session, [close](Session::close) it.
    ///
    /// With [events](Self::events), [`on_end`](crate::Events::on_end) runs where the session leaves, and
    /// [`on_open`](crate::Events::on_open) where it comes to: the one asks `is_moving()`, the other [`why`](Session::why).
    ///
    /// The extractors of the next handler run on a request of the client to the other node, with the auth data of the
    /// opening. If one rejects, the session ends with code 4301. Also [`header`](Session::header),
    /// [`remote_address`](Session::remote_address), rooms and the user of the session go along; the values that were
    /// [inserted](Session::insert) do not, and neither do requests to the client that are not answered: they fail as if the
    /// session had ended. Other handles to the session, as in tables of your own, are those of one that has ended.
    ///
    /// Only sessions of this library's own protocol move, and only those without [namespaces](Self::namespace). Others, and
    /// those whose handlers do not return or that hold more than 15 MiB, end with the shutdown as if this had not been called.
    ///
    /// ```
    /// use anywire::{Anywire, InProcess, Session, Why};
    ///
    /// async fn count(session: Session) {
    ///     let mut count: u64 = session.restored().ok().flatten().unwrap_or(0);
    ///     if session.why() == Why::New {
    ///         let _ = session.send("hello").await;
    ///     }
    ///     while let Some(_message) = session.recv().await {
    ///         count += 1;
    ///         let _ = session.send(count.to_string()).await;
    ///         session.save(&count).expect("a number is JSON, and short");
    ///     }
    ///     if !session.is_moving() {
    ///         println!("{} sent {count} messages", session.id());
    ///     }
    /// }
    ///
    /// let live = Anywire::builder().cluster(InProcess::new().node()).movable().handler(count).build();
    /// # let _: anywire::Server = live;
    /// ```
    pub fn movable(mut self) -> Self {
        self.config.movable = true;
        self
    }
}

/// # Moving
///
/// Sessions move to other nodes of a [cluster](crate::Builder::cluster) where [`movable`](crate::Builder::movable) lets them.
impl Session {
    /// Returns why this handler runs: the client has opened the session, or it has moved. A session that does not move is
    /// always new.
    pub fn why(&self) -> Why {
        let moved = Movable::of(self.member.session()).is_some_and(|movable| movable.has_moved());
        if moved { Why::Moved } else { Why::New }
    }

    /// Returns whether the session is to move. Nothing is received any more then, and the handler is to return within five
    /// seconds. It stays `true` on handles of a session that has moved away.
    pub fn is_moving(&self) -> bool {
        self.member.shared.is_moving()
    }

    /// Waits until the session is to move: `true`; or until it is over or [closed](Self::close): `false`. This is for handlers
    /// that do not receive; for others, everything by which they receive ends. Cancel-safe.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anywire::Session;
    ///
    /// async fn clock(session: Session) {
    ///     let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ///     loop {
    ///         tokio::select! {
    ///             _moves = session.moving() => return,
    ///             _ = ticks.tick() => drop(session.try_send("tick")),
    ///         }
    ///     }
    /// }
    /// # fn check<T, H: anywire::Handler<T, ()>>(_: H) {}
    /// # check(clock);
    /// ```
    pub async fn moving(&self) -> bool {
        std::future::poll_fn(|cx| self.member.shared.poll_moving(cx)).await
    }

    /// Keeps a value for the handler with which the session goes on when it has moved: the last one that is saved counts. It
    /// is written as JSON, of 256 KiB at most. Never waits. If the session does not move, nothing is kept.
    ///
    /// # Errors
    /// Fails if the value cannot be written as JSON, or has more bytes. What was saved before stands then.
    pub fn save<T: Serialize + ?Sized>(&self, state: &T) -> Result<(), SaveError> {
        let saved = serde_json::to_vec(state).map_err(|error| SaveError::Json(JsonError(error)))?;
        if saved.len() > MOST_SAVED {
            return Err(SaveError::TooLarge(saved.len()));
        }
        if let Some(movable) = Movable::of(&self.member) {
            movable.save(saved.into());
        }
        Ok(())
    }

    /// Returns what was [saved](Self::save) last before the session moved; `None` if nothing was, or it has not moved. What is
    /// saved here is not returned here. Never waits.
    ///
    /// # Errors
    /// Fails if what was saved is not of this type. It is kept, and goes along if the session moves again and nothing else is
    /// saved.
    pub fn restored<T: DeserializeOwned>(&self) -> Result<Option<T>, RestoreError> {
        let restored = Movable::of(&self.member).and_then(|movable| movable.restored());
        restored.map(|json| serde_json::from_slice(&json)).transpose().map_err(RestoreError)
    }
}
