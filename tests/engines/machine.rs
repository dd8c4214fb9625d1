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

/// All that comes, until so many messages have come or were told to be missing.
async fn texts(client: &mut LocalClient, count: usize, missed: &AtomicU64) -> Vec<String> {
    let mut texts = Vec::new();
    let begun = Instant::now();
    while texts.len() + (missed.load(Ordering::Relaxed) as usize) < count {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} have come, and nothing was told", texts.len());
        let Some(message) = client.recv_within(Duration::from_millis(300)).await else { continue };
        let text = message.as_text().unwrap();
        texts.extend((text != "hello").then(|| text.to_owned()));
    }
    texts
}

/// The numbers of the messages of a server.
fn numbers(texts: &[String], name: &str) -> Vec<usize> {
    texts.iter().filter_map(|text| text.strip_prefix(name)?.trim().parse().ok()).collect()
}

/// Messages that are sent to a room while the process that carries them ends reach all members of the others, in order. On a
/// machine that is too busy to have another such process within a second, what is missing is told.
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
    for (client, missed) in clients.iter_mut().zip([missed_a, missed_b]) {
        let got = texts(client, 2 * EACH, &missed).await;
        let [of_a, of_b] = ["a", "b"].map(|name| numbers(&got, name));
        assert!([&of_a, &of_b].iter().all(|numbers| numbers.is_sorted_by(|one, next| one < next)), "{of_a:?} {of_b:?}");
        let missing = 2 * EACH - of_a.len() - of_b.len();
        println!("{missing} are missing");
        assert!(
            missing as u64 <= missed.load(Ordering::Relaxed),
            "{missing} are missing, and not all of them are told"
        );
    }
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
