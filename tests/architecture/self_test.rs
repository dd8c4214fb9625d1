//! The guards can fail: each law is broken on purpose in a small tree of files.

use std::collections::BTreeMap;

use super::laws::judge;
use super::resolve::Fault;
use super::{MAP, map, open_faults};

/// A crate of the given files; the `mod` declarations are added at the end of their parents.
fn tree(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let modules = ["message", "hub/mod", "shared", "session/mod", "session/frame", "codec/mod", "dialect/mod", "clock"];
    let mut tree: BTreeMap<String, String> = modules.map(|name| (format!("src/{name}.rs"), String::new())).into();
    tree.insert("src/lib.rs".to_owned(), String::new());
    tree.extend(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())));
    let names: Vec<String> = tree.keys().map(|file| file.replace("/mod.rs", ".rs")).collect();
    for name in names.iter().filter(|name| *name != "src/lib.rs") {
        let (folder, name) = name.rsplit_once('/').expect("a file below src");
        let parent = if folder == "src" { "src/lib.rs".to_owned() } else { format!("{folder}/mod.rs") };
        let gate = if name == "tests.rs" { "#[cfg(test)] " } else { "" };
        let declaration = format!("\n{gate}mod {};", name.trim_end_matches(".rs"));
        tree.entry(parent).or_default().push_str(&declaration);
    }
    tree
}

fn broken(law: &str, files: &[(&str, &str)]) -> Vec<String> {
    let faults = judge(&tree(files)).into_iter();
    faults.filter(|fault| fault.law == law).map(|fault| fault.text).collect()
}

/// The last of the files breaks the law in the given line, and the message says so.
fn assert_breaks(law: &str, files: &[(&str, &str)], line: usize, words: &str) {
    let found = broken(law, files);
    let place = format!("{}:{line}: ", files.last().expect("a file").0);
    assert!(found.iter().any(|text| text.contains(&place) && text.contains(words)), "{files:?} gave {found:?}");
}

fn assert_keeps(law: &str, files: &[(&str, &str)]) {
    assert_eq!(broken(law, files), Vec::<String>::new(), "{files:?}");
}

const HUB: (&str, &str) =
    ("src/hub/mod.rs", "use rooms::Rooms;\npub struct Member;\npub fn join() {} pub fn rooms() {}");

#[test]
fn circles_are_seen_however_they_are_written() {
    for text in [
        "\nuse crate::{message::Message, hub::{self, Member}}; pub struct Rooms;",
        "pub struct Rooms;\nfn f(_: super::Member) {}",
        "pub struct Rooms; macro_rules! m { () => {\n $crate::hub::join() } }",
        "pub struct Rooms; fn f() { let _ = vec![1,\n super::join()]; }",
        "pub struct Rooms; fn f() { debug!(\ncrate::{message, hub::{join}}) }",
        "use crate::hub as h; pub struct Rooms;\nfn f(_: h::Member) {}",
        "use super::*; pub struct Rooms;\nfn f(_: &Member) {}",
        "pub struct Rooms; mod inner {\n use super::super::Member; }",
        "use crate as root; pub struct Rooms;\nconst F: fn() = root::hub::join;",
        "use crate::*; pub struct Rooms;\nconst F: fn() = hub::join;",
        "pub struct Rooms;\nconst F: fn() = super::rooms;",
        "pub struct Rooms;\npub use super::Member;",
        "pub struct Rooms;\nimpl From<Vec<super::Member>> for Rooms {}",
    ] {
        let words = "a circle of src/hub/mod.rs, src/hub/rooms.rs; move what they share";
        assert_breaks("circles", &[HUB, ("src/hub/rooms.rs", text)], 2, words);
    }
}

#[test]
fn a_reexport_is_resolved_to_the_file_that_defines_the_item() {
    let facade = ("src/session/mod.rs", "pub use self::frame::Frame;\npub(crate) use machine::*;");
    let frame = ("src/session/frame.rs", "pub struct Frame;");
    let machine = ("src/session/machine.rs", "\nuse crate::session::Frame; pub struct Machine;");
    assert_keeps("circles", &[facade, frame, machine]);
    let above = ("src/session/frame.rs", "pub struct Frame;\nfn f(_: super::Machine) {}");
    let words = "a circle of src/session/frame.rs, src/session/machine.rs;";
    assert_breaks("circles", &[facade, above, machine], 2, words);
    let user = ("src/session/mod.rs", "pub use frame::Frame;\nstruct Own; fn f(_: Frame) {}");
    let child = ("src/session/frame.rs", "pub struct Frame;\nfn f(_: super::Own) {}");
    assert_breaks("circles", &[user, child], 2, "a circle of src/session/frame.rs, src/session/mod.rs;");
}

