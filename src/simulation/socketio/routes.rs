//! Which request means what: the decisions of the server's routes for Engine.IO, without HTTP.

use std::{
    sync::{Arc, Mutex},
    task::Context,
};

use uuid::Uuid;

use super::{
    coverage::Fact,
    events::{Answer, Verb, WorldEvent},
    handlers::Handlers,
    pipe::Pipe,
    saboteur::{Notes, Sabotage, Saboteur},
    scenario::LIMIT,
    state::{ServerSession, Serving, World},
    tasks::Task,
};
use crate::{
    codec::{
        Codec,
        engineio::{Carrier, EngineCodec, OpenPacket, Revision},
    },
    config::Transport,
    dialect::socketio,
    session::{Attach, CloseReason, LinkKind, Machine, Names, Stage, reason},
    shared::{ChannelSet, Credential, SharedSession},
    transport::{self, FirstFlush, Link, Socket, Wait},
};

/// For so long a poll waits for a client that is about to move, as in the server's route.
const MOVING: u64 = 20;

/// The most that a packet is longer than its message.
const HEAD_ROOM: usize = 16;

const SECRET: usize = 32;

impl World {
    pub(super) fn request_arrives(&mut self, conn: usize) {
        if self.conns[conn].up.lost {
            return;
        }
        let verb = self.conns[conn].request.verb;
        let Some(sid) = self.conns[conn].request.sid.clone() else {
            return match verb {
                Verb::OpenSocket => self.become_socket(conn),
                _ => self.open_by_poll(conn),
            };
        };
        let secret = sid[sid.len().saturating_sub(SECRET)..].to_owned();
        let found = self.server.sids.get(&sid).copied();
        let stage = found.and_then(|session| self.server.sessions[session].shared.stage(&secret));
        let (Some(session), Some((stage, _))) = (found, stage) else {
            self.note(Fact::UnknownSession);
            return self.refuse(conn, 1);
        };
        self.conns[conn].session = Some(session);
        match (verb, stage) {
            (Verb::Upgrade, Stage::Over) => self.refuse(conn, 1),
            (Verb::Upgrade, _) => self.become_socket(conn),
            (_, Stage::WebSocket) => {
                self.note(Fact::PollTooLate);
                self.refuse(conn, 3);
            }
            (Verb::Post, _) => self.expect_body(conn, session),
            (_, Stage::Probing) => {
                self.note(Fact::PollWaitsForMove);
                self.conns[conn].serving = Serving::Moving;
                self.after(MOVING, WorldEvent::MoveOver(conn));
                self.run_task(Task::Connection(conn));
            }
            (_, stage) => self.poll(conn, stage),
        }
    }

    /// Refuses a request with an error of the protocol.
    fn refuse(&mut self, conn: usize, code: u8) {
        self.answer(conn, Answer { status: 400, body: format!("{{\"code\":{code}}}").into_bytes() });
    }

    pub(super) fn refuse_empty(&mut self, conn: usize, status: u16) {
        self.answer(conn, Answer { status, body: Vec::new() });
    }

    fn codec(&self, session: usize, carrier: Carrier) -> Saboteur {
        let codec = EngineCodec::new(self.scenario.revision, LIMIT, carrier);
        let socket = carrier == Carrier::WebSocket;
        Saboteur::new(codec, socket, self.sabotage, &self.clock, &self.server.sessions[session].notes)
    }
}

// Openings.
impl World {
    fn open_by_poll(&mut self, conn: usize) {
        let (session, open) = self.open_session(conn, &["websocket"]);
        let shared = self.server.sessions[session].shared.clone();
        let link = Link::attach(shared, Credential::Attempt, first(LinkKind::Opening), Transport::Polling);
        link.into_iter().for_each(Link::complete);
        self.start(session);
        self.answer(conn, Answer { status: 200, body: open });
    }

