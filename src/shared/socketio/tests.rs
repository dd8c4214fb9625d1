//! The memory of sessions whose clients speak Socket.IO, which its public interface does not show once a session is
//! over: it counts no longer then, and handles of the application may keep it for long.

use std::task::{Context, Poll, Waker};

use crate::{
    broadcast::OutMessage,
    config::Transport,
    dialect::{Fault, not_opened, socketio::Revision},
    message::Message,
    packet::Packet,
    payload::Payload,
    shared::{
        Attach, ChannelSet, Credential, Frame, LinkId, LinkKind, Names, Outbound, SendError, SharedSession, WhenBehind,
        reason, tests::engineio_session,
    },
};

/// A session whose client has sent these.
fn opened(messages: Vec<Message>) -> (SharedSession, LinkId) {
    let session = engineio_session();
    session.have_channels(ChannelSet::All, 3);
    session.speak_socketio(Revision::R5, "", None);
    let link = attached(&session);
    let frames = messages.into_iter().map(|message| Frame::Message { number: 0, message: message.into() });
    session.input(link, &mut frames.collect(), None).unwrap();
    (session, link)
}

fn attached(session: &SharedSession) -> LinkId {
    let names = Some(Names::EVENTS);
    let attach = Attach { ordinal: 1, turn: 0, kind: LinkKind::Duplex, opening: true, seen: true, received: 0, names };
    session.attach(Credential::Attempt, attach, Transport::WebSocket).unwrap()
}

/// The bytes that the session holds, however it counts.
fn held(session: &SharedSession) -> usize {
    session.lock().held()
}

/// Begins to open the channel that was asked for, and sends in it.
fn send_early(session: &SharedSession) {
    let Poll::Ready(Some(asked)) = session.poll_channel_asked(&Context::from_waker(Waker::noop())) else {
        panic!("a channel was asked for")
    };
    let text = format!("2{},[\"early\",\"{}\"]", asked.namespace, "x".repeat(10_000));
    session.send(Payload::from(Packet::new(text, Vec::new())).into()).unwrap();
}

#[test]
fn a_session_that_is_over_holds_nothing_for_its_client() {
    let long = "x".repeat(10_000);
    let owing = || [format!("52-[\"x\",\"{long}\"]").into(), vec![0; 10_000].into()];
    let asked = || [Message::from(format!("0/a,{{\"token\":\"{long}\"}}"))];
    type End = fn(&SharedSession, LinkId);
    let ends: [End; 4] = [
        |session, _| session.abort(reason::ENDED),
        |session, _| session.evict(reason::ENDED),
        |session, link| session.detach(link, false),
        |session, link| {
            let malformed = Frame::Message { number: 0, message: Message::from("abc").into() };
            assert!(session.input(link, &mut vec![malformed], None).is_err());
        },
    ];
    for end in ends {
        let (session, link) = opened(asked().into_iter().chain(owing()).collect());
        assert!(held(&session) > 30_000);
        send_early(&session);
        assert!(held(&session) > 40_000, "who judges the channel has the auth data");
        end(&session, link);
        assert_eq!(held(&session), 0);
        let (session, link) = opened(asked().to_vec());
        assert!(held(&session) > 10_000);
        end(&session, link);
        assert_eq!(held(&session), 0, "nobody takes what was asked for");
    }
}

/// Sends events of `/` until the outbox is full.
fn fill(session: &SharedSession) {
    for length in [10_000, 0] {
        let event = || Payload::from(Packet::new(format!("2[\"x\",\"{}\"]", "x".repeat(length)), Vec::new()));
        while session.send(event().into()).is_ok() {}
    }
}

/// The packets that the client gets.
fn pulled(session: &SharedSession, link: LinkId) -> Vec<String> {
    let mut packets = Vec::new();
    session.pull(link, &mut Context::from_waker(Waker::noop()), |outbound| {
        if let Outbound::Message { message, .. } = outbound
            && let Payload::Event(packet) = message.payload()
        {
            packets.push(packet.text().to_string());
        }
        true
    });
    packets
}

#[test]
fn what_is_sent_and_written_leaves_it_known_that_the_channels_are_quiet() {
    let (session, link) = opened(Vec::new());
    let is_known = || session.lock().channels.is_quiet();
    let event = || Payload::from(Packet::new("2[\"x\"]", Vec::new()));
    assert!(!is_known());
    session.send(event().into()).unwrap();
    assert!(is_known());
    assert_eq!(pulled(&session, link), ["2[\"x\"]"]);
    assert!(is_known());
    let shared = OutMessage::shared(event(), session.runtime().pool());
    assert_eq!(session.send_as(&WhenBehind::Keep, shared), Ok(true));
    assert!(is_known());
}