#[test]
fn what_names_no_item_makes_no_circle() {
    for text in [
        "pub struct Rooms; // super::Member",
        "pub struct Rooms; const S: &str = \"super::Member\";",
        "pub(in crate::hub) struct Rooms; use crate::hub;",
        "use super::*; pub struct Rooms; fn f(join: u8) -> u8 { join }",
        "use super::*; pub struct Rooms; fn f(x: Rooms) { x.join(); debug!(x.join(), x as join) }",
    ] {
        assert_keeps("circles", &[HUB, ("src/hub/rooms.rs", text)]);
    }
    let parent = ("src/hub/mod.rs", "pub use rooms::Rooms;\npub struct Member;");
    assert_keeps("circles", &[parent, ("src/hub/rooms.rs", "pub struct Rooms; use super::Member;")]);
}

#[test]
fn a_forbidden_import_is_seen_however_it_is_written() {
    for text in [
        "\nuse crate::shared::Shared;",
        "use crate::{message::Message,\nshared::{Shared}};",
        "fn f() {\n crate::hub::join(); }",
        "\nuse super::super::hub as h;",
        "mod inner {\n use super::super::super::hub; }",
        "use crate::{self as root,\n hub};",
        "use crate as root;\nfn f() { root::hub::join() }",
        "\nuse crate::clock::*;",
        "fn f() { debug!(\n$crate::hub::join()) }",
    ] {
        assert_breaks(
            "imports",
            &[("src/session/x.rs", text)],
            2,
            "session may import only message, packet, packed, payload, broadcast, config, seldom;",
        );
    }
    assert_breaks("imports", &[("src/message.rs", "use crate::clock;")], 1, "message imports nothing of ours");
    assert_breaks("imports", &[("src/hub/x.rs", "use crate::Message;")], 1, "not the crate's root");
    assert_breaks("imports", &[("src/extra.rs", "")], 1, "give `extra` a row in the table");
    let codec = "codec may import only session::frame, session::reason, message, packet, payload, broadcast, pool;";
    assert_breaks("imports", &[("src/codec/x.rs", "use crate::session::Frame;")], 1, codec);
    assert_breaks("imports", &[("src/codec/x.rs", "use crate::session;")], 1, codec);
    assert_keeps("imports", &[("src/codec/x.rs", "use crate::session::frame::Frame;")]);
    let parent = ("src/hub/mod.rs", "#[cfg(test)]\nmod tests;");
    assert_keeps("imports", &[parent, ("src/hub/tests.rs", "use crate::server;")]);
}

#[test]
fn pure_folders_name_nothing_impure() {
    for (text, name) in [
        ("use tokio as t;", "tokio"),
        ("use ::axum::Router;", "axum"),
        ("extern crate futures as f;", "futures"),
        ("use std as s; fn f() { s::thread::park() }", "std::thread"),
        ("use std::{fmt, sync::{Arc, Mutex}};", "std::sync"),
        ("use std::time; fn f() { time::Instant::now(); }", "std::time::Instant"),
        ("use std::time::*;", "std::time::Instant"),
        ("fn f() -> core::task::Poll<()> { loop {} }", "std::task"),
        ("fn f() { debug!(std::net::Ipv4Addr::LOCALHOST) }", "std::net"),
        ("#[tokio::test] fn f() {}", "tokio"),
        ("use crate::message::Lent;", "std::sync"),
    ] {
        for folder in ["session", "codec", "dialect"] {
            let lender = ("src/message.rs", "pub use std::sync::Mutex as Lent;");
            let words = format!("{folder} is pure and never names {name};");
            assert_breaks("purity", &[lender, (&format!("src/{folder}/x.rs"), text)], 1, &words);
        }
    }
    let text = "use std::time::Duration; mod http { pub fn x() {} } fn f(tokio: u8) { http::x() }";
    assert_keeps("purity", &[("src/session/x.rs", text), ("src/shared.rs", "use std::sync::Mutex;")]);
}

#[test]
fn codecs_are_strangers() {
    let raw = ("src/codec/raw.rs", "pub fn encode() {}");
    let native = |text| [raw, ("src/codec/mod.rs", "pub use raw::encode;"), ("src/codec/native.rs", text)];
    assert_breaks("strangers", &native("use super::raw::encode;"), 1, "native and raw are strangers");
    assert_breaks("strangers", &native("use super::encode;"), 1, "native and raw are strangers");
    assert_keeps("strangers", &native("use super::frames::encode;"));
}

