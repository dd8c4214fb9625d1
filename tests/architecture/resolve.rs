//! The module tree of a crate, and which file defines what a path names.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

use super::reader::{Reader, Reference};

/// `["session", "frame"]`; the crate's root is empty.
pub(crate) type ModulePath = Vec<String>;

/// A law that is broken, in which files, and what to do instead.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) law: &'static str,
    pub(crate) files: BTreeSet<String>,
    pub(crate) text: String,
}

impl Fault {
    pub(crate) fn new(law: &'static str, file: &str, line: usize, text: &str) -> Self {
        Self { law, files: BTreeSet::from([file.to_owned()]), text: format!("{file}:{line}: {text}") }
    }
}

#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    pub(crate) items: BTreeSet<String>,
    /// Names that a `use` brings in, with its path as written.
    pub(crate) uses: BTreeMap<String, Vec<String>>,
    pub(crate) globs: Vec<Vec<String>>,
    /// Names of local variables, which may hide a function of the same name.
    pub(crate) variables: BTreeSet<String>,
}

/// All that was read of the crate's sources.
#[derive(Default)]
pub(crate) struct House {
    pub(crate) modules: BTreeMap<ModulePath, Module>,
    pub(crate) references: Vec<Reference>,
    pub(crate) faults: Vec<Fault>,
}

/// The target that a path names in the end.
#[derive(PartialEq, Eq)]
pub(crate) enum Target {
    /// An item, by the module that defines it.
    Item(ModulePath),
    Module(ModulePath),
    /// A name that is not found in this module, for example an item that a macro makes.
    Unknown(ModulePath),
    /// A path of another crate.
    Foreign(Vec<String>),
}

/// One resolution: which names were followed, and the path from the root of our crate, with renames undone.
#[derive(Default)]
pub(crate) struct Walk {
    followed: BTreeSet<(ModulePath, String)>,
    pub(crate) written: Option<Vec<String>>,
}

/// `src/a/mod.rs` and `src/a.rs` are `["a"]`.
pub(crate) fn module_of(file: &str) -> ModulePath {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: ModulePath = inner.split('/').map(str::to_owned).collect();
    module.pop_if(|last| last == "mod" || last == "lib");
    module
}

impl House {
    /// Reads `src/lib.rs` and every file that a `mod` names. The compiler already checks that each `mod` has
    /// a file.
    pub(crate) fn read(files: &BTreeMap<String, String>) -> Self {
        let mut house = Self::default();
        let rust = files.keys().filter(|file| file.starts_with("src/") && file.ends_with(".rs"));
        let mut unread: BTreeMap<ModulePath, &String> = rust.map(|file| (module_of(file), file)).collect();
        let mut declared = vec![(ModulePath::new(), false)];
        while let Some((module, test)) = declared.pop() {
            let Some(file) = unread.remove(&module) else { continue };
            house.modules.insert(module.clone(), Module { file: file.clone(), ..Module::default() });
            let tree = match syn::parse_file(&files[file]) {
                Ok(tree) => tree,
                Err(error) => panic!("{file}:{}: syn can't read it: {error}", error.span().start().line),
            };
            let mut reader = Reader { file, module, test, house: &mut house, declared: Vec::new() };
            reader.visit_file(&tree);
            declared.append(&mut reader.declared);
        }
        for file in unread.values() {
            house.faults.push(Fault::new("modules", file, 1, "no `mod` names this file; declare it or delete it"));
        }
        house
    }

    /// The target of `path` when a file writes it in the module `from`.
    pub(crate) fn resolve(&self, from: &[String], path: &[String], walk: &mut Walk) -> Target {
        let mut here = from.to_vec();
        let mut rest = path;
        let mut anchored = false;
        while let [first, tail @ ..] = rest {
            match first.as_str() {
                "" => return Target::Foreign(tail.to_vec()),
                "crate" => here.clear(),
                "super" => drop(here.pop()),
                "self" => {}
                _ => break,
            }
            (rest, anchored) = (tail, true);
        }
        if anchored {
            walk.written.get_or_insert_with(|| [&here, rest].concat());
        }
        match self.descend(&here, rest, walk) {
            Some(target) => target,
            None if anchored => Target::Unknown(here),
            None => Target::Foreign(rest.to_vec()),
        }
    }

    /// Follows `path` from inside `here`; `None` if the first name is not known there.
    fn descend(&self, here: &[String], path: &[String], walk: &mut Walk) -> Option<Target> {
        let Some((name, tail)) = path.split_first() else { return Some(Target::Module(here.to_vec())) };
        let module = self.modules.get(here)?;
        let child = [here, std::slice::from_ref(name)].concat();
        let is_item = module.items.contains(name);
        if self.modules.contains_key(&child) && !(is_item && tail.is_empty()) {
            return Some(self.descend(&child, tail, walk).unwrap_or(Target::Unknown(child)));
        }
        if is_item {
            return Some(Target::Item(here.to_vec()));
        }
        if !walk.followed.insert((here.to_vec(), name.clone())) {
            return None;
        }
        if let Some(alias) = module.uses.get(name) {
            return Some(self.resolve(here, &[alias, tail].concat(), walk));
        }
        module.globs.iter().find_map(|glob| match self.resolve(here, glob, walk) {
            Target::Module(there) => self.descend(&there, path, walk),
            _ => None,
        })
    }
}
