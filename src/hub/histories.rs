//! Which rooms have a history, and how many.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{common_log::CommonLog, key::name_of, log::Log, room::Past};
use crate::{config::History, sync::lock};

/// The histories that rooms have, by the patterns of their names.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    /// The beginning of the name of every log, which no other server has.
    server: String,
    /// The number of logs so far.
    logs: AtomicU64,
    rules: Vec<Rule>,
    /// An engine keeps them for all nodes.
    are_common: AtomicBool,
}

#[derive(Debug)]
struct Rule {
    /// The name of a room, or the beginning of names and a `*`.
    pattern: String,
    history: History,
    kept: Kept,
}

/// The rooms of one rule, in the order in which they were made. Some may be forgotten already.
#[derive(Debug)]
pub(super) struct Kept {
    names: Mutex<VecDeque<Arc<str>>>,
    most: usize,
}

impl Histories {
    /// `server` is a name that no other server has or had.
    pub(crate) fn new(server: String, rules: &[(String, History)]) -> Self {
        let rule = |(pattern, history): &(String, History)| Rule {
            pattern: pattern.clone(),
            history: *history,
            kept: Kept { names: Mutex::default(), most: history.rooms },
        };
        let rules = rules.iter().map(rule).collect();
        Histories { server, logs: AtomicU64::new(0), rules, are_common: AtomicBool::new(false) }
    }

    pub(super) fn are_none(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a room without members on this node keeps its messages here.
    pub(super) fn keep(&self, room: &str) -> bool {
        !self.are_common() && self.rule(room).is_some()
    }

    pub(super) fn are_common(&self) -> bool {
        self.are_common.load(Ordering::Relaxed)
    }

    /// From now on an engine keeps them for all nodes.
    #[cfg(feature = "cluster")]
    pub(super) fn make_common(&self) {
        self.are_common.store(true, Ordering::Relaxed);
    }

    /// The history of a room.
    #[cfg(feature = "cluster")]
    pub(super) fn of(&self, room: &str) -> Option<History> {
        self.rule(room).map(|rule| rule.history)
    }

    /// The log of a room that is being made, if it has a history; and the rooms among which it counts then.
    pub(super) fn begin(&self, room: &Arc<str>) -> (Option<Past>, Option<&Kept>) {
        let Some(rule) = self.rule(room) else { return (None, None) };
        if self.are_common() {
            return (Some(Past::Common(Box::new(CommonLog::new(rule.history, room)))), None);
        }
        rule.kept.push(room.clone());
        let number = self.logs.fetch_add(1, Ordering::Relaxed);
        let log = Log::new(rule.history, format!("{}.{number}", self.server));
        (Some(Past::Local(Box::new(log))), Some(&rule.kept))
    }

    /// The first rule that fits the name of the room with this key.
    fn rule(&self, room: &str) -> Option<&Rule> {
        let room = name_of(room)?;
        self.rules.iter().find(|rule| match rule.pattern.strip_suffix('*') {
            Some(beginning) => room.starts_with(beginning),
            None => room == rule.pattern,
        })
    }
}

impl Kept {
    pub(super) fn push(&self, room: Arc<str>) {
        lock(&self.names).push_back(room);
    }

    /// Takes the oldest room if there are more than may be.
    pub(super) fn oldest_beyond(&self) -> Option<Arc<str>> {
        let mut names = lock(&self.names);
        if names.len() > self.most { names.pop_front() } else { None }
    }
}
