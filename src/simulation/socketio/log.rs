//! The events that one half has sent to the other in one channel, and how many of them the other has heard.

use bytes::Bytes;

use crate::simulation::random::Random;

/// An event as both applications know it: the JSON of its list, and its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) data: String,
    pub(super) attachments: Vec<Bytes>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    sent: Vec<Event>,
    heard: usize,
}

impl Log {
    pub(super) fn push(&mut self, event: Event) {
        self.sent.push(event);
    }

    /// Compares an event with the one that is next.
    pub(super) fn hear(&mut self, event: &Event) -> Result<(), String> {
        match self.sent.get(self.heard) {
            Some(sent) if sent == event => self.heard += 1,
            Some(sent) => return Err(format!("heard {}, and next is {}", event.brief(), sent.brief())),
            None => return Err(format!("heard {}, and nothing more was sent", event.brief())),
        }
        Ok(())
    }

    pub(super) fn heard(&self) -> usize {
        self.heard
    }

    /// How many events were sent that nobody has heard.
    pub(super) fn missing(&self) -> usize {
        self.sent.len() - self.heard
    }
}

impl Event {
    /// An event that is known by its tag, with this many attachments.
    pub(super) fn new(random: &mut Random, tag: &str, large: u64, attachments: usize) -> Self {
        let text = text(random, tag, large);
        let mut data = format!("[\"m\",{text}");
        for number in 0..attachments {
            data += &format!(",{{\"_placeholder\":true,\"num\":{number}}}");
        }
        let attachments = (0..attachments).map(|number| attachment(random, tag, number, large)).collect();
        Event { data: data + "]", attachments }
    }

    /// A plain message, which is the event `message` with one argument.
    pub(super) fn message(random: &mut Random, tag: &str, large: u64, bytes: bool) -> Self {
        match bytes {
            true => Event {
                data: r#"["message",{"_placeholder":true,"num":0}]"#.to_owned(),
                attachments: vec![attachment(random, tag, 0, large)],
            },
            false => Event { data: format!("[\"message\",{}]", text(random, tag, large)), attachments: Vec::new() },
        }
    }

    /// The answer to the event with this tag.
    pub(super) fn answer(random: &mut Random, tag: &str, attachments: usize) -> Self {
        let mut event = Event::new(random, tag, 10, attachments);
        event.data = event.data.replacen("[\"m\"", "[\"a\"", 1);
        event
    }

    /// The tag by which both applications know it.
    pub(super) fn tag(&self) -> &str {
        if let Some(text) = self.data.split_once(',').and_then(|(_, second)| second.strip_prefix('"')) {
            return text.split_once(':').map_or("", |(tag, _)| tag);
        }
        let head = self.attachments.first().and_then(|bytes| bytes.split(|&byte| byte == b':').next());
        head.and_then(|tag| std::str::from_utf8(tag).ok()).unwrap_or_default()
    }

    /// The text of a packet of this kind.
    pub(super) fn packet(&self, kinds: [char; 2], namespace: &str, id: Option<u64>) -> String {
        let mut text = match self.attachments.len() {
            0 => kinds[0].to_string(),
            count => format!("{}{count}-", kinds[1]),
        };
        if namespace != "/" {
            text += &format!("{namespace},");
        }
        text + &id.map_or(String::new(), |id| id.to_string()) + &self.data
    }

    pub(super) fn brief(&self) -> String {
        let data: String = self.data.chars().take(48).collect();
        format!("{data} with {} attachments", self.attachments.len())
    }
}

/// The types of events and of answers in packets, without and with attachments.
pub(super) const EVENT: [char; 2] = ['2', '5'];
pub(super) const ACK: [char; 2] = ['3', '6'];

/// The namespace and the number of its channel in a tag.
pub(super) fn place_of(tag: &str) -> Option<(&str, u64)> {
    let (namespace, number) = tag.split_once('@')?.1.split_once('#')?;
    Some((namespace, number.parse().ok()?))
}

fn text(random: &mut Random, tag: &str, large: u64) -> String {
    let mut text = format!("{tag}:");
    if random.one_in(5) {
        // Texts that a codec may mistake: its own separators and lengths, characters of two UTF-16 units.
        text += random.pick(&["\u{1e}", "😀é", "2:40", "\u{2028}", "4", "\0", "b4", "451-[", "\\\"]"]);
    }
    let length = if random.one_in(24) { large * 12 } else { random.below(large) };
    text.extend(std::iter::repeat_n('.', length as usize));
    serde_json::to_string(&text).expect("a text is JSON")
}

fn attachment(random: &mut Random, tag: &str, number: usize, large: u64) -> Bytes {
    let mut bytes = format!("{tag}:{number}").into_bytes();
    bytes.extend((0..random.below(large)).map(|byte| byte as u8));
    match number {
        // Some are empty.
        1.. if random.one_in(8) => Bytes::new(),
        _ => bytes.into(),
    }
}
