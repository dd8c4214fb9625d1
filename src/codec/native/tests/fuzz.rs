//! Strangers' records, in each spelling.

use bytes::Bytes;

use super::{
    super::{NativeCodec, Reader, Record, Spelling},
    plain, read, write,
};
use crate::session::frame::{Frame, MAX_NUMBER};

const LIMIT: usize = 64;

/// The input as the units of a spelling: one body, or messages of a WebSocket, which a line feed ends and of
/// which one that begins with `!` is binary.
fn units(spelling: Spelling, input: &[u8]) -> Vec<(bool, Bytes)> {
    let unit = |message: &[u8]| match message {
        [b'!', payload @ ..] => (true, Bytes::copy_from_slice(payload)),
        text => (false, String::from_utf8_lossy(text).into_owned().into()),
    };
    match spelling {
        Spelling::WebSocket => input.split(|&byte| byte == b'\n').map(unit).collect(),
        _ => vec![(false, Bytes::copy_from_slice(input))],
    }
}

/// Each input is refused, or is within its bounds and is read as the same once more when it was written.
fn fuzz(name: &str, spelling: Spelling) {
    crate::fuzz::run(name, 30_000, |input, behaviour| {
        let records = match read(&mut Reader::new(spelling, LIMIT), units(spelling, input)) {
            Ok(records) => records,
            Err(why) => {
                let why: crate::session::frame::CloseReason = why.into();
                return behaviour.note((why.code, why.text.len()));
            }
        };
        assert!(records.len() <= input.len() + 1, "{records:?}");
        for record in &records {
            behaviour.note(std::mem::discriminant(record));
            if let Record::Frame(frame) = record {
                behaviour.note(std::mem::discriminant(frame));
                if let Frame::Message { number, message } = frame {
                    assert!((1..=MAX_NUMBER).contains(number) && message.len() <= LIMIT, "{frame:?}");
                }
            }
        }
        let again = write(spelling, &mut NativeCodec::new(spelling, LIMIT), &records);
        let again = read(&mut Reader::new(spelling, LIMIT), again).expect("what was read can be written and read");
        assert_eq!(plain(&again), plain(&records));
    });
}

#[test]
fn fuzz_records_as_text() {
    fuzz("records_text", Spelling::Text);
}

#[test]
fn fuzz_records_as_bytes() {
    fuzz("records_bytes", Spelling::Bytes);
}

#[test]
fn fuzz_records_on_a_websocket() {
    fuzz("records_websocket", Spelling::WebSocket);
}
