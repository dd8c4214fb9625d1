//! The credentials of a session, and the rotation of its secret when another page takes over.

use uuid::Uuid;

use crate::session::{CloseReason, reason};

/// The credential that a link shows when it attaches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Credential<'a> {
    /// The attempt id alone, by which the session was found. It is accepted until the secret was first used.
    Attempt,
    Secret(&'a str),
    /// The credential of a page that takes over: the secret of the page before it, and its own nonce. `next`
    /// becomes the secret, unless this page has taken over already.
    Instance {
        secret: &'a str,
        instance: &'a str,
        next: Uuid,
    },
}

/// The session's secret, and the one before it during a takeover.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) secret: Uuid,
    /// The secret has been used.
    pub(super) used: bool,
    /// The last takeover, until the new secret is first used: the page may not have received it.
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

    /// Whether this is the secret, or was before a takeover that may be repeated.
    pub(super) fn knows(&self, secret: &str) -> bool {
        matches(self.secret, secret) || self.rotation.as_ref().is_some_and(|known| matches(known.old, secret))
    }

    /// Whether this instance has taken over already, and repeats its request.
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
