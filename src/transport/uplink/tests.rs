//! Bodies that come slowly, on tokio's paused clock.

use std::{convert::Infallible, iter::repeat_n};

use axum::body::Body as HttpBody;
use futures::stream;
use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const ALLOWANCE: Duration = Duration::from_secs(10);

/// Reads a body whose pieces, of this many bytes, each come behind a delay.
async fn read(pieces: impl IntoIterator<Item = (Duration, usize)>) -> Result<usize, BodyError> {
    let pieces: Vec<_> = pieces.into_iter().collect();
    let pieces = stream::iter(pieces).then(|(delay, length)| async move {
        sleep(delay).await;
        Ok::<_, Infallible>(Bytes::from(vec![b'x'; length]))
    });
    let body = HttpBody::from_stream(pieces).into_data_stream();
    read_body(body, ALLOWANCE, |_, _| Ok(())).await.map(|body| body.len())
}

#[tokio::test(start_paused = true)]
async fn a_body_at_the_least_rate_arrives_however_long_it_takes() {
    assert_eq!(read(repeat_n((SECOND, 20_000), 50)).await, Ok(1_000_000));
    assert_eq!(read(repeat_n((SECOND, 10_000), 100)).await, Ok(1_000_000), "the least rate itself");
}

#[tokio::test(start_paused = true)]
async fn a_silence_ends_a_body_whatever_came_before() {
    let silent = [(SECOND, 500_000), (ALLOWANCE + SECOND, 1)];
    assert_eq!(read(silent).await, Err(BodyError::TooSlow));
    assert_eq!(read([(ALLOWANCE + SECOND, 1)]).await, Err(BodyError::TooSlow), "nothing came at all");
    assert_eq!(read([(SECOND, 500_000), (ALLOWANCE - SECOND, 1)]).await, Ok(500_001));
}

#[tokio::test(start_paused = true)]
async fn a_trickle_ends_although_it_is_never_silent() {
    assert_eq!(read(repeat_n((SECOND, 1), 9)).await, Ok(9), "within the allowance");
    assert_eq!(read(repeat_n((SECOND, 1), 11)).await, Err(BodyError::TooSlow));
    assert_eq!(read(repeat_n((SECOND, 9_000), 110)).await, Err(BodyError::TooSlow), "almost the least rate");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_judged_with_each_piece_by_its_beginning_and_its_length() {
    let pieces =
        stream::iter(["first", ", second", "", ", third"].map(|piece| Ok::<_, Infallible>(Bytes::from(piece))));
    let body = HttpBody::from_stream(pieces).into_data_stream();
    let mut seen = Vec::new();
    let read = read_body(body, ALLOWANCE, |beginning, length| {
        assert!(beginning.starts_with(b"first"));
        seen.push(length);
        if length > 14 { Err(reason::BODY_TOO_LARGE) } else { Ok(()) }
    });
    assert_eq!(read.await, Err(BodyError::Refused(reason::BODY_TOO_LARGE)));
    assert_eq!(seen, [5, 13, 13, 20]);
}
