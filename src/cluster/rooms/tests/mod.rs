//! The rooms of several nodes, step by step.

mod absent;
mod chance;
mod doubts;
mod envelope;
mod history;
mod interest;
mod late;
mod laws;
mod mover;
mod movers;
mod node;
mod pair;
mod positions;
mod recorded;
mod seeds;
mod world;

use std::sync::Arc;

use bytes::Bytes;

use super::{
    ClusterRooms, EVERYBODY, Event, Exempt, Foreign, Number, Options, RoomSettings, Sent, When, state::CONTROL,
    types::RoomCounters,
};
use crate::{
    cluster::engine::{Order, Publication},
    message::Message,
    payload::Payload,
};

fn payload(text: &str) -> Payload {
    Payload::Message(Message::from(text))
}

fn settings(publisher: u64) -> RoomSettings {
    RoomSettings::new(publisher, Order::Total, 1 << 20)
}

fn send(node: &mut ClusterRooms<String>, now: u64, room: &str, text: &str) -> Sent {
    let sent = node.send(now, room, &Arc::default(), &payload(text), || text.to_owned(), When::InOrder);
    Sent { n: None, ..sent }
}

/// The events of a node, in short: `+own`, `foreign`, `~late`, `!gap`.
fn events(node: &mut ClusterRooms<String>) -> Vec<String> {
    let events = std::iter::from_fn(|| node.poll_event());
    let short = events.map(|event| match event {
        Event::Own { message, .. } => format!("+{message}"),
        Event::Foreign { message, .. } => {
            let text = message.payload.into_message();
            format!("{}{}", if message.late { "~" } else { "" }, text.as_text().expect("tests send text"))
        }
        Event::Gap { count, .. } => format!("!{count}"),
        Event::Past { past, .. } => format!("past {}", past.messages.len()),
        Event::Returned { message, .. } => format!("={}", message.n),
        Event::Forgotten { .. } => "forgotten".to_owned(),
        Event::Missed { member, count, .. } => format!("?{} {count}", member[0]),
        Event::Split(split) => format!("split {split}"),
        Event::Malformed => "malformed".to_owned(),
        Event::Deaf => "deaf".to_owned(),
    });
    short.collect()
}

fn is_of_room(publication: &Publication) -> bool {
    publication.topic != CONTROL.as_bytes()
}
