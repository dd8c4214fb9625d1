use futures::FutureExt;

use super::*;
use crate::clock::Clock;

fn link() -> Link {
    Link::new(2_000, "in".to_owned())
}

fn message(subject: &'static str, headers: &'static str, body: &'static str) -> Message {
    Message { subject: subject.into(), subscription: 1, headers: headers.into(), body: body.into() }
}

fn text(result: Result<Answer, EngineError>) -> Result<Bytes, String> {
    result.map(|answer| answer.body).map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_question_has_its_own_answer() {
    let link = link();
    let (one, two) = (link.ask("q", &[], b"1"), link.ask("q", &[], b"2"));
    let answering = async {
        assert_eq!(link.next_bytes().await, b"PUB q in.1 1\r\n1\r\nPUB q in.2 1\r\n2\r\n");
        for stranger in ["in", "in.", "in.x", "in.3", "in.1.2", "on.1", "in.18446744073709551616"] {
            link.answered(message(stranger, "", "stranger"));
        }
        link.answered(message("in.2", "", "two"));
        link.answered(message("in.2", "", "two again"));
        link.answered(message("in.1", "", "one"));
    };
    let (one, two, ()) = tokio::join!(one, two, answering);
    assert_eq!((text(one), text(two)), (Ok("one".into()), Ok("two".into())));
}

#[tokio::test(start_paused = true)]
async fn many_answers_end_with_a_status() {
    let link = link();
    let begin = |number: u32| (link.ask_for_all("q", b""), format!("in.{number}"));
    let (all, subject) = begin(1);
    let answering = async {
        for headers in ["", "NATS/1.0\r\n\r\n", "NATS/1.0 100 Idle\r\n\r\n", "NATS/1.0 204 EOB\r\n\r\n", ""] {
            link.answered(Message { subject: subject.clone().into(), ..message("", headers, "") });
        }
    };
    let (all, ()) = tokio::join!(all, answering);
    assert_eq!(all.unwrap().len(), 4);
    let (all, subject) = begin(2);
    let answering = async {
        for _ in 0..=ANSWERS {
            link.answered(Message { subject: subject.clone().into(), ..message("", "", "") });
        }
    };
    let (all, ()) = tokio::join!(all, answering);
    assert_eq!(all.unwrap_err().to_string(), "the server has too many answers");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_an_error_of_all() {
    let link = link();
    let clock = Clock::start();
    let (asked, flushed) = tokio::join!(link.ask("q", &[], b""), link.flush());
    assert_eq!(text(asked), Err("the server does not answer".to_owned()));
    assert_eq!(flushed.unwrap_err().to_string(), "the server does not answer");
    assert_eq!(Duration::from_millis(clock.now()), ANSWER);
    let given_up = link.bad().now_or_never().expect("the connection is given up");
    assert_eq!(given_up.to_string(), "the server does not answer");
    // Its late answer is nobody's.
    link.answered(message("in.1", "", "late"));
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_while_bytes_move() {
    let link = link();
    let clock = Clock::start();
    let moving = async {
        for _ in 0..5 {
            tokio::time::sleep(ANSWER * 2 / 3).await;
            link.has_moved();
        }
        link.flushed();
    };
    let (flushed, ()) = tokio::join!(link.flush(), moving);
    flushed.unwrap();
    assert!(Duration::from_millis(clock.now()) > ANSWER * 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_an_error() {
    let link = link();
    let refusing = async {
        link.refused("Permissions Violation");
        link.flushed();
    };
    let (asked, flushed, ()) = tokio::join!(link.ask("q", &[], b""), link.flush(), refusing);
    assert_eq!(text(asked), Err("the server says: Permissions Violation".to_owned()));
    assert_eq!(flushed.unwrap_err().to_string(), "the server says: Permissions Violation");
    let (flushed, ()) = tokio::join!(link.flush(), async { link.flushed() });
    flushed.unwrap();
    let long = text(link.ask("q", &[], &[0; 977]).await).unwrap_err();
    assert_eq!(long, "977 bytes are too many for the server, which takes messages of 2000 (its `max_payload`)");
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_an_error_at_once() {
    let link = link();
    let clock = Clock::start();
    let (asked, flushed, ()) = tokio::join!(link.ask("q", &[], b""), link.flush(), async { link.close() });
    let lost = "the connection to the server is lost";
    assert_eq!(text(asked), Err(lost.to_owned()));
    assert_eq!(flushed.unwrap_err().to_string(), lost);
    assert_eq!(text(link.ask("q", &[], b"").await), Err(lost.to_owned()));
    link.flush().await.unwrap_err();
    link.write(|_| panic!("nobody reads it"));
    assert_eq!(clock.now(), 0);
}