#[test]
fn test_code_is_seen_in_production_files() {
    for text in [
        "impl X {\n#[cfg(test)] fn seen(&self) {} }",
        "fn f() {\n#[cfg(test)] { g() } }",
        "struct X {\n#[cfg(all(test, unix))] x: u8 }",
        "fn f() { if\ncfg!(test) {} }",
        "\n#[cfg_attr(not(test), allow(dead_code))] fn f() {}",
        "\n#[test] fn f() {}",
        "\n#[cfg(test)] mod tests { }",
        "\n#[cfg(test)] mod client;",
        "\n#[cfg(any(test, unix))] mod tests;",
    ] {
        assert_breaks("test code", &[("src/session/x.rs", text)], 2, "");
    }
    let inline = |lines: usize| format!("#[cfg(test)] mod tests {{{}}}", "\n#[test] fn f() {}".repeat(lines));
    assert_keeps("test code", &[("src/hub/x.rs", &inline(59))]);
    assert_breaks("test code", &[("src/hub/x.rs", &inline(60))], 1, "61 lines");
    assert_keeps("test code", &[("src/session/mod.rs", "#[cfg(test)] mod client;")]);
    assert_keeps("test code", &[("src/session/tests.rs", "#[cfg(test)] fn f() {} #[test] fn g() {}")]);
}

#[test]
fn functions_files_and_modules_are_measured() {
    let long = |lines| format!("impl X {{\nfn long() {{{}\n}} }}", "\nstep();".repeat(lines));
    assert_breaks("functions", &[("src/hub/x.rs", &long(59))], 2, "`long` has 61 lines");
    assert_keeps("functions", &[("src/hub/x.rs", &long(58)), ("src/hub/tests.rs", &long(99))]);
    assert_breaks("lengths", &[("src/hub/tests.rs", &"\n".repeat(421))], 421, "420 are the limit");
    assert_keeps("lengths", &[("src/hub/tests.rs", &"\n".repeat(420))]);
    assert_breaks("modules", &[("src/hub/x.rs", "#[path = \"y.rs\"] mod z;")], 1, "`#[path]` hides");
    let mut files = tree(&[]);
    files.insert("src/hub/lost.rs".to_owned(), String::new());
    assert!(judge(&files).iter().any(|fault| fault.text.starts_with("src/hub/lost.rs:1: no `mod` names")));
}

#[test]
fn an_exception_that_is_not_needed_fails() {
    let faults = [Fault::new("purity", "a.rs", 1, "x"), Fault::new("purity", "b.rs", 1, "y")];
    assert_eq!(open_faults("purity", &faults, &[("purity", &["a.rs", "b.rs"])]), Vec::<String>::new());
    assert_eq!(open_faults("purity", &faults, &[("purity", &["b.rs"]), ("circles", &["a.rs"])]), ["a.rs:1: x"]);
    let circle = [Fault { law: "circles", files: ["a.rs", "b.rs"].map(str::to_owned).into(), text: "z".to_owned() }];
    let half = open_faults("circles", &circle, &[("circles", &["a.rs"])]);
    assert_eq!(half, ["z", "a.rs: no fault of `circles` any more; take it out of NOT_YET or ACCEPTED"]);
    let idle = open_faults("purity", &faults, &[("purity", &["a.rs", "b.rs", "c.rs"])]);
    assert!(matches!(idle.as_slice(), [text] if text.starts_with("c.rs: no fault of `purity`")), "{idle:?}");
}

#[test]
fn the_map_is_compared_with_the_tree() {
    let map = "src/a.rs is prose\n```\nCargo.toml  x\nsrc/\n├── lib.rs   docs and/or more\n\
        ├── a/       PURE  mod.rs (x), in/ has\n│   │        more/\n│   └── out/  far.rs: deep\n\
        └── b.rs  c.rs (both)\nclient-js/src/  none.rs\n```\n";
    let files = ["lib.rs", "b.rs", "c.rs", "a/mod.rs", "a/in/x.rs", "a/more/x.rs", "a/out/far.rs"];
    let mut tree: BTreeMap<String, String> = files.map(|file| (format!("src/{file}"), String::new())).into();
    let faults = |tree: &BTreeMap<String, String>| -> Vec<String> {
        map::faults(tree).into_iter().map(|fault| fault.text).collect()
    };
    assert_eq!(faults(&tree), ["ARCHITECTURE.md:1: write the map of the house"]);
    tree.insert(MAP.to_owned(), map.to_owned());
    assert_eq!(faults(&tree), Vec::<String>::new());
    tree.insert("src/a/new/x.rs".to_owned(), String::new());
    tree.remove("src/c.rs");
    tree.remove("src/a/out/far.rs");
    let expected = ["1: src/a/new/ is missing in the tree; add it", "8: there is no src/a/out/; take it out"];
    let more = ["8: there is no src/a/out/far.rs; take it out", "9: there is no src/c.rs; take it out"];
    assert_eq!(
        faults(&tree),
        [expected, more].concat().into_iter().map(|text| format!("{MAP}:{text}")).collect::<Vec<_>>()
    );
}
