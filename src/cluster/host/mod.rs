//! [`Host`], an engine for the processes of one machine.

mod bus;
mod commands;
mod folder;
mod frames;
mod hearing;
mod here;
mod link;
mod memory;
mod node;
mod own;
mod sequencer;
mod streams;
mod wires;

use std::{fmt, path::Path, sync::Arc};

use self::{folder::Folder, node::Node, wires::Sockets};
use super::{engine::EngineError, secret::Secret, settings::Cluster};
use crate::ids;

/// An engine for several processes on one machine, or an old and a new one: they find each other by a folder, and need no
/// other server, no address and no secret.
///
/// ```no_run
/// # use anywire::{Anywire, EngineError, Host, Server, Session};
/// # async fn chat(_: Session) {}
/// # fn server() -> Result<Server, EngineError> {
/// let live = Anywire::builder().cluster(Host::at("/run/app")?).handler(chat).build();
/// # Ok(live)
/// # }
/// ```
///
/// One of the processes is the **sequencer**: it gives all publications one order, and knows who lives and who has claimed
/// what. If its process shuts down, it hands its place over to the youngest of the others first, and nobody misses anything.
/// If it is killed, the others notice at once, another one takes its place within milliseconds, and each tells it what it
/// has; if it is stopped, so that it does not answer, within ten seconds. In between rooms are split.
///
/// The sequencer keeps histories in its memory: up to 65,536, and 256 MiB, of which those go first that nobody has written to
/// for the longest time. At most 12 MiB of one are read at once, the newest. They end with the sequencer: behind it they begin
/// anew, under other epochs, and each process has what it had read.
///
/// Whoever may use the folder is a node of the cluster: its mode is 0700, and all processes run as its owner. It is one on
/// this machine, on a file system with sockets and links, such as `/run/app`; nothing may clean it up while a process runs.
/// The application may have files of its own there, under other names than ours: `secret`, `epoch-` and digits, and a letter
/// `m`, `n`, `e` or `s` and 16 digits, each also behind a dot.
/// The processes may be of different versions of an application.
///
/// If 16 MiB wait for a process that takes what is published too slowly, those who publish wait for it, a quarter of a second
/// at most; then, or at 32 MiB, it is cut off, and its members are told of a gap.
#[derive(Clone)]
pub struct Host {
    folder: Arc<Folder>,
    secret: Secret,
}

impl Host {
    /// An engine in this folder, which is made if it is not there; the one that it is in must be. Its path has at most 80
    /// bytes, since those of the sockets in it are short on all systems.
    ///
    /// Reads and writes a few small files at once, and does not wait for other processes.
    ///
    /// # Errors
    /// Fails if the folder cannot be made or used, if it belongs to another user, or if others may reach into it, and if its
    /// path is too long. The text names the folder and the reason.
    pub fn at(folder: impl AsRef<Path>) -> Result<Self, EngineError> {
        let (folder, secret) = Folder::open(folder.as_ref())?;
        Ok(Host { folder: Arc::new(folder), secret })
    }
}

impl From<Host> for Cluster {
    fn from(Host { folder, secret }: Host) -> Self {
        let member = ids::random().as_u64_pair().0;
        let node = Arc::new(Node::new(folder.clone(), member));
        Cluster::new(node.clone(), node).with(Arc::new(Sockets::new(folder, member)), secret)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}
