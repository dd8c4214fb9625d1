//! The outbox keeps what is pushed under its numbers, whatever it is kept as.

use std::collections::VecDeque;

use crate::{
    broadcast::OutMessage,
    message::Message,
    packet::Packet,
    payload::Payload,
    pool::Pool,
    session::{
        CloseReason,
        outbox::{Body, ENTRY_COST, Outbox, Slot},
    },
    simulation::random::Random,
};

/// The content that an outbox is to have: the first and the last number of each entry, and its payload.
type Model = VecDeque<(u64, u64, Option<Payload>)>;

fn is_as(outbox: &Outbox, model: &Model) {
    let entries: Model = outbox
        .entries()
        .map(|entry| match entry.body {
            Body::Message(message) => (entry.first, entry.last, Some(message.payload().clone())),
            Body::Gap | Body::Close(_) => (entry.first, entry.last, None),
        })
        .collect();
    assert_eq!(&entries, model);
    let bytes: usize =
        model.iter().filter_map(|entry| entry.2.as_ref()).map(|payload| payload.len() + ENTRY_COST).sum();
    assert_eq!(outbox.bytes(), bytes);
    for &(first, last, _) in model {
        for number in [first, last] {
            let entry = outbox.entries_at(outbox.place(number)).next().map(|entry| (entry.first, entry.last));
            assert_eq!(entry, Some((first, last)));
        }
    }
}

fn random_payload(random: &mut Random, number: u64) -> Payload {
    match random.below(4) {
        0 => Payload::Event(Packet::new("3[1]", Vec::new())),
        1 => Message::from(vec![0; random.below(100) as usize]).into(),
        _ => Message::from(number.to_string()).into(),
    }
}

/// Whatever is pushed, acknowledged and replaced, in the numbers round `base`.
fn goes_round(seed: u64, base: u64) {
    let mut random = Random::new(seed);
    let pool = Pool::new(0, 0);
    let (mut outbox, mut model) = (Outbox::new(base, usize::MAX), Model::new());
    outbox.own.make().gone = u32::MAX - 20;
    let mut last = base;
    for _ in 0..300 {
        match random.below(8) {
            0 => {
                let most = if random.one_in(4) { 1 << 31 } else { 5 };
                let count = 1 + random.below(most);
                outbox.push_gap(count);
                match model.back_mut() {
                    Some((_, end, None)) => *end += count,
                    _ => model.push_back((last + 1, last + count, None)),
                }
                last += count;
            }
            1 | 2 => {
                outbox.mark_sent(last);
                let received = last - random.below((last - outbox.acked()).min(40) + 1).min(last - outbox.acked());
                outbox.acknowledge(received).expect("it was sent");
                model.retain(|entry| entry.1 > received);
                if let Some(front) = model.front_mut() {
                    front.0 = front.0.max(received + 1);
                }
            }
            3 if random.one_in(5) => {
                outbox.replace(
                    |number, message| if number % 2 == 0 { Payload::from(Packet::no_answer()).into() } else { message },
                );
                for (number, _, payload) in &mut model {
                    if let Some(payload) = payload.as_mut().filter(|_| *number % 2 == 0) {
                        *payload = Packet::no_answer().into();
                    }
                }
            }
            _ => {
                last += 1;
                let payload = random_payload(&mut random, last);
                model.push_back((last, last, Some(payload.clone())));
                outbox.push(if random.one_in(2) { OutMessage::shared(payload, &pool) } else { payload.into() });
            }
        }
        // More are never in use at a time.
        if last - outbox.acked() > u64::from(u32::MAX) - (1 << 31) - 5 {
            outbox.mark_sent(last);
            outbox.acknowledge(last).expect("it was sent");
            model.clear();
        }
        is_as(&outbox, &model);
    }
    let left: Vec<Payload> = model.into_iter().filter_map(|entry| entry.2).collect();
    assert_eq!(outbox.take_messages().into_iter().map(OutMessage::into_payload).collect::<Vec<_>>(), left);
    assert!(outbox.is_empty());
}

#[test]
fn what_is_pushed_stands_under_its_number_until_it_is_acknowledged() {
    for base in [0, (1 << 31) - 2, (1 << 32) - 2, (1 << 40) + 7] {
        (0..50).for_each(|seed| goes_round(seed, base));
    }
}

#[test]
fn a_close_comes_last_and_costs_nothing() {
    let mut outbox = Outbox::new(0, 100);
    outbox.push(Message::from("last").into());
    outbox.push_close(CloseReason::new(3001, "over"));
    assert_eq!(outbox.bytes(), 4 + ENTRY_COST);
    let close = outbox.entries_at(outbox.place(2)).next().expect("it is there");
    assert!(matches!(close.body, Body::Close(reason) if reason.code == 3001));
    assert_eq!((close.first, close.last), (2, 2));
}

#[test]
fn an_entry_is_small_whatever_it_is() {
    assert_eq!(size_of::<Slot>(), 16);
}
