//! The table of codes in PROTOCOL.md and the reasons of the library are the same.

use std::collections::BTreeMap;

use crate::session::reason::{CODES, status_of};

/// Each code of section 7's table, and its status on HTTP where the table gives one.
fn table() -> BTreeMap<u16, Option<u16>> {
    let protocol = include_str!("../../codec/PROTOCOL.md");
    let (_, section) = protocol.split_once("\n## 7. ").expect("PROTOCOL.md has a section 7");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| class"));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, _, codes, statuses] = cells[..] else { panic!("four columns in {row}") };
        let (class, others) = statuses.split_once(';').unwrap_or((statuses, ""));
        let others: BTreeMap<&str, Option<u16>> = others
            .split(';')
            .filter_map(|other| other.trim().split_once(": "))
            .map(|(code, status)| (code, status.parse().ok()))
            .collect();
        let code = move |entry: &str| {
            let (code, _) = entry.trim().split_once(' ').expect("a code and what it is");
            let status = others.get(code).copied().unwrap_or_else(|| class.parse().ok());
            (code.parse().expect("a code is a number"), status)
        };
        codes.split(", ").map(code).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn the_protocol_lists_every_code_of_the_library_and_no_other() {
    // From 1002 to 1010 they are RFC 6455's own.
    let ours: Vec<u16> = CODES.iter().map(|(code, _)| *code).filter(|code| !(1002..=1010).contains(code)).collect();
    assert!(ours.is_sorted_by(|one, next| one < next), "each code once, and sorted: {ours:?}");
    assert_eq!(table().into_keys().collect::<Vec<_>>(), ours);
}

#[test]
fn the_statuses_of_the_protocol_are_those_that_are_sent() {
    let table = table();
    for (&code, &status) in &table {
        assert!(status.is_none_or(|status| status == status_of(code)), "{code} is {status:?} and {}", status_of(code));
    }
    let without: Vec<u16> = table.iter().filter(|(_, status)| status.is_none()).map(|(&code, _)| code).collect();
    assert_eq!(without, [1000, 1001, 1011, 4301], "all others have a status");
    assert_eq!(status_of(3000), 410, "a session that its application has closed is gone");
}
