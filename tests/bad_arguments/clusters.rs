//! The settings of clusters, and engines.

use std::time::Duration;

use anywire::{
    BusInbox, Claim, Cluster, InProcess, Past, Place, Publication, RECORDED, Record, Recorded, Redis, Retention,
};

use super::{fails, panics};

#[test]
fn settings() {
    let cluster = || Cluster::from(InProcess::new());
    let secret = "at least 16 bytes";
    for address in ["", "10.0.0.7", "0.0.0.0:1", "[::]:1", "224.0.0.1:1", "127.0.0.1:65536"] {
        let text =
            format!("{address:?} is not an address at which the other nodes reach this one, such as \"10.0.0.7:7946\"");
        assert_eq!(panics(|| cluster().peers(address, secret)), text);
    }
    for short in ["", "15 bytes, no m."] {
        let text = "the secret of a cluster has at least 16 bytes";
        assert_eq!(panics(|| cluster().peers("127.0.0.1:0", short)), text);
    }
    let text = "the nodes of a cluster reach each other: set Cluster::peers(address, secret)";
    let alone = Redis::new("redis://127.0.0.1:1").unwrap();
    let build = || -> anywire::Server { anywire::Anywire::builder().cluster(alone).handler(super::echo).build() };
    assert_eq!(panics(build), text);
}

/// Also where sessions do not move, so that an application's tests find it.
#[tokio::test(start_paused = true)]
async fn saved_states() {
    let (_client, session) = super::open(&super::server()).await;
    let text = "the state has 262145 bytes as JSON, and a session takes 262144 along at most";
    assert_eq!(fails(session.save(&"x".repeat(256 * 1024 - 1))), text);
    session.save(&"x".repeat(256 * 1024 - 2)).unwrap();
    let keys = std::collections::HashMap::from([((1, 2), 3)]);
    assert_eq!(fails(session.save(&keys)), "the state cannot be written as JSON: key must be a string");
    assert_eq!(session.restored::<u64>().unwrap(), None);
}

#[test]
fn redis() {
    for url in ["", "127.0.0.1", "http://127.0.0.1", "redis://", "redis://host:port", "redis://host/database"] {
        let text = fails(Redis::new(url));
        assert!(text.starts_with("no URL of Redis: "), "{url}: {text}");
    }
    let engine = || Redis::new("redis://127.0.0.1").unwrap();
    let long = "p".repeat(65);
    for prefix in ["", long.as_str()] {
        assert_eq!(panics(|| engine().prefix(prefix)), "the prefix of an engine has 1 to 64 bytes");
    }
}

/// Folders of other kinds are tried in `tests/engines/host.rs`.
#[cfg(all(unix, feature = "host"))]
#[test]
fn host() {
    use anywire::Host;
    for path in ["", "no/such/folder", "a\0b", "/dev/null"] {
        let text = fails(Host::at(path));
        assert!(text.starts_with(&format!("the folder {path}: ")), "{path}: {text}");
    }
    let long = format!("/tmp/{}", "x".repeat(76));
    let text = fails(Host::at(&long));
    assert!(!std::path::Path::new(&long).exists());
    assert!(text.ends_with("its path has 81 bytes, and may have 80, since its sockets' are short"), "{text}");
}

#[cfg(feature = "nats")]
#[test]
fn nats() {
    use anywire::Nats;
    let wrong = ["", "127.0.0.1", "http://127.0.0.1", "nats://", "nats://host:port", "nats://host/path", "nats://a,b"];
    for url in wrong {
        let text = fails(Nats::new(url));
        assert!(text.starts_with("no URL of NATS: "), "{url}: {text}");
    }
    let engine = || Nats::new("nats://127.0.0.1").unwrap();
    let long = "p".repeat(65);
    for prefix in ["", long.as_str()] {
        assert_eq!(panics(|| engine().prefix(prefix)), "the prefix of an engine has 1 to 64 bytes");
    }
    for replicas in [0, 6, u64::MAX] {
        assert_eq!(panics(|| engine().replicas(replicas)), "1 to 5 servers of NATS keep a stream");
    }
}

/// Engines take all bytes and all times. Their answers are tried in `tests/engines.rs`.
#[tokio::test(start_paused = true)]
async fn engines() {
    let engine = InProcess::new();
    engine.lose_next(u64::MAX);
    engine.lose_next(0);
    engine.delay(Duration::MAX);
    engine.delay(Duration::ZERO);
    let cluster = Cluster::from(engine);
    let (bus, directory) = (cluster.bus(), cluster.directory());
    bus.publish(vec![Publication::new("", "")]).await.unwrap();
    for keep in [Retention::new(0, Duration::ZERO), Retention::new(u32::MAX, Duration::MAX)] {
        bus.append(vec![Record::new(RECORDED, "", u64::MAX, u64::MAX, keep)]).await.unwrap();
        let past = bus.history(RECORDED, keep, Some(Place::new(u64::MAX, u64::MAX))).await.unwrap();
        assert_eq!((past.epoch, past.last), (1, 1));
        assert!(bus.history(b"never there", keep, Some(Place::new(0, 0))).await.unwrap() == Past::default());
    }
    bus.interest(vec!["".into()], vec!["never asked for".into()]).await.unwrap();
    assert_eq!(directory.claim(b"", b"", Duration::MAX).await.unwrap(), Claim::Mine);
    assert_eq!(directory.swap(b"", b"", b"", Duration::MAX).await.unwrap(), Claim::Mine);
    assert_eq!(directory.look(b"never claimed").await.unwrap(), None);
    directory.release(b"never claimed", b"").await.unwrap();
    assert_eq!(directory.beat(b"", b"", Duration::MAX).await.unwrap(), [""]);
    directory.leave(b"never there").await.unwrap();
    directory.note(b"", vec![], Duration::MAX).await.unwrap();
    directory.note(b"", vec![("never noted".into(), "".into())], Duration::ZERO).await.unwrap();
    assert!(directory.notes(b"never noted").await.unwrap().is_empty());
    let inbox = BusInbox::new(drop);
    inbox.take("", "");
    inbox.take_record(Recorded::new("", "", Place::new(u64::MAX, 0), u64::MAX));
}
