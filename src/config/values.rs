//! The values that settings take.

use std::time::Duration;

/// Upper bound of every time and size. A sum of a few of them is still an exact number in JavaScript.
pub(crate) const MOST: u64 = 1 << 50;

/// Panics if an application may not close with this code.
pub(crate) fn check_close_code(code: u16) {
    let allowed = code == 1000 || (3000..4000).contains(&code);
    assert!(allowed, "a session is closed with code 1000 or one from 3000 to 3999, not with {code}");
}

/// Cuts a size to the upper bound: `usize::MAX` is a way to write "no limit", and must not overflow sums.
pub(crate) fn size(bytes: usize) -> usize {
    bytes.min(usize::try_from(MOST).unwrap_or(usize::MAX / 8))
}

/// Converts a duration to milliseconds, which is how the machines count.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(MOST).min(MOST)
}
