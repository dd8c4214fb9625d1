//! The destinations of STOMP: what the beginning of each means.

/// A destination, without its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination<'a> {
    /// An event for the handler.
    App(&'a str),
    Topic(&'a str),
    Queue(&'a str),
    /// The messages to one session.
    User,
}

impl<'a> Destination<'a> {
    /// `None` if it is none of these, or has no name.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let (kind, name) = rest.split_once('/').filter(|(_, name)| !name.is_empty())?;
        match kind {
            "app" => Some(Destination::App(name)),
            "topic" => Some(Destination::Topic(name)),
            "queue" => Some(Destination::Queue(name)),
            "user" if name.strip_prefix("queue/").is_some_and(|name| !name.is_empty()) => Some(Destination::User),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Destination::*, *};

    #[test]
    fn a_destination_begins_with_its_kind() {
        for (text, destination) in [
            ("/app/say", Some(App("say"))),
            ("/app/a/b", Some(App("a/b"))),
            ("/topic/lobby", Some(Topic("lobby"))),
            ("/queue/work", Some(Queue("work"))),
            ("/user/queue/errors", Some(User)),
            ("/user/queue/", None),
            ("/user/errors", None),
            ("/topic/", None),
            ("/topic", None),
            ("topic/x", None),
            ("/exchange/x", None),
            ("", None),
        ] {
            assert_eq!(Destination::of(text), destination, "{text}");
        }
    }
}
