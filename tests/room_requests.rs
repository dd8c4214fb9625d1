//! Requests to rooms over the wire: one packet for all members, and the answers in one place.
#![allow(clippy::disallowed_methods)]

mod support;

use std::{pin::pin, sync::Arc, time::Duration};

use anywire::{
    Answers, Anywire, Builder, Events, History, Live, Request, RequestError, SendError, Session, SlowMember,
};
use axum::Router;
use futures::{FutureExt, future::join_all};
use support::{EventClient, Site};

/// A time that is over only if nothing else happens.
const LONG: Duration = Duration::from_secs(20);

const VOTE: Request<String, bool> = Request::new("vote");

fn site_of(builder: Builder) -> (Site, Live) {
    let server = builder.events(Events::new()).build();
    (Site::of(&server, |server| Router::new().nest("/live", server.routes())), server.live())
}

fn site() -> (Site, Live) {
    site_of(Anywire::builder())
}

async fn member(site: &Site, live: &Live, room: &str) -> EventClient {
    let client = EventClient::open(site, "events").await;
    session(live, &client).join(room);
    client
}

fn session(live: &Live, client: &EventClient) -> Session {
    live.session(&client.id).unwrap()
}

/// A request to the jury that is under way.
fn ask(live: &Live) -> tokio::task::JoinHandle<Answers<bool>> {
    tokio::spawn(live.to("jury").request(VOTE, "guilty?").within(LONG).into_future())
}

