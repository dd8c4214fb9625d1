//! Polls and streams of a family that is not ours: what a codec and a wrapping are asked for, and when.

use std::{future::poll_fn, sync::Arc, task::Waker};

use futures::StreamExt;
use uuid::Uuid;

use super::*;
use crate::{
    codec::{Codec, Violation, websocket_frames::SocketBuffer},
    config::Transport,
    message::Message,
    shared::{Attach, CloseReason, Credential, LinkKind, SharedSession, reason, tests::session_as},
    transport::wrapping::{BARE, PLAIN, Row, Wrapping},
};

/// Writes a letter for each frame, the text of each message, and a stop where a body is complete.
struct Letters;

/// The same, and no more than one frame in a body.
struct Each(Letters, bool);

impl Codec for Letters {
    fn read(&mut self, _input: &mut Option<Bytes>) -> Result<Option<Frame>, CloseReason> {
        Ok(None)
    }

    fn read_binary(&mut self, _payload: Bytes) -> Result<Option<Frame>, CloseReason> {
        Ok(None)
    }

    fn write_socket(&mut self, _frame: Outbound<'_>, _out: &mut SocketBuffer<'_>) {}

    fn violation(_violation: Violation) -> CloseReason {
        reason::MALFORMED
    }
}

impl BodyCodec for Letters {
    fn write(&mut self, frame: Outbound<'_>, body: &mut Vec<u8>) {
        body.extend_from_slice(match &frame {
            Outbound::Message { message, .. } => message.payload().as_message().unwrap().as_bytes(),
            Outbound::Frame(Frame::Attached(_)) => b"S",
            Outbound::Frame(Frame::Ack { .. }) => b"A",
            Outbound::Frame(Frame::PollDelay { .. }) => b"Y",
            Outbound::Frame(Frame::LinkClose(_)) => b"X",
            Outbound::Frame(other) => panic!("{other:?} was not expected"),
        });
    }

    fn finish(&mut self, body: &mut Vec<u8>) -> ContentType {
        body.push(b'.');
        ContentType("text/letters")
    }
}

impl Codec for Each {
    fn read(&mut self, _input: &mut Option<Bytes>) -> Result<Option<Frame>, CloseReason> {
        Ok(None)
    }

    fn read_binary(&mut self, _payload: Bytes) -> Result<Option<Frame>, CloseReason> {
        Ok(None)
    }

    fn write_socket(&mut self, _frame: Outbound<'_>, _out: &mut SocketBuffer<'_>) {}

    fn violation(_violation: Violation) -> CloseReason {
        reason::MALFORMED
    }
}

impl BodyCodec for Each {
    /// The start is nothing that its client reads.
    fn write(&mut self, frame: Outbound<'_>, body: &mut Vec<u8>) {
        self.1 = !matches!(frame, Outbound::Frame(Frame::Attached(_)));
        if self.1 {
            self.0.write(frame, body);
        }
    }

    fn is_full(&self) -> bool {
        self.1
    }

    fn finish(&mut self, body: &mut Vec<u8>) -> ContentType {
        self.0.finish(body)
    }
}

fn attach(session: &Arc<SharedSession>, ordinal: u64, kind: LinkKind) -> Link {
    let attach = Attach { ordinal, turn: 0, kind, opening: true, seen: false, received: 0, names: None };
    Link::attach(session.clone(), Credential::Attempt, attach, Transport::XhrPoll).unwrap()
}

fn send(session: &SharedSession, text: &str) {
    session.send(Message::from(text).into()).unwrap();
}

async fn flush(mut flush: FirstFlush<Letters>) -> (String, ContentType) {
    let (body, content_type, _) = poll_fn(|cx| flush.poll(cx)).await;
    (String::from_utf8(body).unwrap(), content_type)
}

