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
