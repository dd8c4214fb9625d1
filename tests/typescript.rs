//! The text that `Contract` writes for TypeScript. The example `typed` has a file of it that TypeScript reads.
#![cfg(feature = "typescript")]
#![allow(clippy::disallowed_methods)]

use std::{collections::HashMap, panic::catch_unwind};

use anywire::{Args, Contract, Event, Request};
use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A document.
#[derive(Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
struct Doc {
    big_number: u64,
    #[serde(rename = "the author")]
    author: Option<Author>,
    page: Page<Shape>,
    counts: HashMap<String, i128>,
    parents: Vec<Doc>,
    #[serde(flatten)]
    place: Place,
    #[serde(skip)]
    _secret: u8,
}

#[derive(Serialize, Deserialize, TS)]
struct Author(String);

#[derive(Serialize, Deserialize, TS)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Serialize, Deserialize, TS)]
struct Place {
    x: f32,
    y: f32,
}

#[derive(Serialize, Deserialize, TS)]
#[serde(tag = "kind", content = "of", rename_all = "kebab-case")]
enum Shape {
    Circle { radius: f64 },
    FreeHand(Vec<Place>),
    Nothing,
}

#[derive(Serialize, Deserialize, TS)]
struct Blob {
    #[ts(type = "ArrayBuffer")]
    content: Bytes,
}

/// The lines of an interface, without those around them.
fn lines<'a>(text: &'a str, interface: &str) -> Vec<&'a str> {
    let (_, rest) = text.split_once(&format!("export interface {interface} {{\n")).unwrap();
    rest.split_once("}\n").unwrap().0.lines().map(str::trim).collect()
}

fn client_line<T: anywire::TypedValues>() -> String {
    let text = Contract::new().client(&Event::<T>::new("n")).to_string();
    lines(&text, "ClientEvents")[0].to_owned()
}

fn server_line<T: anywire::TypedValues>() -> String {
    let text = Contract::new().server(&Event::<T>::new("n")).to_string();
    lines(&text, "ServerEvents")[0].to_owned()
}

fn panics(call: fn() -> Contract) -> String {
    let panic = catch_unwind(call).expect_err("it does not panic");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap()
}

#[test]
fn all_types_are_declared_once_with_serdes_names() {
    let text = Contract::new()
        .server(&Event::<Doc>::new("doc"))
        .server(&Event::<Page<Place>>::new("places"))
        .client(&Request::<Blob, Vec<Doc>>::new("docs"))
        .to_string();
    let declarations = text.split_once("\n\n").unwrap().1.split_once("\n/** The events that").unwrap().0;
    assert_eq!(
        declarations,
        r#"export type Author = string;

export type Blob = { content: ArrayBuffer, };

/**
 * A document.
 */
export type Doc = { bigNumber: number, "the author": Author | null, page: Page<Shape>, counts: { [key in string]: number }, parents: Array<Doc>, x: number, y: number, };

export type Page<T> = { items: Array<T>, };

export type Place = { x: number, y: number, };

export type Shape = { "kind": "circle", "of": { radius: number, } } | { "kind": "free-hand", "of": Array<Place> } | { "kind": "nothing" };
"#
    );
    assert_eq!(lines(&text, "ServerEvents"), ["doc: (data: Doc) => void", "places: (data: Page<Place>) => void"]);
    assert_eq!(lines(&text, "ClientEvents"), ["docs: (data: Blob) => Array<Doc>"]);
}

#[test]
fn values_are_parameters() {
    assert_eq!(server_line::<()>(), "n: () => void");
    assert_eq!(server_line::<Option<u8>>(), "n: (data: number | null) => void");
    assert_eq!(server_line::<Args<(u8, Option<bool>)>>(), "n: (a: number, b: boolean | null) => void");
    assert_eq!(server_line::<Args<Vec<String>>>(), "n: (...data: Array<string>) => void");
    assert_eq!(
        server_line::<Args<(u8, u8, u8, u8, u8, (String, bool))>>(),
        "n: (a: number, b: number, c: number, d: number, e: number, f: [string, boolean]) => void"
    );
}

