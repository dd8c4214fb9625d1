//! Frames in pieces, and the memory that they take.

use bytes::Bytes;

use super::*;

/// Frames of all shapes, and what is between them.
const STREAM: &[u8] = b"\nSEND\ndestination:/a\nx:\\cy\n\nbody^\n\n\
    SEND\r\ncontent-length:7\r\n\r\na^b\n\n^c^\r\n\
    ACK\nid:1\n^SEND\n\n\xff\xfe^\nSEND\ncontent-length:0\n\n^\r\nDISCONNECT\nreceipt:1\n\n^";

fn frames(messages: &[&[u8]]) -> Vec<Input> {
    let mut inputs = read_all(Some(V1_2), messages).unwrap();
    inputs.retain(|input| *input != Input::HeartBeat);
    inputs
}

#[test]
fn it_does_not_matter_where_a_stream_is_cut() {
    let whole = frames(&[STREAM]);
    assert_eq!(whole.len(), 6);
    for one in 0..=STREAM.len() {
        let (first, rest) = STREAM.split_at(one);
        for two in 0..=rest.len() {
            let (second, third) = rest.split_at(two);
            assert_eq!(frames(&[first, second, third]), whole, "cut at {one} and {}", one + two);
        }
    }
    for size in 1..=STREAM.len() {
        assert_eq!(frames(&STREAM.chunks(size).collect::<Vec<_>>()), whole, "pieces of {size}");
    }
}

#[test]
fn a_faulty_frame_is_refused_wherever_it_is_cut() {
    let faulty: [&[u8]; 6] = [
        b"SEND\na:\\t\n\nx^",
        b"SEND\nnonsense\n\n^",
        b"SEND\ncontent-length:1\n\nxx^",
        b"SEND\ncontent-length:99\n\n",
        b"SEND\na:b^",
        b"SEND\na:\xff\n\n^",
    ];
    for text in faulty {
        let whole = read_all(Some(V1_2), &[text]).expect_err("a faulty frame");
        for at in 0..=text.len() {
            let (first, second) = text.split_at(at);
            assert_eq!(read_all(Some(V1_2), &[first, second]).as_ref(), Err(&whole), "cut at {at}");
        }
    }
}

/// The frames of a stream in pieces, and the bytes that are left; or the frames before the one that is refused.
fn meaning(stream: &[u8], size: usize) -> Result<(Vec<Input>, usize), (Vec<Input>, Refusal)> {
    let mut reader = Reader::new(LIMITS);
    reader.set_version(V1_2);
    let mut inputs = Vec::new();
    for piece in stream.chunks(size) {
        reader.push(piece.iter().map(|&byte| if byte == b'^' { 0 } else { byte }).collect::<Vec<u8>>().into());
        while let Some(input) = reader.next().map_err(|refusal| (inputs.clone(), refusal))? {
            inputs.extend(Some(input).filter(|input| *input != Input::HeartBeat));
        }
    }
    Ok((inputs, reader.held()))
}

