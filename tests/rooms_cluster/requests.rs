//! Requests to rooms whose members are on several nodes.

use std::{collections::BTreeSet, time::Duration};

use anywire::{Answers, Fault, InProcess, Live, LocalClient, RequestError, SendError, SessionId};
use futures::{FutureExt, future::join_all};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::lab::{Node, nodes};

/// A time that is over only if nothing else happens.
const LONG: Duration = Duration::from_secs(60);

/// A request to the jury that is under way.
fn ask(live: &Live) -> JoinHandle<Answers<u32>> {
    tokio::spawn(live.to("jury").request("n?", "all").within(LONG).into_future())
}

/// The member is asked, and answers.
async fn answers(client: &mut LocalClient, number: u32) {
    let event = client.recv_event().await.unwrap();
    assert_eq!((event.name(), event.data::<String>()), ("n?", Ok("all".to_owned())));
    client.reply(event, number);
}

/// A member on each of the nodes.
async fn jury(nodes: &[Node]) -> Vec<LocalClient> {
    let mut jury = Vec::new();
    for node in nodes {
        jury.push(node.member(&["jury"]).await);
    }
    jury
}

fn name(node: &Node) -> String {
    let figures = node.server.live().cluster().unwrap();
    assert!(!figures.nodes.is_empty());
    let client = node.server.sessions().first().map(|session| session.id().to_string()).unwrap();
    client.rsplit_once('.').unwrap().0.to_owned()
}

fn ids<T>(pairs: &[(SessionId, T)]) -> BTreeSet<String> {
    pairs.iter().map(|(id, _)| id.to_string()).collect()
}

