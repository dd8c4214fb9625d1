//! A chat whose server tells how it is: `/metrics` for Prometheus, beside the page.
//!
//! `cargo run --example metrics --features metrics`, then open <http://127.0.0.1:8080> and
//! <http://127.0.0.1:8080/metrics>. `metrics.grafana.json` is a dashboard for it.

use std::time::Duration;

use anywire::{Anywire, Live, Session};
use axum::{Router, extract::State, response::Html, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of the buckets for round trips, in seconds.
const ROUND_TRIPS: [f64; 8] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

async fn chat(session: Session) {
    session.join("lobby");
    while let Some(message) = session.recv().await {
        session.within("lobby").send(message);
    }
}

/// The text that Prometheus reads. The figures are as of now.
async fn metrics(State((live, prometheus)): State<(Live, PrometheusHandle)>) -> String {
    live.record_metrics();
    prometheus.run_upkeep();
    prometheus.render()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("anywire_round_trip_seconds".into()), &ROUND_TRIPS)?
        .install_recorder()?;
    let live = Anywire::builder().handler(chat).build();
    let page = get(Html(include_str!("metrics.html")));
    // In production: another listener, which only Prometheus reaches.
    let figures = Router::new().route("/metrics", get(metrics)).with_state((live.live(), prometheus));
    let app = Router::new().route("/", page).nest("/live", live.routes()).merge(figures);

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    anywire::serve(listener, app).with_graceful_shutdown(stop).sessions(&live, Duration::from_secs(1)).await?;
    Ok(())
}
