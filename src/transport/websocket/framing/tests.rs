//! When tungstenite's framing is needed.

use super::*;

/// Reads all messages of an input, and returns how many there are and whether tungstenite's framing is left.
fn read(framing: &mut Framing, edges: &mut Edges, input: &[u8]) -> (usize, bool) {
    let mut out = Vec::new();
    let mut memory = Memory { input, out: &mut out, edges };
    let mut count = 0;
    while let Ok(Some(_)) = framing.next(&mut memory) {
        count += 1;
    }
    framing.rest(&mut memory);
    (count, framing.context.is_some())
}

#[test]
fn tungstenite_is_there_only_for_what_comes_in_pieces() {
    let (mut framing, mut edges) = (Framing::new(100), Edges::default());
    let whole = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    let (first, last) = ([0x01, 0x81, 0, 0, 0, 0, b'h'], [0x80, 0x81, 0, 0, 0, 0, b'i']);
    let ping = [0x89, 0x80, 0, 0, 0, 0];
    let close = [0x88, 0x80, 0, 0, 0, 0];
    for (input, expected) in [
        (&[][..], (0, false)),
        (&whole.repeat(3), (3, false)),
        (&whole[..5], (0, true)),
        (&[&whole[5..], &whole].concat(), (2, false)),
        (&first, (0, true)),
        (&ping, (1, true)),
        (&[&last[..], &whole].concat(), (2, false)),
        (&ping, (1, false)),
        (&close, (0, true)),
        (&whole, (0, true)),
    ] {
        assert_eq!(read(&mut framing, &mut edges, input), expected, "{input:?}");
    }
}

/// Closes, and reads what the client still sends until its close frame. Returns how many messages there were,
/// whether the close frame has come, and whether tungstenite's framing was needed.
fn close(pieces: &[&[u8]]) -> (usize, bool, bool) {
    let (mut framing, mut edges, mut out) = (Framing::new(100), Edges::default(), Vec::new());
    for _ in 0..2 {
        let mut memory = Memory { input: &[], out: &mut out, edges: &mut edges };
        framing.close(&mut memory, CloseFrame { code: 1000.into(), reason: "end".into() });
    }
    let mut count = 0;
    for piece in pieces {
        let mut memory = Memory { input: piece, out: &mut out, edges: &mut edges };
        let stop = loop {
            match framing.next(&mut memory) {
                Ok(Some(_)) => count += 1,
                Ok(None) => break None,
                Err(stop) => break Some(stop),
            }
        };
        if let Some(stop) = stop {
            assert_eq!(out, b"\x88\x05\x03\xe8end", "our close frame goes once, and is no answer to theirs");
            return (count, matches!(stop, Stop::Closed(_)), framing.context.is_some());
        }
    }
    (count, false, framing.context.is_some())
}

#[test]
fn the_clients_close_frame_is_found_behind_ours() {
    let answer = [0x88, 0x82, 1, 2, 3, 4, 0x02, 0xea];
    let empty = [0x88, 0x80, 0, 0, 0, 0];
    let whole = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    assert_eq!(close(&[&answer]), (0, true, false));
    assert_eq!(close(&[&empty]), (0, true, false));
    assert_eq!(close(&[]), (0, false, false));
    // Messages that were under way come before it, and it may come in pieces.
    assert_eq!(close(&[&[&whole[..], &answer].concat()]), (1, true, true));
    assert_eq!(close(&[&answer[..7], &answer[7..]]), (0, true, true));
    assert_eq!(close(&[&answer[..1], &answer[1..]]), (0, true, true));
    // None of these is a close frame: one without a mask, one too long, and one that is a fragment.
    for wrong in [&[0x88, 0x00][..], &[&[0x88, 0xfe, 0, 126][..], &[0; 130]].concat(), &[0x08, 0x80, 0, 0, 0, 0]] {
        assert_eq!(close(&[wrong]), (0, false, true), "{wrong:?}");
    }
}
