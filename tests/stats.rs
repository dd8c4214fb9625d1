//! The figures of a server.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use anywire::{Anywire, Server, Session};
use support::{Peer, Site, attempt, site, until};

/// Sends to a room, and panics when it is asked to.
async fn chat(session: Session) {
    session.join("lobby");
    while let Some(message) = session.recv().await {
        assert_ne!(message.as_text(), Some("panic"), "as the client wants it");
        session.within("lobby").send(message);
    }
}

/// One session goes over WebSockets, and another one's handler panics.
async fn play() -> (Server, Site, Peer) {
    let server = Anywire::builder().max_sessions(3).handler(chat).build();
    let site = site(&server);
    let (mut peer, mut socket) = Peer::open_socket(&site).await;
    peer.put("hello");
    socket.flight(&peer).await;
    peer.take_until(&mut socket, 1).await;
    drop(socket);
    peer.resume_socket().await.quiet().await;
    let mut other = Peer::open(&site).await;
    other.send("panic").await;
    until("the handler has panicked", || server.live().stats().handler_panics_total == 1).await;
    (server, site, peer)
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_counted() {
    let (server, site, mut peer) = play().await;
    peer.id.replace_range(peer.id.len() - 4.., "0000");
    assert_eq!(peer.send_poll().await.status, 410, "there is no such session");
    for _ in 0..2 {
        Peer::open(&site).await.upload().await; // It is proven, so it does not give way to a new one.
    }
    let body = format!("o1,1,{},0:", attempt());
    assert_eq!(site.post("open", body).await.status, 503, "the server is full");
    let stats = server.live().stats();
    assert_eq!((stats.openings_total, stats.take_overs_total), (4, 0));
    assert_eq!((stats.resumes_total, stats.lost_resumes_total), (1, 1));
    assert_eq!(stats.refusals_total, BTreeMap::from([(4100, 1), (4200, 1)]));
    assert_eq!((stats.room_sends_total, stats.skipped_total, stats.slow_total), (1, 0, 0));
    assert_eq!(stats.connected.values().sum::<usize>() + stats.interrupted, 3, "{stats:?}");
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn a_recorder_gets_the_figures() {
    let (server, ..) = play().await;
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        server.live().record_metrics();
        server.live().record_metrics();
    });
    let text = recorder.handle().render();
    let listed = names(include_str!("../src/guide/operating.md"));
    let served = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let served: BTreeSet<&str> = served.collect();
    assert!(served.len() > 10 && served.is_subset(&listed), "{served:?}");
    for line in [
        "# TYPE anywire_openings_total counter",
        "anywire_openings_total 2",
        "anywire_handler_panics_total 1",
        "anywire_room_sends_total 1",
        "anywire_resumes_total{outcome=\"resumed\"} 1",
        "anywire_sessions{state=\"connected\",transport=\"xhr-poll\"} 0",
        "anywire_write_timeouts_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
}

/// The names of figures in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|character: char| character != '_' && !character.is_ascii_lowercase());
    words.filter(|word| word.starts_with("anywire_")).collect()
}

#[test]
fn the_guide_lists_each_figure_and_the_dashboard_no_other() {
    let guide = include_str!("../src/guide/operating.md");
    let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| `anywire_")).collect();
    let rows = rows.join("\n");
    let recorded = names(include_str!("../src/server/api/stats.rs"));
    assert_eq!(names(&rows), recorded);
    let shown = names(include_str!("../examples/metrics.grafana.json"));
    assert!(shown.len() > 10, "{shown:?}");
    for name in shown {
        assert!(recorded.contains(name.trim_end_matches("_bucket")), "the dashboard shows {name}");
    }
}
