//! Tests only: a small fuzzer for what reads strangers' bytes, on stable Rust and without a runtime of its own.
//!
//! It begins with the inputs of `tests/corpus/NAME/`, changes them at random, and keeps those that behave in a
//! new way, as the target tells. The same number of executions gives the same run. The targets are tests named
//! `fuzz`, beside what they try.
//!
//! `ANYWIRE_FUZZ_RUNS` is the number of executions of each target, `ANYWIRE_FUZZ_SECONDS` a time in its place,
//! `ANYWIRE_FUZZ_SEED` the seed.
//!
//! It also has the transcripts that tests replay.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::HashSet,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    time::Instant,
};

use crate::simulation::random::Random;

/// No input is longer.
const LONGEST: usize = 2048;

/// At most so many inputs are kept.
const KEPT: usize = 4096;

/// The texts by which numbers and lengths are often replaced.
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "2",
    "3",
    "9",
    "00",
    "-1",
    "4096",
    "4097",
    "9007199254740991",
    "9007199254740992",
    "18446744073709551616",
];

/// How an input behaved: what the target noted, in order.
#[derive(Default)]
pub(crate) struct Behaviour(DefaultHasher);

impl Behaviour {
    pub(crate) fn note(&mut self, what: impl Hash) {
        what.hash(&mut self.0);
    }
}

/// The input under trial, which is shown if the target panics.
struct Trial<'a> {
    name: &'a str,
    input: &'a [u8],
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Trial { name, input } = self;
            eprintln!("the input, for a file in tests/corpus/{name}: b\"{}\"", input.escape_ascii());
        }
    }
}

/// The value of an environment variable, or `default`.
fn environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Gives `target` the inputs of its corpus and changes of them, `runs` in all by default.
///
/// # Panics
/// Panics if the target does, if there is no corpus, or if no change behaved differently.
pub(crate) fn run(name: &str, runs: u64, mut target: impl FnMut(&[u8], &mut Behaviour)) {
    let (runs, seed) = (environment("ANYWIRE_FUZZ_RUNS", runs), environment("ANYWIRE_FUZZ_SEED", 1));
    let seconds = environment("ANYWIRE_FUZZ_SECONDS", 0);
    let runs = if seconds > 0 { u64::MAX } else { runs };
    let start = Instant::now();
    let mut try_one = |input: &[u8]| {
        let _trial = Trial { name, input };
        let mut behaviour = Behaviour::default();
        target(input, &mut behaviour);
        behaviour.0.finish()
    };
    let mut pool = corpus(name);
    let seeds = pool.len();
    let mut seen: HashSet<u64> = pool.iter().map(|input| try_one(input)).collect();
    let mut random = Random::new(seed);
    let mut input = Vec::new();
    let mut done = seeds as u64;
    while done < runs {
        if seconds > 0 && done.is_multiple_of(256) && start.elapsed().as_secs() >= seconds {
            break;
        }
        done += 1;
        change(&mut random, &pool, &mut input);
        if seen.insert(try_one(&input)) {
            if pool.len() < KEPT {
                pool.push(input.clone());
            } else {
                let place = random.below(KEPT as u64) as usize;
                pool[place.max(seeds)] = input.clone();
            }
        }
    }
    let took = start.elapsed().as_secs_f32();
    println!("{name}: {done} executions in {took:.1} s, {} ways to behave from {seeds} seeds", seen.len());
    assert!(seen.len() > seeds, "no change behaved differently");
}

/// The recorded transcripts of a protocol, by their names.
pub(crate) fn transcripts(protocol: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(protocol);
    let paths = fs::read_dir(folder).expect("transcripts").map(|file| file.unwrap().path());
    let mut all: Vec<_> = paths
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    all.sort();
    all
}

/// The committed inputs of a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).expect("a corpus").map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus is empty");
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Makes a changed copy of one of the pool.
fn change(random: &mut Random, pool: &[Vec<u8>], input: &mut Vec<u8>) {
    let pick = |random: &mut Random| &pool[random.below(pool.len() as u64) as usize];
    input.clear();
    input.extend_from_slice(pick(random));
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() as u64 + 1) as usize;
        let to = (at + random.below(16) as usize).min(input.len());
        match random.below(9) {
            0 => input.insert(at, random.next() as u8),
            1 => drop(input.drain(at..to)),
            2 => input.truncate(at),
            3 => {
                let again = input[at..to].to_vec();
                input.splice(at..at, again);
            }
            4 => {
                let digits = input[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                input.splice(at..at + digits, random.pick(&NUMBERS).bytes());
            }
            5 | 6 => {
                // A part of another input takes the place of a part of this one.
                let other = pick(random);
                let from = random.below(other.len() as u64 + 1) as usize;
                let until = (from + random.below(64) as usize).min(other.len());
                input.splice(at..to, other[from..until].iter().copied());
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    input.truncate(LONGEST);
}
