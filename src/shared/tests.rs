//! The deadlines, wakes and locks of a session, which its public interface does not show.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use uuid::Uuid;

use super::{
    Arrived, Attach, CloseReason, Credential, Frame, LinkId, LinkKind, Names, Outbound, PullStatus, Runtime,
    ServerParams, SharedSession, reason,
};
use crate::{
    config::Transport,
    message::Message,
    packet::Packet,
    payload::Payload,
    pool::Pool,
    session::{
        Arrival, Config, Machine, Role, SessionParams,
        rules::{ENGINE_IO_4, NATIVE, RAW, Rules},
    },
};

fn session() -> SharedSession {
    made(Uuid::nil(), &NATIVE)
}

/// A session with this id, on a runtime of its own.
pub(crate) fn session_as(id: Uuid) -> SharedSession {
    made(id, &NATIVE)
}

/// The session of a bare WebSocket.
pub(crate) fn raw_session() -> SharedSession {
    made(Uuid::nil(), &RAW)
}

/// A session that Engine.IO carries.
pub(crate) fn engineio_session() -> SharedSession {
    made(Uuid::nil(), &ENGINE_IO_4)
}

/// The next message that the handler receives; `None` behind the last.
pub(crate) async fn next_message(session: &SharedSession) -> Option<Message> {
    let mut place = None;
    match std::future::poll_fn(|cx| session.poll_arrival(cx, &mut place, true)).await {
        Some(Arrived { arrival: Arrival::Message(payload), .. }) => Some(payload.into_message()),
        Some(gap) => panic!("{gap:?} is no message"),
        None => None,
    }
}

fn made(id: Uuid, rules: &'static Rules) -> SharedSession {
    let runtime = Arc::new(Runtime::new(Pool::new(usize::MAX, 1)));
    let config = Config {
        role: Role::Server,
        rules,
        interval: 25_000,
        timeout: 20_000,
        grace: 60_000,
        confirm_timeout: 10_000,
        inbox: 1 << 20,
        outbox: 1 << 20,
        droppable_mark: 1 << 16,
        floor: 1 << 16,
        takes: crate::session::rules::Takes::All,
        base: 0,
    };
    let params = SessionParams {
        interval: config.interval,
        timeout: config.timeout,
        grace: config.grace,
        limit: 1 << 20,
        batch: 1 << 20,
        hold: 25_000,
        spread: 0,
    };
    let params = ServerParams { node: "node".to_owned(), session: params, spread: 100.into() };
    SharedSession::new(id, Uuid::nil(), Machine::new(config, 0), Arc::new(params), runtime)
}

