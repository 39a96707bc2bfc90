//! The source files of a crate as a tree of modules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    slice,
};

use anyhow::{Context as _, Result};

use super::imports::{self, Source};

/// The name of a crate in Rust is this before that of its folder.
const PREFIX: &str = "fault_trace_";

/// A module's path in its crate; empty for the crate's root.
pub(super) type ModulePath = Vec<String>;

/// A file of a crate.
#[derive(Debug)]
pub(super) struct File {
    /// In the crate's `src`: `render/view/csv.rs`.
    pub(super) name: String,
    pub(super) module: ModulePath,
    /// What it knows: modules of the crate (files or folders).
    pub(super) modules: BTreeSet<ModulePath>,
    /// The crates of the `crates` folder that it knows, by their folders.
    pub(super) floors: BTreeSet<String>,
    /// The first segments of other paths: crates, mostly.
    pub(super) crates: BTreeSet<String>,
}

/// The files of a crate, those that only tests have left out.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

impl Tree {
    /// Reads the sources of a crate, in a workspace with these `floors` in its `crates` folder.
    pub(super) fn read(src: &Path, floors: &[String]) -> Result<Self> {
        let mut texts = BTreeMap::new();
        collect(src, "", &mut texts)?;
        Self::of(&texts, floors)
    }

    /// The tree of sources by their names.
    pub(super) fn of(texts: &BTreeMap<String, String>, floors: &[String]) -> Result<Self> {
        let mut sources = BTreeMap::new();
        for (name, text) in texts {
            let source = imports::read(text).with_context(|| format!("cannot read {name}"))?;
            sources.insert(module_of(name), (name, source));
        }
        let tests: Vec<ModulePath> = sources.iter().flat_map(test_modules).collect();
        sources.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        let known: BTreeSet<ModulePath> = sources.keys().cloned().collect();
        let files = sources
            .into_iter()
            .map(|(module, (name, source))| file(name, module, &source, &known, floors))
            .collect();
        Ok(Self { files })
    }
}

fn collect(folder: &Path, prefix: &str, texts: &mut BTreeMap<String, String>) -> Result<()> {
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), texts)?;
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            texts.insert(format!("{prefix}{name}"), text);
        }
    }
    Ok(())
}

/// `main.rs` and `lib.rs` are modules of their own here: both may be there.
fn module_of(name: &str) -> ModulePath {
    let path = name.strip_suffix(".rs").unwrap_or(name);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}

fn is_root(module: &ModulePath) -> bool {
    matches!(module.as_slice(), [name] if name == "main" || name == "lib")
}

fn test_modules((module, (_, source)): (&ModulePath, &(&String, Source))) -> Vec<ModulePath> {
    let parent = if is_root(module) { &[][..] } else { module };
    let names = source.test_modules.iter();
    names
        .map(|name| [parent, slice::from_ref(name)].concat())
        .collect()
}

fn file(
    name: &str,
    module: ModulePath,
    source: &Source,
    known: &BTreeSet<ModulePath>,
    floors: &[String],
) -> File {
    let mut file = File {
        name: name.to_owned(),
        modules: BTreeSet::new(),
        floors: BTreeSet::new(),
        crates: BTreeSet::new(),
        module,
    };
    for path in &source.paths {
        match absolute(path, &file.module) {
            Some(path) => match longest(&path, known) {
                Some(module) => {
                    file.modules.insert(module);
                }
                // The main crate passes the others on under the names of their folders.
                None => {
                    let passed_on = path.into_iter().next().filter(|name| floors.contains(name));
                    file.floors.extend(passed_on);
                }
            },
            None => {
                let Some(first) = path.first() else { continue };
                match first.strip_prefix(PREFIX) {
                    Some(name) if floors.iter().any(|floor| floor == name) => {
                        file.floors.insert(name.to_owned());
                    }
                    _ => {
                        file.crates.insert(first.clone());
                    }
                }
            }
        }
    }
    file
}

/// The path from the crate's root; `None` if it starts with another name.
fn absolute(path: &[String], module: &ModulePath) -> Option<ModulePath> {
    let module = if is_root(module) { &[][..] } else { module };
    let up = path
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => Some([&module[..module.len().saturating_sub(up)], &path[up..]].concat()),
        _ => None,
    }
}

/// The module that a path leads to or into.
fn longest(path: &[String], known: &BTreeSet<ModulePath>) -> Option<ModulePath> {
    (1..=path.len())
        .rev()
        .map(|length| path[..length].to_vec())
        .find(|module| known.contains(module) && !is_root(module))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A crate of made-up sources.
    pub(crate) fn tree(sources: &[(&str, &str)]) -> Tree {
        let texts = sources.iter();
        let texts = texts.map(|&(name, text)| (name.to_owned(), text.to_owned()));
        Tree::of(&texts.collect(), &["floor".to_owned()]).expect("Rust")
    }

    fn known(tree: &Tree, name: &str) -> Vec<String> {
        let file = tree.files.iter().find(|file| file.name == name);
        let modules = file.expect("is there").modules.iter();
        modules.map(|module| module.join("::")).collect()
    }

    #[test]
    fn a_path_leads_to_the_file_that_holds_its_end() {
        let tree = tree(&[
            ("lib.rs", "pub mod a; pub mod b;"),
            ("a/mod.rs", "mod c; mod d;"),
            (
                "a/c.rs",
                "use super::d::Thing; use crate::b::f; use std::fs;",
            ),
            ("a/d.rs", "use super::Other;"),
            ("b.rs", ""),
        ]);
        assert_eq!(known(&tree, "a/c.rs"), ["a::d", "b"]);
        assert_eq!(known(&tree, "a/d.rs"), ["a"]);
        let file = tree.files.iter().find(|file| file.name == "a/c.rs");
        assert!(file.expect("is there").crates.contains("std"));
    }

    #[test]
    fn crates_of_the_workspace_are_known_by_their_folders() {
        let tree = tree(&[
            (
                "a.rs",
                "use fault_trace_floor::X; use fault_trace_common::Y;",
            ),
            ("b.rs", "use crate::floor::{X, Z};"),
        ]);
        for file in &tree.files {
            assert_eq!(file.floors.iter().collect::<Vec<_>>(), ["floor"]);
        }
        let crates: Vec<_> = tree.files[0].crates.iter().collect();
        assert_eq!(crates, ["fault_trace_common"]);
    }

    #[test]
    fn files_that_only_tests_have_are_no_part_of_it() {
        let tree = tree(&[
            ("main.rs", "mod a; #[cfg(test)] mod fixtures;"),
            ("a.rs", "#[cfg(test)] mod tests;"),
            ("a/tests.rs", "use crate::fixtures::X;"),
            ("fixtures.rs", ""),
        ]);
        let names: Vec<_> = tree.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.rs", "main.rs"]);
    }
}
