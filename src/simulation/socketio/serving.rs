//! The server's tasks and deadlines, and what its connections bring.

use std::task::{Context, Poll};

use super::{
    coverage::Fact,
    events::Answer,
    state::{Serving, World},
    tasks::Task,
};
use crate::session::reason;

impl World {
    pub(super) fn run_task(&mut self, task: Task) {
        match task {
            Task::Connection(conn) => self.serve(conn),
            Task::Handlers(session) => self.run_handlers(session),
        }
    }

    fn serve(&mut self, conn: usize) {
        let waker = self.conns[conn].waker.clone();
        let mut cx = Context::from_waker(&waker);
        match &mut self.conns[conn].serving {
            Serving::Nothing | Serving::Reading(_) | Serving::Beginning => {}
            Serving::Moving => self.poll_in_move(conn, &cx),
            Serving::Poll(flush) => {
                if let Poll::Ready((body, content_type, _)) = flush.poll(&mut cx) {
                    self.conns[conn].serving = Serving::Nothing;
                    self.note_body(&body, content_type.0 == "application/octet-stream");
                    self.answer(conn, Answer { status: 200, body });
                }
            }
            Serving::Upload(upload) => {
                let Poll::Ready(taken) = upload.as_mut().poll(&mut cx) else {
                    return self.note(Fact::PostWaits);
                };
                self.conns[conn].serving = Serving::Nothing;
                match taken {
                    Ok(()) => self.answer(conn, Answer { status: 200, body: b"ok".to_vec() }),
                    Err(_) => self.refuse_empty(conn, 400),
                }
            }
            Serving::Socket(run) => {
                let over = run.as_mut().poll(&mut cx).is_ready();
                self.ship_written(conn);
                if over {
                    self.conns[conn].serving = Serving::Nothing;
                    self.trace(|| format!("server   #{conn} is done"));
                    self.end_down(conn);
                }
            }
        }
    }

    fn note_body(&mut self, body: &[u8], bytes: bool) {
        if bytes {
            self.note(Fact::PollBytes);
        }
        if matches!(body, b"6" | b"1:6") {
            self.note(Fact::PollReleased);
        }
    }

    pub(super) fn bytes_arrive(&mut self, conn: usize, bytes: &[u8]) {
        if self.conns[conn].up.lost {
            return;
        }
        if let Some(pipe) = &self.conns[conn].pipe {
            pipe.comes(bytes);
        }
    }

    /// The client's end of a connection is gone.
    pub(super) fn up_ends(&mut self, conn: usize) {
        self.conns[conn].up.lost = true;
        match &self.conns[conn].serving {
            Serving::Nothing => return,
            Serving::Socket(_) | Serving::Beginning => {
                if let Some(pipe) = &self.conns[conn].pipe {
                    pipe.ends(true);
                }
            }
            _ => {}
        }
        if let Some(session) = self.conns[conn].session {
            let one = &mut self.server.sessions[session];
            match self.conns[conn].serving {
                Serving::Reading(_) => {
                    one.broken = true;
                    one.shared.abort(reason::BODY_BROKEN);
                }
                Serving::Upload(_) => {}
                _ => one.cut = true,
            }
        }
        self.trace(|| format!("server   #{conn} has lost its client"));
        match self.conns[conn].serving {
            Serving::Socket(_) => {}
            // The connection drops the future of its answer.
            _ => self.conns[conn].serving = Serving::Nothing,
        }
    }

    pub(super) fn server_timer(&mut self) {
        self.server.timer = u64::MAX;
        while let Some(due) = self.server.runtime.due() {
            for id in due {
                let Some(session) = self.server.sessions.iter().position(|one| one.id == id) else { continue };
                if !self.server.sessions[session].forgotten && self.server.sessions[session].shared.handle_timeout() {
                    self.forget(session);
                }
            }
        }
    }

    fn forget(&mut self, session: usize) {
        self.check_ended(session);
        let one = &mut self.server.sessions[session];
        one.forgotten = true;
        one.shared.forget();
        let sid = one.shared.sid();
        self.server.sids.remove(&sid);
        self.trace(|| format!("server   session {session} is forgotten"));
    }
}