    /// Makes a session, and returns the packet that says so.
    fn open_session(&mut self, conn: usize, upgrades: &[&str]) -> (usize, Vec<u8>) {
        let (session, epoch) = (self.server.sessions.len(), self.conns[conn].epoch);
        let id = Uuid::from_u64_pair(7, session as u64 + 1);
        let secret = Uuid::from_u64_pair(self.random.next(), self.random.next());
        let machine = Machine::new(self.scenario.config(), self.now);
        let (params, runtime) = (self.server.params.clone(), self.server.runtime.clone());
        let shared = Arc::new(SharedSession::new(id, secret, machine, params, runtime));
        shared.have_channels(ChannelSet::All, self.scenario.namespaces);
        shared.count(None);
        shared.speak_socketio(self.dialect(), "{}", None);
        let sid = shared.sid();
        self.trace(|| format!("server   session {session} opens for epoch {epoch}"));
        self.server.sids.insert(sid.clone(), session);
        let patience = self.now + self.scenario.patience;
        self.server.sessions.push(ServerSession {
            shared,
            id,
            epoch,
            notes: Arc::new(Mutex::new(Notes::new(self.now))),
            handlers: Handlers::new(patience),
            waker: self.woken.waker(Task::Handlers(session)),
            cut: false,
            broken: false,
            ends: Vec::new(),
            ended: None,
            forgotten: false,
        });
        self.conns[conn].session = Some(session);
        self.books[epoch].session = Some(session);
        self.cover.sessions += 1;
        let open = OpenPacket {
            sid: &sid,
            upgrades,
            ping_interval: self.scenario.interval,
            ping_timeout: self.scenario.timeout,
            max_payload: self.scenario.max_payload,
        };
        let mut body = Vec::new();
        match upgrades.is_empty() {
            true => body = open.to_text().into_bytes(),
            false => open.write(self.scenario.revision, &mut body),
        }
        (session, body)
    }

    fn dialect(&self) -> socketio::Revision {
        match self.scenario.revision {
            Revision::V3 => socketio::Revision::R4,
            Revision::V4 => socketio::Revision::R5,
        }
    }

    /// The handlers get their task.
    fn start(&mut self, session: usize) {
        let one = &self.server.sessions[session];
        one.shared.start_handler();
        one.waker.wake_by_ref();
        let patience = self.scenario.patience;
        self.wake_handlers(session, patience);
    }
}

// WebSockets.
impl World {
    fn become_socket(&mut self, conn: usize) {
        self.conns[conn].serving = Serving::Beginning;
        self.conns[conn].pipe = Some(Pipe::new(self.scenario.window));
        self.answer(conn, Answer { status: 101, body: Vec::new() });
        let delay = self.random.below(3);
        self.after(delay, WorldEvent::SocketBegins(conn));
    }

    pub(super) fn socket_begins(&mut self, conn: usize) {
        let (Serving::Beginning, Some(pipe)) = (&self.conns[conn].serving, self.conns[conn].pipe.clone()) else {
            return;
        };
        let mut socket = Socket::new(pipe, LIMIT + HEAD_ROOM);
        if self.conns[conn].request.verb == Verb::OpenSocket {
            let (session, open) = self.open_session(conn, &[]);
            let shared = self.server.sessions[session].shared.clone();
            let attach = first(LinkKind::Duplex);
            let Ok(link) = Link::attach(shared, Credential::Attempt, attach, Transport::WebSocket) else {
                return self.fail("a new session takes no link");
            };
            self.start(session);
            socket.put_text(std::str::from_utf8(&open).expect("JSON is text"));
            let codec = self.codec(session, Carrier::WebSocket);
            self.conns[conn].serving = Serving::Socket(Box::pin(socket.run(link, codec, None, Vec::new())));
            return self.run_task(Task::Connection(conn));
        }
        let session = self.conns[conn].session.expect("an upgrade is of a session");
        let one = &self.server.sessions[session];
        let sid = self.conns[conn].request.sid.clone().unwrap_or_default();
        let kind = LinkKind::Duplex;
        let attach = Attach { ordinal: 2, turn: 0, kind, opening: false, seen: false, received: 0, names: None };
        let credential = Credential::Sid(&sid[sid.len() - SECRET..]);
        let attached = Link::attach(one.shared.clone(), credential, attach, Transport::WebSocket);
        let codec = self.codec(session, Carrier::WebSocket);
        self.conns[conn].serving = match attached {
            Ok(link) => Serving::Socket(Box::pin(socket.run(link, codec, None, Vec::new()))),
            Err(refused) => Serving::Socket(Box::pin(socket.close::<Saboteur>(refused))),
        };
        self.run_task(Task::Connection(conn));
    }
}

// Polls and uploads.
impl World {
    pub(super) fn move_is_over(&mut self, conn: usize) {
        if let (Serving::Moving, Some(session)) = (&self.conns[conn].serving, self.conns[conn].session) {
            let shared = &self.server.sessions[session].shared;
            let secret = shared.sid();
            let stage = shared.stage(&secret[secret.len() - SECRET..]).map_or(Stage::Over, |(stage, _)| stage);
            self.conns[conn].serving = Serving::Nothing;
            self.poll(conn, stage);
        }
    }

    /// A poll waits whether its client moves.
    pub(super) fn poll_in_move(&mut self, conn: usize, cx: &Context<'_>) {
        let Some(session) = self.conns[conn].session else { return };
        if let std::task::Poll::Ready(stage) = self.server.sessions[session].shared.poll_moved(cx) {
            self.conns[conn].serving = Serving::Nothing;
            self.poll(conn, stage);
        }
    }

