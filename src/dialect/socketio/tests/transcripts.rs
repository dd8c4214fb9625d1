//! Transcripts of real clients: each connection takes what its client sent, and ends where the reference server
//! ended it.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;

/// The connections that the reference server lets go on and we end: an event without data, which the protocol
/// does not allow.
const STRICTER: [&str; 1] = ["42"];

/// A message of Engine.IO, or a control packet as `None`.
fn message(packet: &str, revision: Revision) -> Option<Result<ByteString, Bytes>> {
    let base64 = if revision == R4 { "b4" } else { "b" };
    match packet.strip_prefix(base64) {
        Some(data) => Some(Err(STANDARD.decode(data).unwrap().into())),
        None => packet.strip_prefix('4').map(|text| Ok(text.into())),
    }
}

fn messages(body: &str, revision: Revision) -> Vec<Option<Result<ByteString, Bytes>>> {
    if revision == R5 {
        return body.split('\u{1e}').map(|packet| message(packet, revision)).collect();
    }
    let (mut rest, mut all) = (body, Vec::new());
    while let Some((length, behind)) = rest.split_once(':') {
        let units: Vec<u16> = behind.encode_utf16().collect();
        let packet = String::from_utf16(&units[..length.parse::<usize>().unwrap()]).unwrap();
        rest = &behind[packet.len()..];
        all.push(message(&packet, revision));
    }
    all
}

/// Undoes the escapes of a transcript.
fn unescape(text: &str) -> String {
    let text = text.replace("\\\\", "\u{0}").replace("\\x1e", "\u{1e}").replace("\\u2028", "\u{2028}");
    text.replace('\u{0}', "\\")
}

struct Client {
    connection: Connection,
    violation: Option<Violation>,
    /// The bodies and messages, as they came.
    sent: Vec<String>,
    /// The reference server has ended it for what it sent.
    ended: bool,
    actions: Vec<Action>,
}

impl Client {
    fn new(revision: Revision) -> Self {
        let mut connection = Connection::new(revision, 1_000_000, 32);
        let actions = vec![connection.start()];
        Client { connection, violation: None, sent: Vec::new(), ended: false, actions }
    }

    fn take(&mut self, message: Result<ByteString, Bytes>) {
        let taken = match message {
            Ok(text) => self.connection.text(text),
            Err(bytes) => self.connection.binary(bytes),
        };
        match taken {
            Ok(action) => self.actions.push(action),
            Err(violation) => self.violation = self.violation.or(Some(violation)),
        }
    }

    /// The server has sent a packet: it is the one of ours in the words of the revision.
    fn heard(&mut self, text: &str) {
        let Ok(head) = crate::dialect::Head::parse(text) else {
            // Revision 4's refusals are no objects.
            return assert!(self.connection.revision == R4 && text.starts_with('4'), "{text}");
        };
        let ours = match head.kind {
            Kind::Connect => control(Kind::Connect, head.namespace, "{\"sid\":\"ours\"}"),
            Kind::Disconnect => control(Kind::Disconnect, head.namespace, "{\"code\":1000,\"message\":\"\"}"),
            Kind::ConnectError if head.data.contains("Invalid") => {
                not_opened(head.namespace, &Fault::unknown_namespace())
            }
            Kind::ConnectError => not_opened(head.namespace, &Fault::new("no", "not you").with_data(7)),
            _ => return assert_eq!(self.connection.outgoing(&packet(text, &[])), Outgoing::Same),
        };
        match self.connection.outgoing(&ours) {
            Outgoing::Same => assert!(text.starts_with(&ours.text()[..ours.text().len() - 13]), "{text} for {ours:?}"),
            Outgoing::Other(_) if head.kind == Kind::ConnectError && !head.data.contains("Invalid") => {}
            Outgoing::Other(other) => assert_eq!(other.text(), text),
            Outgoing::Nothing => panic!("{text} is not sent"),
        }
    }
}

