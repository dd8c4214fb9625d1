//! The public API of the crate, as a committed text: `tests/public_api.txt`. A change of the face is a diff.
//!
//! After a change that is meant, write it anew with `ANYWIRE_WRITE_API=1 cargo test --test public_api`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, Meta, Signature, TraitItem, UseTree, Visibility};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/public_api.txt");

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" && name != "simulation" {
            files(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is(attribute: &Attribute, name: &str) -> bool {
    attribute.path().is_ident(name)
}

/// Whether the documentation hides an item, or only tests have it.
fn is_hidden(attributes: &[Attribute]) -> bool {
    let tokens = |attribute: &Attribute| attribute.to_token_stream().to_string();
    attributes.iter().any(|attribute| {
        (is(attribute, "doc") && tokens(attribute).contains("hidden")) || tokens(attribute).contains("cfg (test")
    })
}

/// Code as people write it: without most of the blanks that tokens have between them.
fn tidy(code: &impl ToTokens) -> String {
    let text = code.to_token_stream().to_string();
    let words: Vec<&str> = text.split(' ').collect();
    let mut tidy = String::new();
    for (nth, word) in words.iter().enumerate() {
        let before = nth.checked_sub(1).map_or("(", |nth| words[nth]);
        let is_name = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let joins_before = ["(", "<", "&", "::", "["].contains(&before) || before.ends_with(['(', '&']);
        let joins = match word.chars().next() {
            Some(')' | '>' | ',' | ']' | ';') => true,
            Some(':') => is_name || before == ">",
            Some('(') => is_name || before == ">",
            Some('<') => is_name,
            _ => false,
        };
        if !joins_before && !joins {
            tidy.push(' ');
        }
        tidy.push_str(word);
    }
    tidy.trim().replace("? Sized", "?Sized")
}

/// The attributes that users of an item notice.
fn notable(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        match &attribute.meta {
            Meta::List(list) if list.path.is_ident("derive") => {
                let mut traits: Vec<String> =
                    list.tokens.to_string().split(',').map(|one| one.trim().to_owned()).collect();
                traits.sort();
                text = format!("{text}#[derive({})] ", traits.join(", "));
            }
            meta if meta.path().is_ident("non_exhaustive") || meta.path().is_ident("must_use") => {
                text = format!("{text}#[{}] ", meta.path().to_token_stream());
            }
            _ => {}
        }
    }
    text
}

fn fields(fields: &Fields, all: bool) -> String {
    let seen: Vec<String> = fields
        .iter()
        .filter(|field| all || is_public(&field.vis))
        .map(|field| match &field.ident {
            Some(name) => format!("{name}: {}", tidy(&field.ty)),
            None => tidy(&field.ty),
        })
        .collect();
    let rest = if seen.len() < fields.len() { vec!["..".to_owned()] } else { Vec::new() };
    let inside = [seen, rest].concat().join(", ");
    match fields {
        Fields::Named(_) => format!(" {{ {inside} }}"),
        Fields::Unnamed(_) => format!("({inside})"),
        Fields::Unit => String::new(),
    }
}

fn function(signature: &Signature) -> String {
    tidy(signature)
}

/// The line of an item, and those of what belongs to it.
fn describe(item: &Item) -> Option<(String, Vec<String>)> {
    let described = match item {
        Item::Struct(it) if is_public(&it.vis) => {
            let text = format!("{}struct {}{}", notable(&it.attrs), it.ident, tidy(&it.generics));
            (it.ident.to_string(), vec![format!("{text}{}", fields(&it.fields, false))])
        }
        Item::Enum(it) if is_public(&it.vis) => {
            let mut lines = vec![format!("{}enum {}{}", notable(&it.attrs), it.ident, tidy(&it.generics))];
            let variant =
                |one: &syn::Variant| format!("    {}{}{}", notable(&one.attrs), one.ident, fields(&one.fields, true));
            lines.extend(it.variants.iter().map(variant));
            (it.ident.to_string(), lines)
        }
        Item::Trait(it) if is_public(&it.vis) => {
            let mut lines = vec![
                format!("trait {}{}: {}", it.ident, tidy(&it.generics), tidy(&it.supertraits))
                    .trim_end_matches(": ")
                    .to_owned(),
            ];
            lines.extend(it.items.iter().filter_map(|item| match item {
                TraitItem::Fn(one) if !is_hidden(&one.attrs) => Some(format!("    {}", function(&one.sig))),
                TraitItem::Type(one) => {
                    let text = format!("    type {}: {}", one.ident, tidy(&one.bounds));
                    Some(text.trim_end_matches(": ").to_owned())
                }
                _ => None,
            }));
            (it.ident.to_string(), lines)
        }
        Item::Fn(it) if is_public(&it.vis) => (it.sig.ident.to_string(), vec![function(&it.sig)]),
        Item::Const(it) if is_public(&it.vis) => {
            (it.ident.to_string(), vec![format!("const {}: {}", it.ident, tidy(&it.ty))])
        }
        Item::Type(it) if is_public(&it.vis) => {
            (it.ident.to_string(), vec![format!("type {}{} = {}", it.ident, tidy(&it.generics), tidy(&it.ty))])
        }
        Item::Mod(it) if is_public(&it.vis) => (it.ident.to_string(), vec![format!("mod {}", it.ident)]),
        _ => return None,
    };
    Some(described)
}

