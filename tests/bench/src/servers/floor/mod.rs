//! The floor: a bare WebSocket server on tokio, with nothing but what the kernel and the framing need. It sets what is
//! possible and no example: a member that reads nothing may cost any amount of memory, and texts need not be UTF-8.

mod frames;
mod handshake;
mod outlet;

use super::{GREETING, Scene};
use anyhow::{Context, Result, bail};
use outlet::{Outlet, Room};
use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

/// The most that one read takes.
const INPUT: usize = 64 * 1024;

/// Serves one scene until the process ends.
pub(super) async fn serve(listener: TcpListener, scene: Scene) -> Result<()> {
    let room = match scene {
        Scene::Echo => None,
        Scene::Fanout => Some(Room::default()),
        _ => bail!("a bare WebSocket has no events"),
    };
    loop {
        let (stream, _) = listener.accept().await?;
        // This fails only on a connection that is already gone.
        let _ = stream.set_nodelay(true);
        tokio::spawn(run(Connection::new(stream, room.clone())));
    }
}

async fn run(mut connection: Connection) {
    // A client that breaks the protocol is cut off, and its client says what came instead of an answer.
    while let Ok(Turn::GoOn) = poll_fn(|cx| connection.poll_turn(cx)).await {}
    if let Some(room) = &connection.room {
        room.leave(&connection.outlet);
    }
    if let Some(outlet) = Arc::into_inner(connection.outlet) {
        outlet.end();
    }
}

/// The end of a turn.
enum Turn {
    GoOn,
    End,
}

/// Buffers that one thread's connections share, since a turn never waits. An idle connection has none.
struct Scratch {
    input: Vec<u8>,
    /// Frames for the sender alone.
    own: Vec<u8>,
    /// Frames for everybody.
    all: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { input: vec![0; INPUT], own: Vec::new(), all: Vec::new() });
}

struct Connection {
    reader: OwnedReadHalf,
    outlet: Arc<Outlet>,
    /// The beginning of a head or of a frame whose end has not come.
    rest: Vec<u8>,
    room: Option<Room>,
    is_upgraded: bool,
}

impl Connection {
    fn new(stream: TcpStream, room: Option<Room>) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader, outlet: Arc::new(Outlet::new(writer)), rest: Vec::new(), room, is_upgraded: false }
    }

    /// One read, and one write for all that it brought: to the sender, or to each member of the room.
    fn poll_turn(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<Turn>> {
        SCRATCH.with_borrow_mut(|Scratch { input, own, all }| {
            let mut buffer = ReadBuf::new(input);
            ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(Turn::End));
            }
            own.clear();
            all.clear();
            let turn = if self.rest.is_empty() {
                let input = buffer.filled_mut();
                let (used, turn) = self.take(input, own, all)?;
                self.rest.extend_from_slice(&input[used..]);
                turn
            } else {
                let mut whole = mem::take(&mut self.rest);
                whole.extend_from_slice(buffer.filled());
                let (used, turn) = self.take(&mut whole, own, all)?;
                whole.drain(..used);
                self.rest = if whole.is_empty() { Vec::new() } else { whole };
                turn
            };
            if !own.is_empty() {
                self.outlet.send(own);
            }
            if let Some(room) = self.room.as_ref().filter(|_| !all.is_empty()) {
                room.send(all);
            }
            Poll::Ready(Ok(turn))
        })
    }

    /// Takes what is whole of the input, and returns its length.
    fn take(&mut self, input: &mut [u8], own: &mut Vec<u8>, all: &mut Vec<u8>) -> Result<(usize, Turn)> {
        let mut at = 0;
        if !self.is_upgraded {
            let Some(length) = handshake::length(input) else {
                return Ok((0, Turn::GoOn));
            };
            handshake::answer(&input[..length], own).context("no upgrade")?;
            at = length;
            self.is_upgraded = true;
            if let Some(room) = &self.room {
                room.join(&self.outlet);
            }
        }
        while let Some((opcode, payload)) = frames::next(input, &mut at)? {
            match opcode {
                frames::TEXT | frames::BINARY => {
                    let is_own = self.room.is_none() || payload.first() == Some(&GREETING);
                    frames::put(opcode, payload, if is_own { &mut *own } else { &mut *all });
                }
                frames::PING => frames::put(frames::PONG, payload, own),
                frames::PONG => {}
                frames::CLOSE => {
                    frames::put(frames::CLOSE, payload, own);
                    return Ok((at, Turn::End));
                }
                _ => bail!("opcode {opcode} is not known"),
            }
        }
        Ok((at, Turn::GoOn))
    }
}
