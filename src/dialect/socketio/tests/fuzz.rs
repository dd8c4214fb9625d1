//! Strangers' connections.

use std::mem::discriminant;

use super::*;

/// An input is a connection's messages: a line feed ends one, `!` begins one that is binary, and `<` one that
/// stands for a packet of the server.
#[test]
fn fuzz_socketio() {
    crate::fuzz::run("socketio", 30_000, |input, behaviour| {
        let Some((&first, input)) = input.split_first() else { return };
        let revision = if first % 2 == 0 { R4 } else { R5 };
        let mut client = connection(revision);
        let mut asked: Vec<String> = Vec::new();
        if client.start() != Action::Nothing {
            asked.push("/".into());
        }
        for message in input.split(|&byte| byte == b'\n') {
            let taken = match message {
                [b'!', bytes @ ..] => client.binary(Bytes::copy_from_slice(bytes)),
                [b'<', text @ ..] => {
                    let text = String::from_utf8_lossy(text);
                    let was_open = Head::parse(&text).is_ok_and(|head| asked.iter().any(|it| it == head.namespace));
                    let sent = client.outgoing(&packet(&text, &[]));
                    behaviour.note(discriminant(&sent));
                    if let Outgoing::Other(packet) = &sent
                        && let Ok(head) = Head::parse(packet.text())
                    {
                        behaviour.note(head.kind);
                        assert!(was_open || head.kind.is_ack(), "{packet:?}");
                        if matches!(head.kind, Kind::Disconnect | Kind::ConnectError) {
                            asked.retain(|it| it != head.namespace);
                        }
                    }
                    asked.retain(|it| client.place(it).is_some());
                    continue;
                }
                text => client.text(String::from_utf8_lossy(text).into_owned().into()),
            };
            assert!(client.held() <= LIMIT && client.places.len() <= MOST + 1 && client.ended.len() <= 32);
            match taken {
                Err(violation) => return behaviour.note(violation),
                Ok(Action::Nothing) => behaviour.note(client.held() > 0),
                Ok(Action::Connect { namespace, auth }) => {
                    assert!(
                        auth.is_empty() || serde_json::from_str::<serde_json::Value>(&auth).is_ok() || revision == R5
                    );
                    assert!(!asked.contains(&namespace.to_string()));
                    let claim = Claim::read(&auth);
                    behaviour.note((namespace.len() > 1, auth.len() > 2, claim.map(|claim| discriminant(&claim.last))));
                    asked.push(namespace.to_string());
                }
                Ok(Action::Disconnect { namespace }) => {
                    behaviour.note(namespace.len() > 1);
                    assert!(asked.contains(&namespace.to_string()));
                    asked.retain(|it| *it != *namespace);
                }
                Ok(Action::Packet(packet)) => {
                    let head = Head::parse(packet.text()).expect("a packet");
                    assert!(packet.len() <= LIMIT && head.attachments == packet.attachments().len());
                    assert!(asked.iter().any(|it| it == head.namespace));
                    behaviour.note((
                        head.kind,
                        head.attachments,
                        head.id.is_some(),
                        plain_message(&head, &packet).is_some(),
                    ));
                }
                Ok(Action::Reply(packet)) => {
                    let others = asked.iter().filter(|it| *it != "/").count();
                    assert!(packet.text().starts_with('4') && others == MOST);
                    behaviour.note("refused");
                }
            }
        }
    });
}
