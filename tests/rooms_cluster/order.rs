//! All members of a room get its messages in one order, whatever node they and the senders are on.

use std::{collections::HashSet, time::Duration};

use anywire::InProcess;
use tokio::time::sleep;

use super::lab::{all_of, all_of_each, node, nodes};

const NODES: usize = 3;
const SENDERS: usize = 9;
const EACH: usize = 300;

#[tokio::test(start_paused = true)]
async fn all_members_of_all_nodes_get_one_order() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, NODES).await;
    let mut members = Vec::new();
    for at in 0..2 * NODES {
        members.push(nodes[at % NODES].member(&["a"]).await);
    }
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let live = nodes[sender % NODES].server.live();
        tasks.push(tokio::spawn(async move {
            for number in 0..EACH {
                let delivered = live.to("a").send(format!("{sender} {number}"));
                assert!(delivered.published && delivered.sent == 0);
                if (number + sender) % 7 == 0 {
                    sleep(Duration::from_millis((sender % 3) as u64)).await;
                } else {
                    tokio::task::yield_now().await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let got = all_of_each(&mut members).await;
    assert_eq!(got[0].len(), SENDERS * EACH);
    assert_eq!(got[0].iter().collect::<HashSet<_>>().len(), SENDERS * EACH);
    for (at, other) in got.iter().enumerate() {
        assert!(got[0] == *other, "member {at} has another order");
    }
    for sender in 0..SENDERS {
        let of = |line: &&String| line.split(' ').next() == Some(&sender.to_string());
        let numbers: Vec<usize> =
            got[0].iter().filter(of).map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "the order of sender {sender} is kept");
    }
    // The senders are mixed, or there is nothing to see.
    let changes = got[0].windows(2).filter(|pair| pair[0].split(' ').next() != pair[1].split(' ').next()).count();
    assert!(changes > SENDERS * 10, "{changes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_do_not_change_the_order() {
    let engine = InProcess::new();
    let nodes = nodes(&engine, 2).await;
    let mut members = Vec::new();
    for at in 0..4 {
        members.push(nodes[at % 2].member(&["a"]).await);
    }
    sleep(Duration::from_millis(200)).await;
    let mut tasks = Vec::new();
    for sender in 0..6 {
        let live = nodes[sender % 2].server.live();
        tasks.push(tokio::spawn(async move {
            for number in 0..500 {
                live.to("a").send(format!("{sender} {number}"));
                if number % 50 == 0 {
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let got = all_of_each(&mut members).await;
    assert_eq!(got[0].len(), 3_000);
    assert!(got.iter().all(|other| *other == got[0]), "one order for all");
}

#[tokio::test(start_paused = true)]
async fn no_message_is_lost_or_doubled_when_another_node_comes() {
    let engine = InProcess::new();
    let first = node(&engine, |builder| builder).await;
    let mut here = first.member(&["a"]).await;
    let live = first.server.live();
    let sending = tokio::spawn(async move {
        for number in 0..3_000 {
            live.to("a").send(number.to_string());
            sleep(Duration::from_millis(1)).await;
        }
    });
    sleep(Duration::from_millis(500)).await;
    let second = node(&engine, |builder| builder).await;
    let mut there = second.member(&["a"]).await;
    sending.await.unwrap();
    let (here, there) = (all_of(&mut here).await, all_of(&mut there).await);
    let want: Vec<String> = (0..3_000).map(|number| number.to_string()).collect();
    assert!(here == want, "alone, then with others: each once and in order ({})", here.len());
    assert!(there.len() > 500 && want.ends_with(&there), "from its join on: {} of them", there.len());
    let stats = first.stats();
    assert!(stats.cluster_published_total < 3_000, "alone it published nothing: {}", stats.cluster_published_total);
}
