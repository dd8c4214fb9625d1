//! The bytes of envelopes.

use super::{super::envelope::*, *};
use crate::{cluster::rooms::Behind, packet::Packet, simulation::random::Random};

/// The content of an envelope, read whole.
type Read = (Head, Option<Arc<Options>>, Vec<Payload>);

fn read_all(bytes: &Bytes, limit: usize) -> Result<Read, Malformed> {
    let (head, mut reader) = read(bytes)?;
    let count = match head.about {
        About::Room(about) => about.count,
        About::Control(_) => {
            reader.named().count();
            0
        }
    };
    let options = reader.options()?;
    let mut messages = Vec::new();
    for _ in 0..count {
        messages.push(reader.message(limit)?);
    }
    reader.end()?;
    Ok((head, options, messages))
}

fn write(read: &Read) -> Bytes {
    match &read.0.about {
        About::Control(word) => control(read.0.publisher, *word, &[]),
        About::Room(about) => {
            let plain = Options::default();
            room(read.0.publisher, about, read.1.as_deref().unwrap_or(&plain), read.2.iter())
        }
    }
}

fn event() -> Payload {
    Payload::Event(Packet::new("51-[\"e\",{\"_placeholder\":true,\"num\":0}]", vec![Bytes::from_static(b"\x00\xff")]))
}

fn full() -> Read {
    let about = Numbered { n: 300, count: 3, back: 2, first: true, ago: 0, late: true, now: true };
    let options = Options {
        except: vec![[1; 16]],
        except_rooms: vec!["é".to_owned()],
        when_behind: Behind::Latest("k".to_owned()),
    };
    let messages = vec![payload("hi"), Payload::Message(Message::from(vec![0, 255])), event()];
    (Head { publisher: 0x0102_0304_0506_0708, about: About::Room(about) }, Some(Arc::new(options)), messages)
}

/// Nodes of other versions read these bytes: they stay as they are.
#[test]
fn envelopes_have_the_bytes_that_they_always_had() {
    let hex = |bytes: &Bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let recorded = "0100010203040506070817ac020302\
        0101010101010101010101010101010101\
        0102c3a9\
        02016b\
        00026869\
        010200ff\
        020126\
        35312d5b2265222c7b225f706c616365686f6c646572223a747275652c226e756d223a307d5d\
        0200ff";
    assert_eq!(hex(&write(&full())), recorded);
    let word = Word { number: 5, ask: true, answer: true };
    assert_eq!(hex(&control(1, word, &[2])), "010100000000000000012805010000000000000002");
    let position = Numbered { n: 7, ago: 200, ..Numbered::default() };
    let position = room(1, &position, &Options::default(), std::iter::empty());
    assert_eq!(
        hex(&position),
        "01000000000000000001000700\
        00c801"
    );
    let behind_a_pause = Numbered { n: 7, count: 1, back: 3, ago: 200, ..Numbered::default() };
    let messages = [payload("hi")];
    let behind_a_pause = room(1, &behind_a_pause, &Options::default(), messages.iter());
    assert_eq!(hex(&behind_a_pause), "0100000000000000000140070103c80100026869");
}

#[test]
fn an_envelope_is_read_as_it_was_written() {
    let bytes = write(&full());
    assert_eq!(read_all(&bytes, 100), Ok(full()));
    let (_, _, messages) = read_all(&bytes, 100).expect("it was read above");
    let Some(Payload::Message(Message::Binary(slice))) = messages.get(1) else { panic!("it is the second one") };
    assert!(bytes.as_ptr_range().contains(&slice.as_ptr()), "its bytes are not copied");
    let word = control(1, Word { answer: true, ..Word::default() }, &[2, u64::MAX]);
    let (_, mut reader) = read(&word).expect("it was written above");
    assert_eq!(reader.named().collect::<Vec<_>>(), [2, u64::MAX]);
    let late = marked_late(&write(&(Head { publisher: 1, about: About::Room(Numbered::default()) }, None, vec![])));
    assert!(matches!(read(&late), Ok((Head { about: About::Room(Numbered { late: true, .. }), .. }, _))));
    let word = control(1, Word::default(), &[]);
    assert_eq!(marked_late(&word), word);
}

#[test]
fn what_is_too_long_or_too_large_is_no_envelope() {
    let bytes = write(&full());
    assert_eq!(read_all(&bytes, event().len()), Ok(full()));
    assert_eq!(read_all(&bytes, event().len() - 1), Err(Malformed));
    for end in 0..bytes.len() {
        assert_eq!(read_all(&bytes.slice(..end), 100), Err(Malformed), "the first {end} bytes");
    }
    assert_eq!(read_all(&[&bytes[..], b"\0"].concat().into(), 100), Err(Malformed));
    let bad: [(&str, &[u8]); 9] = [
        ("version", b"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x07\x00\x00"),
        ("kind", b"\x01\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x07\x00\x00"),
        ("flags", b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x07\x00\x00"),
        ("a control with messages", b"\x01\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x07\x01\x00\x00"),
        ("a long number", b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x87\x00\x00\x00"),
        (
            "a number of 65 bits",
            b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03\x00\x00",
        ),
        (
            "numbers that end",
            b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x00\x00",
        ),
        ("a beginning below zero", b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x02\x00"),
        ("a count without messages", b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\xff\xff\xff\xff\x7f"),
    ];
    for (name, bytes) in bad {
        assert_eq!(read_all(&Bytes::from_static(bytes), 100), Err(Malformed), "{name}");
    }
}

#[test]
fn random_bytes_are_refused_or_read_and_written_again() {
    let mut random = Random::new(1);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..50_000 {
        let mut bytes = write(&full()).to_vec();
        for _ in 0..random.range(1, 3) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, random.next() as u8),
                _ => bytes[at] = random.next() as u8,
            }
        }
        let bytes = Bytes::from(bytes);
        match read_all(&bytes, 1_000) {
            Err(Malformed) => bad += 1,
            // Options that say nothing are not written.
            Ok(read) if read.1.as_deref() == Some(&Options::default()) => good += 1,
            Ok(read) => {
                assert_eq!(write(&read), bytes, "{read:?}");
                good += 1;
            }
        }
    }
    assert!(good > 1_000 && bad > 1_000, "{good} {bad}");
}

#[test]
fn bytes_that_are_no_envelope_change_nothing() {
    let mut node: ClusterRooms<String> = ClusterRooms::new(settings(9), 0);
    node.set_interest(0, "a", true);
    node.poll_interest(0);
    node.interest_done(0, true);
    let first = room(1, &Numbered { count: 1, ..Numbered::default() }, &Options::default(), [payload("0")].iter());
    node.received(0, b"a", &first);
    let about = Numbered { n: 5, count: 2, back: 5, ..Numbered::default() };
    let good = room(1, &about, &Options::default(), [payload("5"), payload("6")].iter());
    node.received(0, b"a", &good.slice(..good.len() - 1));
    node.received(0, b"\xff", &good);
    assert_eq!(events(&mut node), ["0", "malformed", "malformed"]);
    node.received(0, b"a", &good);
    assert_eq!(events(&mut node), ["!4", "5", "6"]);
    assert_eq!(node.counters(), RoomCounters { received: 3, holes: 4, malformed: 2, ..RoomCounters::default() });
}
