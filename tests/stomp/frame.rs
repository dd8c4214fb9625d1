//! The frames of a server, read strictly and by the text of the specifications alone.

/// Headers that a server sets.
const SERVERS: [&str; 13] = [
    "destination",
    "message-id",
    "subscription",
    "ack",
    "redelivered",
    "content-length",
    "event",
    "receipt-id",
    "message",
    "version",
    "session",
    "server",
    "heart-beat",
];

/// A frame, with its headers decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub command: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Frame {
    /// Reads a message of the carrier that is one whole frame. Panics at anything that the version does not allow a
    /// server to send.
    pub fn read(version: &str, bytes: &[u8]) -> Self {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        let head_length = bytes.windows(2).position(|two| two == b"\n\n").expect(&shown);
        let head = std::str::from_utf8(&bytes[..head_length]).expect("the head of a frame is UTF-8");
        let mut lines = head.split('\n');
        let command = lines.next().unwrap().to_owned();
        assert!(["CONNECTED", "MESSAGE", "RECEIPT", "ERROR"].contains(&&*command), "{shown}");
        // CONNECTED has no escapes; an ERROR before it has none either, since no version is known.
        let spelling = if command == "CONNECTED" { "1.0" } else { version };
        let headers: Vec<_> = lines.map(|line| header(spelling, line)).collect();
        let (body, end) = bytes[head_length + 2..].split_at(bytes.len() - head_length - 3);
        assert_eq!(end, [0], "a message of the carrier is one frame: {shown}");
        let frame = Frame { command, headers, body: body.to_vec() };
        frame.check(&shown);
        frame
    }

    fn check(&self, shown: &str) {
        match self.get("content-length") {
            Some(length) => assert_eq!(length, self.body.len().to_string(), "{shown}"),
            None => assert!(!self.body.contains(&0), "a body with a NUL has a length: {shown}"),
        }
        if matches!(&*self.command, "CONNECTED" | "RECEIPT") {
            assert!(self.body.is_empty(), "{shown}");
        }
        // A sender's own header may come twice, and the first stands.
        for name in SERVERS {
            let times = self.headers.iter().filter(|(known, _)| known == name).count();
            assert!(times <= 1, "{name} comes {times} times: {shown}");
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A header that must be there.
    pub fn header(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }

    /// The headers that belong to an event or to a sender: not those that this server sets for each receiver.
    pub fn others(&self) -> Vec<(&str, &str)> {
        let pairs = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.filter(|(name, _)| !SERVERS[..6].contains(name)).collect()
    }
}

fn header(version: &str, line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?}"));
    assert!(!name.is_empty(), "a header without a name: {line:?}");
    if version == "1.2" {
        assert!(!line.contains('\r'), "a bare carriage return: {line:?}");
    }
    if version != "1.0" {
        assert!(!value.contains(':'), "a colon that is not escaped: {line:?}");
    }
    (decode(version, name), decode(version, value))
}

fn decode(version: &str, text: &str) -> String {
    if version == "1.0" {
        return text.to_owned();
    }
    let mut decoded = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        decoded.push(match character {
            '\\' => match (characters.next(), version) {
                (Some('n'), _) => '\n',
                (Some('c'), _) => ':',
                (Some('\\'), _) => '\\',
                (Some('r'), "1.2") => '\r',
                (other, _) => panic!("STOMP {version} has no escape {other:?}: {text:?}"),
            },
            other => other,
        });
    }
    decoded
}
