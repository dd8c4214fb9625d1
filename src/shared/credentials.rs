//! What lets a link into the session, and the rotation of the secret when another page takes over.

use uuid::Uuid;

use crate::session::{CloseReason, reason};

/// What a link shows to be let in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Credential<'a> {
    /// Nothing but the attempt id, by which the session was found; worth something until the secret was first used.
    Attempt,
    Secret(&'a str),
    /// Of a page that takes over: the secret that the one before had, and its own nonce. `next` is the new secret, if it becomes so.
    Instance {
        secret: &'a str,
        instance: &'a str,
        next: Uuid,
    },
}

/// The secret, and what is remembered of the one before.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) secret: Uuid,
    /// The secret has been used.
    pub(super) used: bool,
    /// Until the new secret is first used: the page that has it may not know.
    rotation: Option<Box<Rotation>>,
}

#[derive(Debug)]
struct Rotation {
    old: Uuid,
    instance: Box<str>,
}

impl Credentials {
    pub(super) fn new(secret: Uuid) -> Self {
        Credentials { secret, used: false, rotation: None }
    }

    pub(super) fn verify(&mut self, secret: &str) -> Result<(), CloseReason> {
        if !matches(self.secret, secret) {
            return Err(reason::WRONG_SECRET);
        }
        self.used = true;
        self.rotation = None;
        Ok(())
    }

    /// Whether this instance has taken over already, and says so again.
    pub(super) fn is_repeat(&self, secret: &str, instance: &str) -> bool {
        self.rotation.as_ref().is_some_and(|known| matches(known.old, secret) && *known.instance == *instance)
    }

    pub(super) fn rotate(&mut self, next: Uuid, instance: &str) {
        let old = std::mem::replace(&mut self.secret, next);
        self.rotation = Some(Box::new(Rotation { old, instance: instance.into() }));
    }
}

/// Compares in constant time.
fn matches(known: Uuid, secret: &str) -> bool {
    let known = known.simple().encode_lower(&mut Uuid::encode_buffer()).to_owned();
    let known = known.as_bytes();
    let differs = known.iter().zip(secret.as_bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    known.len() == secret.len() && differs == 0
}
