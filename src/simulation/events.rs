//! Counts what happened to events on their way: each kind of packet against each fault.

use crate::{
    dialect::{Head, Kind},
    payload::Payload,
    session::Frame,
};

/// A kind of packet, or a message that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Event,
    /// An event with attachments.
    Attachments,
    Request,
    Reply,
    Refusal,
}

impl Sort {
    const ALL: [Sort; 5] = [Sort::Event, Sort::Attachments, Sort::Request, Sort::Reply, Sort::Refusal];

    /// `None` if it is no packet.
    pub(crate) fn of(payload: &Payload) -> Option<Sort> {
        let Payload::Event(packet) = payload else { return None };
        let head = Head::parse(packet.text()).expect("the applications send packets");
        Some(match head.kind {
            Kind::Refused => Sort::Refusal,
            kind if kind.is_ack() => Sort::Reply,
            _ if head.id.is_some() => Sort::Request,
            _ if head.attachments > 0 => Sort::Attachments,
            _ => Sort::Event,
        })
    }
}

/// The number and the packet of a frame that has one.
pub(crate) fn event_of(frame: &Frame) -> Option<(u64, Payload)> {
    match frame {
        Frame::Message { number, message } if message.is_event() => Some((*number, message.payload().clone())),
        _ => None,
    }
}

/// The fate of a packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Sent,
    /// Its link is cut just before it, in its midst, just behind it.
    CutBefore,
    CutIn,
    CutBehind,
    /// It comes again.
    Repeated,
    /// Something before it is missing.
    Hole,
    /// There is no room for it.
    NoRoom,
    /// Droppable, and skipped.
    Skipped,
    /// It was not acknowledged when another page took over.
    TakenOver,
    /// It was not acknowledged when its session was lost.
    Lost,
    /// It was never sent when its session was lost.
    Unsent,
}

impl Fate {
    const ALL: [Fate; 11] = [
        Fate::Sent,
        Fate::CutBefore,
        Fate::CutIn,
        Fate::CutBehind,
        Fate::Repeated,
        Fate::Hole,
        Fate::NoRoom,
        Fate::Skipped,
        Fate::TakenOver,
        Fate::Lost,
        Fate::Unsent,
    ];
}

/// The direction in which a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// A count for each way, sort and fate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fates([[[u64; Fate::ALL.len()]; Sort::ALL.len()]; 2]);

impl Fates {
    /// Counts what happens to this payload, if it is a packet.
    pub(crate) fn count(&mut self, way: Way, payload: &Payload, fate: Fate) {
        if let Some(sort) = Sort::of(payload) {
            self.0[way as usize][sort as usize][fate as usize] += 1;
        }
    }

    /// Counts what became of a packet that has come: the last number was `before` and is `after`.
    pub(crate) fn arrived(&mut self, way: Way, number: u64, payload: &Payload, before: u64, after: u64) {
        match number {
            _ if number <= before => self.count(way, payload, Fate::Repeated),
            _ if number > before + 1 => self.count(way, payload, Fate::Hole),
            _ if after == before => self.count(way, payload, Fate::NoRoom),
            _ => {}
        }
    }

    pub(crate) fn add(&mut self, other: &Fates) {
        let all = |fates: &Fates| fates.0.as_flattened().as_flattened().to_vec();
        for (sum, one) in self.0.as_flattened_mut().as_flattened_mut().iter_mut().zip(all(other)) {
            *sum += one;
        }
    }

    /// The cells that can occur and did not, and those that did and cannot.
    pub(crate) fn shortcomings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (way, sort, fate, count) in self.cells() {
            match (impossible(way, sort, fate), count) {
                (None, 0) => found.push(format!("never occurred: {fate:?} of a {sort:?} on its way {way:?}")),
                (Some(why), 1..) => found.push(format!("occurred: {fate:?} of a {sort:?} on its way {way:?}: {why}")),
                _ => {}
            }
        }
        found
    }

    pub(crate) fn table(&self) -> String {
        let mut out = format!("{:<20}", "events");
        Fate::ALL.iter().for_each(|fate| out += &format!("{:>10}", format!("{fate:?}")));
        for (way, sort, fate, count) in self.cells() {
            if fate == Fate::Sent {
                out += &format!("\n  {:<18}", format!("{way:?} {sort:?}"));
            }
            let never = count == 0 && impossible(way, sort, fate).is_some();
            out += &if never { format!("{:>10}", "-") } else { format!("{count:>10}") };
        }
        out + "\n"
    }

    fn cells(&self) -> impl Iterator<Item = (Way, Sort, Fate, u64)> {
        let rows = [Way::Up, Way::Down].into_iter().flat_map(|way| Sort::ALL.map(|sort| (way, sort)));
        rows.flat_map(|(way, sort)| {
            Fate::ALL.map(|fate| (way, sort, fate, self.0[way as usize][sort as usize][fate as usize]))
        })
    }
}

/// Why this cannot occur; `None` if it can, so that a run must show it.
fn impossible(way: Way, sort: Sort, fate: Fate) -> Option<&'static str> {
    match (way, sort, fate) {
        (_, Sort::Request | Sort::Reply | Sort::Refusal, Fate::Skipped) => Some("it is not droppable"),
        (Way::Down, _, Fate::Unsent) => Some("a server sends nothing in another session"),
        _ => None,
    }
}
