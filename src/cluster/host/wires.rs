//! Links between the processes of one machine, over sockets of UNIX.

use std::{io, sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::folder::{Folder, Kind, Socket};
use crate::cluster::wires::{Accept, Wire, Wires};

/// The tries to connect to a node that has many connections to accept.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// The links of one server.
#[derive(Debug)]
pub(super) struct Sockets {
    folder: Arc<Folder>,
    member: u64,
}

impl Sockets {
    pub(super) fn new(folder: Arc<Folder>, member: u64) -> Self {
        Sockets { folder, member }
    }
}

impl Wires for Sockets {
    fn listen(&self) -> BoxFuture<'_, io::Result<(Box<dyn Accept>, String)>> {
        Box::pin(async {
            let socket = self.folder.listen(&Kind::Peer.name(self.member))?;
            let address = socket.name.clone();
            Ok((Box::new(socket) as Box<dyn Accept>, address))
        })
    }

    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            if Kind::Peer.id(address).is_none() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no node of this folder"));
            }
            for _ in 0..TRIES {
                match self.folder.connect(address).await {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(PAUSE).await,
                    connected => return Ok(Box::new(connected?) as Box<dyn Wire>),
                }
            }
            Err(io::ErrorKind::TimedOut.into())
        })
    }
}

impl Accept for Socket {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async {
            let (stream, _) = self.listener.accept().await?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }
}
