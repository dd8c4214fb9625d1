//! Compares the tree in the map of the house with the folders and files of `src`.

use std::collections::{BTreeMap, BTreeSet};

use super::MAP;
use super::resolve::Fault;

/// A row's place in the tree, and its words.
fn row(line: &str) -> (usize, &str) {
    let drawn = line.find(|c: char| !"│├└─ ".contains(c)).unwrap_or(line.len());
    (line[..drawn].chars().count() / 4, &line[drawn..])
}

/// The folders and files that the tree below the line `src/` names, with the line of each.
///
/// A row begins with a folder or a file. The other words of a folder's row may name its parts. A word is a
/// name if it ends in `/` or `.rs`.
fn named(map: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<String> = Vec::new();
    let tree = map.lines().enumerate().skip_while(|(_, line)| line.split(' ').next() != Some("src/")).skip(1);
    for (at, line) in tree.take_while(|(_, line)| line.starts_with(['│', '├', '└', ' '])) {
        let (depth, words) = row(line);
        let is_row = line.contains("── ");
        folders.truncate(depth.saturating_sub(1));
        for (nth, word) in words.split_whitespace().enumerate() {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric() && !"/_.".contains(c)).trim_end_matches('.');
            if word.ends_with('/') || word.ends_with(".rs") {
                found.insert(format!("src/{}{word}", folders.concat()), at + 1);
            }
            if is_row && nth == 0 && word.ends_with('/') {
                folders.push(word.to_owned());
            }
        }
    }
    found
}

/// Every folder of `src` and every file directly in it is in the map, and nothing more.
pub(crate) fn faults(files: &BTreeMap<String, String>) -> Vec<Fault> {
    let Some(map) = files.get(MAP) else { return vec![Fault::new("map", MAP, 1, "write the map of the house")] };
    let named = named(map);
    let mut present: BTreeSet<String> = BTreeSet::new();
    let mut expected: BTreeSet<String> = BTreeSet::new();
    for file in files.keys().filter(|file| file.starts_with("src/")) {
        let folders: Vec<String> = file.match_indices('/').skip(1).map(|(at, _)| file[..=at].to_owned()).collect();
        if folders.is_empty() {
            expected.insert(file.clone());
        }
        present.insert(file.clone());
        present.extend(folders.iter().cloned());
        // A folder that exists for the tests of one file need not be named.
        if !file.ends_with("/tests.rs") {
            expected.extend(folders);
        }
    }
    present.extend(expected.iter().cloned());
    let fault = |place: &String, line: usize, text: &str| Fault {
        law: "map",
        files: BTreeSet::from([place.clone()]),
        text: format!("{MAP}:{line}: {text}"),
    };
    let unnamed = expected.iter().filter(|place| !named.contains_key(*place));
    let unnamed = unnamed.map(|place| fault(place, 1, &format!("{place} is missing in the tree; add it")));
    let absent = named.iter().filter(|(place, _)| !present.contains(*place));
    let absent = absent.map(|(place, line)| fault(place, *line, &format!("there is no {place}; take it out")));
    unnamed.chain(absent).collect()
}