/// The server reads what is absent as `null`, but only behind all that is there.
#[test]
fn a_client_may_leave_out_options_at_the_end() {
    assert_eq!(client_line::<Option<u8>>(), "n: (data?: number | null) => void");
    assert_eq!(
        client_line::<Args<(Option<u8>, u8, Option<u8>, Option<bool>)>>(),
        "n: (a: number | null, b: number, c?: number | null, d?: boolean | null) => void"
    );
}

#[test]
fn bytes_are_what_the_page_sends_and_receives() {
    assert_eq!(client_line::<Bytes>(), "n: (data: ArrayBuffer | ArrayBufferView) => void");
    assert_eq!(server_line::<Args<(u8, Bytes)>>(), "n: (a: number, b: ArrayBuffer) => void");
    let echo = Request::<Bytes, Bytes>::new("echo");
    let text = Contract::new().client(&echo).server(&echo).to_string();
    assert_eq!(lines(&text, "ClientEvents"), ["echo: (data: ArrayBuffer | ArrayBufferView) => ArrayBuffer"]);
    assert_eq!(lines(&text, "ServerEvents"), ["echo: (data: ArrayBuffer) => ArrayBuffer | ArrayBufferView"]);
}

#[test]
fn answers_are_results() {
    let line = |text: String| lines(&text, "ClientEvents")[0].to_owned();
    let unit = Contract::new().client(&Request::<(), ()>::new("n")).to_string();
    assert_eq!(line(unit), "n: () => void");
    let first = Contract::new().client(&Request::<(), Args<(bool, u8)>>::new("n")).to_string();
    assert_eq!(line(first), "n: () => boolean");
    let some = Contract::new().client(&Request::<(), Args<Vec<u8>>>::new("n")).to_string();
    assert_eq!(line(some), "n: () => number | undefined");
}

/// Names keep their order, types are sorted, whatever the order in which they were found.
#[test]
fn the_order_is_that_of_the_names() {
    let (doc, blob) = (Event::<Doc>::new("doc"), Event::<Blob>::new("blob"));
    let text = Contract::new().server(&doc).server(&blob).to_string();
    let other = Contract::new().server(&blob).server(&doc).to_string();
    assert_eq!(lines(&text, "ServerEvents"), ["doc: (data: Doc) => void", "blob: (data: Blob) => void"]);
    assert_eq!(lines(&other, "ServerEvents"), ["blob: (data: Blob) => void", "doc: (data: Doc) => void"]);
    let types = |text: &str| text.split_once("export interface").unwrap().0.to_owned();
    assert_eq!(types(&text), types(&other));
}

#[test]
fn names_are_quoted_where_they_must_be() {
    const NAMES: [&str; 8] = ["plain_1", "$", "1st", "two words", "sure?", "a\"b\\c\n", "größe", "*/"];
    let contract = NAMES.iter().fold(Contract::new(), |contract, name| contract.client(&Event::<()>::new(name)));
    let text = contract.to_string();
    let keys: Vec<&str> =
        lines(&text, "ClientEvents").iter().map(|line| line.strip_suffix(": () => void").unwrap()).collect();
    let wanted = ["plain_1", "$", "\"1st\"", "\"two words\"", "\"sure?\"", "\"a\\\"b\\\\c\\n\"", "\"größe\"", "\"*/\""];
    assert_eq!(keys, wanted);
}

