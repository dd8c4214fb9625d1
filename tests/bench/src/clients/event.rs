//! Packets of one event with one text, as Socket.IO and, behind its record, the native protocol write them.

use super::{Inbox, Talk};
use anyhow::{Context, Result, bail, ensure};
use std::io::Write;

const EVENT: &[u8] = b"[\"e\",\"";
const ANSWER: &[u8] = b"[\"";
pub(super) const TAIL: &[u8] = b"\"]";

/// One session's requests.
pub(super) struct Events {
    talk: Talk,
    asked: u64,
    /// The ids of requests that are not answered yet.
    open: Vec<u64>,
}

impl Events {
    pub(super) fn new(talk: Talk) -> Self {
        Self { talk, asked: 0, open: Vec::new() }
    }

    /// Appends what stands before the text; behind it stands `TAIL`.
    pub(super) fn head(&mut self, out: &mut Vec<u8>) {
        out.push(b'2');
        if self.talk == Talk::Requests {
            self.asked += 1;
            self.open.push(self.asked);
            // Writing into a Vec cannot fail.
            let _ = write!(out, "{}", self.asked);
        }
        out.extend_from_slice(EVENT);
    }

    /// Takes the text of an event, or of an answer to a request that is open.
    pub(super) fn read(&mut self, packet: &[u8], inbox: &mut Inbox) -> Result<()> {
        let shown = || format!("packet not understood: {}", String::from_utf8_lossy(packet));
        let text = match packet {
            [b'2', rest @ ..] => rest.strip_prefix(EVENT),
            [b'3', rest @ ..] => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (id, rest) = rest.split_at(digits);
                let id: u64 = std::str::from_utf8(id)?.parse().with_context(shown)?;
                let place = self.open.iter().position(|&open| open == id);
                self.open.remove(place.with_context(|| format!("request {id} is not open, or was answered twice"))?);
                rest.strip_prefix(ANSWER)
            }
            _ => bail!(shown()),
        };
        let text = text.and_then(|text| text.strip_suffix(TAIL)).with_context(shown)?;
        ensure!(!text.contains(&b'"'), shown());
        inbox.push(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_answered_once() {
        let (mut events, mut inbox, mut out) = (Events::new(Talk::Requests), Inbox::default(), Vec::new());
        events.head(&mut out);
        events.head(&mut out);
        assert_eq!(out, b"21[\"e\",\"22[\"e\",\"");
        for wrong in ["33[\"x\"]", "3[\"x\"]", "41[\"x\"]", "31[\"x\",\"y\"]", "2[\"f\",\"x\"]", "71{}"] {
            let mut events = Events { talk: Talk::Requests, asked: 2, open: vec![1, 2] };
            assert!(events.read(wrong.as_bytes(), &mut inbox).is_err(), "{wrong}");
        }
        assert!(inbox.is_empty());
        events.read(b"32[\"b\"]", &mut inbox).unwrap();
        events.read(b"31[\"a\"]", &mut inbox).unwrap();
        assert!(events.read(b"31[\"a\"]", &mut inbox).is_err(), "answered twice");
        events.read(b"2[\"e\",\"c\"]", &mut inbox).unwrap();
        assert_eq!(inbox.iter().collect::<Vec<_>>(), [b"b", b"a", b"c"]);
    }

    #[test]
    fn an_event_has_no_id() {
        let mut out = Vec::new();
        Events::new(Talk::Events).head(&mut out);
        assert_eq!(out, b"2[\"e\",\"");
    }
}
