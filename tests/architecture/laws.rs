//! The laws that need the whole crate: allowed imports, purity, strangers, circles, lengths.
//!
//! Only paths count: a method that another file adds to a type is called without naming that file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::reader::Kind;
use super::resolve::{Fault, House, Module, Target, Walk, module_of};
use super::{FILE_LINES, IMPURE, MAY_IMPORT, PURE, STRANGERS};

/// Which file names an item of which other file, and where: line and path.
type Graph = BTreeMap<String, BTreeMap<String, (usize, String)>>;

/// Every law over a tree of files, path -> text.
pub(crate) fn judge(files: &BTreeMap<String, String>) -> Vec<Fault> {
    let mut house = House::read(files);
    let mut faults = std::mem::take(&mut house.faults);
    let mut graph = Graph::new();
    let mut seen = BTreeSet::new();
    for reference in &house.references {
        let Module { file, variables, .. } = &house.modules[&reference.module];
        if matches!(reference.path.as_slice(), [name] if variables.contains(name)) {
            continue;
        }
        let mut walk = Walk::default();
        let target = house.resolve(&reference.module, &reference.path, &mut walk);
        let text = reference.path.join("::");
        let mut fault = |law, (subject, remedy): (String, String)| {
            if seen.insert((file, law, subject)) {
                faults.push(Fault::new(law, file, reference.line, &format!("`{text}`: {remedy}")));
            }
        };
        // Tests may drive their subject from above.
        let is_test = reference.module.iter().any(|name| name == "tests");
        let written = walk.written.as_deref().filter(|_| !is_test);
        if let Some(broken) = written.and_then(|path| broken_import(file, path, &house)) {
            fault("imports", broken);
        }
        let (Target::Item(module) | Target::Unknown(module)) = &target else {
            if let Target::Foreign(path) = &target
                && let Some(broken) = broken_purity(file, path, reference.kind)
            {
                fault("purity", broken);
            }
            continue;
        };
        let to = &house.modules[module].file;
        if let Some(broken) = broken_strangers(file, to) {
            fault("strangers", broken);
        }
        // a parent that only re-exports an item of its child does not depend on the child
        let forwards = reference.kind == Kind::Reexport && module.starts_with(&reference.module);
        if to != file && !forwards {
            let edges = graph.entry(file.clone()).or_default();
            edges.entry(to.clone()).or_insert_with(|| (reference.line, text.clone()));
        }
    }
    faults.extend(house.modules.values().filter_map(|module| missing_row(&module.file)));
    faults.extend(circles(&graph));
    faults.extend(long_files(files));
    faults
}

fn top(file: &str) -> Option<String> {
    module_of(file).into_iter().next()
}

fn missing_row(file: &str) -> Option<Fault> {
    let top = top(file)?;
    let known = MAY_IMPORT.iter().any(|(module, _)| *module == top);
    (!known).then(|| Fault::new("imports", file, 1, &format!("give `{top}` a row in the table of who may import whom")))
}

/// The row that an import breaks, and what it admits. `path` is without its `crate::`.
fn broken_import(file: &str, path: &[String], house: &House) -> Option<(String, String)> {
    let home = top(file)?;
    let (target, rest) = path.split_first()?;
    if *target == home {
        return None;
    }
    if !house.modules.contains_key(std::slice::from_ref(target)) {
        let text = "name the module that has it, not the crate's root";
        return Some((target.clone(), text.to_owned()));
    }
    let (_, allowed) = MAY_IMPORT.iter().find(|(module, _)| *module == home)?;
    let granted = allowed.iter().any(|grant| match grant.split_once("::") {
        None => grant == target || *grant == "*",
        Some((module, part)) => module == target && rest.first().is_some_and(|first| first == part),
    });
    let text = match allowed {
        [] => format!("{home} imports nothing of ours; let the caller hand it over"),
        _ => format!("{home} may import only {}; move the code up or the item down", allowed.join(", ")),
    };
    (!granted).then_some((target.clone(), text))
}

