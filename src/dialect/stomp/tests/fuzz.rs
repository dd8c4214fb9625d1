//! Strangers' frames.

use std::mem::discriminant;

use super::*;
use crate::dialect::Head;

const WIDE: Limits = Limits { headers: 1000, header_bytes: 100_000, body: 100_000 };

/// All inputs until the end, or until a refusal.
fn inputs(version: Option<Version>, pieces: &[&[u8]]) -> (Vec<Input>, Option<Refusal>) {
    let mut reader = Reader::new(LIMITS);
    if let Some(version) = version {
        reader.set_version(version);
    }
    let mut inputs = Vec::new();
    for piece in pieces {
        reader.push(piece.to_vec().into());
        loop {
            match reader.next() {
                Ok(Some(Input::HeartBeat)) => {}
                Ok(Some(input)) => inputs.push(input),
                Ok(None) => break,
                Err(refusal) => return (inputs, Some(refusal)),
            }
        }
        assert!(reader.held() <= LIMITS.header_bytes + LIMITS.body + 2);
    }
    (inputs, None)
}

/// A frame of the server as a client of a version reads it.
fn reread(version: Version, message: Message) -> ClientFrame {
    let mut reader = Reader::new(WIDE);
    reader.set_version(version);
    reader.push(message);
    match reader.next() {
        Ok(Some(Input::Frame(frame))) if reader.held() == 0 => frame,
        other => panic!("{other:?}"),
    }
}

/// The headers that a client of a version reads where these are written.
fn respelled(version: Version, sent: &Headers) -> Vec<(String, String)> {
    let read = |(name, value): (&str, &str)| match version {
        V1_0 => {
            let cut = |text: &str| text.trim_matches([' ', '\t', '\r']).to_owned();
            let is_spelled = !name.contains([':', '\n']) && !value.contains('\n') && cut(name) == name;
            is_spelled.then(|| (name.to_owned(), cut(value)))
        }
        V1_1 | V1_2 => Some((name.to_owned(), value.to_owned())),
    };
    sent.iter().filter_map(read).collect()
}

/// A message reaches the clients of each version as it was sent.
fn check_send(send: &Send) {
    let content = send.content.encode();
    assert_eq!(content.as_text().is_some(), std::str::from_utf8(&send.content.body).is_ok());
    for version in Version::ALL {
        let head = MessageHead {
            destination: &send.destination,
            subscription: None,
            id: 1,
            ack: true,
            redelivered: Some(true),
            extra: &[],
        };
        let frame = reread(version, message(version, head, &content));
        assert_eq!((&frame.command[..], &frame.body), ("MESSAGE", &send.content.body));
        let length = send.content.body.len().to_string();
        assert_eq!(frame.headers.get("content-length"), Some(&length[..]));
        let all: Vec<_> = frame.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut expected = respelled(version, &send.content.headers);
        expected.push(("content-length".to_owned(), length));
        assert!(all.ends_with(&expected), "{version:?}: {all:?} {expected:?}");
    }
    if let Ok(packet) = event_packet("x", Some(1), &send.content) {
        let head = Head::parse(packet.text()).expect("a packet");
        assert_eq!((head.id, head.attachments), (Some(1), packet.attachments().len()));
        assert!(event_content(&packet).is_some(), "{packet:?}");
    }
}

/// Obeys a request as a driver does. Returns whether it was taken.
fn obey(request: Request, subscriptions: &mut Subscriptions, transactions: &mut Transactions) -> bool {
    let content = content(&[], b"x").encode();
    match request {
        Request::Send(send) => {
            check_send(&send);
            let transaction = send.transaction.clone();
            transaction.is_none_or(|name| transactions.add(&name, Deferred::Send(send, None)).is_ok())
        }
        Request::Subscribe(subscribe) => {
            let Ok(number) = subscriptions.add(subscribe, Source::Queue("q".into())) else { return false };
            (0..2).all(|tag| subscriptions.deliver(V1_1, number, &content, None, Some(tag), &[]).is_some())
        }
        Request::Unsubscribe { id } => subscriptions.remove(&id).is_some(),
        Request::Settle(settle) => subscriptions.settle(&settle).is_ok(),
        Request::Begin { transaction } => transactions.begin(&transaction).is_ok(),
        Request::Commit { transaction } => transactions.commit(&transaction).is_ok(),
        Request::Abort { transaction } => transactions.abort(&transaction).is_ok(),
        Request::Connect(connect) => {
            let auth: serde_json::Value = serde_json::from_str(&connect.auth()).expect("JSON");
            auth.as_object().expect("an object").len() <= connect.headers.iter().count()
        }
        Request::Disconnect => true,
    }
}

/// The words of a refusal before those that quote the client.
fn reason(refusal: &Refusal) -> Vec<&str> {
    refusal.detail.split(' ').take(5).collect()
}

/// The first byte of an input is the version, and how large the pieces are in which the rest comes.
#[test]
fn fuzz_stomp() {
    crate::fuzz::run("stomp", 30_000, |input, behaviour| {
        let Some((&first, input)) = input.split_first() else { return };
        let version = [None, Some(V1_0), Some(V1_1), Some(V1_2)][usize::from(first % 4)];
        let (frames, refusal) = inputs(version, &[input]);
        let pieces: Vec<&[u8]> = input.chunks(usize::from(first / 4) + 1).collect();
        assert_eq!(inputs(version, &pieces), (frames.clone(), refusal.clone()), "pieces differ");
        let (mut subscriptions, mut transactions) = (Subscriptions::new(2, 3), Transactions::new(2, 1000));
        for input in frames {
            let Input::Frame(frame) = input else { continue };
            match read_request(version, frame) {
                Ok(Asked { request, receipt: wanted }) => {
                    behaviour.note((discriminant(&request), wanted.is_some()));
                    behaviour.note(obey(request, &mut subscriptions, &mut transactions));
                    if let (Some(version), Some(id)) = (version, wanted) {
                        let answer = reread(version, receipt(version, &id));
                        assert_eq!(answer.headers.get("receipt-id"), Some(&id[..]));
                    }
                }
                Err(refusal) => behaviour.note(reason(&refusal)),
            }
            assert!(subscriptions.due() <= 3 && transactions.held() <= 1000);
        }
        if let Some(refusal) = refusal {
            behaviour.note(reason(&refusal));
            let answer = error(version, &refusal.message, &refusal.detail, refusal.receipt.as_deref());
            let answer = reread(version.unwrap_or(V1_0), answer);
            assert_eq!((&answer.command[..], &answer.body[..]), ("ERROR", refusal.detail.as_bytes()));
        }
    });
}
