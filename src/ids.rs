//! Random numbers. No other file reads the random generator.

use uuid::Uuid;

/// Returns 122 random bits: a session's id, or its secret.
#[expect(clippy::disallowed_methods, reason = "this is where randomness is read")]
pub(crate) fn random() -> Uuid {
    Uuid::new_v4()
}

/// Returns a uniform number below `bound`, to spread events over a window. It is 0 if `bound` is 0.
pub(crate) fn below(bound: u64) -> u64 {
    u64::try_from(random().as_u128() % u128::from(bound.max(1))).unwrap_or(0)
}
