//! The guards can fail: each law is broken on purpose in a small snippet.

use super::paths::{self, Function};
use super::{Source, broken_laws, circle, long_files, long_functions};

fn source(file: &str, text: &str) -> Source {
    Source::new(file, text.to_owned())
}

/// A crate with one empty file for each module named in the snippets, and the snippet.
fn laws_broken_by(file: &str, text: &str) -> Vec<String> {
    let mut all: Vec<Source> = [
        "message",
        "config",
        "clock",
        "ids",
        "session/mod",
        "session/frame",
        "codec/mod",
        "shared",
        "hub/mod",
        "transport/mod",
    ]
    .iter()
    .map(|name| source(&format!("src/{name}.rs"), ""))
    .collect();
    all.push(source(file, text));
    broken_laws(&all)
}

fn assert_breaks(file: &str, text: &str, line: usize, law: &str) {
    let broken = laws_broken_by(file, text);
    let place = format!("{file}:{line}: ");
    assert!(broken.iter().any(|b| b.starts_with(&place) && b.contains(law)), "{text:?} gave {broken:?}");
}

fn assert_keeps(file: &str, text: &str) {
    assert_eq!(laws_broken_by(file, text), Vec::<String>::new(), "{text:?}");
}

#[test]
fn a_forbidden_import_is_seen_however_it_is_written() {
    let law = "session may import only message, broadcast, config";
    assert_breaks("src/session/machine.rs", "use crate::shared::Shared;", 1, law);
    assert_breaks("src/session/machine.rs", "\n\nuse crate::{message::Message, shared::{Shared, Waker}};", 3, law);
    assert_breaks("src/session/machine.rs", "fn f() {\n    crate::hub::join();\n}", 2, law);
    assert_breaks("src/session/machine.rs", "use super::super::shared as s;", 1, law);
    assert_breaks("src/session/machine.rs", "mod inner { use super::super::super::hub; }", 1, law);
    assert_breaks("src/session/tests/pair.rs", "use super::super::super::codec::native;", 1, law);
    assert_breaks("src/session/machine.rs", "fn f() { let x = $crate::hub::y; }", 1, law);
    assert_breaks("src/session/machine.rs", "use crate::{\n  self as root,\n  hub,\n};", 3, law);
}

#[test]
fn a_part_of_a_module_can_be_all_that_is_granted() {
    assert_keeps("src/codec/native.rs", "use crate::session::frame::Frame;");
    assert_breaks(
        "src/codec/native.rs",
        "use crate::session::Machine;",
        1,
        "codec may import only session::frame, message",
    );
    assert_breaks("src/codec/native.rs", "use crate::session;", 1, "codec may import only session::frame, message");
}

#[test]
fn names_from_the_root_of_the_crate_hide_where_they_come_from() {
    assert_breaks("src/hub/mod.rs", "use crate::Message;", 1, "not through the crate's root");
    assert_breaks("src/hub/mod.rs", "use crate::*;", 1, "not through the crate's root");
}

#[test]
fn pure_modules_name_no_clock_lock_or_wire() {
    for name in
        ["tokio::time", "axum::Router", "futures::Stream", "std::sync::Mutex", "std::net::IpAddr", "std::time::Instant"]
    {
        for module in ["session", "codec", "dialect"] {
            assert_breaks(&format!("src/{module}/x.rs"), &format!("use {name};"), 1, "is pure");
        }
    }
    assert_breaks("src/session/x.rs", "fn f() { let now = std::time::Instant::now(); }", 1, "is pure");
    assert_breaks("src/session/x.rs", "use std::{fmt, sync::{Arc, Mutex}};", 1, "never names std::sync");
    assert_breaks("src/session/x.rs", "use ::tokio::spawn;", 1, "is pure");
    assert_breaks("src/session/x.rs", "use std as s;", 1, "is pure");
    assert_breaks("src/session/x.rs", "use std::*;", 1, "is pure");
    assert_breaks("src/session/x.rs", "use crate::clock;", 1, "session may import only");
    assert_breaks("src/codec/x.rs", "use crate::ids::id;", 1, "codec may import only");
    assert_keeps("src/session/x.rs", "use std::time::Duration; use std::collections::VecDeque; use std::fmt;");
    assert_keeps("src/shared.rs", "use std::sync::Mutex;");
}