#[test]
fn a_refusal_that_waits_for_room_is_sent_when_there_is_some() {
    for revision in [Revision::R4, Revision::R5] {
        let session = engineio_session();
        session.have_channels(ChannelSet::All, 3);
        session.speak_socketio(revision, "", None);
        let link = attached(&session);
        let asks = Frame::Message { number: 0, message: Message::from("0/a,").into() };
        session.input(link, &mut vec![asks], None).unwrap();
        fill(&session);
        let mut cx = Context::from_waker(Waker::noop());
        let mut asked = None;
        while let Poll::Ready(Some(next)) = session.poll_channel_asked(&cx) {
            asked = Some(next).filter(|asked| *asked.namespace == *"/a").or(asked);
        }
        assert!(session.refuse_channel(asked.expect("it was asked for").number));
        let refusal = not_opened("/a", &Fault::new("no", "not you"));
        let Err((SendError::Full, returned)) = session.send(Payload::from(refusal).into()) else {
            panic!("there is no room")
        };
        assert!(session.poll_room(&mut cx, returned.len()).is_pending());
        pulled(&session, link);
        assert!(session.send(returned).is_ok());
        let told = pulled(&session, link);
        assert!(told.len() == 1 && told[0].starts_with("4/a,"), "{told:?}");
    }
}

#[test]
fn a_client_whose_outbox_is_full_is_told_that_it_asks_for_too_many() {
    let session = engineio_session();
    session.have_channels(ChannelSet::All, 1);
    session.speak_socketio(Revision::R5, "", None);
    let link = attached(&session);
    let asks = |namespace: &str| {
        let message = Message::from(format!("0{namespace},")).into();
        session.input(link, &mut vec![Frame::Message { number: 0, message }], None).map(drop)
    };
    assert_eq!(asks("/a"), Ok(()));
    fill(&session);
    assert_eq!(asks("/b"), Ok(()));
    let told = pulled(&session, link);
    assert!(told.last().is_some_and(|last| last.starts_with("4/b,")), "{:?}", told.last());
    // One that asks again and again and takes nothing is too slow.
    fill(&session);
    let asked = (0..100_000).find(|_| asks("/b").is_err() || session.close_reason().is_some());
    assert!(asked.is_some_and(|asked| asked > 1_000));
    assert_eq!(session.close_reason(), Some(reason::TOO_SLOW));
    assert_eq!(held(&session), 0);
}

#[test]
fn what_was_sent_early_is_dropped_when_the_client_leaves() {
    let (session, link) = opened(vec![Message::from("0/a,")]);
    let before = held(&session);
    send_early(&session);
    assert!(held(&session) > 10_000);
    let leaves = Frame::Message { number: 0, message: Message::from("1/a,").into() };
    session.input(link, &mut vec![leaves], None).unwrap();
    assert!(held(&session) <= before, "{}", held(&session));
}

/// A client may have sent the attachment that is missing, and the server has not read it.
#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_misses_no_attachment() {
    let event = || Message::from(format!("2[\"x\",\"{}\"]", "x".repeat(400_000)));
    let owing = Message::from("51-[\"x\"]");
    let (session, link) = opened(vec![Message::from("0")]);
    let Poll::Ready(Some(asked)) = session.poll_channel_asked(&Context::from_waker(Waker::noop())) else {
        panic!("a channel was asked for")
    };
    assert!(session.accept_channel(asked.number));
    let input = |message: Message| {
        let frame = Frame::Message { number: 0, message: message.into() };
        session.input(link, &mut vec![frame], None).unwrap()
    };
    let later = async |seconds: u64| {
        for _ in 0..seconds {
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
            let beat = Frame::Pong { id: u64::MAX, received: 0 };
            session.pull(link, &mut Context::from_waker(Waker::noop()), |_| true);
            session.input(link, &mut vec![beat], None).unwrap();
            session.handle_timeout();
        }
    };
    input(event());
    input(event());
    assert!(input(event()), "the inbox is full");
    assert!(input(owing));
    later(200).await;
    assert_eq!(session.close_reason(), None);
    for _ in 0..3 {
        assert!(session.try_channel_message(asked.number).is_some());
    }
    later(59).await;
    assert_eq!(session.close_reason(), None, "it reads again, and the client has its time");
    later(60).await;
    assert_eq!(session.close_reason().map(|reason| reason.code), Some(4007));
}
