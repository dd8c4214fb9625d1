//! Holds the shape of the house: who may import whom, no circles, and rooms small enough to see at a glance.
//!
//! The tables below are the design. A change of the design is a change here, with its reason in the crate docs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path as FilePath, PathBuf};

#[path = "architecture/lexer.rs"]
mod lexer;
#[path = "architecture/paths.rs"]
mod paths;
#[path = "architecture/self_test.rs"]
mod self_test;

/// Who may import whom. A name with `::` admits only that part. `lib.rs` re-exports and is bound by nothing.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("message", &[]),
    ("broadcast", &["message"]),
    ("config", &[]),
    ("clock", &[]),
    ("ids", &[]),
    ("deadlines", &[]),
    ("sync", &[]),
    ("guide", &[]),
    ("session", &["message", "broadcast", "config"]),
    ("codec", &["session::frame", "message", "broadcast"]),
    // the tests' two machines and their hostile wire
    ("simulation", &["message", "broadcast", "config", "session", "codec"]),
    ("dialect", &["message"]),
    ("shared", &["session", "dialect", "codec", "deadlines", "clock", "message", "broadcast", "config", "sync"]),
    ("hub", &["shared", "message", "broadcast", "config", "sync"]),
    ("transport", &["shared", "codec", "message", "broadcast", "config"]),
    ("cluster", &["hub", "message"]),
    (
        "server",
        &[
            "message",
            "broadcast",
            "config",
            "clock",
            "ids",
            "deadlines",
            "sync",
            "session",
            "codec",
            "dialect",
            "shared",
            "hub",
            "transport",
            "cluster",
        ],
    ),
];

/// Parts of one module that must not know each other: one dialect or codec, another.
const STRANGERS: &[(&str, &[&str])] =
    &[("codec", &["native", "engineio", "sockjs", "raw"]), ("dialect", &["plain", "events", "stomp"])];

/// Modules that hold no clock, no I/O, no lock and no randomness, and what they therefore never name.
const PURE: &[&str] = &["session", "codec", "dialect", "deadlines"];
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

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 60;
/// Functions allowed to be longer, as `file::function`, each with its reason in a comment.
const LONG_FUNCTIONS: &[&str] = &[];

struct Source {
    /// Relative to the crate, with `/`.
    file: String,
    /// Where it stands in the crate: `["session", "machine"]`.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn new(file: &str, text: String) -> Self {
        let inner = file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs");
        let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod" || last == "lib") {
            module.pop();
        }
        Self { file: file.to_owned(), module, text }
    }

    fn top(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    fn is_test(&self) -> bool {
        self.module.iter().any(|part| part == "tests" || part == "simulation")
    }
}

fn files_below(folder: &str, extensions: &[&str]) -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "node_modules" | "target" | "dist" | "out") {
                    folders.push(path);
                }
            } else if extensions.iter().any(|extension| path.extension().is_some_and(|e| e == *extension)) {
                found.push((relative(&root, &path), fs::read_to_string(&path).expect("readable text")));
            }
        }
    }
    found.sort();
    found
}

fn relative(root: &FilePath, path: &FilePath) -> String {
    path.strip_prefix(root).expect("below the crate").to_string_lossy().replace('\\', "/")
}

fn sources() -> Vec<Source> {
    let found: Vec<Source> =
        files_below("src", &["rs"]).into_iter().map(|(file, text)| Source::new(&file, text)).collect();
    assert!(!found.is_empty(), "there is no source to read");
    found
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "{} broken law(s):\n  {}\n", broken.len(), broken.join("\n  "));
}

/// The law that an import breaks, if it breaks one.
fn broken_import(source: &Source, path: &paths::Path, modules: &BTreeSet<String>) -> Option<String> {
    let home = source.top()?;
    let [root, target, rest @ ..] = path.segments.as_slice() else { return None };
    if root != "crate" || target == home {
        return None;
    }
    if !modules.contains(target) {
        return Some(format!("{home} names its imports by their module, not through the crate's root"));
    }
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(module, _)| *module == home) else {
        return Some(format!("{home} is not in the table of who may import whom"));
    };
    let granted = allowed.iter().any(|grant| match grant.split_once("::") {
        None => grant == target,
        Some((module, part)) => module == target && rest.first().is_some_and(|first| first == part),
    });
    (!granted).then(|| match allowed {
        [] => format!("{home} imports nothing of ours"),
        _ => format!("{home} may import only {}", allowed.join(", ")),
    })
}

/// One codec or dialect knows no other.
fn broken_strangers(source: &Source, path: &paths::Path) -> Option<String> {
    let [home, part, ..] = source.module.as_slice() else { return None };
    let (_, strangers) = STRANGERS.iter().find(|(module, _)| module == home)?;
    let [root, module, other, ..] = path.segments.as_slice() else { return None };
    let known = |name: &str| strangers.contains(&name);
    (root == "crate" && module == home && known(part) && known(other) && part != other)
        .then(|| format!("one {home} does not import another: {part} and {other} are strangers"))
}

