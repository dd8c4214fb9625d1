//! Random calls, each judged by the model, and counted: what must happen in 200 seeds does happen.
//!
//! `ANYWIRE_SEEDS` is the number of seeds, `ANYWIRE_FIRST_SEED` the first one.

use super::super::QueueLimits;
use super::{
    model::{Facts, Model, note},
    wrong::{Fault, Subject},
};
use crate::simulation::random::Random;

const SEEDS: u64 = 200;
const STEPS: u64 = 400;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const LIMITS: QueueLimits = QueueLimits { queues: 3, messages: 8, bytes: 80, failures: 3 };

/// Facts that occur in any two hundred seeds.
const MUST_HAPPEN: [&str; 20] = [
    "handed",
    "redelivered",
    "refused, to another",
    "refused, to the same",
    "given back",
    "given back, without acknowledgements",
    "given back, then taken",
    "a message comes back before newer ones",
    "a message waits and nobody is ready",
    "nothing waits",
    "dropped when refused",
    "dropped when its consumer left",
    "somebody leaves with several messages",
    "acknowledged",
    "an old tag",
    "a tag of another queue",
    "too many messages",
    "too many bytes",
    "too many queues",
    "a queue ends",
];

struct Run {
    random: Random,
    subject: Subject,
    model: Model,
    facts: Facts,
    consumers: u32,
    /// The calls, for the message of a failure.
    calls: Vec<String>,
}

impl Run {
    fn new(seed: u64, fault: Option<Fault>) -> Self {
        let subject = Subject::new(LIMITS, fault);
        let (random, model, facts) = (Random::new(seed), Model::default(), Facts::new());
        Run { random, subject, model, facts, consumers: 0, calls: Vec::new() }
    }

