//! The handlers of a server, which its builder gets.

use std::{fmt, sync::Arc, time::Duration};

use super::handler::AnyHandler;
use crate::server::{
    namespaces::{all_namespaces, with_namespaces},
    stomp::{self, Broker},
};

/// The state of a builder that has its handler.
#[derive(Clone)]
pub struct SessionHandler<S> {
    root: AnyHandler<S>,
    /// The handlers of namespaces, by name or pattern.
    pub(super) namespaces: Vec<(String, AnyHandler<S>)>,
}

impl<S> SessionHandler<S> {
    pub(super) fn new(root: AnyHandler<S>) -> Self {
        SessionHandler { root, namespaces: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> SessionHandler<S> {
    /// The handler of sessions, whose clients may also open namespaces.
    pub(super) fn of_sessions(&self) -> AnyHandler<S> {
        match self.namespaces.is_empty() {
            true => self.root.clone(),
            false => with_namespaces(self.root.clone(), self.namespaces.clone()),
        }
    }

    /// The handler of sessions whose clients speak STOMP.
    pub(super) fn of_stomp(&self, broker: Arc<Broker>, beats: bool) -> AnyHandler<S> {
        stomp::sessions(self.root.clone(), broker, beats)
    }

    /// The handler of sessions whose clients open all namespaces, and one of them within `patience`.
    pub(super) fn of_channels(&self, patience: Duration) -> AnyHandler<S> {
        all_namespaces(self.root.clone(), self.namespaces.clone(), patience)
    }
}

impl<S> fmt::Debug for SessionHandler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionHandler")
    }
}
