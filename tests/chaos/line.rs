//! A connection between a node and the engine, or between nodes, that can be cut or kept silent.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// The state of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Bytes pass.
    Open,
    /// Connections stay, and nothing passes: neither end is told.
    Silent,
    /// Connections end, and new ones end at once.
    Cut,
}

/// A proxy in front of an address, which may be known later than the proxy's own.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
    target: watch::Sender<Option<SocketAddr>>,
    accepting: JoinHandle<()>,
}

impl Line {
    pub(crate) async fn to(target: Option<SocketAddr>) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, target) = (watch::Sender::new(State::Open), watch::Sender::new(target));
        let accepting = tokio::spawn(accept(listener, state.subscribe(), target.subscribe()));
        Line { address, state, target, accepting }
    }

    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: watch::Receiver<State>, target: watch::Receiver<Option<SocketAddr>>) {
    // The connections end with this task.
    let mut connections = JoinSet::new();
    while let Ok((from, _)) = listener.accept().await {
        let to = *target.borrow();
        if let (Some(to), false) = (to, *state.borrow() == State::Cut) {
            // A connection that breaks is what a line is for.
            let mut state = state.clone();
            connections.spawn(async move {
                let _ = state.wait_for(|state| *state != State::Silent).await;
                drop(connect(from, to, state).await);
            });
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(from: TcpStream, to: SocketAddr, state: watch::Receiver<State>) -> io::Result<()> {
    let to = TcpStream::connect(to).await?;
    from.set_nodelay(true)?;
    to.set_nodelay(true)?;
    let ((from_read, from_write), (to_read, to_write)) = (from.into_split(), to.into_split());
    tokio::try_join!(copy(from_read, to_write, state.clone()), copy(to_read, from_write, state))?;
    Ok(())
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = tokio::select! {
            length = from.read(&mut buffer) => length?,
            _ = state.wait_for(|state| *state == State::Cut) => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let now = state.wait_for(|state| *state != State::Silent).await.map(|state| *state);
        if !now.is_ok_and(|state| state == State::Open) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}
