//! A note by which each node says that the directory has all that it has claimed. A directory that has lost its data lacks
//! that note too, until the node has claimed everything anew.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;

use crate::{cluster::Directory, server::nodes::membership::Membership};

/// A topic that no room is.
const TOPIC: &[u8] = b"\0claims";

/// The directory has this time to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the directory has what this node has told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    All,
    /// It has lost that, or was not told yet.
    Lacks,
    /// It does not answer, and may have lost it when it does.
    Unclear,
}

/// The notes of all nodes, and this one's among them.
pub(super) struct Witness {
    directory: Arc<dyn Directory>,
    membership: Arc<Membership>,
    /// The directory takes notes: it has taken this node's before.
    takes: AtomicBool,
}

impl Witness {
    pub(super) fn new(directory: Arc<dyn Directory>, membership: Arc<Membership>) -> Self {
        Witness { directory, membership, takes: AtomicBool::new(false) }
    }

    /// Notes that the directory has all, for this time. Returns whether that was done, or needs not be, since the directory
    /// takes no notes. Waits for the directory, not for long.
    pub(super) async fn tell(&self, keep: Duration) -> bool {
        let me = self.membership.incarnation.to_be_bytes();
        let noted = timeout(PATIENCE, self.directory.note(&me, vec![(TOPIC.into(), "1".into())], keep)).await;
        let noted = noted.is_ok_and(|noted| noted.is_ok());
        self.takes.fetch_or(noted, Ordering::Relaxed);
        noted || !self.takes()
    }

    /// Whether the directory has what this node has told it. Waits for the directory, not for long.
    pub(super) async fn look(&self) -> Told {
        if self.membership.living().away {
            return Told::Unclear;
        }
        match self.processes().await {
            Some(processes) if processes.contains(&self.membership.incarnation) => Told::All,
            Some(_) => Told::Lacks,
            None if self.takes() => Told::Unclear,
            None => Told::All,
        }
    }

    /// Whether the directory has what all nodes have told it that live, as far as it can say. Waits for the directory, not for
    /// long.
    pub(super) async fn of_all(&self) -> bool {
        if !self.takes() {
            return true;
        }
        let processes = self.processes().await.unwrap_or_default();
        self.membership.living().nodes.iter().all(|info| processes.contains(&info.incarnation))
    }

    fn takes(&self) -> bool {
        self.takes.load(Ordering::Relaxed)
    }

    /// The processes that have noted it; `None` if the directory does not say.
    async fn processes(&self) -> Option<Vec<u64>> {
        let notes = timeout(PATIENCE, self.directory.notes(TOPIC)).await.ok()?.ok()?;
        Some(notes.iter().filter_map(|(id, _)| Some(u64::from_be_bytes(id[..].try_into().ok()?))).collect())
    }
}
