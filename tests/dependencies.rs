//! The packages that users compile with the crate, as `cargo metadata` lists them: licences, one version of each.
//! The tests hold what deny.toml states also where `cargo deny` is missing, which knows other platforms and
//! vulnerabilities too.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The packages that the crate needs at this platform with all features, without those of its tests alone.
fn compiled() -> Vec<Value> {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--all-features",
            "--filter-platform",
            host,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let nodes: BTreeMap<_, _> =
        list(&metadata["resolve"], "nodes").iter().map(|node| (text(node, "id"), node)).collect();
    let mut found = BTreeSet::new();
    let mut open = vec![text(&metadata["resolve"], "root")];
    while let Some(id) = open.pop() {
        if found.insert(id) {
            let needed =
                |dependency: &&Value| list(dependency, "dep_kinds").iter().any(|kind| text(kind, "kind") != "dev");
            open.extend(list(nodes[id], "deps").iter().filter(needed).map(|dependency| text(dependency, "pkg")));
        }
    }
    list(&metadata, "packages").iter().filter(|package| found.contains(text(package, "id"))).cloned().collect()
}

/// Whether one of the licences that an expression offers is allowed, of each part that it joins by `AND`.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    expression.split(" AND ").all(|part| part.split(" OR ").any(|licence| allowed.contains(&licence.trim())))
}

#[test]
fn what_users_compile_is_as_deny_toml_states() {
    let deny = include_str!("../deny.toml");
    let line = deny.lines().find_map(|line| line.strip_prefix("allow = [")).unwrap();
    let allowed: Vec<_> = line.trim_end_matches(']').split(", ").map(|licence| licence.trim_matches('"')).collect();
    let packages = compiled();
    assert!(packages.len() > 30, "only {} packages", packages.len());
    let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
    for package in &packages {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        assert!(is_allowed(licence, &allowed), "{name} has the licence {licence:?}");
        let source = text(package, "source");
        assert!(name == "anywire" || source.starts_with("registry+"), "{name} comes from {source:?}");
        versions.entry(name).or_default().insert(text(package, "version"));
    }
    let skipped = deny.lines().find_map(|line| line.strip_prefix("skip = [{ crate = \"")).unwrap();
    let (skipped, major) = skipped.trim_end_matches("\" }]").split_once('@').unwrap();
    let is_skipped = |version: &&str| version.split('.').next() == Some(major);
    assert!(versions[skipped].iter().any(is_skipped), "{skipped} {major} is gone, and so may be its row");
    versions.get_mut(skipped).unwrap().retain(|version| !is_skipped(version));
    versions.retain(|_, versions| versions.len() > 1);
    assert!(versions.is_empty(), "several versions: {versions:?}");
}

#[test]
fn expressions_of_licences() {
    let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
    for (expression, is) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("Zlib/Apache-2.0", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), is, "{expression}");
    }
}