fn ids_of(clients: &[LocalClient]) -> BTreeSet<String> {
    clients.iter().map(|client| client.id().to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_members_of_all_nodes_answer_from_whichever_node_they_are_asked() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let mut jury = jury(&nodes).await;
    jury.push(nodes[1].member(&["jury"]).await);
    let mut outsider = nodes[1].member(&["gallery"]).await;
    for node in &nodes {
        let asked = ask(&node.server.live());
        for (number, client) in (0..).zip(&mut jury) {
            answers(client, number).await;
        }
        let answered = asked.await.unwrap();
        assert!(answered.is_complete(), "{answered:?}");
        assert_eq!(ids(&answered.answers), ids_of(&jury));
        let by_session = |client: &LocalClient| answered.answers.iter().find(|(id, _)| *id == client.id()).cloned();
        for (number, client) in (0..).zip(&jury) {
            assert_eq!(by_session(client).unwrap().1, Ok(number));
        }
    }
    assert!(outsider.try_recv_event().is_none());
    let nobody: Answers<u32> = nodes[0].server.live().to("nowhere").request("n?", ()).await;
    assert!(nobody.is_complete() && nobody.answers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_refuses_one_ends_one_leaves_the_room_and_one_is_silent() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut refuses = nodes[1].member(&["jury"]).await;
    let mut ends = nodes[1].member(&["jury"]).await;
    let mut leaves = nodes[1].member(&["jury"]).await;
    let mut silent = nodes[1].member(&["jury"]).await;
    let live = nodes[0].server.live();
    let began = Instant::now();
    let asked = ask(&live);
    for client in [&mut ends, &mut silent] {
        client.recv_event().await.unwrap();
    }
    let event = refuses.recv_event().await.unwrap();
    refuses.refuse(event, Fault::new("busy", "at lunch"));
    let event = leaves.recv_event().await.unwrap();
    assert!(nodes[1].session(&leaves).leave("jury"));
    leaves.reply(event, 7_u32);
    nodes[1].session(&ends).abort();
    let answered = asked.await.unwrap();
    assert_eq!(began.elapsed(), LONG, "one is waited for, and not longer");
    assert_eq!(ids(&answered.answers), ids_of(&[refuses, leaves]));
    let refused = answered.answers.iter().filter(|(_, answer)| matches!(answer, Err(RequestError::Refused(_)))).count();
    assert_eq!((refused, answered.values().collect::<Vec<_>>()), (1, vec![&7]));
    assert_eq!(answered.missing, [(ends.id(), RequestError::Closed), (silent.id(), RequestError::Timeout)]);
    assert_eq!((&answered.unreached[..], answered.is_complete()), (&[][..], false));
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_of_no_later_request() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut late = nodes[1].member(&["jury"]).await;
    let live = nodes[0].server.live();
    let few: Answers<u32> = live.to("jury").request("n?", "all").within(Duration::from_secs(1)).await;
    assert_eq!(few.missing, [(late.id(), RequestError::Timeout)]);
    let asked = ask(&live);
    answers(&mut late, 1).await;
    answers(&mut late, 2).await;
    let answered = asked.await.unwrap();
    assert_eq!(answered.answers, [(late.id(), Ok(2))]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_ends_its_part_at_once_and_its_members_are_missing() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let mut jury = jury(&nodes).await;
    let live = nodes[0].server.live();
    let asked = ask(&live);
    jury[1].recv_event().await.unwrap();
    let event = jury[2].recv_event().await.unwrap();
    answers(&mut jury[0], 1).await;
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    nodes[1].plug.cut_bus();
    nodes[1].plug.cut_directory();
    nodes[1].plug.cut_links();
    jury[2].reply(event, 3_u32);
    let answered = asked.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(ids(&answered.answers), ids_of(&[jury.remove(0), jury.remove(1)]));
    assert_eq!(answered.missing, [(jury[0].id(), RequestError::Unreachable)]);
    assert!(answered.unreached.is_empty(), "it had named its members");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_asked_is_named_and_the_others_are_not_held_up() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let mut jury = jury(&nodes).await;
    nodes[1].plug.cut_links();
    let began = Instant::now();
    let asked = ask(&nodes[0].server.live());
    answers(&mut jury[0], 1).await;
    answers(&mut jury[2], 3).await;
    let answered = asked.await.unwrap();
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    assert_eq!((answered.answers.len(), answered.missing.len()), (2, 0));
    assert_eq!(answered.unreached, [name(&nodes[1])]);
    nodes[1].plug.heal();
    sleep(Duration::from_secs(20)).await;
    let asked = ask(&nodes[0].server.live());
    // It was asked by the engine, though nobody waited.
    answers(&mut jury[1], 1).await;
    for client in &mut jury {
        answers(client, 4).await;
    }
    let answered = asked.await.unwrap();
    assert!(answered.is_complete() && answered.values().all(|number| *number == 4), "{answered:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_engine_loses_is_told_and_nobody_is_asked_later() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let mut jury = jury(&nodes).await;
    nodes[2].plug.lose_next(1);
    let began = Instant::now();
    let asked = ask(&nodes[0].server.live());
    answers(&mut jury[0], 1).await;
    answers(&mut jury[1], 2).await;
    let answered = asked.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "the loss shows by itself: {:?}", began.elapsed());
    assert_eq!((answered.answers.len(), answered.missing.len()), (2, 0));
    assert_eq!(answered.unreached, [name(&nodes[2])]);
    sleep(LONG).await;
    assert!(jury[2].try_recv_event().is_none());
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_away_this_node_is_asked_and_the_others_are_named() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let mut jury = jury(&nodes).await;
    engine.cut();
    sleep(Duration::from_secs(3)).await;
    let live = nodes[0].server.live();
    assert!(live.cluster().unwrap().is_split());
    let began = Instant::now();
    let asked = ask(&live);
    answers(&mut jury[0], 1).await;
    let answered = asked.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(answered.answers, [(jury[0].id(), Ok(1))]);
    let named: BTreeSet<_> = answered.unreached.iter().cloned().collect();
    assert_eq!(named, [name(&nodes[1]), name(&nodes[2])].into());
    engine.heal();
    sleep(LONG).await;
    for client in &mut jury {
        assert!(client.try_recv_event().is_none(), "nobody is asked later");
    }
    let asked = ask(&live);
    for client in &mut jury {
        answers(client, 2).await;
    }
    assert!(asked.await.unwrap().is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_is_forgotten_on_all_nodes() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut client = nodes[1].member(&["jury"]).await;
    let live = nodes[0].server.live();
    let asked: Vec<_> = (0..1_024).map(|_| ask(&live)).collect();
    for _ in 0..1_024 {
        client.recv_event().await.unwrap();
    }
    let too_many: Answers<u32> = live.to("jury").request("n?", "all").await;
    assert_eq!(too_many.not_sent, Some(SendError::Full), "that many may wait for other nodes");
    // The clock stands still until all is at rest: the other node knows that somebody waits.
    sleep(Duration::from_millis(1)).await;
    let held = nodes[1].stats().bytes;
    asked.iter().for_each(JoinHandle::abort);
    join_all(asked).await;
    sleep(Duration::from_secs(1)).await;
    let forgotten = held - nodes[1].stats().bytes;
    assert!(forgotten >= 1_024 * 100, "an open request counts, and only {forgotten} bytes are free again");
    let asked = ask(&live);
    answers(&mut client, 5).await;
    assert_eq!(asked.await.unwrap().into_values().collect::<Vec<_>>(), [5]);
}

#[tokio::test(start_paused = true)]
async fn a_request_has_its_place_among_the_messages_of_its_room_on_all_nodes() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let mut jury = jury(&nodes).await;
    let live = nodes[0].server.live();
    live.to("jury").emit("before", ());
    let mut asked = Box::pin(live.to("jury").request("n?", "all").within(LONG).into_future());
    assert!(asked.as_mut().now_or_never().is_none(), "it waits");
    live.to("jury").emit("behind", ());
    let mut late = nodes[1].member(&["jury"]).await;
    let asked = tokio::spawn(asked);
    for client in &mut jury {
        assert_eq!(client.recv_event().await.unwrap().name(), "before");
        answers(client, 1).await;
        assert_eq!(client.recv_event().await.unwrap().name(), "behind");
    }
    let answered: Answers<u32> = asked.await.unwrap();
    assert_eq!(ids(&answered.answers), ids_of(&jury));
    assert!(late.try_recv_event().is_none_or(|event| event.name() != "n?"), "it came later");
}

#[tokio::test(start_paused = true)]
async fn several_rooms_ask_each_member_once_without_those_that_are_excluded() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut here = nodes[0].member(&["a"]).await;
    let mut both = nodes[1].member(&["a", "b"]).await;
    let mut one = nodes[1].member(&["b"]).await;
    let mut absent = nodes[1].member(&["a", "absent"]).await;
    let mut left_out = nodes[0].member(&["b"]).await;
    let live = nodes[0].server.live();
    let request = live.to_any(["a", "b"]).except(&nodes[0].session(&left_out)).except_room("absent");
    let asked = tokio::spawn(request.request("n?", "all").within(LONG).into_future());
    for client in [&mut here, &mut both, &mut one] {
        answers(client, 1).await;
    }
    let answered: Answers<u32> = asked.await.unwrap();
    assert!(answered.is_complete(), "{answered:?}");
    assert_eq!(answered.answers.len(), 3);
    for client in [&mut here, &mut both, &mut one, &mut absent, &mut left_out] {
        assert!(client.try_recv_event().is_none(), "each is asked once, if at all");
    }
    let local = tokio::spawn(live.all().local().request("n?", "all").within(LONG).into_future());
    answers(&mut here, 2).await;
    answers(&mut left_out, 3).await;
    let local: Answers<u32> = local.await.unwrap();
    assert_eq!((local.is_complete(), ids(&local.answers)), (true, ids_of(&[here, left_out])));
    let now = tokio::spawn(live.to("b").now().request("n?", "all").within(LONG).into_future());
    answers(&mut both, 4).await;
    answers(&mut one, 5).await;
    let now: Answers<u32> = now.await.unwrap();
    assert_eq!(ids(&now.missing).len(), 1, "the other is on this node, and does not answer: {now:?}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_members_answer_and_what_they_held_is_free_again() {
    const ANSWER: usize = 5_000;
    let engine = InProcess::new();
    let nodes = nodes(&engine, 3).await;
    let mut members = Vec::new();
    for number in 0..1_000 {
        members.push(nodes[number % 3].member(&["jury"]).await);
    }
    let live = nodes[0].server.live();
    let before = nodes[0].stats().bytes;
    let asked = tokio::spawn(live.to("jury").request("text?", ()).within(LONG).into_future());
    let text = "x".repeat(ANSWER);
    let (last, others) = members.split_last_mut().unwrap();
    for client in others.iter_mut() {
        let event = client.recv_event().await.unwrap();
        client.reply(event, &text);
    }
    sleep(Duration::from_secs(1)).await;
    let held = nodes[0].stats().bytes;
    assert!(
        held >= before + 999 * ANSWER,
        "{held} of {before}: answers of other nodes count where they are waited for"
    );
    let event = last.recv_event().await.unwrap();
    last.reply(event, "");
    let answered: Answers<String> = asked.await.unwrap();
    assert!(answered.is_complete(), "{:?} {:?}", answered.missing, answered.unreached);
    assert_eq!(ids(&answered.answers), ids_of(&members));
    assert_eq!(answered.values().filter(|text| text.len() == ANSWER).count(), 999);
    for client in &mut members {
        client.idle().await;
    }
    let held = nodes[0].stats().bytes.saturating_sub(before);
    assert!(held < 100_000, "{held}");
}
