//! Encodings, and what counts.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use super::*;

fn broadcast(text: &str) -> Arc<Broadcast> {
    match OutMessage::shared(Message::from(text), &Pool::new(0, 0)) {
        OutMessage::Shared(broadcast) => broadcast,
        OutMessage::Own(_) => unreachable!("it is shared"),
    }
}

#[test]
fn each_encoding_is_made_once_and_kept_apart() {
    let (broadcast, made) = (broadcast("hi"), AtomicUsize::new(0));
    for round in 0..3 {
        for cell in [7, 0, 255, 3] {
            let bytes = broadcast.encoded(Cell(cell), |message| {
                made.fetch_add(1, Relaxed);
                format!("{cell}:{}", message.as_message().unwrap().as_text().unwrap()).into()
            });
            assert_eq!(bytes, &format!("{cell}:hi"), "{round}");
        }
    }
    assert_eq!(made.into_inner(), 4);
}

#[test]
fn threads_that_need_different_encodings_at_once_get_their_own() {
    for _ in 0..200 {
        let (broadcast, made) = (broadcast("hi"), AtomicUsize::new(0));
        thread::scope(|scope| {
            for worker in 0..4_u8 {
                let (broadcast, made) = (&broadcast, &made);
                scope.spawn(move || {
                    let bytes = broadcast.encoded(Cell(worker % 2), |_| {
                        made.fetch_add(1, Relaxed);
                        vec![worker % 2].into()
                    });
                    assert_eq!(bytes, &[worker % 2][..]);
                });
            }
        });
        assert_eq!(made.into_inner(), 2);
    }
}

#[test]
fn message_and_encodings_count_once_until_the_last_clone_is_dropped() {
    let pool = Pool::new(0, 0);
    let message = OutMessage::shared(Message::from("12345"), &pool);
    let clones = vec![message.clone(); 9];
    assert_eq!((pool.bytes(), message.shared_len(), message.share()), (5, 5, 0));
    let OutMessage::Shared(broadcast) = &message else { unreachable!("it is shared") };
    for cell in [0, 1, 0, 1] {
        broadcast.encoded(Cell(cell), |message| vec![0; message.len() + 10].into());
    }
    assert_eq!((pool.bytes(), message.share()), (35, 3));
    drop(clones);
    assert_eq!((pool.bytes(), message.share()), (35, 35));
    drop(message);
    assert_eq!(pool.bytes(), 0);
}

#[test]
fn a_broadcast_with_one_encoding_is_small() {
    assert!(size_of::<Broadcast>() <= size_of::<Message>() + 72, "{}", size_of::<Broadcast>());
}

#[test]
fn a_broadcast_has_one_offset_whoever_asks_for_it_first() {
    let broadcast = broadcast("x");
    assert_eq!(broadcast.offset(), None);
    broadcast.encoded(Cell(1), |_| Bytes::from_static(b"1"));
    assert_eq!(broadcast.offset(), None);
    let next = AtomicUsize::new(1);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| broadcast.stamp(|| Offset::new(next.fetch_add(1, Relaxed) as u64).unwrap()));
        }
    });
    assert_eq!((broadcast.offset(), next.into_inner()), (Offset::new(1), 2));
}
