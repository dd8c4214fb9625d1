//! Which settings a run has, and which rows each of them.

use crate::contenders::Contender;
use crate::options::{Measure, Options};
use crate::report::{Setting, goals};
use crate::row::Row;

/// File descriptors for other things than sessions.
const SPARE_FILES: u64 = 500;

/// A setting, and the rows that are measured in it.
pub(super) struct Task {
    pub(super) setting: Setting,
    pub(super) rows: Vec<Row>,
}

/// The tasks of a run on which `files` may be open.
pub(super) fn of(options: &Options, files: u64) -> Vec<Task> {
    let scale = Scale::of(options, files);
    let mut tasks: Vec<Task> = Vec::new();
    for &measure in &options.only {
        for setting in settings(measure, scale) {
            let rows = options.rows.iter().copied().filter(|row| has(measure, setting, row.contender));
            // A setting that is measured for all rows is measured for those of the goals.
            if tasks.iter().all(|task| task.setting != setting) {
                tasks.push(Task { setting, rows: rows.collect() });
            }
        }
    }
    tasks
}

/// Whether a setting has a row for this contender.
fn has(measure: Measure, setting: Setting, contender: Contender) -> bool {
    match setting {
        _ if measure == Measure::Goals => goals::of(setting).iter().any(|goal| goal.is_of(contender)),
        Setting::NodeRoom { .. } => contender.is_nodes() && !contender.is_http(),
        Setting::Forwarded { .. } => contender.is_nodes() && contender.is_http(),
        _ if contender.is_nodes() => false,
        Setting::Events { .. } | Setting::EventRoom { .. } => contender.has_events(),
        Setting::SockJsEcho { .. } => contender.is_sockjs(),
        Setting::SockJsFanout { streamed: false, .. } => {
            matches!(contender, Contender::SockJsWs | Contender::AnywireSockJsWs)
        }
        Setting::SockJsFanout { streamed: true, .. } => {
            matches!(contender, Contender::SockJsStream | Contender::AnywireSockJsStream)
        }
        Setting::TransportEcho { .. } => contender.is_transport(),
        Setting::TransportFanout { .. } => contender.is_transport() && contender.is_pushed(),
        _ => !contender.is_sockjs() && !contender.is_fallback(),
    }
}

/// The numbers of sessions.
#[derive(Clone, Copy)]
struct Scale {
    members: usize,
    sockets: usize,
    polls: usize,
}

impl Scale {
    fn of(options: &Options, files: u64) -> Self {
        let members = if options.quick { 200 } else { 1000 };
        let (sockets, polls) = if options.quick { (1000, 500) } else { (10_000, 2000) };
        let most = usize::try_from(files.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX);
        if sockets > most {
            eprintln!("{files} open files allow for {most} sessions of {sockets}");
        }
        // Each session over HTTP has up to two connections.
        Self { members, sockets: sockets.min(most), polls: polls.min(most / 2) }
    }
}

fn settings(measure: Measure, scale: Scale) -> Vec<Setting> {
    let Scale { members, sockets, polls } = scale;
    match measure {
        Measure::Echo => {
            [(32, 1), (32, 16), (1024, 1), (1024, 16)].map(|(size, depth)| Setting::Echo { size, depth }).to_vec()
        }
        Measure::Fanout => [1, 10].map(|burst| Setting::Fanout { members, burst }).to_vec(),
        Measure::Events => [1, 16].map(|depth| Setting::Events { depth, size: 32 }).to_vec(),
        Measure::EventRoom => [1, 10].map(|burst| Setting::EventRoom { members, burst }).to_vec(),
        Measure::Setup => vec![Setting::Setup],
        Measure::Memory => vec![Setting::Memory { sockets, polls }],
        Measure::SockJs => sockjs(members),
        Measure::Nodes => [1, 16, 256].map(|burst| Setting::NodeRoom { burst }).to_vec(),
        Measure::Forwarded => [1, 16].map(|depth| Setting::Forwarded { size: 32, depth }).to_vec(),
        Measure::Transports => transports(members),
        Measure::Goals => {
            let usual = Measure::USUAL.into_iter().flat_map(|measure| settings(measure, scale));
            usual.filter(|&setting| !goals::of(setting).is_empty()).collect()
        }
    }
}

/// The settings of the transports: as many streams as those of SockJS, and as many sessions for all.
fn transports(members: usize) -> Vec<Setting> {
    let echoes = [1, 16].map(|depth| Setting::TransportEcho { size: 32, depth });
    let fanouts = [1, 10].map(|burst| Setting::TransportFanout { members: members / 5, burst });
    echoes.into_iter().chain(fanouts).collect()
}

/// The settings of SockJS. A stream takes two connections for each session, so that there are fewer.
fn sockjs(members: usize) -> Vec<Setting> {
    let echoes = [(32, 1), (32, 16), (1024, 1), (1024, 16)].map(|(size, depth)| Setting::SockJsEcho { size, depth });
    let fanouts = [(false, members), (true, members / 5)]
        .into_iter()
        .flat_map(|(streamed, members)| [1, 10].map(|burst| Setting::SockJsFanout { streamed, members, burst }));
    echoes.into_iter().chain(fanouts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn tasks(only: &[Measure]) -> Vec<Task> {
        let options = Options {
            quick: false,
            rounds: 1,
            only: only.to_vec(),
            rows: Row::all(None),
            window: Duration::ZERO,
            out: None,
        };
        of(&options, u64::MAX)
    }

    #[cfg(feature = "anywire")]
    #[test]
    fn goals_measure_their_rows_and_no_others() {
        use std::collections::BTreeSet;
        for task in tasks(&[Measure::Goals]) {
            let measured: BTreeSet<_> = task.rows.iter().map(|row| row.contender).collect();
            let goals = goals::of(task.setting);
            let wanted: BTreeSet<_> =
                Contender::all().into_iter().filter(|&one| goals.iter().any(|goal| goal.is_of(one))).collect();
            assert_eq!(measured, wanted, "{}", task.setting);
            assert!(!wanted.is_empty(), "{}", task.setting);
        }
        assert_eq!(tasks(&[Measure::Goals]).len(), 8);
    }

    #[test]
    fn a_setting_is_measured_once() {
        let [echo, both] = [&[Measure::Echo][..], &[Measure::Echo, Measure::Goals]].map(tasks);
        let rows_of = |tasks: &[Task], setting| {
            let found: Vec<_> =
                tasks.iter().filter(|task| task.setting == setting).map(|task| task.rows.len()).collect();
            found
        };
        for task in &echo {
            assert_eq!(rows_of(&both, task.setting), [task.rows.len()], "{}", task.setting);
        }
        assert!(both.len() > echo.len());
    }
}
