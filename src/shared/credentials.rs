//! The credentials of a session, and the rotation of its secret: when another page takes over, and when a
//! transport is left whose URLs have the secret in them.

use uuid::Uuid;

#[cfg(any(feature = "cluster", test))]
use crate::packed::{Malformed, Reader, put, put_bytes};
use crate::session::{CloseReason, LinkId, reason};

/// How often the secret of one page is rotated at most. All of them are remembered.
const MOST_ROTATIONS: usize = 8;

/// The credential that a link shows when it attaches. `next` makes the secret that takes the place of this one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Credential<'a> {
    /// The attempt id alone, by which the session was found. It is accepted until the secret was first used.
    Attempt,
    Secret {
        secret: &'a str,
        next: fn() -> Uuid,
    },
    /// The secret in the sid of an Engine.IO session, which no other session accepts. Such a session accepts no
    /// other secret.
    Sid(&'a str),
    /// The credential of a page that takes over: the secret of the page before it, and its own nonce. The secret
    /// is replaced, unless this page has taken over already.
    Instance {
        secret: &'a str,
        instance: &'a str,
        next: fn() -> Uuid,
    },
}

/// The session's secret, and the one before it.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) secret: Uuid,
    /// The secret has been used.
    pub(crate) used: bool,
    /// The secret was in a URL, which may stand in a proxy's log.
    in_url: bool,
    /// It is not rotated again. More than one answer has stated it, so that one of them may still be on its way:
    /// if the client took it for the newest then, it would go back to a secret that is not accepted any more. Or
    /// it was rotated often enough.
    stays: bool,
    former: Option<Box<Former>>,
}

/// The secret before the present one, and those before that. It is accepted until the present one is first used,
/// which the client may not have received.
#[derive(Clone, Debug)]
struct Former {
    secret: Uuid,
    replaced: Replaced,
    /// Those of the same page: a request that shows one is late.
    older: Vec<Uuid>,
}

#[derive(Clone, Debug)]
enum Replaced {
    /// This page has taken over, and may repeat its request.
    TakenOver(Box<str>),
    /// The last WebSocket whose answer states the new secret, if there is one: its confirmation shows that the
    /// client has it.
    Rotated { socket: Option<LinkId>, answers: u32 },
    /// The new secret has been used. What comes with the old one was sent before that.
    Spent,
}

impl Credentials {
    pub(crate) fn new(secret: Uuid) -> Self {
        Credentials { secret, used: false, in_url: false, stays: false, former: None }
    }

    /// Those of a client that has used the secret in URLs.
    pub(super) fn of_used(secret: Uuid) -> Self {
        Credentials { used: true, in_url: true, ..Credentials::new(secret) }
    }

    /// `in_url` states that the secret was shown in a URL.
    pub(crate) fn verify(&mut self, secret: &str, in_url: bool) -> Result<(), CloseReason> {
        if matches(self.secret, secret) {
            (self.used, self.in_url) = (true, self.in_url | in_url);
            self.spend();
            return Ok(());
        }
        match self.former.as_deref() {
            Some(Former { secret: old, replaced, .. }) if matches(*old, secret) => match replaced {
                Replaced::Rotated { .. } => Ok(()),
                Replaced::Spent => Err(reason::LATE),
                Replaced::TakenOver(_) => Err(reason::WRONG_SECRET),
            },
            Some(former) if former.older.iter().any(|&old| matches(old, secret)) => Err(reason::LATE),
            _ => Err(reason::WRONG_SECRET),
        }
    }

    /// Whether this is the secret, or the one before, with which a request may be repeated.
    pub(super) fn knows(&self, secret: &str) -> bool {
        let is_accepted = |former: &Former| !matches!(former.replaced, Replaced::Spent);
        matches(self.secret, secret)
            || self.former.as_deref().is_some_and(|former| is_accepted(former) && matches(former.secret, secret))
    }

    /// Whether this instance has taken over already, and repeats its request.
    pub(crate) fn is_repeat(&self, secret: &str, instance: &str) -> bool {
        self.former.as_deref().is_some_and(|former| {
            matches(former.secret, secret)
                && matches!(&former.replaced, Replaced::TakenOver(known) if **known == *instance)
        })
    }

    /// A page has taken over that shows this secret, which was accepted.
    pub(crate) fn take_over(&mut self, shown: &str, instance: &str, next: Uuid) {
        let old = match self.former.as_deref() {
            Some(former) if matches(former.secret, shown) => former.secret,
            _ => self.secret,
        };
        self.replace(old, Replaced::TakenOver(instance.into()), Vec::new(), next);
    }

