//! Answers: each request gets one.

use std::task::{Context, Waker};

use super::*;
use crate::{
    config::Overflow,
    dialect::{Fault, Reply},
};

/// A value that cannot be written.
struct Broken;

impl serde::Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a secret of the server"))
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_is_answered() {
    let bench = Bench::new().await;
    drop(bench.event(Some(1), r#"["a"]"#));
    drop(bench.event(None, r#"["a"]"#));
    assert_eq!(bench.answers(), [r#"71{"code":"unanswered","message":"the server did not answer"}"#]);
}

#[tokio::test]
async fn a_loop_replies_by_itself() {
    let bench = Bench::new().await;
    let event = bench.event(Some(1), r#"["a",5,"b"]"#);
    assert_eq!((event.name(), event.wants_reply()), ("a", true));
    assert_eq!(event.data::<u8>(), Ok(5));
    assert_eq!(event.args::<(u8, String)>(), Ok((5, "b".to_owned())));
    assert_eq!(event.data::<String>().unwrap_err().code, "data");
    assert_eq!(event.session().id(), bench.session.id());
    event.reply(Reply(2)).await.unwrap();
    bench.event(Some(3), r#"["a"]"#).reply(Fault::new("c", "d")).await.unwrap();
    bench.event(Some(4), r#"["a"]"#).reply(()).await.unwrap();
    let plain = bench.event(None, r#"["a"]"#);
    assert!(!plain.wants_reply());
    plain.reply(Reply(2)).await.unwrap();
    assert_eq!(bench.answers(), ["31[2]", r#"73{"code":"c","message":"d"}"#, "34[]"]);
}

#[tokio::test]
async fn what_cannot_be_sent_is_a_fault() {
    let bench = Bench::new().await;
    let events = Events::new().on("broken", async || Reply(Broken)).on("large", async |session: Session| {
        session.insert(Fate::TooLarge);
        Reply("a".repeat(9))
    });
    let answers = bench.ask(events, (), &[r#"["broken"]"#, r#"["large"]"#]).await;
    let expected = [
        r#"71{"code":"reply","message":"the answer cannot be written as JSON"}"#,
        r#"72{"code":"reply","message":"the answer is above the message limit"}"#,
    ];
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn an_answer_to_a_session_that_is_over_is_an_error_of_the_loop_alone() {
    let bench = Bench::new().await;
    bench.session.insert(Fate::Closed);
    assert_eq!(bench.event(Some(1), r#"["a"]"#).reply(()).await, Err(SendError::Closed));
    bench.session.insert(Fate::Closed);
    bench.run(Events::new(), (), vec![bench.event(Some(1), r#"["a"]"#)]).await;
    assert_eq!(bench.answers(), [""; 0]);
}

/// Fails while the outbox is full.
fn offer_if_there_is_room(session: &Session, page: u64, packet: Packet) -> Result<(), (SendError, Packet)> {
    if session.member.shared.look(|machine| machine.outbox_fits(packet.len())) {
        offer(session, page, packet)
    } else {
        Err((SendError::Full, packet))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_for_room() {
    let mut bench = Bench::of(Anywire::builder().outbox(100)).await;
    bench.session.send("x".repeat(200)).await.unwrap();
    let packet = Packet::new(r#"21["a"]"#, Vec::new());
    let event = Incoming::of_packet(&bench.session, packet, PAGE, offer_if_there_is_room).unwrap();
    let mut reply = std::pin::pin!(event.reply(Reply(1)));
    assert!(reply.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(lock(&bench.answers.0).is_empty());
    assert_eq!(bench.client.recv().await.unwrap().len(), 200);
    assert_eq!(bench.client.recv_within(std::time::Duration::from_secs(9)).await, None, "meanwhile it acknowledges");
    reply.await.unwrap();
    assert_eq!(bench.answers(), ["31[1]"]);
}

#[tokio::test]
async fn an_answer_that_may_not_wait_is_an_error() {
    let bench = Bench::of(Anywire::builder().outbox(100).overflow(Overflow::Fail)).await;
    bench.session.send("x".repeat(200)).await.unwrap();
    let packet = Packet::new(r#"21["a"]"#, Vec::new());
    let event = Incoming::of_packet(&bench.session, packet, PAGE, offer_if_there_is_room).unwrap();
    assert_eq!(event.reply(Reply(1)).await, Err(SendError::Full));
    assert_eq!(bench.answers(), [""; 0]);
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    Leave,
    Say(String),
    Pair(u8, u8),
    MoveTo {
        x: i32,
    },
    Message(String),
    #[serde(other)]
    Other,
}

#[tokio::test]
async fn a_loop_reads_events_as_variants_of_an_enum() {
    let bench = Bench::new().await;
    for (list, command) in [
        (r#"["leave"]"#, Command::Leave),
        (r#"["say","hi"]"#, Command::Say("hi".to_owned())),
        (r#"["pair",1,2]"#, Command::Pair(1, 2)),
        (r#"["move_to",{"x":-1}]"#, Command::MoveTo { x: -1 }),
        (r#"["what",1,2,3]"#, Command::Other),
    ] {
        assert_eq!(bench.event(None, list).parse(), Ok(command), "{list}");
    }
    let fault = bench.event(None, r#"["pair",1]"#).parse::<Command>().unwrap_err();
    assert_eq!(fault.code, "data");
    assert!(fault.message.contains("`pair`"), "{fault}");
    let plain = Incoming::of_message(&bench.session, "plain".into());
    assert_eq!(plain.parse(), Ok(Command::Message("plain".to_owned())));
    assert_eq!(plain.args::<(String,)>(), Ok(("plain".to_owned(),)));
}