fn broken_purity(file: &str, path: &[String], kind: Kind) -> Option<(String, String)> {
    let module = format!("{}/", module_of(file).join("/"));
    let home = PURE.iter().find(|home| module.starts_with(&format!("{home}/")))?;
    let mut path: Vec<&str> = path.iter().map(String::as_str).collect();
    if let Some(first @ &mut ("core" | "alloc")) = path.first_mut() {
        *first = "std";
    }
    // An `Arc` shares what never changes: it is neither a lock nor a clock.
    if path.starts_with(&["std", "sync", "Arc"]) {
        return None;
    }
    let name = IMPURE.iter().find(|name| {
        let name: Vec<&str> = name.split("::").collect();
        path.starts_with(&name) || (kind == Kind::Glob && name.starts_with(&path))
    })?;
    Some(((*name).to_owned(), format!("{home} is pure and never names {name}; take what it yields as an argument")))
}

fn broken_strangers(file: &str, to: &str) -> Option<(String, String)> {
    let (from, to) = (module_of(file), module_of(to));
    let ([home, part, ..], [other_home, other, ..]) = (from.as_slice(), to.as_slice()) else { return None };
    let (_, strangers) = STRANGERS.iter().find(|(module, _)| module == home && module == other_home)?;
    let strange = |name: &String| strangers.contains(&name.as_str());
    let text = format!("{part} and {other} are strangers; move what both need to a file of {home} that is neither's");
    (part != other && strange(part) && strange(other)).then_some((other.clone(), text))
}

/// The shortest way along the graph from a file back to itself.
fn shortest_circle(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(here) = queue.pop_front() {
        for next in graph.get(here).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let back = std::iter::successors(Some(here), |file| before.get(file).copied());
                let mut way: Vec<String> = back.map(str::to_owned).collect();
                way.reverse();
                way.push(start.to_owned());
                return Some(way);
            }
            if !before.contains_key(next.as_str()) {
                before.insert(next, here);
                queue.push_back(next);
            }
        }
    }
    None
}

fn reachable<'a>(graph: &'a Graph, start: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(here) = open.pop() {
        let next = graph.get(here).into_iter().flat_map(BTreeMap::keys);
        open.extend(next.map(String::as_str).filter(|file| found.insert(*file)));
    }
    found
}

/// One fault for each set of files that reach each other.
fn circles(graph: &Graph) -> Vec<Fault> {
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut faults = Vec::new();
    for start in graph.keys() {
        if done.contains(start) {
            continue;
        }
        let Some(way) = shortest_circle(graph, start) else { continue };
        let both = |file: &&str| reachable(graph, file).contains(start.as_str());
        let files: BTreeSet<String> = reachable(graph, start).into_iter().filter(both).map(str::to_owned).collect();
        let steps = way.windows(2).map(|pair| {
            let (line, path) = &graph[&pair[0]][&pair[1]];
            format!("{}:{line}: `{path}` is of {}", pair[0], pair[1])
        });
        let steps: Vec<String> = steps.collect();
        let all: Vec<&str> = files.iter().map(String::as_str).collect();
        let remedy = "move what they share to a file below";
        let text = format!("{}\n    a circle of {}; {remedy}", steps.join("\n    "), all.join(", "));
        done.extend(files.iter().cloned());
        faults.push(Fault { law: "circles", files, text });
    }
    faults
}

fn long_files(files: &BTreeMap<String, String>) -> impl Iterator<Item = Fault> {
    files.iter().filter_map(|(file, text)| {
        let lines = text.lines().count();
        let (_, limit) = FILE_LINES.iter().find(|(folder, _)| file.starts_with(folder))?;
        let text = format!("{lines} lines; split it by concern, {limit} are the limit");
        (lines > *limit).then(|| Fault::new("lengths", file, lines, &text))
    })
}