    fn go(&mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            let queues = self.model.queues.len();
            self.step()?;
            self.counts()?;
            if self.model.queues.len() < queues {
                note(&mut self.facts, "a queue ends");
            }
        }
        self.drain()
    }

    fn step(&mut self) -> Result<(), String> {
        let name = self.random.pick(&NAMES);
        match self.random.below(20) {
            0..=4 => self.push(name),
            5 => self.subscribe(name),
            6 if self.random.one_in(2) => self.unsubscribe(name),
            7..=11 => self.next(name),
            12 | 13 => self.settle_one(name),
            14 => self.settle_another(name),
            15 => self.unblock(name),
            _ => self.acknowledge(name),
        }
    }

    fn push(&mut self, name: &str) -> Result<(), String> {
        let size = self.random.range(1, 16) as usize;
        let text = format!("{:0size$}", self.model.pushed);
        self.calls.push(format!("push {name} {text}"));
        let expected = self.model.may_push(name, &text, &LIMITS);
        let pushed = self.subject.push(name, text.clone().into());
        same(&pushed, &expected, "push")?;
        match expected {
            Ok(()) => self.model.push(name, text),
            Err(_) => {
                let messages = self.model.queues.get(name).map(|queue| queue.messages.len());
                let fact = match messages {
                    None => "too many queues",
                    Some(messages) if messages == LIMITS.messages => "too many messages",
                    Some(_) => "too many bytes",
                };
                note(&mut self.facts, fact);
            }
        }
        Ok(())
    }

    fn subscribe(&mut self, name: &str) -> Result<(), String> {
        if self.model.queues.get(name).is_some_and(|queue| queue.consumers.len() > 3) {
            return Ok(());
        }
        self.consumers += 1;
        let (needs_ack, credit) = (!self.random.one_in(4), self.random.range(1, 4) as usize);
        self.calls.push(format!("subscribe {name} {} {needs_ack} {credit}", self.consumers));
        let expected = self.model.may_open(name, &LIMITS);
        same(&self.subject.subscribe(name, self.consumers, needs_ack, credit), &expected, "subscribe")?;
        if expected.is_ok() {
            self.model.subscribe(name, self.consumers, needs_ack, credit);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, name: &str) -> Result<(), String> {
        let Some(key) = self.consumer(name, |_| true) else { return Ok(()) };
        self.calls.push(format!("unsubscribe {name} {key}"));
        self.subject.unsubscribe(name, key);
        self.model.unsubscribe(name, key, LIMITS.failures, &mut self.facts);
        Ok(())
    }

    fn unblock(&mut self, name: &str) -> Result<(), String> {
        let blocked = |model: &Model, key: u32| model.queues[name].consumers[&key].blocked;
        let blocked: Vec<u32> = self.keys(name).into_iter().filter(|key| blocked(&self.model, *key)).collect();
        for key in blocked {
            self.calls.push(format!("unblock {name} {key}"));
            self.subject.unblock(name, key);
            self.model.unblock(name, key);
        }
        Ok(())
    }

    /// Takes the next message; its consumer gives it back sometimes.
    fn next(&mut self, name: &str) -> Result<(), String> {
        self.model.confirm(name);
        let handed = self.subject.next(name);
        self.calls.push(format!("next {name} -> {handed:?}"));
        self.model.next(name, handed.as_ref(), &mut self.facts)?;
        match handed {
            Some(handed) if self.random.one_in(6) => self.give_back(name, handed.tag),
            _ => Ok(()),
        }
    }

    fn give_back(&mut self, name: &str, tag: u64) -> Result<(), String> {
        self.calls.push(format!("give_back {name} {tag}"));
        let expected = self.model.give_back(name, tag, &mut self.facts);
        same(&self.subject.give_back(name, tag), &expected, "give_back")
    }

    fn ack(&mut self, name: &str, tag: u64) -> Result<(), String> {
        self.calls.push(format!("ack {name} {tag}"));
        let expected = self.model.ack(name, tag);
        same(&self.subject.ack(name, tag), &expected, "ack")
    }

    fn nack(&mut self, name: &str, tag: u64) -> Result<(), String> {
        self.calls.push(format!("nack {name} {tag}"));
        let expected = self.model.nack(name, tag, LIMITS.failures, &mut self.facts);
        same(&self.subject.nack(name, tag), &expected, "nack")
    }

    /// Refuses a delivery, or gives it back late.
    fn settle_one(&mut self, name: &str) -> Result<(), String> {
        match self.outstanding(name) {
            Some(tag) if self.random.one_in(5) => self.give_back(name, tag),
            Some(tag) => self.nack(name, tag),
            None => Ok(()),
        }
    }

    fn acknowledge(&mut self, name: &str) -> Result<(), String> {
        let Some(tag) = self.outstanding(name) else { return Ok(()) };
        note(&mut self.facts, "acknowledged");
        self.ack(name, tag)
    }

    /// Settles by a tag that was seen, whatever became of it and whichever queue it is of.
    fn settle_another(&mut self, name: &str) -> Result<(), String> {
        if self.model.tags.is_empty() {
            return Ok(());
        }
        let at = self.random.below(self.model.tags.len() as u64) as usize;
        let (queue, tag) = self.model.tags[at].clone();
        note(&mut self.facts, if queue == name { "an old tag" } else { "a tag of another queue" });
        match self.random.below(3) {
            0 => self.ack(name, tag),
            1 => self.nack(name, tag),
            _ => self.give_back(name, tag),
        }
    }

    fn keys(&self, name: &str) -> Vec<u32> {
        self.model.queues.get(name).map_or_else(Vec::new, |queue| queue.consumers.keys().copied().collect())
    }

    fn consumer(&mut self, name: &str, which: impl Fn(u32) -> bool) -> Option<u32> {
        let keys: Vec<u32> = self.keys(name).into_iter().filter(|key| which(*key)).collect();
        (!keys.is_empty()).then(|| self.random.pick(&keys))
    }

    fn outstanding(&mut self, name: &str) -> Option<u64> {
        let messages = &self.model.queues.get(name)?.messages;
        let tags: Vec<u64> = messages.iter().filter_map(|message| message.with.map(|with| with.tag)).collect();
        (!tags.is_empty()).then(|| self.random.pick(&tags))
    }

    /// The queues count exactly the messages that the model has.
    fn counts(&self) -> Result<(), String> {
        let queues = self.model.queues.values();
        let messages = queues.clone().map(|queue| queue.messages.len()).sum();
        let bytes = queues.map(super::model::Queue::bytes).sum();
        same(&self.subject.counts(), &(messages, bytes, self.model.dropped), "counts")?;
        same(&self.subject.queues(), &self.model.queues.len(), "queues")
    }

    /// All that is left goes to a last consumer of each queue, which acknowledges.
    fn drain(&mut self) -> Result<(), String> {
        for name in NAMES.into_iter().filter(|name| self.model.queues.contains_key(*name)).collect::<Vec<_>>() {
            while let Some(key) = self.consumer(name, |_| true) {
                self.subject.unsubscribe(name, key);
                self.model.unsubscribe(name, key, LIMITS.failures, &mut self.facts);
            }
            if !self.model.queues.contains_key(name) {
                continue;
            }
            same(&self.subject.subscribe(name, u32::MAX - 1, true, 1), &Ok(()), "subscribe")?;
            self.model.subscribe(name, u32::MAX - 1, true, 1);
            while let Some(handed) = self.subject.next(name) {
                self.model.next(name, Some(&handed), &mut self.facts)?;
                self.ack(name, handed.tag)?;
            }
            self.subject.unsubscribe(name, u32::MAX - 1);
            self.model.unsubscribe(name, u32::MAX - 1, LIMITS.failures, &mut self.facts);
        }
        self.counts()?;
        same(&self.subject.counts().0, &0, "what is left")?;
        same(&(self.model.done + self.model.dropped), &self.model.pushed, "each message ends once")
    }
}

