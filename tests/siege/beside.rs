//! Honest clients with and without attackers beside them, in turns. Server and honest clients have one CPU,
//! attackers another.

use std::{
    io::{BufRead, BufReader, Write},
    process::Child,
    thread::sleep,
    time::Duration,
};

use crate::{
    attackers::ATTACKS,
    full,
    honest::Report,
    target::{Target, program},
};

/// The attacks of a short run: with others, a slow machine could keep an honest client waiting for too long.
const SHORT: [&str; 2] = ["hoarders", "garbage"];

/// At most so many times as long as without attackers.
const SLOWER: f64 = 5.0;
/// Those who open sessions keep others out for at most so many microseconds.
const KEPT_OUT: u64 = 1_000_000;

pub(crate) fn run(rounds: u64, seconds: u64) {
    let only = std::env::var("ANYWIRE_SIEGE_ATTACK").ok();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut failures = Vec::new();
    let chosen = |attack: &&str| only.as_ref().map_or(full() || SHORT.contains(attack), |only| only == attack);
    for attack in ATTACKS.into_iter().filter(chosen) {
        let (mut ratios, mut kept_out, mut lost) = (Vec::new(), 0, 0);
        for _ in 0..rounds {
            let [without, with] = [None, Some(attack)].map(|attack| {
                let target = {
                    let _entered = runtime.enter();
                    Target::behind_a_proxy(Some(0))
                };
                let report = measure(&target, attack, seconds);
                if attack.is_some() {
                    target.check(attack.unwrap_or_default(), 4_000);
                }
                report
            });
            println!("{attack}: {with:?}; without: {without:?}");
            assert!(without.lost == 0 && without.echoes > 0, "clients are lost without attackers: {without:?}");
            ratios.push(with.p99 as f64 / without.p99 as f64);
            kept_out = kept_out.max(with.kept_out);
            lost += with.lost;
        }
        ratios.sort_unstable_by(f64::total_cmp);
        let ratio = ratios[ratios.len() / 2];
        println!("== {attack}: p99 {ratio:.1} times, newcomers kept out {} ms at most, {lost} lost", kept_out / 1_000);
        if lost > 0 {
            failures.push(format!("{attack}: {lost} honest sessions are lost"));
        }
        // Where it is memory that is short, newcomers wait until somebody has made no progress for long enough.
        let for_newcomers = attack.starts_with("openings") && kept_out > KEPT_OUT;
        if full() && (ratio > SLOWER || for_newcomers) {
            failures.push(format!("{attack}: p99 {ratio:.1} times, kept out {} ms", kept_out / 1_000));
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

/// A process that ends with its test.
struct Part(Child);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(target: &Target, attack: Option<&str>, seconds: u64) -> Report {
    let start = |part: &str, cpu| {
        let mut program = program(part, Some(cpu));
        program.env("ANYWIRE_ADDRESS", target.address.to_string());
        program.env("ANYWIRE_ATTACK", attack.unwrap_or_default());
        Part(program.spawn().unwrap())
    };
    let mut honest = start("honest_clients", 0);
    let mut lines = BufReader::new(honest.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.find(|line| line == "ready").expect("the honest clients come in");
    let _attackers = attack.map(|_| start("attack", 1));
    // A measurement has a warm-up: it begins when the attack has lasted for a second. No result waits for this.
    sleep(Duration::from_secs(1));
    writeln!(honest.0.stdin.as_ref().unwrap(), "{seconds}").unwrap();
    lines.find_map(|line| Report::read(&line)).expect("the honest clients report")
}
