//! The sessions of each user, by the key that the application gives.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use uuid::Uuid;

use crate::sync::lock;

/// The sessions of each user.
#[derive(Debug, Default)]
pub(super) struct Users(Mutex<HashMap<Arc<str>, Vec<Uuid>>>);

impl Users {
    /// Adds a session to those of a user. Returns the key, which all sessions of the user share.
    pub(super) fn add(&self, user: &str, id: Uuid) -> Arc<str> {
        let mut users = lock(&self.0);
        let key = match users.get_key_value(user) {
            Some((key, _)) => key.clone(),
            None => user.into(),
        };
        users.entry(key.clone()).or_default().push(id);
        key
    }

    pub(super) fn remove(&self, user: &str, id: Uuid) {
        let mut users = lock(&self.0);
        let Some(sessions) = users.get_mut(user) else { return };
        sessions.retain(|session| *session != id);
        if sessions.is_empty() {
            users.remove(user);
            if users.capacity() > 4 * (users.len() + 64) {
                users.shrink_to_fit();
            }
        }
    }

    pub(super) fn sessions(&self, user: &str) -> Vec<Uuid> {
        lock(&self.0).get(user).cloned().unwrap_or_default()
    }
}
