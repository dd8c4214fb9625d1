//! The connected clients of the two axum servers: the usual list of channels.

use axum::extract::ws::Message;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

#[derive(Clone, Default)]
pub(super) struct Members(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    next: u64,
    senders: HashMap<u64, UnboundedSender<Message>>,
}

impl Members {
    pub(super) fn join(&self) -> (u64, UnboundedSender<Message>, UnboundedReceiver<Message>) {
        let (sender, receiver) = unbounded_channel();
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.next += 1;
        let id = list.next;
        list.senders.insert(id, sender.clone());
        (id, sender, receiver)
    }

    pub(super) fn leave(&self, id: u64) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.senders.remove(&id);
    }

    pub(super) fn broadcast(&self, message: &Message) {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in list.senders.values() {
            // A send fails only if the receiver is gone, and then its member is about to leave.
            let _ = sender.send(message.clone());
        }
    }
}
