//! Holds the shape of the house, file by file: allowed imports, no circles, no test code among production
//! code, and files and functions small enough to see at a glance.
//!
//! The tables below are the design; the folder `architecture/` reads the sources by `syn` and judges them. A
//! change of the design is a change of a table here and of `ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

#[path = "architecture/laws.rs"]
mod laws;
#[path = "architecture/map.rs"]
mod map;
#[path = "architecture/reader.rs"]
mod reader;
#[path = "architecture/resolve.rs"]
mod resolve;
#[path = "architecture/self_test.rs"]
mod self_test;

use resolve::Fault;

/// The allowed imports: a top-level module, and the names that a path in its files may have after `crate::`.
/// A name with `::` admits only that part, `*` admits all. `lib.rs` may import everything. A row may be there
/// before its module.
///
/// The path counts as it is written: for an item that another module re-exports, the row of that module is
/// checked where the `pub use` is.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("message", &[]),
    ("packet", &[]),
    ("payload", &["message", "packet"]),
    ("packed", &["message", "packet", "payload"]),
    ("config", &[]),
    ("pool", &[]),
    ("broadcast", &["message", "packet", "payload", "pool"]),
    ("clock", &[]),
    ("ids", &[]),
    ("seldom", &[]),
    ("sync", &[]),
    ("owners", &["config"]),
    ("deadlines", &[]),
    ("guide", &[]),
    ("session", &["message", "packet", "packed", "payload", "broadcast", "config", "seldom"]),
    ("codec", &["session::frame", "session::reason", "message", "packet", "payload", "broadcast", "pool"]),
    ("dialect", &["message", "packet"]),
    // the tests' two machines, or the server's half and other people's clients, and their hostile network
    (
        "simulation",
        &[
            "message",
            "packet",
            "payload",
            "broadcast",
            "pool",
            "config",
            "session",
            "codec",
            "dialect",
            "shared",
            "transport",
            "owners",
            "packed",
        ],
    ),
    (
        "shared",
        &[
            "session",
            "dialect",
            "codec",
            "deadlines",
            "clock",
            "message",
            "packet",
            "packed",
            "payload",
            "config",
            "broadcast",
            "pool",
            "seldom",
            "sync",
        ],
    ),
    ("typescript", &["dialect"]),
    ("hub", &["shared", "message", "broadcast", "pool", "config", "sync"]),
    ("transport", &["shared", "codec", "message", "config", "broadcast", "pool"]),
    // the tests' fuzzer
    ("fuzz", &["simulation::random"]),
    ("cluster", &["message", "packet", "packed", "payload", "config", "clock", "ids", "sync"]),
    ("server", &["*"]),
];

/// The imports that no row above may ever allow.
const NEVER: &[(&str, &[&str])] = &[
    ("session", &["clock", "ids", "shared", "hub", "transport", "server"]),
    ("codec", &["clock", "ids", "shared", "hub", "transport", "server"]),
    ("dialect", &["clock", "ids", "shared", "hub", "transport", "server"]),
    ("shared", &["hub", "transport", "server"]),
    ("hub", &["transport", "server"]),
    ("transport", &["hub", "dialect", "server"]),
];

/// Parts of one module that must not know each other: one dialect or codec, another.
const STRANGERS: &[(&str, &[&str])] =
    &[("codec", &["native", "engineio", "sockjs", "raw"]), ("dialect", &["plain", "events", "socketio", "stomp"])];

/// Folders and files that hold no clock, no I/O, no lock and no randomness, and what they therefore never
/// name.
const PURE: &[&str] = &[
    "session",
    "codec",
    "dialect",
    "deadlines",
    "shared/turn",
    "hub/queues",
    "cluster/asking",
    "cluster/records",
    "cluster/rooms",
    "owners",
    "server/nodes/moves/pace",
];
const IMPURE: &[&str] = &[
    "tokio",
    "tokio_util",
    "tokio_tungstenite",
    "tungstenite",
    "axum",
    "hyper",
    "http",
    "futures",
    "futures_core",
    "futures_util",
    "tracing",
    "rand",
    "getrandom",
    "uuid",
    "std::sync",
    "std::net",
    "std::thread",
    "std::fs",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::task",
    "std::future",
];

/// The only modules under `#[cfg(test)]`, and the files that may declare them.
const TEST_MODULES: &[(&str, &str)] =
    &[("tests", "src/"), ("client", "src/session/mod.rs"), ("simulation", "src/lib.rs"), ("fuzz", "src/lib.rs")];