    /// A link attaches whose URL has no secret in it. If the secret was in a URL before, the link's answer states
    /// a new one: see [`renewed`](Self::renewed). `socket` is the link if it is a WebSocket.
    pub(crate) fn renew(&mut self, socket: Option<LinkId>, next: impl FnOnce() -> Uuid) {
        if self.in_url && !self.stays {
            let mut older = Vec::new();
            if let Some(former) = self.former.take() {
                older = former.older;
                older.push(former.secret);
            }
            self.replace(self.secret, Replaced::Rotated { socket: None, answers: 0 }, older, next());
        }
        if let Some(Former { replaced: Replaced::Rotated { socket: told, .. }, .. }) = self.former.as_deref_mut() {
            *told = socket.or(*told);
        }
    }

    /// The new secret that an answer to the client must state, as long as it has not used it. The answer may be that to a
    /// link which attached before the secret was rotated, so that answers count as they are written.
    pub(crate) fn state_renewed(&mut self) -> Option<Uuid> {
        let Former { replaced: Replaced::Rotated { answers, .. }, older, .. } = self.former.as_deref_mut()? else {
            return None;
        };
        *answers += 1;
        self.stays = *answers > 1 || older.len() + 1 >= MOST_ROTATIONS;
        Some(self.secret)
    }

    /// Whether the client has the new secret once it confirms this link.
    pub(crate) fn awaits_confirmation(&self, link: LinkId) -> bool {
        let replaced = self.former.as_deref().map(|former| &former.replaced);
        matches!(replaced, Some(Replaced::Rotated { socket: Some(told), .. }) if *told == link)
    }

    /// The client has the present secret: the one before it is not accepted any more.
    pub(crate) fn spend(&mut self) {
        match self.former.as_deref_mut() {
            Some(Former { replaced: Replaced::TakenOver(_), .. }) => self.former = None,
            Some(former) => former.replaced = Replaced::Spent,
            None => {}
        }
    }

    fn replace(&mut self, old: Uuid, replaced: Replaced, older: Vec<Uuid>, next: Uuid) {
        (self.secret, self.in_url, self.stays) = (next, false, false);
        self.former = Some(Box::new(Former { secret: old, replaced, older }));
    }
}

/// A session that moves takes its credentials along.
#[cfg(any(feature = "cluster", test))]
impl Credentials {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.secret.as_bytes());
        let former = u8::from(self.former.is_some()) << 3;
        out.push(u8::from(self.used) | u8::from(self.in_url) << 1 | u8::from(self.stays) << 2 | former);
        let Some(former) = self.former.as_deref() else { return };
        out.extend_from_slice(former.secret.as_bytes());
        match &former.replaced {
            Replaced::TakenOver(instance) => {
                out.push(0);
                put_bytes(out, instance.as_bytes());
            }
            Replaced::Rotated { answers, .. } => {
                out.push(1);
                put(out, u64::from(*answers));
            }
            Replaced::Spent => out.push(2),
        }
        put(out, former.older.len() as u64);
        former.older.iter().for_each(|secret| out.extend_from_slice(secret.as_bytes()));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (secret, flags) = (Uuid::from_bytes(*reader.array()?), reader.byte()?);
        let (used, in_url, stays) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        let former = match flags >> 3 {
            0 => None,
            1 => Some(Box::new(Former::read(reader)?)),
            _ => return Err(Malformed),
        };
        Ok(Credentials { secret, used, in_url, stays, former })
    }
}

#[cfg(any(feature = "cluster", test))]
impl Former {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let secret = Uuid::from_bytes(*reader.array()?);
        let replaced = match reader.byte()? {
            0 => Replaced::TakenOver((&*reader.text()?).into()),
            // The WebSocket that has stated it does not move: a later request shows which of the two the client has.
            1 => Replaced::Rotated { socket: None, answers: u32::try_from(reader.number()?).map_err(|_| Malformed)? },
            2 => Replaced::Spent,
            _ => return Err(Malformed),
        };
        let count = reader.length(16)?;
        if count > MOST_ROTATIONS {
            return Err(Malformed);
        }
        let older =
            (0..count).map(|_| reader.array().map(|bytes| Uuid::from_bytes(*bytes))).collect::<Result<_, _>>()?;
        Ok(Former { secret, replaced, older })
    }
}

/// Compares in constant time.
pub(super) fn matches(known: Uuid, secret: &str) -> bool {
    let mut buffer = Uuid::encode_buffer();
    let known = known.simple().encode_lower(&mut buffer).as_bytes();
    let differs = known.iter().zip(secret.as_bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    known.len() == secret.len() && differs == 0
}