fn ids<T>(pairs: &[(anywire::SessionId, T)]) -> Vec<&str> {
    pairs.iter().map(|(id, _)| id.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_answers_of_a_room_come_in_their_order_and_everybody_else_is_missing() {
    let (site, live) = site();
    let mut yes = member(&site, &live, "jury").await;
    let mut refuses = member(&site, &live, "jury").await;
    let mut wrong = member(&site, &live, "jury").await;
    let mut silent = member(&site, &live, "jury").await;
    let mut outsider = member(&site, &live, "gallery").await;
    let mut plain = EventClient::open(&site, "").await;
    session(&live, &plain).join("jury");
    let votes = ask(&live);
    let mut packets = Vec::new();
    for client in [&mut yes, &mut refuses, &mut wrong, &mut silent] {
        packets.push(client.asked().await);
    }
    let id = packets[0].0;
    assert!(packets.iter().all(|packet| *packet == (id, "[\"vote\",\"guilty?\"]".to_owned())), "{packets:?}");
    wrong.answer(id, "[\"perhaps\"]").await;
    refuses.send(&format!("e7{id}{{\"code\":\"busy\",\"message\":\"at lunch\"}}")).await;
    refuses.settle().await;
    yes.answer(id, "[true]").await;
    yes.answer(id, "[false]").await;
    outsider.answer(id, "[true]").await;
    let votes = votes.await.unwrap();
    assert_eq!(ids(&votes.answers), [&wrong.id, &refuses.id, &yes.id]);
    assert!(matches!(&votes.answers[0].1, Err(RequestError::Data(fault)) if fault.code == "data"), "{votes:?}");
    assert!(matches!(&votes.answers[1].1, Err(RequestError::Refused(fault)) if fault.code == "busy"), "{votes:?}");
    assert_eq!(votes.answers[2].1, Ok(true));
    assert_eq!(ids(&votes.missing), [&plain.id, &silent.id]);
    assert_eq!(votes.missing[0].1, RequestError::NotSent(SendError::NoEvents));
    assert_eq!(votes.missing[1].1, RequestError::Timeout);
    assert_eq!((votes.not_sent, votes.values().collect::<Vec<_>>()), (None, vec![&true]));
    live.to("gallery").send("nothing else");
    live.to("jury").send("nothing else");
    for client in [&mut outsider, &mut plain, &mut silent] {
        assert_eq!(client.event().await, "mnothing else");
    }
}

#[tokio::test(start_paused = true)]
async fn an_audience_of_several_rooms_is_asked_once_each_without_those_that_are_excluded() {
    let (site, live) = site();
    let mut both = member(&site, &live, "a").await;
    session(&live, &both).join("b");
    let mut one = member(&site, &live, "b").await;
    let mut left_out = member(&site, &live, "a").await;
    let mut absent = member(&site, &live, "b").await;
    session(&live, &absent).join("absent");
    let request = live.to_any(["a", "b"]).except(&session(&live, &left_out)).except_room("absent");
    let answers = tokio::spawn(request.request("n?", ()).within(LONG).into_future());
    for (client, number) in [(&mut both, "[1]"), (&mut one, "[2]")] {
        let (id, _) = client.asked().await;
        client.answer(id, number).await;
    }
    let answers: Answers<u8> = answers.await.unwrap();
    assert_eq!((answers.missing.len(), answers.into_values().collect::<Vec<_>>()), (0, vec![1, 2]));
    let everybody = tokio::spawn(live.all().request("all?", ()).within(LONG).into_future());
    for client in [&mut both, &mut one, &mut left_out, &mut absent] {
        let (id, packet) = client.asked().await;
        assert_eq!(packet, "[\"all?\"]");
        client.answer(id, "[]").await;
    }
    let everybody: Answers<()> = everybody.await.unwrap();
    assert_eq!(ids(&everybody.answers), [&both.id, &one.id, &left_out.id, &absent.id]);
    let nobody: Answers<()> = live.to("nowhere").request("all?", ()).await;
    assert_eq!((nobody.answers.len(), nobody.missing.len(), nobody.not_sent), (0, 0, None));
}

#[tokio::test(start_paused = true)]
async fn members_that_end_or_are_taken_over_are_not_waited_for() {
    let (site, live) = site();
    let mut ends = member(&site, &live, "jury").await;
    let mut former = member(&site, &live, "jury").await;
    let mut leaves = member(&site, &live, "jury").await;
    let over = member(&site, &live, "jury").await;
    session(&live, &over).close(1000, "before");
    let votes = ask(&live);
    let (id, _) = ends.asked().await;
    former.asked().await;
    leaves.asked().await;
    assert!(session(&live, &leaves).leave("jury"));
    let (ended, taken) = (session(&live, &ends).id(), session(&live, &former).id());
    session(&live, &ends).abort();
    let mut next = former.take_over(&site).await;
    next.confirm().await;
    next.answer(id, "[true]").await;
    leaves.answer(id, "[true]").await;
    let votes = votes.await.unwrap();
    assert_eq!(ids(&votes.answers), [&leaves.id], "who leaves the room may answer");
    assert_eq!(votes.missing, [(ended, RequestError::Closed), (taken, RequestError::Unknown)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_is_forgotten_by_each_member_at_once() {
    let (site, live) = site();
    let mut client = member(&site, &live, "jury").await;
    let unsent = live.to("jury").request(VOTE, "unsent");
    drop(unsent);
    let mut waiting: Vec<_> = (0..1024).map(|_| live.to("jury").request(VOTE, "?").into_future()).collect();
    for votes in &mut waiting {
        assert!(votes.now_or_never().is_none(), "it waits");
    }
    let votes = live.to("jury").request(VOTE, "one too many").await;
    assert_eq!(votes.missing.iter().map(|(_, reason)| reason).collect::<Vec<_>>(), [&RequestError::Full]);
    let (id, packet) = client.asked().await;
    assert_eq!(packet, "[\"vote\",\"?\"]", "what was not awaited was not sent");
    let asked = live.stats().bytes;
    drop(waiting);
    let forgotten = asked - live.stats().bytes;
    assert!(forgotten >= 1024 * 100, "an open request counts, and only {forgotten} bytes are free again");
    client.answer(id, "[false]").await;
    let mut votes = pin!(live.to("jury").request(VOTE, "again").into_future());
    assert!(votes.as_mut().now_or_never().is_none(), "it waits");
    client.settle().await;
    let last = loop {
        let (id, packet) = client.asked().await;
        if packet == "[\"vote\",\"again\"]" {
            break id;
        }
    };
    client.answer(last, "[true]").await;
    assert_eq!(votes.await.into_values().collect::<Vec<_>>(), [true], "and no answer of the one that was dropped");
}

#[tokio::test(start_paused = true)]
async fn one_who_joins_later_is_not_asked_and_the_order_of_a_room_is_kept() {
    let (site, live) = site();
    let mut early = member(&site, &live, "jury").await;
    live.to("jury").send("before");
    let mut votes = pin!(live.to("jury").request(VOTE, "?").within(LONG).into_future());
    assert!(votes.as_mut().now_or_never().is_none(), "it waits");
    let mut late = member(&site, &live, "jury").await;
    live.to("jury").send("behind");
    assert_eq!(early.event().await, "mbefore");
    let (id, _) = early.asked().await;
    assert_eq!(early.event().await, "mbehind");
    assert_eq!(late.event().await, "mbehind");
    late.answer(id, "[false]").await;
    early.answer(id, "[true]").await;
    let votes = votes.await;
    assert_eq!((ids(&votes.answers), votes.missing.len()), (vec![early.id.as_str()], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_those_are_asked_who_are_waited_for_while_others_join_and_leave() {
    let (site, live) = site();
    let mut asked = Vec::new();
    for _ in 0..6 {
        let mut client = member(&site, &live, "jury").await;
        let session = session(&live, &client);
        asked.push(tokio::spawn(async move {
            let mut times = 0_u32;
            loop {
                let (id, packet) = client.asked().await;
                if packet == "[\"end\"]" {
                    return times;
                }
                times += 1;
                session.leave("jury");
                client.send(&format!("e3{id}[{times}]")).await;
                session.join("jury");
            }
        }));
    }
    let mut answered = 0;
    for _ in 0..200 {
        let answers: Answers<u32> = live.to("jury").request("n?", ()).within(LONG).await;
        assert_eq!(answers.missing, [], "nobody is waited for in vain");
        answered += u32::try_from(answers.answers.len()).unwrap();
        tokio::task::yield_now().await;
    }
    let end = tokio::spawn(live.all().request("end", ()).within(Duration::ZERO).into_future());
    let asked: u32 = join_all(asked).await.into_iter().map(Result::unwrap).sum();
    let end: Answers<()> = end.await.unwrap();
    assert_eq!((asked, end.missing.len()), (answered, 6), "nobody was asked in vain");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_answer_and_what_they_held_is_free_again() {
    const MEMBERS: usize = 1_000;
    const ANSWER: usize = 10_000;
    let (site, live) = site();
    let mut members = join_all((0..MEMBERS).map(|_| member(&site, &live, "all"))).await;
    let answer = Arc::new(format!("[\"{}\"]", "x".repeat(ANSWER)));
    join_all(members.iter_mut().map(|client| client.settle())).await;
    let before = live.stats().bytes;
    let answers = tokio::spawn(live.to("all").request("text?", ()).within(LONG).into_future());
    let mut id = 0;
    for client in &mut members {
        id = client.asked().await.0;
    }
    // All but one answer: what they sent counts for as long as that one is waited for.
    let (last, others) = members.split_last_mut().unwrap();
    for client in others {
        client.answer(id, &answer).await;
    }
    let held = live.stats().bytes;
    assert!(held >= before + (MEMBERS - 1) * ANSWER, "{held} of {before}");
    last.answer(id, "[\"\"]").await;
    let answers: Answers<String> = answers.await.unwrap();
    assert_eq!((answers.answers.len(), answers.missing.len()), (MEMBERS, 0));
    assert!(answers.values().take(MEMBERS - 1).all(|text| text.len() == ANSWER));
    for client in &mut members {
        client.settle().await;
    }
    let held = live.stats().bytes - before;
    assert!(held < 100, "the request, which nobody has acknowledged, and no answer: {held}");
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_outbox_is_full_misses_the_request() {
    for (policy, ends) in [(SlowMember::Reopen, true), (SlowMember::Gap, false)] {
        let (site, live) = site_of(Anywire::builder().outbox(500).slow_members(policy));
        let mut quick = member(&site, &live, "jury").await;
        let slow = member(&site, &live, "jury").await;
        let behind = session(&live, &slow);
        while behind.try_send("x".repeat(100)).is_ok() {}
        let votes = ask(&live);
        let (id, _) = quick.asked().await;
        quick.answer(id, "[true]").await;
        let votes = votes.await.unwrap();
        assert_eq!(ids(&votes.answers), [&quick.id]);
        assert_eq!(votes.missing.len(), 1);
        assert_eq!(votes.missing[0].1, RequestError::NotSent(SendError::Full));
        let stats = live.stats();
        assert_eq!((behind.is_closed(), stats.slow_total, stats.skipped_total), (ends, ends.into(), (!ends).into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_history_keeps_no_request() {
    let (site, live) = site_of(Anywire::builder().rooms("jury", History::last(10)));
    let mut early = member(&site, &live, "jury").await;
    let votes = ask(&live);
    let (id, _) = early.asked().await;
    early.answer(id, "[true]").await;
    votes.await.unwrap();
    live.to("jury").send("kept");
    let mut late = EventClient::open(&site, "events").await;
    let joined = session(&live, &late).join_since("jury", None).await.unwrap();
    assert_eq!((joined.replayed, late.event().await.as_str()), (1, "mkept"));
}

#[tokio::test]
#[should_panic(expected = "a request to a room may not be skipped")]
async fn a_request_that_may_be_skipped_is_refused() {
    let (_, live) = site();
    drop(live.to("jury").droppable().request(VOTE, "?"));
}

#[tokio::test]
#[should_panic(expected = "a request to a room may not be skipped")]
async fn a_request_that_is_the_latest_of_a_key_is_refused() {
    let (_, live) = site();
    drop(live.to("jury").latest("key").request(VOTE, "?"));
}