fn broken_purity(source: &Source, path: &paths::Path) -> Option<String> {
    let home = source.top()?;
    if !PURE.contains(&home) {
        return None;
    }
    let all_of_std =
        path.imported && path.segments.len() <= 2 && path.segments[0] == "std" && path.segments.last()? == "*";
    let impure = IMPURE.iter().find(|name| path.starts_with(&name.split("::").collect::<Vec<_>>()));
    match impure {
        Some(name) => Some(format!("{home} is pure: it never names {name}")),
        None if all_of_std || path.segments == ["std"] => {
            Some(format!("{home} is pure: it names what it takes from std"))
        }
        None => None,
    }
}

fn broken_laws(sources: &[Source]) -> Vec<String> {
    let modules: BTreeSet<String> = sources.iter().filter_map(|source| source.top().map(str::to_owned)).collect();
    let mut broken = Vec::new();
    for source in sources {
        for path in paths::paths(&source.text, &source.module) {
            let laws =
                [broken_import(source, &path, &modules), broken_strangers(source, &path), broken_purity(source, &path)];
            for law in laws.into_iter().flatten() {
                broken.push(format!("{}:{}: `{}`: {law}", source.file, path.line, path.text()));
            }
        }
    }
    broken
}

/// Which top-level module imports which, and where that is written.
fn imports(sources: &[Source]) -> BTreeMap<String, BTreeMap<String, String>> {
    let modules: BTreeSet<&str> = sources.iter().filter_map(Source::top).collect();
    let mut graph: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources {
        let Some(home) = source.top() else { continue };
        for path in paths::paths(&source.text, &source.module) {
            if let [root, target, ..] = path.segments.as_slice()
                && root == "crate"
                && target != home
                && modules.contains(target.as_str())
            {
                let place = format!("{}:{}", source.file, path.line);
                graph.entry(home.to_owned()).or_default().entry(target.clone()).or_insert(place);
            }
        }
    }
    graph
}

/// A circle among the imports, each step with its place; none if there is none.
fn circle(sources: &[Source]) -> Option<String> {
    fn walk(graph: &BTreeMap<String, BTreeMap<String, String>>, trail: &mut Vec<String>) -> Option<String> {
        let here = trail.last()?.clone();
        for target in graph.get(&here).into_iter().flat_map(BTreeMap::keys) {
            let known = trail.iter().position(|module| module == target);
            trail.push(target.clone());
            if let Some(start) = known {
                let steps =
                    trail[start..].windows(2).map(|w| format!("{} -> {} ({})", w[0], w[1], graph[&w[0]][&w[1]]));
                return Some(steps.collect::<Vec<_>>().join(", "));
            }
            if let Some(found) = walk(graph, trail) {
                return Some(found);
            }
            trail.pop();
        }
        None
    }
    let graph = imports(sources);
    graph.keys().find_map(|module| walk(&graph, &mut vec![module.clone()]))
}

fn long_functions(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        for function in paths::functions(&source.text) {
            let name = format!("{}::{}", source.file, function.name);
            if function.lines > FUNCTION_LINES && !function.in_tests && !LONG_FUNCTIONS.contains(&name.as_str()) {
                broken.push(format!(
                    "{}:{}: `{}` has {} lines: a function has at most {FUNCTION_LINES}",
                    source.file, function.line, function.name, function.lines
                ));
            }
        }
    }
    broken
}

fn long_files(files: &[(String, String)]) -> Vec<String> {
    files
        .iter()
        .filter(|(_, text)| text.lines().count() > FILE_LINES)
        .map(|(file, text)| {
            format!("{file}: {} lines: a file has at most {FILE_LINES}; split it by concern", text.lines().count())
        })
        .collect()
}

#[test]
fn imports_follow_the_design() {
    report(&broken_laws(&sources()));
}

#[test]
fn modules_form_no_circle() {
    let found = circle(&sources()).map(|found| format!("an import circle: {found}"));
    report(found.as_slice());
}

#[test]
fn functions_fit_on_a_screen() {
    report(&long_functions(&sources()));
}

#[test]
fn files_can_be_seen_at_a_glance() {
    let mut files = files_below("src", &["rs"]);
    files.extend(files_below("examples", &["rs"]));
    files.extend(files_below("tests", &["rs", "mjs", "js"]));
    files.extend(files_below("client-js/src", &["js", "mjs", "ts"]));
    assert!(files.len() > 1, "there are no files to read");
    report(&long_files(&files));
}

#[test]
fn every_module_has_a_row_and_every_row_is_reachable() {
    let sources = sources();
    let rows: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    let unlisted = sources.iter().filter(|source| source.top().is_some_and(|top| !rows.contains(top)));
    let unlisted: Vec<String> =
        unlisted.map(|source| format!("{}: not in the table of who may import whom", source.file)).collect();
    report(&unlisted);
    for (module, allowed) in MAY_IMPORT {
        for grant in *allowed {
            let target = grant.split("::").next().unwrap_or(grant);
            assert!(rows.contains(target), "{module} may import {target}, which is no module of the design");
        }
    }
}
