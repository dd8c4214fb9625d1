//! Sessions on all kinds of links, which are cut, reloaded, closed and left, for as long as it is asked for.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    full, option,
    target::Target,
    visitor::{Tally, Visitor},
};

/// The sessions and tasks of a server without clients: the task of all deadlines, and that of the connection which asks.
const QUIET: [usize; 2] = [0, 2];

pub(crate) async fn run(sessions: u64, length: Duration, seed: u64) {
    let target = Target::with_grace(option("ANYWIRE_SIEGE_GRACE", 5, 60));
    // The first session starts the task of all deadlines.
    let mut first = target.open().await;
    target.check_honest(&mut first).await;
    target.leave(&mut first).await;
    // Connections from before may be closing still.
    while target.left().await != QUIET {
        sleep(Duration::from_millis(50)).await;
    }
    let before = target.descriptors();
    let began = Instant::now();
    let visitors: Vec<_> = (0..sessions)
        .map(|number| tokio::spawn(Visitor::live(target.site.clone(), number, seed, began + length)))
        .collect();
    let mut samples = Vec::new();
    while began.elapsed() < length {
        sleep(Duration::from_secs(1)).await;
        samples.push((began.elapsed().as_secs_f64() / 60.0, target.status("VmRSS") as f64 / 1024.0));
        assert!(!visitors.iter().any(|visitor| visitor.is_finished() && began.elapsed() < length), "one has failed");
    }
    let mut tally = Tally::default();
    for visitor in visitors {
        tally.add(visitor.await.unwrap());
    }
    println!("{sessions} sessions for {} s: {tally:?}", length.as_secs());
    // A session that was left alone ends with its grace.
    let (mut now, mut waited) = ((target.left().await, target.descriptors()), 0);
    while (now.0 != QUIET || now.1 > before) && waited < option("ANYWIRE_SIEGE_WAIT", 120, 120) {
        sleep(Duration::from_secs(1)).await;
        (now, waited) = ((target.left().await, target.descriptors()), waited + 1);
    }
    println!("sessions, tasks and descriptors: {now:?} after {waited} s, {before} descriptors before");
    let slope = slope(&samples[samples.len() / 4..]);
    let peak = target.status("VmHWM") / 1024;
    let last = samples.last().unwrap().1;
    println!("resident memory: {peak} kB at the peak, {last:.0} kB at the end, {slope:.0} kB more a minute");
    assert_eq!(now.0, QUIET, "sessions and tasks are left");
    assert!(now.1 <= before, "{} descriptors are left, {before} were open before", now.1);
    assert!(!full() || slope < 120.0, "resident memory grows by {slope:.0} kB a minute");
}

/// The slope of the line through these points that has the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    above / below
}