#[test]
fn codecs_are_strangers() {
    assert_breaks("src/codec/native.rs", "use super::raw::encode;", 1, "native and raw are strangers");
    assert_breaks("src/dialect/events/mod.rs", "use crate::dialect::stomp;", 1, "events and stomp are strangers");
    assert_keeps("src/codec/native.rs", "use super::base64::encode; use super::native::Other;");
}

#[test]
fn what_is_not_code_breaks_nothing() {
    for text in [
        "// use crate::hub::Hub;",
        "/* use crate::hub; /* nested */ crate::hub::x */",
        "//! See [`crate::hub::Hub`].",
        r#"const S: &str = "crate::hub::Hub \" tokio::spawn";"#,
        "const S: &str = r#\"crate::hub \" tokio::spawn\"#;",
        "fn f<'a>(x: &'a str) -> char { let q = '\"'; let e = '\\''; q }",
        "pub(crate) fn f() {} pub(in crate::session) fn g() {}",
        "fn f(self) -> impl Sized + use<'a> { self.tokio.spawn() }",
    ] {
        assert_keeps("src/session/x.rs", text);
    }
}

#[test]
fn code_behind_strings_and_characters_is_still_read() {
    for prefix in [
        "let s = \"\\\"\";",
        "let c = '\"';",
        "let r = r\"\\\";",
        "let b = b'\\'';",
        "fn f<'a>(x: &'a u8) {}",
        "/* \" */",
    ] {
        assert_breaks("src/session/x.rs", &format!("{prefix} use crate::hub::Hub;"), 1, "session may import only");
    }
}

#[test]
fn an_unknown_module_needs_a_row() {
    assert_breaks("src/extra.rs", "use crate::hub::Hub;", 1, "extra is not in the table");
}

#[test]
fn circles_are_found_and_named() {
    let chain = [
        source("src/hub/mod.rs", "use crate::shared::X;"),
        source("src/shared.rs", "use crate::codec::Y;"),
        source("src/codec/mod.rs", ""),
    ];
    assert_eq!(circle(&chain), None);
    let closed = [
        source("src/hub/mod.rs", "use crate::shared::X;"),
        source("src/shared.rs", "use crate::codec::Y;"),
        source("src/codec/mod.rs", "\nfn f() { crate::hub::z() }"),
    ];
    let found = circle(&closed).expect("a circle");
    assert!(found.contains("codec -> hub (src/codec/mod.rs:2)"), "{found}");
}

#[test]
fn functions_are_measured_from_fn_to_brace() {
    let text = "trait T { fn declared(&self) -> [u8; 4]; }\n\nfn three(\n) {\n}\n#[cfg(test)]\nmod tests {\n  fn t() { let f: fn(u8) = g; }\n}";
    let function = |name: &str, line, lines, in_tests| Function { name: name.to_owned(), line, lines, in_tests };
    assert_eq!(paths::functions(text), [function("three", 3, 3, false), function("t", 8, 1, true)]);
}

#[test]
fn long_functions_and_files_are_found() {
    let long = format!("\nfn long() {{\n{}}}\n", "    step();\n".repeat(60));
    let broken = long_functions(&[source("src/hub/mod.rs", &long)]);
    assert_eq!(broken, ["src/hub/mod.rs:2: `long` has 62 lines: a function has at most 60"]);
    let fits = format!("fn fits() {{\n{}}}\n", "    step();\n".repeat(58));
    assert!(long_functions(&[source("src/hub/mod.rs", &fits)]).is_empty());
    let story = format!("#[cfg(test)]\n#[allow(dead_code)]\nmod tests {{{long}}}");
    assert!(long_functions(&[source("src/hub/mod.rs", &story)]).is_empty());
    assert!(long_functions(&[source("src/session/tests/pair.rs", &long)]).is_empty());
    assert!(!long_functions(&[source("src/hub/mod.rs", &format!("mod inner {{{long}}}"))]).is_empty());
    assert_eq!(long_files(&[("a.rs".to_owned(), "x\n".repeat(501)), ("b.rs".to_owned(), "x\n".repeat(500))]).len(), 1);
}
