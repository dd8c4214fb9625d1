//! The calls of requests to a session that its client polls, and that may move to a WebSocket.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{CloseReason, SharedSession};
use crate::session::Stage;

impl SharedSession {
    /// The sid of an Engine.IO session: the id, and the secret. It is a part of URLs as it is.
    pub(crate) fn sid(&self) -> String {
        format!("{}{}", self.public_id(), self.lock().credentials.secret.simple())
    }

    /// For who knows the secret of an Engine.IO session: how far it has moved, and whether its client pings.
    pub(crate) fn stage(&self, secret: &str) -> Option<(Stage, bool)> {
        let inner = self.lock();
        let known = inner.machine.has_sid() && inner.credentials.knows(secret) && !inner.has_moved();
        known.then(|| (inner.machine.stage(), inner.machine.client_pings()))
    }

    /// Whether a poll that finds the session over was sent before its client closed it. Only one is.
    pub(crate) fn take_farewell(&self) -> bool {
        self.lock().machine.take_farewell()
    }

    /// Waits for as long as the client is about to move to a WebSocket.
    pub(crate) fn poll_moved(&self, cx: &Context<'_>) -> Poll<Stage> {
        let mut inner = self.lock();
        match inner.machine.stage() {
            Stage::Probing => {
                inner.wait(cx.waker());
                Poll::Pending
            }
            stage => Poll::Ready(stage),
        }
    }

    /// An upload comes in. Until the result is dropped, the answer to a ping is awaited behind it.
    ///
    /// # Errors
    /// Fails if the session has ended, or if another upload is coming in, which ends it.
    pub(crate) fn expect_upload(self: &Arc<Self>) -> Result<IncomingUpload, CloseReason> {
        let mut inner = self.lock();
        if let Some(session) = inner.moved_to() {
            drop(inner);
            return session.expect_upload();
        }
        let expected = inner.machine.expect_upload(self.runtime.clock.now());
        if expected.is_err() {
            inner.wake_links();
            inner.wake_receivers();
            inner.wake_senders();
        }
        self.settle(&mut inner);
        expected.map(|()| IncomingUpload(self.clone()))
    }
}

/// An upload that is coming in.
#[derive(Debug)]
pub(crate) struct IncomingUpload(Arc<SharedSession>);

impl IncomingUpload {
    /// The session that it is for: another one, if the client has gone on with that.
    pub(crate) fn session(&self) -> &Arc<SharedSession> {
        &self.0
    }
}

impl Drop for IncomingUpload {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.machine.cancel_upload(self.0.runtime.clock.now());
        self.0.settle(&mut inner);
    }
}