fn imported(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => imported(&path.tree, names),
        UseTree::Name(name) => drop(names.insert(name.ident.to_string())),
        UseTree::Rename(rename) => panic!("{} is exported by another name", rename.ident),
        UseTree::Group(group) => group.items.iter().for_each(|tree| imported(tree, names)),
        UseTree::Glob(_) => panic!("a glob exports what nobody has listed"),
    }
}

/// The name of the type that an impl is for.
fn subject(ty: &syn::Type) -> Option<String> {
    let syn::Type::Path(path) = ty else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}

fn private_types(file: &syn::File) -> BTreeSet<String> {
    let named = |item: &Item| match item {
        Item::Struct(it) if !is_public(&it.vis) => Some(it.ident.to_string()),
        Item::Enum(it) if !is_public(&it.vis) => Some(it.ident.to_string()),
        _ => None,
    };
    file.items.iter().filter_map(named).collect()
}

/// The whole API: each exported item, and what belongs to it.
fn api(src: &Path) -> String {
    let root = syn::parse_file(&fs::read_to_string(src.join("lib.rs")).unwrap()).unwrap();
    let mut names = BTreeSet::new();
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in &root.items {
        match item {
            Item::Use(it) if is_public(&it.vis) => imported(&it.tree, &mut names),
            item => lines.extend(describe(item)),
        }
    }
    let mut paths = Vec::new();
    files(src, &mut paths);
    paths.sort();
    let files: Vec<syn::File> =
        paths.iter().map(|path| syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap()).collect();
    for item in files.iter().flat_map(|file| &file.items) {
        if let Some((name, described)) = describe(item)
            && names.contains(&name)
        {
            assert!(lines.insert(name.clone(), described).is_none(), "two public items are named {name}");
        }
    }
    for name in &names {
        assert!(lines.contains_key(name), "{name} is exported and nowhere defined");
    }
    for file in &files {
        let private = private_types(file);
        for item in &file.items {
            let Item::Impl(it) = item else { continue };
            let Some(name) = subject(&it.self_ty).filter(|name| names.contains(name) && !private.contains(name)) else {
                continue;
            };
            let belongs = lines.get_mut(&name).unwrap();
            match &it.trait_ {
                Some(of) => {
                    belongs.push(format!("    impl{} {} for {}", tidy(&it.generics), tidy(&of.0), tidy(&it.self_ty)))
                }
                None => belongs.extend(it.items.iter().filter_map(|item| match item {
                    ImplItem::Fn(one) if is_public(&one.vis) && !is_hidden(&one.attrs) => {
                        Some(format!("    {}{}", notable(&one.attrs), function(&one.sig)))
                    }
                    _ => None,
                })),
            }
        }
    }
    let sorted = lines.into_values().flat_map(|mut item| {
        item[1..].sort();
        item
    });
    sorted.fold(String::new(), |text, line| text + &line + "\n")
}

#[test]
fn the_public_api_is_the_committed_one() {
    let api = api(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    if std::env::var_os("ANYWIRE_WRITE_API").is_some() {
        fs::write(SNAPSHOT, &api).unwrap();
    }
    let committed = fs::read_to_string(SNAPSHOT).unwrap_or_default();
    let difference: Vec<String> = {
        let (now, before): (BTreeSet<&str>, BTreeSet<&str>) = (api.lines().collect(), committed.lines().collect());
        let added = now.difference(&before).map(|line| format!("+ {line}"));
        added.chain(before.difference(&now).map(|line| format!("- {line}"))).collect()
    };
    assert!(
        api == committed,
        "the public API has changed; if that is meant, run this test with ANYWIRE_WRITE_API=1\n{}",
        difference.join("\n")
    );
}

/// Types of these crates may not stand in a signature: a plain type serves.
#[test]
fn no_signature_names_a_type_of_a_crate_that_users_need_not_have() {
    let committed = fs::read_to_string(SNAPSHOT).unwrap();
    for foreign in ["ByteString", "Uuid", "IpNet", "serde_json", "tungstenite", "Arc<str>", "hyper"] {
        let found: Vec<&str> = committed.lines().filter(|line| line.contains(foreign)).collect();
        assert!(found.is_empty(), "{foreign}: {found:#?}");
    }
}
