//! Nodes in processes of their own on one machine, whose sequencer is killed, or stopped.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anywire::{BusEvent, BusInbox, Claim, Cluster, Host, Publication};
use tokio::net::UnixStream;

use super::folder::Folder;

const LONG: Duration = Duration::from_secs(120);

/// The test below runs it in processes of their own, which do what they read, a line each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_its_own() {
    let (Some(folder), Some(name)) = (env::var_os("ANYWIRE_TEST_FOLDER"), env::var_os("ANYWIRE_TEST_NAME")) else {
        return;
    };
    let name = name.into_string().unwrap();
    let cluster = Cluster::from(Host::at(PathBuf::from(folder)).unwrap());
    let (bus, directory) = (cluster.bus(), cluster.directory());
    let running = bus.clone();
    let inbox = BusInbox::new(|event| match event {
        BusEvent::Received(_, body) => println!("> got {}", body.escape_ascii()),
        BusEvent::Cut => println!("> cut"),
        BusEvent::Whole => println!("> whole"),
        other => println!("> {other:?}"),
    });
    tokio::spawn(async move { running.run(inbox).await });
    while bus.interest(vec!["room".into()], vec![]).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let (more, mut counts) = tokio::sync::mpsc::unbounded_channel::<u32>();
    let publisher = name.clone();
    tokio::spawn(async move {
        let mut published = 0;
        while let Some(count) = counts.recv().await {
            for n in published..published + count {
                if bus.publish(vec![Publication::new("room", format!("{publisher} {n}"))]).await.is_err() {
                    println!("> failed {n}");
                }
            }
            published += count;
            println!("> published {published}");
        }
    });
    println!("> ready");
    while let Some(line) = lines.recv().await {
        match line.split_once(' ').unwrap() {
            ("claim", key) => match directory.claim(key.as_bytes(), name.as_bytes(), LONG).await {
                Ok(Claim::Mine) => println!("> claim {key} {name}"),
                Ok(Claim::Held(other)) => println!("> claim {key} {}", other.escape_ascii()),
                other => println!("> claim {key} !{other:?}"),
            },
            ("publish", count) => more.send(count.parse().unwrap()).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    /// All that it has said.
    said: Vec<String>,
}

impl Process {
    fn start(folder: &Folder, name: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::a_process_of_its_own", "--nocapture"])
            .env("ANYWIRE_TEST_FOLDER", &folder.0)
            .env("ANYWIRE_TEST_NAME", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Process { name: name.to_owned(), child, lines, said: Vec::new() }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn read(&mut self, patience: Duration) -> bool {
        match self.lines.recv_timeout(patience) {
            // The test program itself begins a line before the first.
            Ok(line) => self.said.extend(line.split_once("> ").map(|(_, line)| line.to_owned())),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => panic!("{} has ended", self.name),
        }
        true
    }

    /// Waits until it says a line that is so, from the line with this number on.
    fn wait(&mut self, what: &str, mut from: usize, is_so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.said[from.min(self.said.len())..].iter().find(|line| is_so(line)) {
                return line.clone();
            }
            from = self.said.len();
            assert!(begun.elapsed() < Duration::from_secs(60), "{} does not say {what}", self.name);
            self.read(Duration::from_millis(100));
        }
    }

    fn claim(&mut self, key: &str) -> String {
        let from = self.said.len();
        self.say(&format!("claim {key}"));
        let begin = format!("claim {key} ");
        self.wait(&begin, from, |line| line.starts_with(&begin))[begin.len()..].to_owned()
    }

    #[cfg(target_os = "linux")]
    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Stops it. All of its threads stand still then.
    #[cfg(target_os = "linux")]
    fn stop(&self) {
        self.signal("-STOP");
        let stands = |task: std::io::Result<std::fs::DirEntry>| {
            let state = std::fs::read_to_string(task.unwrap().path().join("stat"));
            state.is_ok_and(|state| state.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T')))
        };
        while !std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().all(stands) {
            thread::yield_now();
        }
    }

    /// The messages that it got.
    fn got(&self) -> Vec<&str> {
        self.said.iter().filter_map(|line| line.strip_prefix("got ")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process that is the sequencer now.
async fn sequencer(folder: &Folder) -> Option<u32> {
    let epoch = folder.names("epoch-").pop()?;
    let socket = std::fs::read_link(folder.0.join(epoch)).unwrap();
    let stream = UnixStream::connect(folder.0.join(socket)).await.ok()?;
    u32::try_from(stream.peer_cred().unwrap().pid()?).ok()
}

/// Two lists have what both have in one order.
fn assert_one_order(left: &[&str], right: &[&str]) {
    let places: HashMap<&str, usize> = right.iter().enumerate().map(|(n, text)| (*text, n)).collect();
    assert_eq!(places.len(), right.len(), "something came twice");
    let common: Vec<usize> = left.iter().filter_map(|text| places.get(text).copied()).collect();
    assert!(common.is_sorted(), "two processes have different orders");
}

/// A message of a living publisher that a process lacks was not taken by the engine, or lies where the process was told of a
/// cut.
/// Returns how much was lost so.
fn assert_holes_are_told(reader: &Process, publisher: &Process) -> usize {
    let failed: BTreeSet<u32> =
        publisher.said.iter().filter_map(|line| line.strip_prefix("failed ")?.parse().ok()).collect();
    let begin = format!("got {} ", publisher.name);
    // Before the first message it may not have listened yet.
    let (mut last, mut told, mut lost) = (None, true, 0);
    for line in &reader.said {
        told |= line == "cut";
        let Some(n) = line.strip_prefix(&begin).map(|n| n.parse::<u32>().unwrap()) else { continue };
        let missing = (last.map_or(0, |last| last + 1)..n).filter(|n| !failed.contains(n)).count();
        let names = (&reader.name, &publisher.name);
        assert!(told || missing == 0, "{} lacks {missing} of {} before {n} in silence", names.0, names.1);
        lost += if last.is_some() { missing } else { 0 };
        (last, told) = (Some(n), false);
    }
    lost
}

fn all_claim(processes: &mut [Process], key: &str) -> String {
    let winners: BTreeSet<String> = processes.iter_mut().map(|process| process.claim(key)).collect();
    let winners: Vec<String> = winners.into_iter().collect();
    let [winner] = &winners[..] else { panic!("{winners:?} have {key}") };
    winner.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequencers_are_killed_one_after_the_other() {
    const ROUNDS: usize = 5;
    let folder = Folder::new();
    let mut processes: Vec<Process> = (0..3).map(|n| Process::start(&folder, &format!("p{n}"))).collect();
    let mut claims = BTreeMap::new();
    let mut killed = 0;
    for round in 0..ROUNDS {
        for process in &mut processes {
            process.wait("ready", 0, |line| line == "ready");
        }
        for key in (0..10).map(|n| format!("key-{round}-{n}")) {
            let winner = all_claim(&mut processes, &key);
            claims.insert(key, winner);
        }
        processes.iter_mut().for_each(|process| process.say("publish 500"));
        let pid = sequencer(&folder).await.expect("there is one");
        let place = processes.iter().position(|process| process.child.id() == pid).expect("it is one of them");
        // The kill falls somewhere into the publishing: it is a fault at a moment, and waits for nothing.
        thread::sleep(Duration::from_millis(20));
        let dead = processes[place].name.clone();
        processes[place].child.kill().unwrap();
        killed += 1;
        let begun = Instant::now();
        processes.remove(place);
        let from: Vec<usize> = processes.iter().map(|process| process.said.len()).collect();
        // Those that live keep what they have, and nobody else gets it.
        for (key, winner) in claims.iter().filter(|(_, winner)| **winner != dead) {
            let asked = processes.iter_mut().find(|process| process.name != *winner).unwrap();
            assert_eq!(asked.claim(key), *winner, "{key} has another winner behind the death of {dead}");
        }
        println!("{} claims are held behind {:?}", claims.len(), begun.elapsed());
        claims.retain(|_, winner| *winner != dead);
        for (process, from) in processes.iter_mut().zip(from) {
            process.wait("whole", from, |line| line == "whole");
        }
        println!("whole behind {:?}", begun.elapsed());
        processes.push(Process::start(&folder, &format!("p{}", 3 + round)));
    }
    for process in &mut processes {
        process.wait("ready", 0, |line| line == "ready");
    }
    let winner = all_claim(&mut processes, "last");
    processes.iter_mut().for_each(|process| process.say("publish 1"));
    let own = |process: &Process| process.said.iter().filter(|line| line.starts_with("published ")).count();
    for process in &mut processes {
        let begun = Instant::now();
        while own(process) == 0 || process.read(Duration::from_millis(300)) {
            process.read(Duration::from_millis(10));
            assert!(begun.elapsed() < Duration::from_secs(60), "{} publishes for ever", process.name);
        }
    }
    let mut lost = 0;
    for reader in &processes {
        for publisher in &processes {
            assert_one_order(&reader.got(), &publisher.got());
            lost += assert_holes_are_told(reader, publisher);
        }
        println!("{} got {} messages", reader.name, reader.got().len());
    }
    println!("{killed} sequencers were killed, {lost} messages are lost and told, the last claim is {winner}'s");
    assert!(processes.iter().all(|process| process.got().len() > 100));
}

/// A sequencer that is stopped is replaced; when it goes on, it says nothing more, and its process is one of the others.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_sequencer_is_replaced() {
    let folder = Folder::new();
    let mut first = Process::start(&folder, "first");
    first.wait("ready", 0, |line| line == "ready");
    let mut other = Process::start(&folder, "other");
    other.wait("ready", 0, |line| line == "ready");
    assert_eq!(sequencer(&folder).await, Some(first.child.id()));
    assert_eq!(other.claim("kept"), "other");
    first.stop();
    let begun = Instant::now();
    // The connections of the stopped process take what is said to it.
    first.say("claim new");
    other.wait("cut", 0, |line| line == "cut");
    let cut = other.said.len();
    other.wait("whole", cut - 1, |line| line == "whole");
    println!("replaced behind {:?}", begun.elapsed());
    let mut winner = other.claim("new");
    while winner.starts_with('!') {
        // Openings go on without their claims until the stopped process would have lost its lease.
        assert!(begun.elapsed() < Duration::from_secs(40), "{winner}");
        winner = other.claim("new");
    }
    assert_eq!(winner, "other");
    println!("claims behind {:?}", begun.elapsed());
    other.say("publish 1");
    other.wait("published", 0, |line| line == "published 1");
    let before = first.said.len();
    first.signal("-CONT");
    let claimed = first.wait("claim", before, |line| line.starts_with("claim new "));
    assert!(claimed == "claim new other" || claimed.starts_with("claim new !"), "{claimed}");
    assert_eq!(first.claim("kept"), "other");
    assert_eq!(first.claim("new"), "other");
    assert_eq!(sequencer(&folder).await, Some(other.child.id()));
    // It has missed something. Claims have a connection of their own: the first process hears of the cut, and listens again,
    // in its own time.
    first.wait("cut", before, |line| line == "cut");
    let cut = first.said[before..].iter().position(|line| line == "cut").unwrap() + before;
    first.wait("whole", cut, |line| line == "whole");
    let from = first.said.len();
    other.say("publish 10");
    first.wait("got", from, |line| line == "got other 10");
    assert!(!first.got().contains(&"other 0"));
}
