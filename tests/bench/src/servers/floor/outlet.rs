//! The writing side of a connection, which any task may write to, and the list of those of a room.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::tcp::OwnedWriteHalf;

pub(super) struct Outlet {
    writer: OwnedWriteHalf,
    /// Bytes that the kernel did not take yet. While there is something, one task waits to write it.
    waiting: Mutex<Vec<u8>>,
}

impl Outlet {
    pub(super) fn new(writer: OwnedWriteHalf) -> Self {
        Self { writer, waiting: Mutex::default() }
    }

    /// Writes at once, as far as the kernel takes it.
    pub(super) fn send(self: &Arc<Self>, bytes: &[u8]) {
        let mut waiting = lock(&self.waiting);
        if waiting.is_empty() {
            let taken = self.write(bytes);
            if taken < bytes.len() {
                waiting.extend_from_slice(&bytes[taken..]);
                tokio::spawn(Arc::clone(self).write_later());
            }
        } else {
            waiting.extend_from_slice(bytes);
        }
    }

    /// Leaves the end to the reader, which closes the socket: otherwise the writer would end its half by a call of its own.
    pub(super) fn end(self) {
        self.writer.forget();
    }

    async fn write_later(self: Arc<Self>) {
        while self.writer.writable().await.is_ok() {
            let mut waiting = lock(&self.waiting);
            let taken = self.write(&waiting);
            waiting.drain(..taken);
            if waiting.is_empty() {
                return;
            }
        }
    }

    /// Returns how much was taken. A broken connection takes all, since its reader learns that it is broken.
    fn write(&self, bytes: &[u8]) -> usize {
        match self.writer.try_write(bytes) {
            Ok(taken) => taken,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => bytes.len(),
        }
    }
}

/// The outlets of all members.
#[derive(Clone, Default)]
pub(super) struct Room(Arc<Mutex<Vec<Arc<Outlet>>>>);

impl Room {
    pub(super) fn join(&self, outlet: &Arc<Outlet>) {
        lock(&self.0).push(Arc::clone(outlet));
    }

    /// Does nothing for one that has not joined.
    pub(super) fn leave(&self, outlet: &Arc<Outlet>) {
        lock(&self.0).retain(|other| !Arc::ptr_eq(other, outlet));
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        for outlet in lock(&self.0).iter() {
            outlet.send(bytes);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
