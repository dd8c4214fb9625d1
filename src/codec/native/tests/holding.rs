//! The bytes that a message or a reason keeps of the input that brought it.

use super::*;

fn is_within(message: &OutMessage, input: &Bytes) -> bool {
    input.as_ptr_range().contains(&message.payload().as_message().unwrap().as_bytes().as_ptr())
}

#[test]
fn a_message_keeps_nothing_of_the_body_that_brought_it() {
    for spelling in [Spelling::Text, Spelling::Bytes] {
        let body = Bytes::from_static(b"n1:m2:hib4:aGk=w:");
        for record in read(&mut Reader::new(spelling, LIMIT), vec![(false, body.clone())]).expect("well formed") {
            let Record::Frame(Frame::Message { message, .. }) = record else { continue };
            assert!(!is_within(&message, &body), "{spelling:?} {message:?}");
        }
    }
}

#[test]
fn a_message_of_a_websocket_keeps_a_buffer_only_if_it_is_half_of_it() {
    let mut codec = NativeCodec::new(Spelling::WebSocket, LIMIT);
    let mut read = |input: Bytes| {
        let frame = match input.starts_with(b"\0") {
            true => codec.read_binary(input),
            false => codec.read(&mut Some(input)),
        };
        let Ok(Some(Frame::Message { message, .. })) = frame else { panic!("no message") };
        message
    };
    // Records in front of the message are a part of the buffer.
    let behind = |records: usize, text: &str| Bytes::from(format!("{}m{text}", "n1:".repeat(records)));
    let input = behind(300, "x");
    assert!(!is_within(&read(input.clone()), &input));
    let input = behind(300, &"x".repeat(1000));
    assert!(is_within(&read(input.clone()), &input), "more than half");
    // The buffer has grown, and a later message is cut from it.
    for input in [Bytes::from_static(b"mx"), Bytes::from(vec![0; 500])] {
        assert!(!is_within(&read(input.clone()), &input));
    }
    let input = Bytes::from(vec![0; 5000]);
    assert!(is_within(&read(input.clone()), &input));
}

#[test]
fn the_text_of_a_reason_is_cut_to_that_of_a_close_frame() {
    let text = "é".repeat(500_000);
    for wire in [format!("c1,3000,500000:{text}a7:"), format!("x1000,500000:{text}a7:")] {
        for (spelling, wire) in [
            (Spelling::Text, wire.clone()),
            (Spelling::WebSocket, wire.clone()),
            (Spelling::Bytes, wire.replace("500000", "1000000")),
        ] {
            let records = read(&mut Reader::new(spelling, LIMIT), vec![(false, wire.into())]).expect("well formed");
            let [
                Record::Frame(Frame::Close { reason, .. } | Frame::LinkClose(reason)),
                Record::Frame(Frame::Ack { .. }),
            ] = &records[..]
            else {
                panic!("{spelling:?}");
            };
            assert_eq!(reason.text(), "é".repeat(61));
        }
    }
}