/// The value of a parameter of a URL.
fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    let query = query.split(' ').next()?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// The clients of a transcript by the ids of their connections. Those that never open one are left out.
fn replay(transcript: &str) -> BTreeMap<String, Client> {
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    // The first line of each exchange, its connection, and whether its status has come.
    let mut exchanges: BTreeMap<&str, (&str, Option<String>, bool)> = BTreeMap::new();
    for line in transcript.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.splitn(3, ' ');
        let (Some(exchange), Some(direction), Some(raw)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let Some((first, id, has_status)) = exchanges.get_mut(exchange) else {
            let id = parameter(raw, "sid").map(ToOwned::to_owned);
            exchanges.insert(exchange, (raw, id, false));
            continue;
        };
        let revision = if first.contains("EIO=4") { R5 } else { R4 };
        let socket = first.starts_with("open");
        let text = unescape(raw);
        if direction == "<" && !std::mem::replace(has_status, true) {
            continue;
        }
        if direction == "<"
            && let Some(at) = text.find("0{\"sid\":\"")
            && id.is_none()
        {
            let opened = text[at + 9..].split(['"', '\\']).next().unwrap().to_owned();
            clients.insert(opened.clone(), Client::new(revision));
            *id = Some(opened);
            continue;
        }
        let Some(client) = id.as_ref().and_then(|id| clients.get_mut(id)) else { continue };
        let control = text == "end" || text == "ok" || text.starts_with("close ") || raw.contains("___eio");
        if control || first.starts_with("PUT") || first.contains("&j=") || text.starts_with("hex") {
            continue;
        }
        let parts = match text.strip_prefix("bin") {
            Some(hex) if socket => {
                let hex = hex.trim();
                let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
                vec![Some(Err(bytes.skip(usize::from(revision == R4)).collect()))]
            }
            _ if socket => vec![message(&text, revision)],
            _ => messages(&text, revision),
        };
        if direction == ">" {
            client.sent.push(text);
            parts.into_iter().flatten().for_each(|part| client.take(part));
        } else {
            client.ended |= text == "6\u{1e}1";
            for text in parts.into_iter().flatten().flatten() {
                if client.violation.is_none() {
                    client.heard(&text);
                }
            }
        }
    }
    clients
}

#[test]
fn each_connection_of_the_transcripts_goes_on_or_ends_as_it_did() {
    let (mut connections, mut ended, mut packets, mut binary) = (0, 0, 0, 0);
    for (name, transcript) in crate::fuzz::transcripts("socketio") {
        if name == "client4-msgpack" {
            continue; // Its packets are those of another parser.
        }
        for (id, client) in replay(&transcript) {
            let last = client.sent.last().map_or("", |last| last);
            let ends = client.ended || STRICTER.contains(&last);
            assert_eq!(client.violation.is_some(), ends, "{} {id}: {:?}, {:?}", name, client.sent, client.violation);
            (connections, ended) = (connections + 1, ended + usize::from(ends));
            for action in &client.actions {
                if let Action::Packet(packet) = action {
                    packets += 1;
                    binary += packet.attachments().len();
                }
            }
        }
    }
    assert!(connections >= 50 && ended >= 11, "{connections} connections, of which {ended} ended");
    assert!(packets >= 100 && binary >= 40, "{packets} packets with {binary} attachments");
}

/// The auth data of the first generations are a query, those of the later ones JSON.
#[test]
fn the_clients_of_the_transcripts_open_what_they_opened() {
    let opened = |file: &str| {
        let transcripts = crate::fuzz::transcripts("socketio");
        let (_, transcript) = transcripts.iter().find(|(name, _)| name == file).expect("a transcript");
        let (_, client) = replay(transcript).pop_first().expect("a connection");
        let connects = client.actions.into_iter().filter_map(|action| match action {
            Action::Connect { namespace, auth } => Some(format!("{namespace} {auth}")),
            _ => None,
        });
        connects.collect::<Vec<_>>()
    };
    let admin = "/admin {\"token\":\"abc\"}";
    let expected = ["/ {\"token\":\"abc\"}", admin, "/nobody ", "/refuses ", admin, admin];
    assert_eq!(opened("client4-namespaces"), expected);
    assert_eq!(opened("client2-namespaces"), ["/ ", admin, "/nobody ", "/refuses ", admin, admin]);
}