fn is_pending(flush: &mut FirstFlush<Letters>) -> bool {
    flush.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_for_more_than_its_start_and_is_completed_once() {
    let session = Arc::new(session_as(Uuid::nil()));
    let mut poll = FirstFlush::new(attach(&session, 1, LinkKind::Poll { hold: 1000 }), Letters, Wait::Something);
    assert!(is_pending(&mut poll));
    assert!(is_pending(&mut poll));
    send(&session, "one");
    send(&session, "two");
    assert_eq!(flush(poll).await, ("Sonetwo.".to_owned(), ContentType("text/letters")));
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_for_the_turn_that_is_due_and_for_no_second_one() {
    let session = Arc::new(session_as(Uuid::nil()));
    let mut poll = FirstFlush::new(attach(&session, 1, LinkKind::Poll { hold: 1000 }), Letters, Wait::Something);
    let mut place = None;
    let mut receives = || session.poll_arrival(&Context::from_waker(Waker::noop()), &mut place, true).is_ready();
    session.begin_turn();
    assert!(!receives());
    session.end_turn();
    assert!(is_pending(&mut poll));
    let upload = attach(&session, 1, LinkKind::Upload);
    let mut numbers = 1..=2;
    let message = |number| Frame::Message { number, message: Message::from("x").into() };
    let mut upload = |most| upload.input(|| Ok(numbers.next().filter(|number| *number <= most).map(message))).unwrap();
    upload(1);
    send(&session, "one");
    assert!(is_pending(&mut poll), "the handler is due");
    session.begin_turn();
    assert!(receives() && !receives());
    send(&session, "two");
    upload(2);
    session.end_turn();
    assert_eq!(flush(poll).await.0, "Sonetwo.", "it is due again");
}

#[tokio::test(start_paused = true)]
async fn an_answer_at_once_waits_for_the_handlers_first_turn_only() {
    for (wait, body) in [(Wait::Nothing, "Sfirst."), (Wait::Rest, "SYfirst.")] {
        let session = Arc::new(session_as(Uuid::nil()));
        let mut poll = FirstFlush::new(attach(&session, 1, LinkKind::Opening), Letters, wait);
        assert!(is_pending(&mut poll));
        session.begin_turn();
        send(&session, "first");
        session.end_turn();
        assert_eq!(flush(poll).await.0, body);
        let again = FirstFlush::new(attach(&session, 2, LinkKind::Opening), Letters, Wait::Nothing);
        assert_eq!(flush(again).await.0.chars().next(), Some('S'), "nothing new is needed");
    }
}

/// The chunks of a stream with two messages, and a third one later, wrapped by this row.
async fn streamed<C: BodyCodec + Unpin>(codec: C, row: &'static Row) -> Vec<String> {
    let session = Arc::new(session_as(Uuid::nil()));
    let link = attach(&session, 1, LinkKind::Stream);
    send(&session, "one");
    send(&session, "two");
    let wrapper = Wrapper::new(Wrapping::new(row, "name"), Vec::new());
    let mut stream = Box::pin(stream(link, codec, 1 << 20, wrapper, ()));
    let mut chunks = Vec::new();
    let mut sent = false;
    loop {
        let chunk = stream.poll_next_unpin(&mut Context::from_waker(Waker::noop()));
        match chunk {
            Poll::Ready(Some(chunk)) => chunks.push(String::from_utf8(chunk.unwrap().into()).unwrap()),
            Poll::Ready(None) => return chunks,
            Poll::Pending if sent => session.abort(reason::ABORTED),
            Poll::Pending => {
                send(&session, "three");
                sent = true;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_completes_each_flush() {
    assert_eq!(streamed(Letters, &PLAIN).await, ["Sonetwo.", "three.", "AX."]);
}

#[tokio::test(start_paused = true)]
async fn a_codec_can_ask_for_a_chunk_a_frame_and_a_wrapping_for_one_of_its_prelude() {
    const EACH: Row = Row { prelude: "%:", before: "[", after: "]", end: "%", ..BARE };
    static TOGETHER: Row = EACH;
    static APART: Row = Row { prelude_apart: true, ..EACH };
    let rest = ["[two.]", "[three.]", "[A.]", "[X.]", "name"];
    assert_eq!(streamed(Each(Letters, false), &TOGETHER).await, [&["name:[one.]"], &rest[..]].concat());
    assert_eq!(streamed(Each(Letters, false), &APART).await, [&["name:", "[one.]"], &rest[..]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_counts_until_its_connection_has_taken_it() {
    let session = Arc::new(session_as(Uuid::nil()));
    let held = || session.weigh().map(|weight| (weight.bytes, weight.later));
    let link = attach(&session, 1, LinkKind::Opening);
    session.begin_turn();
    session.end_turn();
    send(&session, &"x".repeat(20_000));
    let mut poll = FirstFlush::new(link, Letters, Wait::Nothing);
    let (body, _, counter) = poll_fn(|cx| poll.poll(cx)).await;
    let answer = counted(body, counter);
    assert_eq!(held(), Some((20_064 + 20_002, 20_002)));
    let part = answer.slice(5..6);
    drop(answer);
    assert_eq!(held(), Some((20_064 + 20_002, 20_002)), "a part keeps all of it");
    drop(part);
    assert_eq!(held(), Some((20_064, 0)));

    let wrapper = Wrapper::new(Wrapping::new(&PLAIN, ""), Vec::new());
    let mut stream = Box::pin(stream(attach(&session, 2, LinkKind::Stream), Letters, 1 << 20, wrapper, ()));
    let flush = stream.next().await.unwrap().unwrap();
    assert_eq!((flush.len(), held()), (20_002, Some((20_064 + 20_002, 20_002))));
    drop(flush);
    assert_eq!(held(), Some((20_064, 0)));
}
