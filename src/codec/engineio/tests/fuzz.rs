//! Strangers' packets and payloads.

use super::{peer::expected, *};
use Revision::{V3, V4};

const KINDS: [(Revision, Carrier); 4] = [(V3, POLL), (V4, POLL), (V3, Carrier::WebSocket), (V4, Carrier::WebSocket)];

/// The first byte of an input is what reads the rest. A second reader agrees on it, and the messages are the
/// same once more when they were written and read.
#[test]
fn fuzz_engineio() {
    crate::fuzz::run("engineio", 40_000, |input, behaviour| {
        let Some((&kind, input)) = input.split_first() else { return };
        let (revision, carrier) = KINDS[usize::from(kind) % KINDS.len()];
        let (frames, violation) = read_all(&mut EngineCodec::new(revision, LIMIT, carrier), input);
        let shorts: Vec<String> = frames.iter().map(short).collect();
        let (expected, broken) = expected(revision, carrier, input);
        assert_eq!((&shorts, violation.is_some()), (&expected, broken));
        behaviour.note((kind % 4, violation.map(|why| why.text)));
        frames.iter().for_each(|frame| behaviour.note(std::mem::discriminant(frame)));
        assert!(frames.len() <= input.len().max(1));
        let messages: Vec<Said> = frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Message { message, .. } => Some(Said::Message(message.clone())),
                _ => None,
            })
            .collect();
        if carrier == Carrier::WebSocket || messages.is_empty() {
            return;
        }
        let was: Vec<String> = shorts.into_iter().filter(|short| short.contains(' ')).collect();
        let was: Vec<String> = was.into_iter().filter(|short| !short.starts_with("close")).collect();
        for carrier in [POLL, POLL_BASE64] {
            let (body, _) = write(revision, carrier, &messages, true);
            assert_eq!(read(revision, carrier, body), (was.clone(), None));
        }
    });
}

#[test]
fn fuzz_form() {
    crate::fuzz::run("engineio_form", 10_000, |input, behaviour| {
        let payload = form_payload(input);
        behaviour.note(payload.as_ref().map(|payload| (payload.contains(&b'\n'), payload.contains(&b'\\'))).ok());
        assert!(payload.map_or(0, |payload| payload.len()) <= input.len());
    });
}