    /// Answers a poll, at once or later.
    fn poll(&mut self, conn: usize, stage: Stage) {
        let session = self.conns[conn].session.expect("a poll is of a session");
        let mut codec = self.codec(session, Carrier::Body { base64: self.scenario.base64 });
        let shared = self.server.sessions[session].shared.clone();
        match stage {
            Stage::Polling => {}
            Stage::Probing if self.sabotage == Some(Sabotage::HoldsPollsInTheMove) => return,
            // The session itself lets no poll wait behind the probe.
            Stage::Probing => self.note(Fact::PollMeetsProbe),
            Stage::WebSocket => return self.refuse(conn, 3),
            Stage::Over if shared.take_farewell() => {
                let mut body = Vec::new();
                crate::codec::BodyCodec::finish(&mut codec, &mut body);
                self.note(Fact::PollEmpty);
                return self.answer(conn, Answer { status: 200, body });
            }
            Stage::Over => return self.refuse(conn, 1),
        }
        let sid = self.conns[conn].request.sid.clone().unwrap_or_default();
        let kind = LinkKind::Poll { hold: u64::MAX };
        let attach = Attach { ordinal: 1, turn: 0, kind, opening: false, seen: true, received: 0, names: None };
        match Link::attach(shared, Credential::Sid(&sid[sid.len() - SECRET..]), attach, Transport::Polling) {
            Err(refused) if refused == reason::OVERLAP => self.refuse_empty(conn, 400),
            Err(refused) if refused == reason::LATE => self.refuse(conn, 3),
            Err(_) => self.refuse(conn, 1),
            Ok(link) => {
                self.conns[conn].serving = Serving::Poll(Box::new(FirstFlush::new(link, codec, Wait::Anything)));
                self.run_task(Task::Connection(conn));
            }
        }
    }

    fn expect_body(&mut self, conn: usize, session: usize) {
        match self.server.sessions[session].shared.expect_upload() {
            Err(refused) if refused == reason::OVERLAP => self.refuse_empty(conn, 400),
            Err(_) => self.refuse(conn, 1),
            Ok(incoming) => self.conns[conn].serving = Serving::Reading(Box::new(incoming)),
        }
    }

    /// The body of a POST is there, or its connection is broken.
    pub(super) fn body_arrives(&mut self, conn: usize, whole: bool) {
        if self.conns[conn].up.lost {
            return;
        }
        let serving = std::mem::replace(&mut self.conns[conn].serving, Serving::Nothing);
        let (Serving::Reading(incoming), Some(session)) = (serving, self.conns[conn].session) else { return };
        let one = &mut self.server.sessions[session];
        let shared = one.shared.clone();
        if !whole {
            one.broken = true;
            shared.abort(reason::BODY_BROKEN);
            return self.refuse_empty(conn, 400);
        }
        let request = &self.conns[conn].request;
        if self.scenario.revision == Revision::V4 && request.bytes {
            shared.abort(CloseReason::malformed("revision 4 has no bodies of bytes"));
            return self.refuse_empty(conn, 400);
        }
        let data = bytes::Bytes::from(request.body.clone());
        let sid = request.sid.clone().unwrap_or_default();
        let carrier = Carrier::Body { base64: false };
        if data.len() > LIMIT && has_too_large(self.scenario.revision, &data) {
            drop(incoming);
            return self.refuse_empty(conn, 413);
        }
        let mut body = transport::Body { codec: self.codec(session, carrier), rest: Some(data) };
        self.conns[conn].serving = Serving::Upload(Box::pin(async move {
            let _incoming = incoming;
            let attach = Attach {
                ordinal: 0,
                turn: 0,
                kind: LinkKind::Upload,
                opening: false,
                seen: false,
                received: 0,
                names: None,
            };
            let credential = Credential::Sid(&sid[sid.len() - SECRET..]);
            let link = Link::attach(shared, credential, attach, Transport::Polling)?;
            transport::take(&link, &mut body).await?;
            transport::settled(&link).await;
            Ok(())
        }));
        self.run_task(Task::Connection(conn));
    }
}

fn first(kind: LinkKind) -> Attach {
    Attach { ordinal: 1, turn: 0, kind, opening: true, seen: true, received: 0, names: Some(Names::EVENTS) }
}

fn has_too_large(revision: Revision, data: &bytes::Bytes) -> bool {
    let mut codec = EngineCodec::new(revision, LIMIT, Carrier::Body { base64: false });
    let mut rest = Some(data.clone());
    loop {
        match codec.read(&mut rest) {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(violation) => return violation == reason::TOO_LARGE,
        }
    }
}
