//! Frames are decoded before the session is locked, a bounded batch at a time. A room send that waits for the
//! session's lock does not wait for base64 and UTF-8.

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use crate::shared::{CloseReason, Frame};

/// The most frames that a task hands over before other tasks get their turn: two batches, which take some ten
/// microseconds.
pub(super) const MOST_FRAMES: u32 = 2 * FRAMES as u32;

/// A batch has at most this many frames.
const FRAMES: usize = 64;

/// A batch ends with the frame that brings its payloads to this many bytes.
const BYTES: usize = 64 * 1024;

thread_local! {
    /// The batch that all links of a worker share, so that a read allocates none.
    static BATCH: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

/// Reads frames until `read` yields `None`, and gives each batch to `apply`, with the reason if the input
/// behind it could not be read. Stops at the first error of either, and where `apply` returns `true`.
/// Returns whether `apply` did.
pub(super) fn each(
    mut read: impl FnMut() -> Result<Option<Frame>, CloseReason>,
    mut apply: impl FnMut(&mut Vec<Frame>, Option<CloseReason>) -> Result<bool, CloseReason>,
) -> Result<bool, CloseReason> {
    // The batch is taken out of its cell because `apply` wakes tasks, and a waker may run foreign code.
    let mut frames = BATCH.take();
    let result = loop {
        let more = fill(&mut frames, &mut read);
        let (more, malformed) = match more {
            Ok(more) => (more, None),
            Err(malformed) => (false, Some(malformed)),
        };
        if frames.is_empty() && malformed.is_none() {
            break Ok(false);
        }
        let applied = apply(&mut frames, malformed);
        frames.clear();
        if applied != Ok(false) || !more {
            break applied;
        }
    };
    BATCH.set(frames);
    result
}

/// Returns whether there may be more.
fn fill(
    frames: &mut Vec<Frame>,
    read: &mut impl FnMut() -> Result<Option<Frame>, CloseReason>,
) -> Result<bool, CloseReason> {
    let mut bytes = 0;
    while frames.len() < FRAMES && bytes < BYTES {
        let Some(frame) = read()? else { return Ok(false) };
        if let Frame::Message { message, .. } = &frame {
            bytes += message.len();
        }
        frames.push(frame);
    }
    Ok(true)
}
