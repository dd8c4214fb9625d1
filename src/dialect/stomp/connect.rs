//! [`Connect`], by which a client begins.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Headers, Refusal, VERSIONS, Version, head::malformed};

/// The longest time of a heart-beat, in milliseconds: longer ones are taken as this one.
const LONGEST: u64 = (1 << 53) - 1;

/// CONNECT, or STOMP, which means the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Connect {
    /// The highest version that both sides have.
    pub(crate) version: Version,
    /// How often the client can send, and how often it wants to receive, in milliseconds; 0 is never. Longer times
    /// than 2^53 - 1 are that. STOMP 1.0 has no heart-beats.
    pub(crate) heart_beat: (u64, u64),
    /// All headers. `host` may be missing.
    pub(crate) headers: Headers,
}

impl Connect {
    /// # Errors
    /// Fails if no version is common to both sides, or `heart-beat` is not two numbers.
    pub(super) fn read(mut headers: Headers) -> Result<Self, Refusal> {
        let version = highest(headers.get("accept-version"))?;
        if version == Version::V1_0 {
            headers.trim();
        }
        let heart_beat = match headers.get("heart-beat") {
            Some(text) if version > Version::V1_0 => times(text)
                .ok_or_else(|| malformed("the header heart-beat is not two numbers of milliseconds with a comma"))?,
            _ => (0, 0),
        };
        Ok(Connect { version, heart_beat, headers })
    }

    /// The auth data of the session's opening: an object of JSON that has each header as a string. The first of a
    /// repeated header stands.
    pub(crate) fn auth(&self) -> String {
        serde_json::to_string(&First(&self.headers)).expect("texts are JSON")
    }
}

/// The first of each header.
struct First<'a>(&'a Headers);

impl Serialize for First<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (nth, (name, value)) in self.0.iter().enumerate() {
            if !self.0.iter().take(nth).any(|(earlier, _)| earlier == name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// A client that does not state its versions has 1.0 alone.
fn highest(accepted: Option<&str>) -> Result<Version, Refusal> {
    let Some(accepted) = accepted else { return Ok(Version::V1_0) };
    let has = |version: &&Version| accepted.split(',').any(|name| name.trim() == version.name());
    Version::ALL.iter().rev().find(has).copied().ok_or_else(|| {
        Refusal::new("no common version", format!("Supported protocol versions are {}", VERSIONS.replace(',', " ")))
    })
}

fn times(text: &str) -> Option<(u64, u64)> {
    let time = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().map_or(LONGEST, |time: u64| time.min(LONGEST)))
    };
    let (sends, wants) = text.trim().split_once(',')?;
    Some((time(sends)?, time(wants)?))
}
