//! Nodes of one machine whose sequencer goes, and what they need of their folder, and leave there.

use std::{
    fs,
    os::unix::{
        fs::{DirBuilderExt, PermissionsExt, chown, symlink},
        net::UnixListener,
    },
    path::Path,
    time::{Duration, Instant},
};

use anywire::{BusEvent, Claim, Host};
use axum::body::Bytes;
use tokio::time::sleep;

use super::{folder::Folder, node::Node};

const LONG: Duration = Duration::from_secs(60);

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn refused(path: &Path) -> String {
    Host::at(path).expect_err("it is refused").to_string()
}

#[test]
fn a_folder_is_this_users_alone() {
    let folder = Folder::new();
    let path = folder.0.clone();
    fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
    for mode in [0o755, 0o710, 0o701, 0o770, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let text = refused(&path);
        assert!(text.starts_with(&format!("the folder {}: its mode is {mode:o}", path.display())), "{text}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    // Only root may give a folder to somebody else.
    if chown(&path, Some(4711), None).is_ok() {
        let text = refused(&path);
        assert!(text.contains("it belongs to the user 4711"), "{text}");
        chown(&path, Some(0), None).unwrap();
    }
    assert_eq!(folder.names(""), Vec::<String>::new(), "nothing is left in a folder that was refused");
    Host::at(&path).unwrap();
    assert_eq!(folder.names(""), ["secret"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("secret"))), (0o700, 0o600));
}

#[test]
fn a_folder_is_made_and_named_when_it_cannot_be() {
    let folder = Folder::new();
    let path = folder.0.join("a");
    let text = refused(&path);
    assert!(
        text.starts_with(&format!("the folder {}: ", path.display())),
        "the one that it is in is not there: {text}"
    );
    Host::at(&folder.0).unwrap();
    assert_eq!(fs::metadata(&folder.0).unwrap().permissions().mode() & 0o777, 0o700);
    fs::write(&path, "").unwrap();
    assert!(refused(&path).ends_with("it is none"));
    assert!(refused(Path::new("")).starts_with("the folder : "));
    assert!(refused(Path::new("a\0b")).starts_with("the folder "));
    let most = 80 - folder.0.as_os_str().len() - 1;
    Host::at(folder.0.join("x".repeat(most))).unwrap();
    let long = folder.0.join("x".repeat(most + 1));
    let text = refused(&long);
    assert!(text.contains("its path has 81 bytes, and may have 80"), "{text}");
    // A link to a folder is that folder.
    symlink(&folder.0, folder.0.join("link")).unwrap();
    Host::at(folder.0.join("link")).unwrap();
    assert!(format!("{:?}", folder.engine()).contains(folder.0.to_str().unwrap()));
}

#[test]
fn the_secret_is_made_once_and_is_not_believed_when_others_could_read_it() {
    let folder = Folder::new();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let path = folder.0.clone();
            std::thread::spawn(move || (Host::at(&path).map(drop), fs::read(path.join("secret")).unwrap()))
        })
        .collect();
    let secrets: Vec<Vec<u8>> = threads
        .into_iter()
        .map(|thread| {
            let (made, secret) = thread.join().unwrap();
            made.unwrap();
            secret
        })
        .collect();
    assert!(secrets[0].len() == 64 && secrets.iter().all(|secret| *secret == secrets[0]));
    assert_eq!(folder.names(""), ["secret"], "no drafts are left");
    let secret = folder.0.join("secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refused(&folder.0).ends_with("the file `secret` in it is not this user's alone"));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    for wrong in [&secrets[0][1..], b"", &[&secrets[0][..], b"x"].concat()] {
        fs::write(&secret, wrong).unwrap();
        assert!(refused(&folder.0).ends_with("the file `secret` in it holds none"));
    }
}

