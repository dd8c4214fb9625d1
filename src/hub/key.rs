//! The keys of rooms. Each namespace has rooms of its own; a room of `/` has its name as key.

use std::borrow::Cow;

/// A key that is not a name begins with this character, and so does a name's that begins with it.
const MARK: char = '\0';

/// The namespace of a session itself.
pub(crate) const ROOT: &str = "/";

/// The key of a room.
pub(crate) fn room_key<'a>(namespace: &str, name: &'a str) -> Cow<'a, str> {
    match (namespace, name.starts_with(MARK)) {
        (ROOT, false) => Cow::Borrowed(name),
        (ROOT, true) => Cow::Owned(format!("{MARK}{name}")),
        _ => Cow::Owned(format!("{MARK}{namespace}{MARK}{name}")),
    }
}

/// The key of a room whose name is not needed any more.
pub(crate) fn into_room_key(namespace: &str, name: String) -> String {
    let other = match room_key(namespace, &name) {
        Cow::Borrowed(_) => None,
        Cow::Owned(key) => Some(key),
    };
    other.unwrap_or(name)
}

/// The key of the room that all channels of a namespace are in.
pub(super) fn everybody_key(namespace: &str) -> String {
    format!("{MARK}{namespace}")
}

/// The beginning of the keys of topics. Those of rooms are others: a namespace begins with a slash.
const TOPIC: &str = "\0topic";

/// The key of the room that the subscribers of a topic are in. `broker` is the name of the topic's broker, which
/// begins with a slash: all nodes of a cluster have the same.
pub(crate) fn topic_key(broker: &str, topic: &str) -> String {
    format!("{TOPIC}{}{broker}{topic}", broker.len())
}

/// Whether a key is that of a broker's topic.
pub(super) fn is_topic(key: &str) -> bool {
    key.starts_with(TOPIC)
}

/// The name of the room with this key; `None` if it is the one of everybody, or of a topic.
pub(super) fn name_of(key: &str) -> Option<&str> {
    let Some(rest) = key.strip_prefix(MARK) else { return Some(key) };
    match rest.starts_with(MARK) {
        true => Some(rest),
        false => rest.split_once(MARK).map(|(_, name)| name),
    }
}

/// The namespace and the name of the room with this key, which has no name if everybody is in it; `None` if it is the
/// room of a topic.
#[cfg(feature = "cluster")]
pub(super) fn parts_of(key: &str) -> Option<(&str, Option<&str>)> {
    match key.strip_prefix(MARK).filter(|rest| !rest.starts_with(MARK)) {
        Some(_) if is_topic(key) => None,
        Some(rest) if rest.starts_with('/') => {
            Some(rest.split_once(MARK).map_or((rest, None), |(namespace, name)| (namespace, Some(name))))
        }
        Some(_) => Some((ROOT, None)),
        None => Some((ROOT, name_of(key))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_one_room_of_one_namespace() {
        let rooms =
            [("/", "a"), ("/", "/b\0a"), ("/b", "a"), ("/", "\0/b\0a"), ("/", "\0a"), ("/b", "\0a"), ("/b", "")];
        for (namespace, name) in rooms {
            assert_eq!(into_room_key(namespace, name.to_owned()), room_key(namespace, name));
        }
        let keys: Vec<_> = rooms.iter().map(|(namespace, name)| room_key(namespace, name)).collect();
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(name_of(key), Some(rooms[at].1), "{key:?}");
            assert!(!keys[..at].contains(key) && *key != everybody_key("/b"), "{key:?}");
        }
        assert_eq!(name_of(&everybody_key("/b")), None);
        assert_eq!(name_of(&topic_key("/s", "a")), None);
        assert_ne!(topic_key("/s", "/t/a"), topic_key("/s/t", "/a"));
        assert_ne!(topic_key("/s", "1"), topic_key("/s1", ""));
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn a_key_tells_namespace_and_name() {
        for (namespace, name) in [("/", "a"), ("/", "/b\0a"), ("/b", "a"), ("/", "\0/b\0a"), ("/", "\0a"), ("/b", "")] {
            assert_eq!(parts_of(&room_key(namespace, name)), Some((namespace, Some(name))));
        }
        assert_eq!(parts_of(&everybody_key("/b")), Some(("/b", None)));
        assert_eq!(parts_of("\0all"), Some((ROOT, None)));
        assert_eq!(parts_of(&topic_key("/s", "a")), None);
    }
}
