//! The last messages of a room, and the positions in it.

use std::{collections::VecDeque, fmt};

use crate::{broadcast::OutMessage, config::History};

/// A position in a room with a [history](crate::Builder::rooms): behind one of its messages. It is text, for a
/// page to keep and to give back to [`Session::join_since`](crate::Session::join_since).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position(String);

impl Position {
    pub(super) fn new(text: String) -> Self {
        Position(text)
    }

    /// The position as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Position {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Position> for String {
    fn from(position: Position) -> String {
        position.0
    }
}

/// The messages of a room that are kept, within the bounds of its [`History`].
#[derive(Debug)]
pub(super) struct Log {
    history: History,
    /// The name of this log, which no other log has had, on no server. A position begins with it.
    name: String,
    /// The number of messages since the log began.
    count: u64,
    /// The last of them, each with its time.
    kept: VecDeque<(u64, OutMessage)>,
    bytes: usize,
}

impl Log {
    pub(super) fn new(history: History, name: String) -> Self {
        Log { history, name, count: 0, kept: VecDeque::new(), bytes: 0 }
    }

    /// The position behind the last message.
    pub(super) fn position(&self) -> Position {
        self.at(self.count)
    }

    /// The position that the next message will have.
    pub(super) fn next_position(&self) -> Position {
        self.at(self.count + 1)
    }

    fn at(&self, count: u64) -> Position {
        Position(format!("{}.{count}", self.name))
    }

    pub(super) fn record(&mut self, now: u64, message: OutMessage) {
        self.count += 1;
        self.bytes += message.len();
        self.kept.push_back((now, message));
        self.expire(now);
    }

    /// The messages behind a position, or all if it is `None` or not one of this log, and whether none is
    /// missing in between. `None` stands for the beginning.
    pub(super) fn since(&mut self, now: u64, position: Option<&str>) -> (impl Iterator<Item = &OutMessage>, bool) {
        self.expire(now);
        let before = self.count - self.kept.len() as u64;
        let known = match position {
            None => Some(0),
            Some(text) => self.read(text),
        };
        let received = known.unwrap_or(0).max(before);
        let complete = known.is_some_and(|known| known >= before);
        let skip = usize::try_from(received - before).unwrap_or(usize::MAX);
        (self.kept.iter().skip(skip).map(|(_, message)| message), complete)
    }

    /// The number of messages before a position, if it is one of this log.
    fn read(&self, position: &str) -> Option<u64> {
        let (name, count) = position.rsplit_once('.')?;
        let count = count.parse().ok().filter(|count| *count <= self.count)?;
        (name == self.name).then_some(count)
    }

    /// Drops what is beyond the bounds.
    fn expire(&mut self, now: u64) {
        let History { messages, bytes, age, .. } = self.history;
        let oldest = age.map_or(0, |age| now.saturating_sub(age));
        while let Some((time, message)) = self.kept.front()
            && (self.kept.len() > messages || self.bytes > bytes || *time < oldest)
        {
            self.bytes -= message.len();
            self.kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use std::time::Duration;

    fn log(history: History, messages: &[(u64, &str)]) -> Log {
        let mut log = Log::new(history, "node.7".to_owned());
        for (time, text) in messages {
            log.record(*time, Message::from(*text).into());
        }
        log
    }

    fn since(log: &mut Log, now: u64, position: Option<&str>) -> (String, bool) {
        let (messages, complete) = log.since(now, position);
        (messages.map(|message| message.payload().as_message().unwrap().as_text().unwrap()).collect(), complete)
    }

    #[test]
    fn what_is_kept_is_bounded_by_number_bytes_and_age() {
        let all = [(0, "a"), (10, "b"), (20, "c"), (30, "d")];
        let mut two = log(History::last(2), &all);
        assert_eq!(since(&mut two, 30, None), ("cd".to_owned(), false));
        for (position, expected) in
            [("0", ("cd", false)), ("1", ("cd", false)), ("2", ("cd", true)), ("3", ("d", true)), ("4", ("", true))]
        {
            let (text, complete) = since(&mut two, 30, Some(&format!("node.7.{position}")));
            assert_eq!((text.as_str(), complete), expected, "{position}");
        }
        for foreign in ["", "3", "node.7.5", "node.8.3", "node.7.", "node.7.-1", "node.7.99999999999999999999999"] {
            assert_eq!(since(&mut two, 30, Some(foreign)), ("cd".to_owned(), false), "{foreign}");
        }
        assert_eq!(since(&mut log(History::last(9), &all), 30, None), ("abcd".to_owned(), true));
        assert_eq!(since(&mut log(History::last(9).bytes(3), &all), 30, None), ("bcd".to_owned(), false));
        assert_eq!(since(&mut log(History::last(9).bytes(3), &[(0, "long")]), 30, None), (String::new(), false));
        let mut young = log(History::last(9).age(Duration::from_millis(15)), &all);
        assert_eq!(since(&mut young, 30, None), ("cd".to_owned(), false));
        assert_eq!(since(&mut young, 60, None), (String::new(), false));
        assert_eq!(young.position().as_str(), "node.7.4");
        assert_eq!(young.bytes, 0);
    }
}
