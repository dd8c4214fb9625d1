//! Whole servers on one machine: their rooms when the sequencer ends, and names that two of them have.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anywire::{Anywire, LocalClient, Server, Session};
use tokio::time::sleep;

use super::folder::Folder;

async fn member(session: Session) {
    session.join("room");
    while session.recv().await.is_some() {}
}

/// A server, and the messages that its members were told to have missed.
fn server(folder: &Folder, name: &str) -> (Server, Arc<AtomicU64>) {
    let missed = Arc::<AtomicU64>::default();
    let count = missed.clone();
    let server = Anywire::builder()
        .cluster(folder.engine())
        .node(name)
        .outbox(16 << 20)
        .on_room_gap(move |gap| {
            count.fetch_add(gap.count(), Ordering::Relaxed);
        })
        .handler(member)
        .build();
    (server, missed)
}

async fn know_each_other(servers: &[&Server], names: usize) {
    let begun = Instant::now();
    while !servers.iter().all(|server| server.live().cluster().unwrap().nodes.len() == names) {
        assert!(begun.elapsed() < Duration::from_secs(30), "they do not know each other");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn texts(client: &mut LocalClient, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let message =
            tokio::time::timeout(Duration::from_secs(30), client.recv()).await.expect("nothing comes").unwrap();
        let text = message.as_text().unwrap();
        texts.extend((text != "hello").then(|| text.to_owned()));
    }
    texts
}

/// Messages that are sent to a room while the process that carries them ends reach all members of the others.
async fn rooms_lose_nothing(folder: &Folder, end: impl AsyncFnOnce(Server)) {
    const EACH: usize = 1_000;
    let (first, _) = server(folder, "first");
    first.live().ready().await;
    let ((a, missed_a), (b, missed_b)) = (server(folder, "a"), server(folder, "b"));
    a.live().ready().await;
    b.live().ready().await;
    know_each_other(&[&first, &a, &b], 3).await;
    let mut clients = [LocalClient::open(&a, (), "").await.unwrap(), LocalClient::open(&b, (), "").await.unwrap()];
    for sender in [&a, &b] {
        // Interest is asked for beside the join: what is sent before it is there is no loss.
        for client in &mut clients {
            loop {
                sender.to("room").send("hello");
                if client.recv_within(Duration::from_millis(300)).await.is_some() {
                    break;
                }
            }
        }
    }
    let sending = [(a.clone(), "a"), (b.clone(), "b")].map(|(server, name)| {
        tokio::spawn(async move {
            for n in 0..EACH {
                server.to("room").send(format!("{name} {n}"));
                sleep(Duration::from_micros(300)).await;
            }
        })
    });
    sleep(Duration::from_millis(100)).await;
    end(first).await;
    for sent in sending {
        sent.await.unwrap();
    }
    for client in &mut clients {
        let got = texts(client, 2 * EACH).await;
        for name in ["a", "b"] {
            let of_one = got.iter().filter(|text| text.starts_with(name));
            assert!(of_one.eq((0..EACH).map(|n| format!("{name} {n}")).collect::<Vec<_>>().iter()));
        }
    }
    assert_eq!((missed_a.load(Ordering::Relaxed), missed_b.load(Ordering::Relaxed)), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_lose_nothing_when_the_sequencer_ends() {
    rooms_lose_nothing(&Folder::new(), async |first| drop(first)).await;
}

/// Its last words are for the next sequencer: the others would not hear them otherwise, and count it as living.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_lose_nothing_when_the_sequencer_shuts_down() {
    let folder = Folder::new();
    let shut_down = async |first: Server| {
        first.live().shutdown(Duration::ZERO).await;
        assert_eq!(folder.names("epoch-").len(), 2, "another one is the sequencer");
    };
    rooms_lose_nothing(&folder, shut_down).await;
    assert_eq!(folder.names("epoch-").len(), 2);
}

/// Both serve; the log names the fault. The sockets are those of processes, and no name is in theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_with_one_name_harm_nobody() {
    let folder = Folder::new();
    let ((one, _), (other, _)) = (server(&folder, "same"), server(&folder, "same"));
    one.live().ready().await;
    other.live().ready().await;
    let (third, _) = server(&folder, "third");
    third.live().ready().await;
    know_each_other(&[&one, &other, &third], 2).await;
    assert_eq!((folder.names("m").len(), folder.names("n").len()), (3, 3));
    for server in [&one, &other] {
        let mut client = LocalClient::open(server, (), "").await.unwrap();
        while client.recv_within(Duration::from_millis(300)).await != Some("hello".into()) {
            third.to("room").send("hello");
        }
    }
}
