//! The preface over a connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    fault::Fault,
    preface::{self, ANSWER, ASK, Ask, CHALLENGE, Kind, Nonce, Verdict},
};
use crate::{
    cluster::{Secret, Wire},
    ids,
};

fn nonce() -> Nonce {
    ids::random().into_bytes()
}

/// Asks for the process `to`. Waits for its answers; the caller sets the time limit.
///
/// # Errors
/// Fails if that process is not there, or if the two nodes do not fit.
pub(super) async fn ask(wire: &mut dyn Wire, secret: &Secret, kind: Kind, from: u64, to: u64) -> Result<(), Fault> {
    let mut challenge = [0; CHALLENGE];
    wire.read_exact(&mut challenge).await?;
    let (theirs, challenge) = preface::read_challenge(&challenge).ok_or(Fault::Broken)?;
    let version = preface::common(theirs).ok_or(Fault::WrongVersion)?;
    let ask = Ask { version, kind, from, to, nonce: nonce() };
    wire.write_all(&ask.write(secret, &challenge)).await?;
    wire.flush().await?;
    let mut answer = [0; ANSWER];
    wire.read_exact(&mut answer).await?;
    match ask.read_answer(&answer, secret, &challenge) {
        Verdict::Welcome => Ok(()),
        Verdict::WrongSecret => Err(Fault::WrongSecret),
        Verdict::WrongVersion => Err(Fault::WrongVersion),
        Verdict::SomebodyElse => Err(Fault::Dead),
    }
}

/// Lets another node in, if it knows the secret and has asked for the process `me`. Returns what it wants, and its process.
/// Waits for it; the caller sets the time limit.
///
/// # Errors
/// Fails with what the asker was told, or `None` if it was no node or is gone.
pub(super) async fn accept(wire: &mut dyn Wire, secret: &Secret, me: u64) -> Result<(Kind, u64), Option<Verdict>> {
    let challenge = nonce();
    let judged = async {
        wire.write_all(&preface::write_challenge(&challenge)).await?;
        wire.flush().await?;
        let mut bytes = [0; ASK];
        wire.read_exact(&mut bytes).await?;
        let Some((ask, verdict)) = Ask::judge(&bytes, secret, &challenge, me) else { return Ok(None) };
        wire.write_all(&ask.write_answer(verdict, secret, &challenge)).await?;
        wire.flush().await?;
        Ok::<_, std::io::Error>(Some((ask, verdict)))
    };
    match judged.await {
        Ok(Some((ask, Verdict::Welcome))) => Ok((ask.kind, ask.from)),
        Ok(Some((_, verdict))) => Err(Some(verdict)),
        Ok(None) | Err(_) => Err(None),
    }
}