/// Sockets of dead processes go. Those of living ones, and what is no socket, stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dead_processes_left_is_swept() {
    let folder = Folder::new();
    let engine = folder.engine();
    let id = "0123456789abcdef";
    for kind in ["m", "n", "e"] {
        drop(UnixListener::bind(folder.0.join(format!("{kind}{id}"))).unwrap());
    }
    let living = UnixListener::bind(folder.0.join("mffffffffffffffff")).unwrap();
    fs::write(folder.0.join("mmine"), "a file of somebody").unwrap();
    // The epoch of a sequencer that is dead, and of one whose socket is gone.
    symlink(format!("e{id}"), folder.0.join("epoch-00000000000000000006")).unwrap();
    symlink("e0000000000000000", folder.0.join("epoch-00000000000000000007")).unwrap();
    let mut a = Node::with(engine, &["room"]).await;
    a.publish("room", "x").await.unwrap();
    assert_eq!(a.received().await.1, "x");
    until("they are swept", async || folder.names("").iter().all(|name| !name.contains(id))).await;
    assert!(folder.names("m").contains(&"mffffffffffffffff".to_owned()));
    assert!(folder.names("m").contains(&"mmine".to_owned()));
    assert_eq!(folder.names("epoch-").last().unwrap(), "epoch-00000000000000000008");
    drop(living);
    // A node that ends takes its own sockets away.
    drop(a);
    until("its sockets are gone", async || folder.names("e").len() == folder.names("epoch").len()).await;
}

/// An entry that is no epoch is an error, and no node begins one beside it.
#[tokio::test]
async fn an_epoch_that_leads_elsewhere_is_not_followed() {
    let folder = Folder::new();
    let engine = folder.engine();
    symlink("../elsewhere", folder.0.join("epoch-00000000000000000003")).unwrap();
    let node = Node::new(engine);
    let error = node.directory.claim(b"key", b"a", LONG).await.unwrap_err().to_string();
    assert!(error.contains("an epoch is none") || error.contains("does not answer"), "{error}");
    fs::remove_file(folder.0.join("epoch-00000000000000000003")).unwrap();
    until("it is there", async || node.directory.claim(b"key", b"a", LONG).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_takes_the_sequencers_place() {
    let folder = Folder::new();
    let first = Node::with(folder.engine(), &["room"]).await;
    let mut others = vec![];
    for name in ["a", "b"] {
        let node = Node::with(folder.engine(), &["room"]).await;
        node.directory.beat(name.as_bytes(), name.as_bytes(), LONG).await.unwrap();
        assert_eq!(node.directory.claim(name.as_bytes(), name.as_bytes(), LONG).await.unwrap(), Claim::Mine);
        node.directory.note(name.as_bytes(), vec![("topic".into(), "1".into())], LONG).await.unwrap();
        others.push(node);
    }
    first.directory.claim(b"first", b"first", LONG).await.unwrap();
    others[0].directory.claim(b"released", b"a", LONG).await.unwrap();
    others[0].directory.release(b"released", b"a").await.unwrap();
    let begun = Instant::now();
    drop(first);
    // Questions that are asked meanwhile are answered by the next one, as if nothing had been.
    for (asks, name, other) in [(0, "b", "a"), (1, "a", "b")] {
        let directory = &others[asks].directory;
        let held = Claim::Held(Bytes::from(name));
        assert_eq!(directory.claim(name.as_bytes(), other.as_bytes(), LONG).await.unwrap(), held);
        assert_eq!(directory.claim(other.as_bytes(), other.as_bytes(), LONG).await.unwrap(), Claim::Mine);
    }
    println!("claims again behind {:?}", begun.elapsed());
    // The claims of the dead are free.
    assert_eq!(others[0].directory.claim(b"first", b"a", LONG).await.unwrap(), Claim::Mine);
    assert_eq!(others[1].directory.claim(b"released", b"b", LONG).await.unwrap(), Claim::Mine);
    assert_eq!(others[1].directory.notes(b"topic").await.unwrap().len(), 2);
    assert_eq!(others[1].directory.beat(b"b", b"b", LONG).await.unwrap().len(), 2);
    for node in &mut others {
        assert_eq!(node.event().await, BusEvent::Cut);
        assert_eq!(node.event().await, BusEvent::Whole);
    }
    println!("whole again behind {:?}", begun.elapsed());
    others[0].publish_at_last("room", "x").await;
    for node in &mut others {
        assert_eq!(node.received().await.1, "x");
        node.nothing_more().await;
    }
}

/// The info that a server gives of itself when it shuts down.
const GOES: &str = r#"{"name":"n","incarnation":"0000000000000001","address":"n","version":1,"draining":true,"window":1,
    "left":false,"beats":1,"knows":[]}"#;

/// The processes that are the sequencers of all epochs, as far as their sockets are there.
fn epochs(folder: &Folder) -> usize {
    folder.names("epoch-").len()
}

/// All that is published meanwhile reaches all, in one order, and nobody is told that anything may be missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequencer_that_shuts_down_hands_its_place_over() {
    const EACH: usize = 300;
    let folder = Folder::new();
    let first = Node::with(folder.engine(), &["room"]).await;
    first.directory.claim(b"first", b"first", LONG).await.unwrap();
    let (old, young) = (Node::with(folder.engine(), &["room"]).await, Node::with(folder.engine(), &["room"]).await);
    old.directory.claim(b"old", b"old", LONG).await.unwrap();
    let mut nodes = [first, old, young];
    let publishing: Vec<_> = nodes
        .iter()
        .enumerate()
        .map(|(name, node)| {
            let bus = node.bus.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    // A server publishes again too, until it is confirmed.
                    let publication = || vec![anywire::Publication::new("room", format!("{name} {n}"))];
                    while bus.publish(publication()).await.is_err() {}
                }
            })
        })
        .collect();
    let mut received = [vec![], vec![], vec![]];
    for (node, received) in nodes.iter_mut().zip(&mut received) {
        received.extend(node.bodies(EACH / 3).await);
    }
    nodes[0].directory.beat(b"first", GOES.as_bytes(), LONG).await.unwrap();
    assert_eq!(epochs(&folder), 2, "it is handed over before the others learn that the process goes");
    for published in publishing {
        published.await.unwrap();
    }
    for (node, received) in nodes.iter_mut().zip(&mut received) {
        node.add(&["end"]).await.unwrap();
        node.publish_at_last("end", "").await;
        received.extend(node.until_end().await);
        assert_eq!(received.iter().collect::<std::collections::HashSet<_>>().len(), 3 * EACH);
    }
    // A batch that was published again is at both places for all.
    assert!(received[0] == received[1] && received[1] == received[2], "they have different orders");
    // Those that go, each as it does, take nothing with them.
    let [first, old, mut young] = nodes;
    for (key, value) in [("first", "first"), ("old", "old")] {
        let claim = young.directory.claim(key.as_bytes(), b"young", LONG).await.unwrap();
        assert_eq!(claim, Claim::Held(Bytes::from(value)));
    }
    drop((first, old));
    young.nothing_more().await;
    assert_eq!(epochs(&folder), 2, "the youngest process was chosen");
}

