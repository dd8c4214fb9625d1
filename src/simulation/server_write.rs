//! Writes the frames that server halves send on each link, until its answer ends.

use super::{
    coverage::{Fault, What},
    packet::frame_size,
    state::{Cut, World, WorldEvent},
};
use crate::session::{Frame, LinkId, LinkKind, Names, Outcome};

/// Upper bound on the bytes of one write.
const WRITE: usize = 6_000;

impl World<'_> {
    /// Does everything that a server half asks for now.
    pub(crate) fn pump_server(&mut self, session: usize) {
        if self.server.sessions[session].gone || self.server.sessions[session].given || !self.session_runs(session) {
            return;
        }
        self.see_to_proof(session);
        self.note_numbered(session);
        for conn in self.server.sessions[session].conns.clone() {
            if self.conns[conn].down.stalled_until <= self.now {
                self.pump_conn(session, conn);
            }
        }
        if self.server.slow_until <= self.now {
            self.server_takes(session, u64::MAX);
        }
        self.check_server_closed(session);
        self.arm_server(session);
    }

    pub(super) fn pump_conn(&mut self, session: usize, conn: usize) {
        let Some((_, link)) = self.conns[conn].session else { return };
        loop {
            let frames = self.server_frames(conn, session, link);
            let nothing = frames.is_empty();
            let over = self.server.sessions[session].machine.link_is_over(link);
            let one = &mut self.conns[conn];
            match one.wire {
                LinkKind::Poll { .. } => {
                    one.held.extend(frames);
                    let ripe = one.held.iter().any(|frame| !matches!(frame, Frame::Attached(_)));
                    if !ripe && !over {
                        return;
                    }
                    let frames = std::mem::take(&mut one.held);
                    self.check_poll(session, link, &frames);
                    self.write(conn, frames);
                    return self.server_ends(conn);
                }
                LinkKind::Opening | LinkKind::Upload => {
                    self.write(conn, frames);
                    return self.server_ends(conn);
                }
                LinkKind::Stream => {
                    one.budget = one.budget.saturating_sub(frames.iter().map(frame_size).sum());
                    let spent = one.budget == 0;
                    self.write_stream(conn, frames);
                    if over || spent {
                        return self.server_ends(conn);
                    }
                }
                LinkKind::Duplex => {
                    self.write(conn, frames);
                    if over {
                        return self.server_ends(conn);
                    }
                }
            }
            if nothing {
                return;
            }
        }
    }

    fn server_frames(&mut self, conn: usize, session: usize, link: LinkId) -> Vec<Frame> {
        let one = &mut self.server.sessions[session];
        let (mut frames, mut size, mut behind) = (Vec::new(), 0, false);
        while size < WRITE {
            let mut takes_more = |frame: &Frame| {
                size += frame_size(frame);
                size < WRITE
            };
            let mut next = Vec::new();
            if behind {
                next = one.machine.transmit(self.now, link, true, &mut takes_more);
            }
            if next.is_empty() {
                next = one.machine.transmit(self.now, link, false, takes_more);
            }
            // As the transports do: what follows messages is pulled behind them.
            let Some(last) = next.last() else { break };
            behind = matches!(last, Frame::Message { .. });
            frames.extend(next);
        }
        for frame in &mut frames {
            match frame {
                Frame::Attached(start) if start.outcome == Outcome::New => {
                    one.grant.secret = one.credentials.secret.simple().to_string().into();
                    start.grant = Some(Box::new(one.grant.clone()));
                }
                Frame::Attached(start) if start.names.contains(Names::ROTATE) && !self.conns[conn].in_url => {
                    start.secret = one.credentials.state_renewed().map(|secret| secret.simple().to_string().into());
                }
                _ => {}
            }
        }
        frames
    }

    fn write(&mut self, conn: usize, frames: Vec<Frame>) {
        if !frames.is_empty() {
            let packet = self.conns[conn].codec.encode(None, frames);
            self.ship_down(conn, packet);
        }
    }

    /// Writes frames on a stream. Padding gets a chunk of its own.
    fn write_stream(&mut self, conn: usize, frames: Vec<Frame>) {
        let mut chunk = Vec::new();
        for frame in frames {
            match &frame {
                Frame::Padding { .. } => {
                    self.note(Fault::Padded);
                    self.write(conn, std::mem::take(&mut chunk));
                    self.write(conn, vec![frame]);
                    continue;
                }
                Frame::AckRequest => self.note(Fault::AckRequested),
                Frame::LinkClose(reason) if reason.code == 4008 => {
                    self.note(Fault::HeldBack);
                    if let Some((session, link)) = self.conns[conn].session {
                        self.server.sessions[session].held_back = Some(link);
                    }
                }
                _ => {}
            }
            chunk.push(frame);
        }
        self.write(conn, chunk);
    }

    fn server_ends(&mut self, conn: usize) {
        if self.faults_go_on() && self.random.one_in(16) && self.conns[conn].wire != LinkKind::Duplex {
            // The answer is under way, and the client never sees its end.
            self.note(Fault::ResponseLost);
            let silent = self.random.one_in(2);
            self.cut(conn, Cut { up: true, down: true, lost: true, silent });
        }
        self.end_down(conn);
        self.server_drops(conn);
    }

    pub(crate) fn server_timer(&mut self, session: usize) {
        self.server.sessions[session].armed = None;
        if self.server.sessions[session].gone || self.server.sessions[session].given {
            return;
        }
        self.note_pair(session, What::Timeout);
        let now = self.now;
        let machine = &mut self.server.sessions[session].machine;
        machine.handle_timeout(now);
        if !machine.is_over() && machine.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.fail("a server's deadline that does not move");
        }
        self.pump_server(session);
    }

    fn arm_server(&mut self, session: usize) {
        let one = &self.server.sessions[session];
        if one.machine.is_over() {
            return;
        }
        let Some(deadline) = one.machine.poll_timeout() else { return };
        if one.armed.is_none_or(|armed| armed > deadline) {
            self.server.sessions[session].armed = Some(deadline);
            let (late, tie) = self.lateness();
            self.at(deadline + late, tie, WorldEvent::ServerTimer(session));
        }
    }
}
