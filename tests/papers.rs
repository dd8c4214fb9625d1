//! The papers for people: what they link to and the files that they name exist. Comments begin with their subject.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAPERS: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "client-js/README.md"];

/// Folders in which a paper's short name of a file may be meant, besides the paper's own.
const HOMES: &[&str] = &["", "src", "client-js/src"];

/// A paper without its blocks of code.
fn prose(paper: &str) -> String {
    paper.split("```").step_by(2).collect()
}

/// The target of each `[text](target)`.
fn links(prose: &str) -> Vec<&str> {
    let targets = prose.split("](").skip(1);
    targets.map(|rest| rest.split(')').next().unwrap_or_default()).collect()
}

/// The texts between backticks that look like paths: `transport/batch.rs`.
fn named_files(prose: &str) -> Vec<&str> {
    let is_path = |text: &&str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let kind = text.rsplit_once('.').map(|(_, kind)| kind).unwrap_or_default();
        let known = ["rs", "md", "js", "mjs", "ts", "sh", "html"].contains(&kind) || text.ends_with('/');
        text.contains('/') && !text.starts_with('/') && text.chars().all(fits) && known
    };
    prose.split('`').skip(1).step_by(2).filter(is_path).collect()
}

/// The names by which links reach the headings of a paper, as GitHub makes them.
fn anchors(prose: &str) -> BTreeSet<String> {
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|&c| c.is_alphanumeric() || c == ' ' || c == '-');
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// The files and headings that the paper of this name refers to and that do not exist.
fn faults(root: &Path, name: &str, paper: &str) -> Vec<String> {
    let paper = prose(paper);
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut faults = Vec::new();
    for target in links(&paper).into_iter().filter(|target| !target.contains("://")) {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = root.join(folder).join(file);
        let text = if file.is_empty() { paper.clone() } else { fs::read_to_string(&path).unwrap_or_default() };
        if !path.exists() {
            faults.push(format!("{name}: {target} does not exist"));
        } else if !anchor.is_empty() && !anchors(&prose(&text)).contains(anchor) {
            faults.push(format!("{name}: {target} names no heading"));
        }
    }
    for file in named_files(&paper) {
        let homes = HOMES.iter().map(Path::new).chain([folder]);
        if !homes.map(|home| root.join(home).join(file)).any(|path| path.exists()) {
            faults.push(format!("{name}: there is no `{file}`"));
        }
    }
    faults
}

#[test]
fn links_and_named_files_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in PAPERS {
        let paper = fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(faults(root, name, &paper), Vec::<String>::new());
    }
}

#[test]
fn what_is_missing_is_found() {
    let paper = "# One `src/lib.rs` (x)\n[a](src/main.rs) and [b](#one-srclibrs-x), [c](#two), [d](README.md#three)\n\
        ```\n[no](no) is `no/no.rs`\n```\n`session/none.rs` `main.rs` `x/y z.rs` `none/`";
    let missing = ["src/main.rs does not exist", "#two names no heading", "README.md#three names no heading"];
    let missing = missing.iter().copied().chain(["there is no `session/none.rs`", "there is no `none/`"]);
    let missing: Vec<String> = missing.map(|text| format!("a.md: {text}")).collect();
    assert_eq!(faults(Path::new(env!("CARGO_MANIFEST_DIR")), "a.md", paper), missing);
}

/// The comments of a file that begin with a word which leaves their subject open. Each line of a comment counts.
fn riddles(text: &str) -> Vec<&str> {
    let begins = |line: &&str| {
        let marks = ["///", "//!", "//", "/**", "*"];
        let comment = marks.iter().find_map(|mark| line.strip_prefix(mark)?.strip_prefix(' '));
        let riddle = ["What ", "Who ", "Whom ", "Whose ", "Else ", "Nor ", "So many ", "So much "];
        comment.is_some_and(|comment| riddle.iter().any(|begins| comment.starts_with(begins)))
    };
    text.lines().map(str::trim).filter(begins).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let known = [".rs", ".js", ".mjs", ".ts"].iter().any(|kind| name.ends_with(kind));
        if entry.is_dir() && !["node_modules", "target", "dist"].contains(&name) {
            sources(&entry, found);
        } else if known {
            found.push(entry);
        }
    }
}

#[test]
fn comments_begin_with_their_subject() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "examples", "tests", "client-js"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 300, "{} files", files.len());
    let text = |file: &PathBuf| fs::read_to_string(file).unwrap_or_default();
    let found = files.iter().flat_map(|file| {
        let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
        riddles(&text(file)).into_iter().map(|line| format!("{name}: {line}")).collect::<Vec<_>>()
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "a comment begins with its subject:\n  {}\n", found.join("\n  "));
}

#[test]
fn a_comment_without_a_subject_is_found() {
    let found = [
        "/// What it is.",
        "// Who waits.",
        "* Else nothing.",
        "/// So many wait.",
        "//! Whom it tells.",
        "/** Nor that. */",
    ];
    let fine = ["//! Whatever", "let what = 1; // What?", "/// Sorted."];
    assert_eq!(riddles(&[&found[..], &fine].concat().join("\n    ")), found);
}

/// The names between backticks that look like figures: `openings_total`, `cluster_nodes`.
fn figures(prose: &str) -> Vec<&str> {
    let is_figure = |name: &&str| {
        let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        is_name && (name.ends_with("_total") || name.starts_with("cluster_"))
    };
    let names = prose.split('`').skip(1).step_by(2);
    names.map(|name| name.strip_prefix("anywire_").unwrap_or(name)).filter(is_figure).collect()
}

#[test]
fn figures_that_the_guide_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stats = fs::read_to_string(root.join("src/server/api/stats.rs")).expect("the figures");
    let known: BTreeSet<&str> = stats
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    assert!(known.len() > 30 && known.contains("openings_total"), "{known:?}");
    let mut named = 0;
    for chapter in fs::read_dir(root.join("src/guide")).expect("the guide") {
        let path = chapter.expect("a chapter").path();
        let text = prose(&fs::read_to_string(&path).expect("a text"));
        for figure in figures(&text) {
            named += 1;
            assert!(known.contains(figure), "{}: there is no figure `{figure}`", path.display());
        }
    }
    assert!(named > 10, "{named}");
}

#[test]
fn a_figure_is_known_by_its_name() {
    assert_eq!(
        figures("`a_total`, `anywire_cluster_x` and `cluster::Y`, `A_total` `total`, cluster_z"),
        ["a_total", "cluster_x"]
    );
}
