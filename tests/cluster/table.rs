//! The table of tests that are left out on several nodes names tests that are there, each with a reason.

use std::{fs, path::Path};

#[test]
fn the_tests_that_are_left_out_are_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut rows = 0;
    for line in fs::read_to_string(folder.join("cluster/left_out.txt")).unwrap().lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (target, name) = (words.next().unwrap(), words.next().unwrap());
        assert!(words.next().is_some(), "{line}: the reason is missing");
        let file = match name.rsplit_once("::") {
            Some((module, _)) => format!("{target}/{module}.rs"),
            None => format!("{target}.rs"),
        };
        let source = fs::read_to_string(folder.join(&file)).unwrap_or_default();
        let function = name.rsplit("::").next().unwrap();
        assert!(source.contains(&format!("async fn {function}(")), "{line}: {file} has no such test");
        rows += 1;
    }
    assert!(rows > 0);
}