#[test]
fn what_cannot_be_written_panics() {
    const N: Event<u8> = Event::new("n");
    assert_eq!(panics(|| Contract::new().client(&N).client(&N)), "the contract has the name \"n\" already");
    // Each side has names of its own.
    assert!(Contract::new().client(&N).server(&N).to_string().contains("n: (data: number) => void"));

    #[derive(TS)]
    struct Unmarked {
        _bytes: Bytes,
    }
    let marked = "holds bytes, whose field wants `#[ts(type = \"ArrayBuffer\")]`, or a struct of its own that has it";
    let text = panics(|| Contract::new().client(&Event::<Vec<Unmarked>>::new("n")));
    assert!(text.ends_with(&format!("::Unmarked {marked}")), "{text}");
    let text = panics(|| Contract::new().client(&Event::<Option<Bytes>>::new("n")));
    assert_eq!(text, format!("{} {marked}", std::any::type_name::<Option<Bytes>>()));

    #[derive(TS)]
    #[ts(rename = "Blob")]
    struct Other {
        _other: u8,
    }
    let text = panics(|| Contract::new().client(&Event::<Blob>::new("a")).server(&Event::<Other>::new("b")));
    assert_eq!(text, "two types are named Blob; `#[ts(rename = \"..\")]` gives one another name");

    #[derive(TS)]
    struct ClientEvents {
        _other: u8,
    }
    let text = panics(|| Contract::new().client(&Event::<ClientEvents>::new("a")));
    assert_eq!(text, "a type is named ClientEvents, as one of the contract's own");
}

#[derive(Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
enum In {
    Ping,
    Say(String),
    MoveTo(f64, f64),
    Draw { shape: Shape },
    Tags(Vec<String>),
    Find(Option<String>),
}

/// The client's tests have the file, and check by TypeScript what it admits: `client-js/test/typed.ts`.
#[test]
fn variants_of_an_enum_are_events() {
    let contract = Contract::new().server(&Event::<u8>::new("n")).client_enum::<In>().server_enum::<In>();
    let is_changed = contract.write("client-js/test/variants.ts").unwrap();
    assert!(!is_changed, "variants.ts was old, and is written anew");
    let text = contract.to_string();
    assert!(text.contains("export type Shape = "));
    let variants = [
        "ping: Variant<In, \"ping\">",
        "say: Variant<In, \"say\">",
        "\"move-to\": Variant<In, \"move-to\">",
        "draw: Variant<In, \"draw\">",
        "tags: Variant<In, \"tags\">",
        "find: Variant<In, \"find\">",
    ];
    assert_eq!(lines(&text, "ClientEvents"), variants);
    assert_eq!(lines(&text, "ServerEvents"), [&["n: (data: number) => void"], &variants[..]].concat());
    assert!(!Contract::new().to_string().contains("Variant"));
}

#[test]
fn a_type_that_is_no_set_of_events_panics() {
    let text = |name| format!("{name} is no enum whose variants are its tags");
    assert_eq!(panics(|| Contract::new().client_enum::<Place>()), text(std::any::type_name::<Place>()));
    assert_eq!(panics(|| Contract::new().server_enum::<Shape>()), text(std::any::type_name::<Shape>()));
    assert_eq!(panics(|| Contract::new().client_enum::<String>()), text("alloc::string::String"));

    #[derive(Deserialize, TS)]
    #[serde(rename_all = "snake_case")]
    enum Reserved {
        ConnectError,
    }
    let text = panics(|| Contract::new().client_enum::<Reserved>());
    assert!(text.starts_with("\"connect_error\" of "), "{text}");
    let twice = "the contract has the name \"say\" already";
    assert_eq!(panics(|| Contract::new().client(&Event::<u8>::new("say")).client_enum::<In>()), twice);
    assert_eq!(panics(|| Contract::new().client_enum::<In>().client(&Event::<u8>::new("say"))), twice);
}

#[test]
fn the_file_is_written_if_it_differs() {
    let folder = std::env::temp_dir().join(format!("anywire-typescript-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("events.ts");
    let contract = Contract::new().server(&Event::<Doc>::new("doc"));
    assert!(contract.write(&path).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), contract.to_string());
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    assert!(!contract.write(&path).unwrap(), "the same content is not written again");
    let other = contract.client(&Event::<u8>::new("n"));
    std::fs::remove_file(&path).unwrap();
    assert!(other.write(&path).unwrap());
    std::fs::write(&path, "old").unwrap();
    assert!(other.write(&path).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), other.to_string());
    let error = other.write(folder.join("none/events.ts")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(other.write(&folder).is_err(), "a folder is no file");
    std::fs::remove_dir_all(&folder).unwrap();
}
