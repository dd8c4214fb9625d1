use super::*;
use crate::{message::Message, shared::reason};

fn message(number: u64, length: usize) -> Frame {
    Frame::Message { number, message: Message::from(vec![0; length]).into() }
}

/// The size of each batch, and whether something malformed came behind it.
fn batches(lengths: &[usize], end: Result<Option<Frame>, CloseReason>) -> Vec<(usize, bool)> {
    let mut batches = Vec::new();
    let mut lengths = lengths.iter();
    let mut end = Some(end);
    let read = || match lengths.next() {
        Some(&length) => Ok(Some(message(1, length))),
        None => end.take().expect("nothing is read behind the end"),
    };
    let _ = each(read, |frames, malformed| {
        batches.push((frames.len(), malformed.is_some()));
        malformed.map_or(Ok(false), Err)
    });
    batches
}

#[test]
fn a_batch_is_bounded_in_frames_and_in_bytes() {
    assert_eq!(batches(&[], Ok(None)), []);
    assert_eq!(batches(&[0; 64], Ok(None)), [(64, false)]);
    assert_eq!(batches(&[0; 130], Ok(None)), [(64, false), (64, false), (2, false)]);
    assert_eq!(batches(&[40_000, 40_000, 1, 70_000, 1], Ok(None)), [(2, false), (2, false), (1, false)]);
}

#[test]
fn frames_before_a_malformed_one_are_applied() {
    assert_eq!(batches(&[1, 1], Err(reason::MALFORMED)), [(2, true)]);
    assert_eq!(batches(&[], Err(reason::MALFORMED)), [(0, true)]);
}

#[test]
fn nothing_is_read_behind_a_batch_that_was_refused() {
    let mut reads = 0;
    let read = || {
        reads += 1;
        Ok(Some(message(1, 0)))
    };
    let mut left = None;
    let result = each(read, |frames, _| {
        frames.drain(..10);
        left = Some(frames.len());
        Err(reason::UNEXPECTED)
    });
    assert_eq!((result, left, reads), (Err(reason::UNEXPECTED), Some(54), 64));
    assert_eq!(batches(&[0; 3], Ok(None)), [(3, false)], "nothing is left for the next link");
}

#[test]
fn nothing_is_read_behind_a_batch_that_filled_the_inbox() {
    let mut reads = 0;
    let read = || {
        reads += 1;
        Ok(Some(message(1, 0)))
    };
    assert_eq!(each(read, |_, _| Ok(true)), Ok(true));
    assert_eq!(reads, 64);
}