#[tokio::test(start_paused = true)]
async fn the_deadlines_of_a_session_are_queued_a_bounded_number_of_times() {
    let session = session();
    let mut most = 0;
    for turn in 0..2000 {
        let kind = LinkKind::Poll { hold: 25_000 };
        let attach = Attach { ordinal: 1, turn, kind, opening: turn == 0, seen: turn > 0, received: 0, names: None };
        let link = session.attach(Credential::Attempt, attach, Transport::XhrPoll).unwrap();
        tokio::time::advance(Duration::from_millis(1000)).await;
        session.detach(link, false);
        // Some deadlines come while no poll is there.
        tokio::time::advance(Duration::from_millis(turn % 7 * 1000)).await;
        let mut fired = 0;
        while let Some(due) = session.runtime().due() {
            for _ in due {
                fired += 1;
                assert!(!session.handle_timeout(), "the session goes on");
            }
        }
        most = most.max(fired);
    }
    assert!(most <= 3, "{most} deadlines of one session at once");
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn sends_to_other_sessions_in_a_turn_wake_each_of_them_once_at_its_end() {
    let (handler, member) = (session(), session());
    let attach =
        Attach { ordinal: 1, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names: None };
    let link = member.attach(Credential::Attempt, attach, Transport::WebSocket).unwrap();
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    let wait = || {
        let mut sent = 0;
        let pulled = member.pull(link, &mut Context::from_waker(&waker), |outbound| {
            sent += usize::from(matches!(outbound, Outbound::Message { .. }));
            true
        });
        assert_eq!(pulled, PullStatus::Drained);
        sent
    };
    let send = || member.send(Message::from("x").into()).unwrap();
    assert_eq!(wait(), 0);
    handler.begin_turn();
    (0..3).for_each(|_| send());
    assert_eq!(count.0.load(Relaxed), 0);
    handler.end_turn();
    assert_eq!(count.0.load(Relaxed), 1);
    send();
    assert_eq!(count.0.load(Relaxed), 1, "it is awake already");
    assert_eq!(wait(), 4);
    send();
    assert_eq!(count.0.load(Relaxed), 2, "outside a turn at once");
}

#[test]
fn what_a_message_to_a_room_needs_of_a_session_lies_in_four_cache_lines() {
    let needed = std::mem::offset_of!(super::Inner, machine) + Machine::SENDING;
    assert!(needed <= 4 * 64, "{needed} bytes");
}

/// Several links carry as long as none is confirmed.
#[tokio::test(start_paused = true)]
async fn a_message_wakes_each_link_that_waits_and_none_that_is_gone() {
    let session = session();
    let attach = |ordinal| {
        let kind = LinkKind::Duplex;
        let attach = Attach { ordinal, turn: 0, kind, opening: true, seen: false, received: 0, names: None };
        session.attach(Credential::Attempt, attach, Transport::WebSocket).unwrap()
    };
    let links: Vec<(LinkId, Arc<Count>)> = (1..=3).map(|ordinal| (attach(ordinal), Arc::default())).collect();
    let wait = |(link, count): &(LinkId, Arc<Count>)| {
        let waker = Waker::from(count.clone());
        session.pull(*link, &mut Context::from_waker(&waker), |_| true);
    };
    let send = || {
        session.send(Message::from("x").into()).unwrap();
        links.iter().map(|(_, count)| count.0.swap(0, Relaxed)).collect::<Vec<_>>()
    };
    links.iter().for_each(wait);
    assert_eq!(send(), [1, 1, 1]);
    links.iter().for_each(wait);
    session.detach(links[0].0, false);
    assert_eq!(send(), [0, 1, 1]);
    links[1..].iter().for_each(wait);
    session.detach(links[1].0, false);
    assert_eq!(send(), [0, 0, 1]);
    let fourth = (attach(4), Arc::default());
    [&links[2], &fourth].into_iter().for_each(wait);
    assert_eq!((send(), fourth.1.0.load(Relaxed)), (vec![0, 0, 1], 1));
}

/// A session whose page has shown the secret, on a WebSocket that has opened it.
fn opened() -> (SharedSession, LinkId) {
    let session = session();
    let attach =
        Attach { ordinal: 1, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names: None };
    let link = session.attach(Credential::Attempt, attach, Transport::WebSocket).unwrap();
    (session, link)
}

fn messages(numbers: std::ops::RangeInclusive<u64>) -> Vec<Frame> {
    numbers.map(|number| Frame::Message { number, message: Message::from("x").into() }).collect()
}

fn received(session: &SharedSession) -> u64 {
    session.look(Machine::received)
}

#[test]
fn a_page_that_is_taken_over_between_decoding_and_locking_feeds_nothing() {
    let (session, link) = opened();
    session.input(link, &mut messages(1..=2), None).unwrap();
    let mut decoded = messages(3..=5);
    let secret = Uuid::nil().simple().to_string();
    let credential = Credential::Instance { secret: &secret, instance: "another", next: Uuid::max };
    let attach =
        Attach { ordinal: 2, turn: 0, kind: LinkKind::Duplex, opening: false, seen: false, received: 0, names: None };
    let newer = session.attach(credential, attach, Transport::WebSocket).unwrap();
    assert_eq!(session.input(link, &mut decoded, None), Ok(false));
    assert_eq!((received(&session), decoded.len()), (2, 0));
    session.input(newer, &mut messages(3..=3), None).unwrap();
    assert_eq!(received(&session), 3, "the page that took over goes on from there");
}

#[test]
fn a_link_that_has_gone_between_decoding_and_locking_feeds_nothing() {
    let (session, link) = opened();
    let mut decoded = messages(1..=3);
    session.detach(link, false);
    assert_eq!(session.input(link, &mut decoded, None), Ok(false));
    assert_eq!((received(&session), decoded.len()), (0, 0));
}

#[test]
fn a_batch_stops_at_the_first_frame_that_is_refused() {
    let (session, link) = opened();
    let mut frames = messages(1..=2);
    frames.push(Frame::Ack { received: 9 });
    frames.extend(messages(3..=4));
    assert_eq!(session.input(link, &mut frames, Some(reason::MALFORMED)), Err(reason::ACK_BEYOND_SENT));
    assert_eq!((received(&session), frames.len()), (2, 0));
    assert_eq!(session.input(link, &mut messages(3..=3), None), Ok(false));
    assert_eq!(received(&session), 2, "nothing is read on a link after a violation");
}

#[test]
fn frames_before_something_malformed_are_applied_and_the_link_ends() {
    let (session, link) = opened();
    assert_eq!(session.input(link, &mut messages(1..=2), Some(reason::MALFORMED)), Err(reason::MALFORMED));
    let ending = session.link_ending(link, &mut Context::from_waker(Waker::noop()));
    assert_eq!((received(&session), ending), (2, Some(reason::MALFORMED)));
}

#[test]
fn without_acknowledgements_the_write_wakes_the_task_that_waits_for_one() {
    let session = made(Uuid::nil(), &RAW);
    let attach =
        Attach { ordinal: 1, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names: None };
    let link = session.attach(Credential::Attempt, attach, Transport::WebSocket).unwrap();
    let (sender, receiver) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
    let wakers = [sender.clone(), receiver.clone()].map(Waker::from);
    let mut place = None;
    let [mut to_sender, to_receiver] = [&wakers[0], &wakers[1]].map(Context::from_waker);
    let pull = || session.pull(link, &mut Context::from_waker(Waker::noop()), |_| true);
    session.send(Message::from("x").into()).unwrap();
    let number = session.flush();
    assert_eq!(session.poll_acknowledged(&mut to_sender, number), Poll::Pending);
    assert_eq!(session.poll_arrival(&to_receiver, &mut place, true), Poll::Pending);
    assert_eq!((pull(), sender.0.load(Relaxed)), (PullStatus::Drained, 1));
    assert_eq!(session.poll_acknowledged(&mut to_sender, number), Poll::Ready(Ok(())));
    session.close(reason::CLOSED);
    assert_eq!((session.poll_arrival(&to_receiver, &mut place, true), receiver.0.load(Relaxed)), (Poll::Pending, 0));
    assert_eq!((pull(), receiver.0.load(Relaxed)), (PullStatus::Over, 1), "it is closed once that is written");
    assert_eq!(session.poll_arrival(&to_receiver, &mut place, true), Poll::Ready(None));
}

#[test]
fn a_cut_that_ends_the_session_wakes_its_handler_at_once() {
    let session = made(Uuid::nil(), &RAW);
    let attach =
        Attach { ordinal: 1, turn: 0, kind: LinkKind::Duplex, opening: true, seen: false, received: 0, names: None };
    let link = session.attach(Credential::Attempt, attach, Transport::WebSocket).unwrap();
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let (waker, mut place) = (Waker::from(count.clone()), None);
    assert_eq!(session.poll_arrival(&Context::from_waker(&waker), &mut place, true), Poll::Pending);
    session.detach(link, false);
    assert_eq!(count.0.load(Relaxed), 1);
    assert_eq!(session.poll_arrival(&Context::from_waker(&waker), &mut place, true), Poll::Ready(None));
}

/// Attaches with a secret, and returns the new one that the answer states, if it does.
fn resumed(session: &SharedSession, ordinal: u64, secret: Uuid, by: Transport) -> Result<Option<String>, CloseReason> {
    let kind = if by == Transport::WebSocket { LinkKind::Duplex } else { LinkKind::Opening };
    let names = Some(Names::parse(b"rotate"));
    let attach = Attach { ordinal, turn: 0, kind, opening: false, seen: false, received: 0, names };
    let credential = Credential::Secret { secret: &secret.simple().to_string(), next: Uuid::max };
    let link = session.attach(credential, attach, by)?;
    let mut stated = None;
    let _ = session.pull(link, &mut Context::from_waker(Waker::noop()), |outbound| {
        if let Outbound::Frame(Frame::Attached(start)) = outbound {
            stated = start.secret.map(String::from);
        }
        true
    });
    Ok(stated)
}

#[test]
fn a_secret_that_was_in_a_url_is_replaced_until_the_new_one_is_used() {
    let session = session();
    let new = Uuid::max().simple().to_string();
    assert_eq!(resumed(&session, 1, Uuid::nil(), Transport::XhrPoll), Ok(None), "it was in no URL");
    assert_eq!(resumed(&session, 2, Uuid::nil(), Transport::JsonpPoll), Ok(None), "the URL would show the new one too");
    assert_eq!(resumed(&session, 3, Uuid::nil(), Transport::FetchStream), Ok(Some(new.clone())));
    assert_eq!(resumed(&session, 4, Uuid::nil(), Transport::XhrPoll), Ok(Some(new)), "the answer may have been lost");
    assert_eq!(resumed(&session, 5, Uuid::nil(), Transport::EventSource), Ok(None));
    assert_eq!(resumed(&session, 6, Uuid::max(), Transport::XhrPoll), Ok(None), "the client has it");
    assert_eq!(resumed(&session, 7, Uuid::nil(), Transport::XhrPoll), Err(reason::LATE));
    assert_eq!(resumed(&session, 7, Uuid::max(), Transport::JsonpPoll), Ok(None));
    assert_eq!(resumed(&session, 9, Uuid::max(), Transport::XhrPoll), Ok(None), "two answers stated the present one");
    assert_eq!(resumed(&session, 8, Uuid::from_u128(1), Transport::XhrPoll), Err(reason::WRONG_SECRET));
    let instance = Credential::Instance { secret: &Uuid::nil().simple().to_string(), instance: "i", next: Uuid::max };
    let kind = LinkKind::Opening;
    let attach = Attach { ordinal: 20, turn: 0, kind, opening: false, seen: false, received: 0, names: None };
    assert_eq!(session.attach(instance, attach, Transport::XhrPoll), Err(reason::WRONG_SECRET));
}

#[test]
fn a_secret_that_two_answers_state_is_not_replaced_whenever_they_are_written() {
    for (answers, rotates) in [(1, true), (2, false)] {
        let mut credentials = super::Credentials::of_used(Uuid::nil());
        credentials.renew(None, || Uuid::from_u128(1));
        // The second one is that to a link which attached before, and is written now.
        (0..answers).for_each(|_| assert_eq!(credentials.state_renewed(), Some(Uuid::from_u128(1))));
        assert_eq!(credentials.verify(&Uuid::from_u128(1).simple().to_string(), true), Ok(()));
        credentials.renew(None, || Uuid::from_u128(2));
        assert_eq!(credentials.secret == Uuid::from_u128(2), rotates, "{answers}");
    }
}

#[test]
fn a_websocket_that_states_the_new_secret_and_is_confirmed_ends_the_old_one() {
    for (confirmed, old) in [(false, Ok(Some(Uuid::max().simple().to_string()))), (true, Err(reason::LATE))] {
        let session = session();
        assert_eq!(resumed(&session, 1, Uuid::nil(), Transport::JsonpPoll), Ok(None));
        let attach = Attach {
            ordinal: 2,
            turn: 0,
            kind: LinkKind::Duplex,
            opening: false,
            seen: false,
            received: 0,
            names: Some(Names::ROTATE),
        };
        let secret = Uuid::nil().simple().to_string();
        let credential = Credential::Secret { secret: &secret, next: Uuid::max };
        let link = session.attach(credential, attach, Transport::WebSocket).unwrap();
        let mut frames = if confirmed { vec![Frame::Confirm] } else { vec![Frame::AckRequest] };
        session.input(link, &mut frames, None).unwrap();
        assert_eq!(resumed(&session, 3, Uuid::nil(), Transport::XhrPoll), old);
    }
}

#[test]
fn an_answer_causes_a_turn_if_the_handler_waits_for_it_and_none_if_another_task_does() {
    for moved in [false, true] {
        let session = session();
        let attach = Attach {
            ordinal: 1,
            turn: 0,
            kind: LinkKind::Duplex,
            opening: true,
            seen: false,
            received: 0,
            names: Some(Names::EVENTS),
        };
        let link = session.attach(Credential::Attempt, attach, Transport::WebSocket).unwrap();
        let count = Arc::<Count>::default();
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(Waker::noop());
        let mut answer = session.ask(7).unwrap();
        session.begin_turn();
        assert!(session.poll_answer(&mut cx, 7, &mut answer).is_pending());
        session.end_turn();
        if moved {
            assert!(session.poll_answer(&mut cx, 7, &mut answer).is_pending());
        }
        let packet = Packet::new("37[1]", Vec::new());
        session
            .input(link, &mut vec![Frame::Message { number: 1, message: Payload::from(packet).into() }], None)
            .unwrap();
        assert_eq!(session.awaits_turn(link, &Context::from_waker(&waker)), !moved);
        session.begin_turn();
        assert!(session.poll_answer(&mut cx, 7, &mut answer).is_ready());
        session.end_turn();
        assert_eq!(count.0.load(Relaxed), usize::from(!moved), "the link is woken when the turn ends");
    }
}