#[test]
fn a_damaged_stream_means_the_same_in_any_pieces() {
    let (mut taken, mut refused) = (0, 0);
    for at in 0..STREAM.len() {
        for byte in *b"^\n\r:\\0x\xff" {
            let (before, behind) = STREAM.split_at(at);
            for (put, behind) in [(&[byte][..], behind), (&[byte], &behind[1..]), (&[], &behind[1..])] {
                let damaged = [before, put, behind, b"\n\n^"].concat();
                let whole = meaning(&damaged, damaged.len());
                assert_eq!(meaning(&damaged, 1), whole, "{}", damaged.escape_ascii());
                assert_eq!(meaning(&damaged, 7), whole, "{}", damaged.escape_ascii());
                *if whole.is_ok() { &mut taken } else { &mut refused } += 1;
            }
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} were taken, {refused} refused");
}

#[test]
fn a_message_can_be_pushed_before_the_last_one_was_read() {
    let mut reader = Reader::new(LIMITS);
    reader.set_version(V1_2);
    for piece in ["SEND\n\na\0SE", "ND\n\nb", "\0"] {
        reader.push(piece.into());
    }
    let mut bodies = Vec::new();
    while let Some(Input::Frame(frame)) = reader.next().unwrap() {
        bodies.push(frame.body);
    }
    assert_eq!(bodies, ["a", "b"]);
}

#[test]
fn a_version_holds_for_the_frame_behind_connect() {
    let mut reader = Reader::new(LIMITS);
    // In CONNECT there are no escapes, behind it there are.
    reader.push("CONNECT\naccept-version:1.2\npasscode:\\t\n\n\0SEND\ndestination:\\c\n\n\0".into());
    let Ok(Some(Input::Frame(connect))) = reader.next() else { panic!("a frame") };
    assert_eq!(connect.headers.get("passcode"), Some("\\t"));
    reader.set_version(V1_2);
    let Ok(Some(Input::Frame(send))) = reader.next() else { panic!("a frame") };
    assert_eq!(send.headers.get("destination"), Some(":"));
}

#[test]
fn a_body_in_one_message_is_not_copied() {
    let bytes = Bytes::from(b"SEND\n\nfirst\0SEND\ncontent-length:6\n\nsecond\0".to_vec());
    let message = bytes.as_ptr_range();
    let mut reader = Reader::new(LIMITS);
    reader.set_version(V1_2);
    reader.push(Message::Binary(bytes));
    for body in ["first", "second"] {
        let Ok(Some(Input::Frame(frame))) = reader.next() else { panic!("a frame") };
        assert_eq!(frame.body, body);
        assert!(message.contains(&frame.body.as_ptr()));
    }
}

#[test]
fn a_body_keeps_no_message_that_is_much_larger() {
    let filling = vec![b'\n'; 1000];
    let frame = |length: usize| [b"SEND\n\n".to_vec(), vec![b'x'; length], vec![0]].concat();
    let limits = Limits { body: 10_000, ..LIMITS };
    for (length, is_kept) in [(1, false), (64, false), (400, false), (1100, true)] {
        let bytes = Bytes::from([&frame(length)[..], &filling].concat());
        let mut reader = Reader::new(limits);
        reader.push(Message::Binary(bytes.clone()));
        let Ok(Some(Input::Frame(frame))) = reader.next() else { panic!("a frame") };
        assert_eq!(reader.next(), Ok(None));
        assert_eq!((frame.body.len(), !bytes.is_unique()), (length, is_kept));
    }
    // In pieces the buffer grows to the length of what is incomplete.
    let mut reader = Reader::new(limits);
    reader.push("SE".into());
    assert_eq!(reader.next(), Ok(None));
    reader.push([&b"ND\n\nx\0SEND\n\n"[..], &[b'y'; 1100], b"\0"].concat().into());
    let mut bodies = Vec::new();
    while let Some(Input::Frame(frame)) = reader.next().unwrap() {
        bodies.push(frame.body);
    }
    drop(reader);
    assert_eq!(bodies.iter().map(Bytes::len).collect::<Vec<_>>(), [1, 1100]);
    assert!(bodies[0].is_unique(), "the small one does not share the buffer");
}

#[test]
fn nothing_is_allocated_for_a_heart_beat() {
    let mut reader = Reader::new(LIMITS);
    let beats: Vec<Message> = vec![Message::from("\n"), Message::from("\r\n\n"), Message::from(vec![b'\n'])];
    let allocated = allocation_counter::measure(|| {
        for beat in beats {
            reader.push(beat);
            assert_eq!(reader.next(), Ok(Some(Input::HeartBeat)));
            assert_eq!(reader.next(), Ok(None));
        }
    });
    // The vector of this test is freed, and the messages in it.
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn an_incomplete_frame_keeps_no_message_that_is_larger() {
    let bytes = Bytes::from([&b"SEND\n\n\0"[..], &[b'\n'; 1000], b"SEN"].concat());
    let mut reader = Reader::new(LIMITS);
    reader.set_version(V1_2);
    reader.push(Message::Binary(bytes.clone()));
    while reader.next().unwrap().is_some() {}
    assert_eq!(reader.held(), 3);
    assert!(bytes.is_unique(), "the reader has copied the three bytes");
}

#[test]
fn no_more_is_held_than_the_limits_allow() {
    let most = LIMITS.header_bytes + LIMITS.body + 2;
    for text in [&b"x"[..], b"a:b\n", b"SEND\n\n", b"SEND\ncontent-length:64\n\n"] {
        let mut reader = Reader::new(LIMITS);
        reader.set_version(V1_2);
        let mut endless = text.iter().chain(std::iter::repeat(&b'x'));
        let refused = loop {
            reader.push(vec![*endless.next().unwrap()].into());
            let next = reader.next();
            assert!(reader.held() <= most);
            if let Err(refusal) = next {
                break refusal;
            }
        };
        assert_ne!(refused.detail, "");
        assert_eq!(reader.held(), 0);
    }
}
