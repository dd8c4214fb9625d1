//! One thread and one epoll for the connections of all clients; a driver decides what they send.

mod socket;

use crate::clients::{Client, Dial, Inbox, Outputs, Phase, Talk};
use crate::contenders::Contender;
use anyhow::{Context, Result, ensure};
use mio::{Events, Poll, Token};
use socket::Socket;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A server that sends nothing for this long, while an answer is awaited, has failed.
const STALL: Duration = Duration::from_secs(20);
/// How long a fleet [that sleeps](Fleet::sleep) waits for events at most.
const WAIT: Duration = Duration::from_millis(5);
/// The size of the read buffer; large, so that one read takes all that is there.
const SCRATCH: usize = 256 * 1024;

/// The load's reactions to the events of client `index`.
pub(crate) trait Driver {
    fn opened(&mut self, index: usize, client: &mut dyn Client) -> Result<()>;
    fn messages(&mut self, index: usize, inbox: &Inbox, client: &mut dyn Client) -> Result<()>;
    /// The session has ended, as requested.
    fn closed(&mut self, index: usize) -> Result<()>;
}

/// Bytes that all clients have sent and received, without what TCP adds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traffic {
    up: usize,
    down: usize,
}

impl Traffic {
    /// The bytes of one of `messages`, up and down, since `earlier`.
    pub(crate) fn each_since(self, earlier: Self, messages: u64) -> [f64; 2] {
        [self.up - earlier.up, self.down - earlier.down].map(|bytes| bytes as f64 / messages.max(1) as f64)
    }
}

struct Member {
    client: Box<dyn Client>,
    outputs: Outputs,
    sockets: [Option<Socket>; 2],
    address: SocketAddr,
}

/// All clients of one measurement.
pub(crate) struct Fleet {
    poll: Poll,
    events: Events,
    members: Vec<Option<Member>>,
    dial: Dial,
    /// Where clients come back, once their sessions are open.
    then: Option<SocketAddr>,
    wait: Duration,
    scratch: Vec<u8>,
    inbox: Inbox,
    sources: u16,
    last_event: Instant,
    /// The number of the clients' writes: a server could answer each with one write.
    pub(crate) writes: u64,
    pub(crate) traffic: Traffic,
}

impl Fleet {
    pub(crate) fn new(address: SocketAddr, talk: Talk) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            members: Vec::new(),
            dial: Dial::new(address, talk),
            then: None,
            wait: Duration::ZERO,
            scratch: vec![0; SCRATCH],
            inbox: Inbox::default(),
            sources: 0,
            last_event: Instant::now(),
            writes: 0,
            traffic: Traffic::default(),
        })
    }

    /// Has all clients connect anew once their sessions are open, to another node.
    pub(crate) fn come_back_to(&mut self, address: SocketAddr) {
        self.then = Some(address);
    }

    /// Sleeps from now on where nothing has come, since others need this CPU too. Otherwise a fleet asks again at once:
    /// a server's write would have to wake it on its CPU, which on one machine costs the server an interrupt, and over a
    /// network costs it nothing.
    pub(crate) fn sleep(&mut self) {
        self.wait = WAIT;
    }

    /// Begins to open a session in slot `index`, which must be free.
    pub(crate) fn open(&mut self, index: usize, contender: Contender) -> Result<()> {
        self.open_at(index, contender, self.dial.address)
    }

    /// The same at one of several nodes.
    pub(crate) fn open_at(&mut self, index: usize, contender: Contender, address: SocketAddr) -> Result<()> {
        if self.members.len() <= index {
            self.members.resize_with(index + 1, || None);
        }
        ensure!(self.members[index].is_none(), "slot {index} is taken");
        let dial = Dial::new(address, self.dial.talk);
        let (client, outputs) = (contender.client(&dial), Outputs::default());
        let mut member = Member { client, outputs, sockets: [None, None], address };
        member.client.open(&mut member.outputs);
        self.members[index] = Some(member);
        self.last_event = Instant::now();
        self.write(index)
    }

    /// Calls `act` with client `index`, then writes the client's output.
    pub(crate) fn with(&mut self, index: usize, act: impl FnOnce(&mut dyn Client)) -> Result<()> {
        let member = self.member(index)?;
        act(member.client.as_mut());
        member.client.flush(&mut member.outputs);
        self.last_event = Instant::now();
        self.write(index)
    }

    /// Closes client `index`'s second connection, unless it has an upload under way; returns whether it has
    /// none now.
    pub(crate) fn drop_uplink(&mut self, index: usize) -> Result<bool> {
        let member = self.member(index)?;
        if member.client.is_uploading() {
            return Ok(false);
        }
        member.sockets[1] = None;
        Ok(true)
    }

    /// Handles all events that have come.
    pub(crate) fn turn(&mut self, driver: &mut dyn Driver) -> Result<()> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, Some(self.wait)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        if events.is_empty() {
            ensure!(self.last_event.elapsed() < STALL, "the server has been silent for {STALL:?}");
        } else {
            self.last_event = Instant::now();
        }
        for event in &events {
            let Token(token) = event.token();
            let (index, connection) = (token / 2, token % 2);
            if event.is_writable() {
                self.write(index)?;
            }
            let ending = event.is_read_closed() || event.is_error();
            if event.is_readable() || ending {
                self.read(index, connection, ending, driver).with_context(|| format!("client {index}"))?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn member(&mut self, index: usize) -> Result<&mut Member> {
        self.members.get_mut(index).and_then(Option::as_mut).with_context(|| format!("no client {index}"))
    }

    fn read(&mut self, index: usize, connection: usize, ending: bool, driver: &mut dyn Driver) -> Result<()> {
        let Some(member) = self.members.get_mut(index).and_then(Option::as_mut) else {
            return Ok(());
        };
        let before = member.client.phase();
        self.inbox.clear();
        let Some(socket) = member.sockets[connection].as_mut() else {
            return Ok(());
        };
        let kept = socket.input.len();
        let ended = socket.read(&mut self.scratch, ending)?;
        self.traffic.down += socket.input.len() - kept;
        if !socket.input.is_empty() {
            let used = member.client.received(connection, &socket.input, &mut member.outputs, &mut self.inbox)?;
            socket.consume(used);
        }
        if ended {
            member.sockets[connection] = None;
            member.client.ended(connection)?;
        }
        if before == Phase::Opening && member.client.phase() == Phase::Open {
            if let Some(address) = self.then {
                (member.address, member.sockets) = (address, [None, None]);
            }
            driver.opened(index, member.client.as_mut())?;
        }
        if !self.inbox.is_empty() {
            driver.messages(index, &self.inbox, member.client.as_mut())?;
        }
        if member.client.phase() == Phase::Closed {
            self.members[index] = None;
            return driver.closed(index);
        }
        member.client.flush(&mut member.outputs);
        self.write(index)
    }

    fn write(&mut self, index: usize) -> Result<()> {
        let Some(member) = self.members.get_mut(index).and_then(Option::as_mut) else {
            return Ok(());
        };
        for connection in 0..2 {
            if member.outputs.0[connection].is_empty() {
                continue;
            }
            if member.sockets[connection].is_none() {
                self.sources = (self.sources + 1) % socket::SOURCES;
                let token = Token(index * 2 + connection);
                let connected = Socket::connect(member.address, self.sources, self.poll.registry(), token)?;
                member.sockets[connection] = Some(connected);
            }
            if let Some(socket) = member.sockets[connection].as_mut() {
                let output = &mut member.outputs.0[connection];
                let length = output.len();
                self.writes += socket.write(output)?;
                self.traffic.up += length - output.len();
            }
        }
        Ok(())
    }
}