/// A process that goes keeps the place until another one comes that can have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequencer_without_an_heir_waits_for_one() {
    let folder = Folder::new();
    let mut first = Node::with(folder.engine(), &["room"]).await;
    let mut other = Node::with(folder.engine(), &["room"]).await;
    // It goes too, and is asked in vain.
    for node in [&other, &first] {
        node.directory.beat(b"id", GOES.as_bytes(), LONG).await.unwrap();
        assert_eq!(epochs(&folder), 1);
    }
    let mut new = Node::with(folder.engine(), &["room"]).await;
    until("it is handed over", async || epochs(&folder) == 2).await;
    new.publish_at_last("room", "x").await;
    for node in [&mut first, &mut other, &mut new] {
        assert_eq!(node.received().await.1, "x");
    }
    drop((first, other));
    new.nothing_more().await;
    assert_eq!(epochs(&folder), 2);
}

/// A process that takes nothing is cut off and told, and holds up nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_slow_node_is_cut_off() {
    let folder = Folder::new();
    let mut quick = Node::with(folder.engine(), &["room"]).await;
    let slow = anywire::Cluster::from(folder.engine()).bus();
    let (sender, events) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let stopped = std::sync::Mutex::new(stopped);
    let inbox = anywire::BusInbox::new(move |event| {
        let is_publication = matches!(event, BusEvent::Received(..));
        sender.send(if is_publication { None } else { Some(event) }).unwrap();
        if is_publication {
            let _ = stopped.lock().unwrap().recv();
        }
    });
    let bus = slow.clone();
    let run = tokio::spawn(async move { bus.run(inbox).await });
    let next = || events.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(next(), Some(BusEvent::Whole));
    slow.interest(vec!["room".into()], vec![]).await.unwrap();
    let body = "x".repeat(1 << 20);
    for _ in 0..40 {
        quick.publish("room", &body).await.unwrap();
        assert_eq!(quick.received().await.1.len(), 1 << 20);
    }
    // It had some of them in its hands.
    drop(stop);
    let mut received = 0;
    let told = loop {
        match next() {
            None => received += 1,
            Some(event) => break event,
        }
    };
    assert_eq!(told, BusEvent::Cut);
    assert!(received < 40, "{received}");
    assert_eq!(next(), Some(BusEvent::Whole));
    quick.publish("room", "again").await.unwrap();
    assert_eq!(next(), None);
    run.abort();
}
