//! The preface of a connection between two nodes: both sides show that they know the secret, and the asker learns whether
//! the process that it wants is there.
//!
//! The acceptor begins with a challenge, so that nobody can repeat what a node has said before. The asker answers with
//! what it wants and a keyed hash; the acceptor then says whether it serves, with a keyed hash too.

use crate::cluster::{HASH, Purpose, Secret, VERSION};

/// The first bytes of each side.
const MAGIC: [u8; 7] = *b"anywire";

/// A number that is used once.
pub(super) type Nonce = [u8; 16];

/// The lengths of the three messages.
pub(super) const CHALLENGE: usize = 24;
pub(super) const ASK: usize = BEFORE_PROOF + HASH;
pub(super) const ANSWER: usize = 1 + HASH;

const BEFORE_PROOF: usize = 41;

/// The version of the links that this node speaks; it speaks the one before too.
pub(super) const OURS: u8 = VERSION as u8;

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Many requests, over HTTP/2.
    Requests = 1,
    /// One request over HTTP/1.1, whose connection is upgraded.
    Tunnel = 2,
}

/// The acceptor's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome = 0,
    /// The asker has another secret. This answer alone has no proof that counts.
    WrongSecret = 1,
    WrongVersion = 2,
    /// Another process is at this address than the one that was asked for.
    SomebodyElse = 3,
}

/// The asker's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) version: u8,
    pub(super) kind: Kind,
    /// The asker's process.
    pub(super) from: u64,
    /// The process that is asked for.
    pub(super) to: u64,
    pub(super) nonce: Nonce,
}

/// Writes the acceptor's challenge.
pub(super) fn write_challenge(nonce: &Nonce) -> [u8; CHALLENGE] {
    let mut out = [0; CHALLENGE];
    out[..7].copy_from_slice(&MAGIC);
    out[7] = OURS;
    out[8..].copy_from_slice(nonce);
    out
}

/// Reads the acceptor's version and its challenge; `None` if that is no node.
pub(super) fn read_challenge(bytes: &[u8; CHALLENGE]) -> Option<(u8, Nonce)> {
    let nonce = bytes[8..].try_into().ok()?;
    (bytes[..7] == MAGIC && bytes[7] > 0).then_some((bytes[7], nonce))
}

/// The version to speak with a node that speaks `theirs` and the one before; `None` if there is none.
pub(super) fn common(theirs: u8) -> Option<u8> {
    match theirs {
        0 => None,
        theirs if theirs >= OURS => (theirs - OURS <= 1).then_some(OURS),
        theirs => (OURS - theirs == 1).then_some(theirs),
    }
}

/// Whether this node speaks a version.
fn is_spoken(version: u8) -> bool {
    version > 0 && version <= OURS && OURS - version <= 1
}

impl Ask {
    pub(super) fn write(&self, secret: &Secret, challenge: &Nonce) -> [u8; ASK] {
        let mut out = [0; ASK];
        out[..7].copy_from_slice(&MAGIC);
        out[7] = self.version;
        out[8] = self.kind as u8;
        out[9..17].copy_from_slice(&self.from.to_be_bytes());
        out[17..25].copy_from_slice(&self.to.to_be_bytes());
        out[25..BEFORE_PROOF].copy_from_slice(&self.nonce);
        let proof = secret.hash(Purpose::Connecting, &[challenge, &out[..BEFORE_PROOF]].concat());
        out[BEFORE_PROOF..].copy_from_slice(&proof);
        out
    }

    /// Reads what an asker wants, and judges it for the process `me`.
    ///
    /// The result is `None` if that is no node, which gets no answer.
    pub(super) fn judge(bytes: &[u8; ASK], secret: &Secret, challenge: &Nonce, me: u64) -> Option<(Ask, Verdict)> {
        let number = |range: std::ops::Range<usize>| bytes[range].try_into().map(u64::from_be_bytes).ok();
        let kind = match bytes[8] {
            1 => Kind::Requests,
            2 => Kind::Tunnel,
            _ => return None,
        };
        let nonce = bytes[25..BEFORE_PROOF].try_into().ok()?;
        let ask = Ask { version: bytes[7], kind, from: number(9..17)?, to: number(17..25)?, nonce };
        if bytes[..7] != MAGIC {
            return None;
        }
        let said = [challenge, &bytes[..BEFORE_PROOF]].concat();
        let verdict = match () {
            () if !secret.verify(Purpose::Connecting, &said, &bytes[BEFORE_PROOF..]) => Verdict::WrongSecret,
            () if !is_spoken(ask.version) => Verdict::WrongVersion,
            () if ask.to != me => Verdict::SomebodyElse,
            () => Verdict::Welcome,
        };
        Some((ask, verdict))
    }

    /// The bytes that the keyed hash of the answer is of.
    fn answered(&self, verdict: u8, challenge: &Nonce) -> Vec<u8> {
        let (from, to) = (self.from.to_be_bytes(), self.to.to_be_bytes());
        [&[verdict, self.version, self.kind as u8][..], &from, &to, &self.nonce, challenge].concat()
    }

    pub(super) fn write_answer(&self, verdict: Verdict, secret: &Secret, challenge: &Nonce) -> [u8; ANSWER] {
        let verdict = verdict as u8;
        let mut out = [verdict; ANSWER];
        out[1..].copy_from_slice(&secret.hash(Purpose::Accepting, &self.answered(verdict, challenge)));
        out
    }

    /// Reads the answer. A node that does not know the secret can only be understood as one that has another.
    pub(super) fn read_answer(&self, bytes: &[u8; ANSWER], secret: &Secret, challenge: &Nonce) -> Verdict {
        if !secret.verify(Purpose::Accepting, &self.answered(bytes[0], challenge), &bytes[1..]) {
            return Verdict::WrongSecret;
        }
        match bytes[0] {
            0 => Verdict::Welcome,
            2 => Verdict::WrongVersion,
            3 => Verdict::SomebodyElse,
            _ => Verdict::WrongSecret,
        }
    }
}
