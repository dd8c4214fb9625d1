//! Strangers' bytes where frames of a WebSocket are expected.

use super::*;
use crate::{
    codec::native::{NativeCodec, Spelling},
    shared::Frame,
};

const LIMIT: usize = 256;

/// Feeds a connection's bytes in reads of these lengths, and notes what came of them.
fn feed(input: &[u8], reads: impl Iterator<Item = usize>) -> (Vec<String>, Vec<u8>) {
    let (mut framing, mut edges) = (Framing::new(LIMIT), Edges::default());
    let mut codec = NativeCodec::new(Spelling::WebSocket, LIMIT);
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let (mut rest, mut text) = (input, None);
    for length in reads {
        if rest.is_empty() {
            break;
        }
        let (chunk, behind) = rest.split_at(length.clamp(1, rest.len()));
        rest = behind;
        let memory = Memory { input: chunk, out: &mut out, edges: &mut edges };
        let mut decoder = Decoder::new(&mut codec, &mut framing, text.take(), memory);
        let refused = loop {
            match decoder.next_frame() {
                Ok(Some(Frame::Message { number, message })) => {
                    assert!(message.len() <= LIMIT);
                    notes.push(format!("{number} {:?}", message.payload()));
                }
                Ok(Some(frame)) => notes.push(format!("{frame:?}")),
                Ok(None) => break None,
                Err(reason) => break Some(reason),
            }
        };
        let (unread, ended) = decoder.finish(None);
        let is_read_on = refused.is_none();
        notes.extend(refused.map(|reason| format!("{reason:?}")));
        match ended {
            Some(Ended::Broken) => notes.push("broken".to_owned()),
            Some(Ended::Theirs) => notes.push("closed".to_owned()),
            Some(Ended::Ours(_)) => {}
            None if is_read_on => {
                assert!(unread.bytes.is_empty() && unread.text.is_none(), "all was read");
                continue;
            }
            None => {}
        }
        break;
    }
    (notes, out)
}

#[test]
fn fuzz_websocket() {
    crate::fuzz::run("websocket", 20_000, |input, behaviour| {
        let (whole, answers) = feed(input, std::iter::repeat(input.len()));
        assert!(whole.len() <= input.len() + 1, "{whole:?}");
        assert!(answers.len() <= input.len() + 64, "the framing's answers are no longer than what it answers");
        // The cuts between reads must not matter.
        let cuts = input.iter().map(|&byte| usize::from(byte % 7) + 1).chain(std::iter::repeat(1));
        let (pieces, _) = feed(input, cuts);
        assert_eq!(pieces, whole);
        for note in &whole {
            behaviour.note(note.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()));
        }
        behaviour.note((whole.len(), answers.len()));
    });
}