fn same<T: PartialEq + std::fmt::Debug>(got: &T, expected: &T, of: &str) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("{of}: {got:?}, not {expected:?}")) }
}

fn environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number of seeds"))
}

#[test]
fn queues_do_what_the_model_does() {
    let first = environment("ANYWIRE_FIRST_SEED", 0);
    let count = environment("ANYWIRE_SEEDS", SEEDS);
    let mut facts = Facts::new();
    for seed in first..first + count {
        let mut run = Run::new(seed, None);
        if let Err(failure) = run.go() {
            let tail = run.calls[run.calls.len().saturating_sub(40)..].join("\n");
            panic!("{tail}\nseed {seed}: {failure}");
        }
        for (fact, times) in run.facts {
            *facts.entry(fact).or_default() += times;
        }
    }
    let missing: Vec<_> = MUST_HAPPEN.iter().filter(|fact| !facts.contains_key(*fact)).collect();
    assert!(count < SEEDS || missing.is_empty(), "never happened: {missing:?}");
    println!("{count} seeds: {facts:?}");
}

#[test]
fn wrong_queues_are_caught() {
    for (fault, failure) in [
        (Fault::GivenBackIsLast, "not the first message that waits"),
        (Fault::GivenBackCounts, "marked wrongly"),
        (Fault::NeverBlocked, "nothing was due"),
        (Fault::RefusedIsGone, "counts"),
        (Fault::LeaverTakesAll, "counts"),
        (Fault::NoCredit, "nothing was due"),
        (Fault::NoEnd, "counts"),
        (Fault::Unmarked, "marked wrongly"),
        (Fault::Twice, "not the first message that waits"),
        (Fault::NoTurns, "out of turn"),
        (Fault::BelievesAll, "ack: true, not false"),
    ] {
        let failures: Vec<String> = (0..30).filter_map(|seed| Run::new(seed, Some(fault)).go().err()).collect();
        let right = failures.iter().filter(|text| text.starts_with(failure)).count();
        assert!(right > 0, "{fault:?} was not caught for its reason: {failures:?}");
    }
}
