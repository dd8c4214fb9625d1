//! The secret that the nodes of a cluster share, and the keyed functions that need it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::{Builder, Uuid};

/// The length of a keyed hash in bytes.
pub(crate) const HASH: usize = 32;

/// A cluster's secret. Nobody without it can speak to a node as another node, test guesses of an attempt id against the id
/// of its session, or choose the id of a session in advance.
#[derive(Clone)]
pub(crate) struct Secret(Vec<u8>);

/// The purpose of a keyed hash. No two purposes have equal hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The id of the session that opens with an attempt id.
    SessionId,
    /// The key by which an attempt is claimed.
    Attempt,
    /// The key by which the name of a session of SockJS is claimed.
    SockJsName,
    /// The key by which a session that has moved is claimed.
    Session,
    /// A node that connects to another one shows it.
    Connecting,
    /// The other one answers with it.
    Accepting,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Purpose::SessionId => b"anywire session id\0",
            Purpose::Attempt => b"anywire attempt\0",
            Purpose::SockJsName => b"anywire sockjs name\0",
            Purpose::Session => b"anywire session\0",
            Purpose::Connecting => b"anywire connecting\0",
            Purpose::Accepting => b"anywire accepting\0",
        }
    }
}

impl Secret {
    pub(crate) fn new(secret: impl Into<Vec<u8>>) -> Self {
        Secret(secret.into())
    }

    fn mac(&self, purpose: Purpose, data: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of HMAC has any length");
        mac.update(purpose.label());
        mac.update(data);
        mac
    }

    /// The keyed hash of some bytes.
    pub(crate) fn hash(&self, purpose: Purpose, data: &[u8]) -> [u8; HASH] {
        self.mac(purpose, data).finalize().into_bytes().into()
    }

    /// Whether this is the hash of the bytes. The time that it takes tells nothing.
    pub(crate) fn verify(&self, purpose: Purpose, data: &[u8], hash: &[u8]) -> bool {
        self.mac(purpose, data).verify_slice(hash).is_ok()
    }

    /// The key by which a session that has moved is claimed.
    pub(crate) fn session_key(&self, session: Uuid) -> [u8; HASH] {
        self.hash(Purpose::Session, session.as_bytes())
    }

    /// The number of the session that opens with this attempt id, on whichever node: a UUID of version 8.
    pub(crate) fn session_id(&self, attempt: &str) -> Uuid {
        let hash = self.hash(Purpose::SessionId, attempt.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_secret_purpose_and_data() {
        let secret = Secret::new("a");
        let hash = secret.hash(Purpose::Attempt, b"x");
        assert!(secret.verify(Purpose::Attempt, b"x", &hash));
        assert!(!secret.verify(Purpose::Attempt, b"y", &hash));
        assert!(!secret.verify(Purpose::Connecting, b"x", &hash));
        assert!(!Secret::new("b").verify(Purpose::Attempt, b"x", &hash));
        assert!(!secret.verify(Purpose::Attempt, b"x", &hash[1..]));
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn an_attempt_has_one_session_id() {
        let id = Secret::new("a").session_id("0123456789abcdefghij");
        assert_eq!(id, Secret::new("a").session_id("0123456789abcdefghij"));
        assert_ne!(id, Secret::new("b").session_id("0123456789abcdefghij"));
        assert_eq!((id.get_version_num(), id.get_variant()), (8, uuid::Variant::RFC4122));
    }
}
