//! A send to rooms as the hub has it, and as nodes tell it to each other.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    broadcast::OutMessage,
    cluster::rooms::{Behind, EVERYBODY, Options},
    config::SlowMember,
    hub::{Audience, Target},
    server::core::Core,
    session::{
        CloseReason,
        droppable::{LONGEST_KEY, WhenBehind},
    },
};

/// A message that this node has sent, until its own members get it.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) target: Target,
    pub(super) message: OutMessage,
    pub(super) slow: CloseReason,
}

/// The key of the room that all nodes know for an audience of one room, or of everybody.
pub(super) fn room_of(target: &Target) -> Option<&str> {
    match &target.audience {
        Audience::Room(room) => Some(room),
        Audience::Everybody => Some(EVERYBODY),
        Audience::AnyOf(_) => None,
    }
}

/// The sends, one to each room, that make a send to several rooms: a member of more than one is excluded from all but the
/// first.
pub(super) fn one_for_each(target: &Target, rooms: &[String]) -> Vec<Target> {
    let one = |at: usize| {
        let audience = Audience::Room(rooms[at].clone());
        let except_rooms = target.except_rooms.iter().chain(&rooms[..at]).cloned().collect();
        Target { audience, except_rooms, ..target.clone() }
    };
    (0..rooms.len()).map(one).collect()
}

/// The options that other nodes are told besides the room and the message; `None` if there are none.
pub(super) fn options_of(target: &Target) -> Option<Options> {
    let when_behind = match &target.when_behind {
        // Each node says for itself what becomes of slow members.
        WhenBehind::Keep | WhenBehind::KeepOrSkip => Behind::Keep,
        WhenBehind::Skip => Behind::Skip,
        WhenBehind::Latest(key) => Behind::Latest(key.to_string()),
    };
    if target.except.is_empty() && target.except_rooms.is_empty() && when_behind == Behind::Keep {
        return None;
    }
    let except = target.except.iter().map(|id| *id.as_bytes()).collect();
    Some(Options { except, except_rooms: target.except_rooms.clone(), when_behind })
}

/// The audience that a key names.
pub(super) fn audience_of(key: &str) -> Audience {
    if key == EVERYBODY { Audience::Everybody } else { Audience::Room(key.to_owned()) }
}

/// The target of what another node has sent.
pub(super) fn target_of(core: &Core, room: &Arc<str>, options: &Options) -> Target {
    let when_behind = match &options.when_behind {
        Behind::Keep if core.config.slow_members == SlowMember::Gap => WhenBehind::KeepOrSkip,
        Behind::Skip => WhenBehind::Skip,
        Behind::Latest(key) if key.len() <= LONGEST_KEY => WhenBehind::Latest(key.as_str().into()),
        Behind::Keep | Behind::Latest(_) => WhenBehind::Keep,
    };
    Target {
        audience: audience_of(room),
        except: options.except.iter().map(|id| Uuid::from_bytes(*id)).collect(),
        except_rooms: options.except_rooms.clone(),
        when_behind,
        name: None,
        at: None,
        now: now_of(core),
        gathering: None,
    }
}

/// The time, for histories.
pub(super) fn now_of(core: &Core) -> u64 {
    if core.hub.has_histories() { core.runtime.clock().now() } else { 0 }
}