/// Outside `src/session/`, a `mod tests { .. }` of at most this length may be part of its file.
const INLINE_TEST_LINES: usize = 60;

const FUNCTION_LINES: usize = 60;
const FILE_LINES: &[(&str, usize)] = &[("src/", 420), ("client-js/src/", 420), ("examples/", 500), ("tests/", 500)];

/// The file whose tree names every folder of `src` and every file directly in it.
const MAP: &str = "ARCHITECTURE.md";

/// Exceptions that the design accepts: the law and the files, with the reason in a comment. The test fails if
/// a file in a row no longer needs the exception.
const ACCEPTED: &[(&str, &[&str])] = &[];

/// NOT YET: exceptions that must go. This list only shrinks, since the test fails if a file in a row no
/// longer needs it.
const NOT_YET: &[(&str, &[&str])] = &[];

const LAWS: &[&str] =
    &["modules", "imports", "strangers", "purity", "circles", "test code", "functions", "lengths", "map"];

/// Path -> text of every file that is judged.
fn files() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    let mut paths: Vec<PathBuf> =
        ["src", "client-js/src", "examples", "tests", MAP].iter().map(|name| root.join(name)).collect();
    while let Some(path) = paths.pop() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "node_modules" | "target" | "dist" | "out") {
            let entries = fs::read_dir(&path).expect("a readable folder");
            paths.extend(entries.map(|entry| entry.expect("a readable folder").path()));
        } else if matches!(extension.as_str(), "rs" | "js" | "mjs" | "ts" | "md") && path.is_file() {
            let place = path.strip_prefix(root).expect("below the crate").to_string_lossy().replace('\\', "/");
            found.insert(place, fs::read_to_string(&path).expect("readable text"));
        }
    }
    found
}

static FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
    let files = files();
    assert!(files.contains_key("src/lib.rs"), "there is no source to read");
    let mut faults = laws::judge(&files);
    faults.extend(map::faults(&files));
    faults
});

/// The faults of one law that no row excepts, and the files in rows that have no such fault.
fn open_faults(law: &str, faults: &[Fault], rows: &[(&str, &[&str])]) -> Vec<String> {
    let rows: Vec<_> = rows.iter().filter(|row| row.0 == law).map(|row| row.1).collect();
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut open = Vec::new();
    for fault in faults.iter().filter(|fault| fault.law == law) {
        let excepted = rows.iter().any(|row| fault.files.iter().all(|file| row.contains(&file.as_str())));
        match excepted {
            true => needed.extend(fault.files.iter().map(String::as_str)),
            false => open.push(fault.text.clone()),
        }
    }
    let idle = rows.iter().flat_map(|row| row.iter()).filter(|file| !needed.contains(*file));
    open.extend(idle.map(|file| format!("{file}: no fault of `{law}` any more; take it out of NOT_YET or ACCEPTED")));
    open
}

fn keep(laws: &[&str]) {
    let rows = [ACCEPTED, NOT_YET].concat();
    let open: Vec<String> = laws.iter().flat_map(|law| open_faults(law, &FAULTS, &rows)).collect();
    assert!(open.is_empty(), "{} broken law(s):\n  {}\n", open.len(), open.join("\n  "));
}

#[test]
fn imports_follow_the_design() {
    keep(&["modules", "imports", "strangers"]);
}

#[test]
fn pure_folders_name_no_clock_lock_or_network() {
    keep(&["purity"]);
}

#[test]
fn files_form_no_circle() {
    keep(&["circles"]);
}

#[test]
fn production_files_hold_no_test_code() {
    keep(&["test code"]);
}

#[test]
fn files_and_functions_can_be_seen_at_a_glance() {
    keep(&["functions", "lengths"]);
}

#[test]
fn the_map_matches_the_tree() {
    keep(&["map"]);
}

#[test]
fn the_tables_agree_with_each_other() {
    let rows: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    for (module, allowed) in MAY_IMPORT {
        for grant in allowed.iter().filter(|grant| **grant != "*") {
            let target = grant.split("::").next().unwrap_or(grant);
            assert!(rows.contains(target), "{module} may import {target}, which has no row");
            let never = NEVER.iter().any(|(home, never)| home == module && never.contains(&target));
            assert!(!never, "{module} may import {target}, which it never may");
        }
    }
    for (law, _) in [ACCEPTED, NOT_YET].concat() {
        assert!(LAWS.contains(&law), "{law} is no law");
    }
}
