//! Arrows against the layers, and circles of files.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    layers::{Circle, Module, Rules},
    tree::{ModulePath, Tree},
};

/// What of a crate breaks the rules; one message each. All of it is one module if that is named, or else what lies
/// at its top.
pub(super) fn against_the_layers(tree: &Tree, whole: Option<&str>, rules: Rules) -> Vec<String> {
    let mut problems = BTreeSet::new();
    let mut used = BTreeSet::new();
    for file in &tree.files {
        let top = whole.unwrap_or(&file.module[0]);
        let Some(from) = rules.modules.iter().find(|module| module.name == top) else {
            problems.insert(format!(
                "`{top}` has no floor: give it one in xtask/src/lint/layers.rs"
            ));
            continue;
        };
        let tops = file.modules.iter().map(|module| &module[0]);
        let tops = tops.filter(|_| whole.is_none());
        let modules = tops.chain(&file.floors);
        let modules = modules.filter(|to| *to != top && is_above(from, to, rules.modules));
        let crates = file.crates.iter();
        let crates = crates.filter(|name| is_refused(from, name, rules.crates));
        for to in modules.chain(crates) {
            let mut exceptions = rules.exceptions.iter();
            if let Some(index) =
                exceptions.position(|exception| exception.from == file.name && exception.to == to)
            {
                used.insert(index);
                continue;
            }
            problems.insert(format!("{}: `{top}` may not know `{to}`", file.name));
        }
    }
    for (index, exception) in rules.exceptions.iter().enumerate() {
        if whole.is_none() && !used.contains(&index) {
            problems.insert(format!(
                "{} does not know `{}` any more: take the exception away ({})",
                exception.from, exception.to, exception.reason
            ));
        }
    }
    problems.into_iter().collect()
}

fn is_above(from: &Module, to: &str, modules: &[Module]) -> bool {
    let to = modules.iter().find(|module| module.name == to);
    to.is_some_and(|to| to.floor >= from.floor || from.is_pure && !to.is_pure)
}

fn is_refused(from: &Module, name: &str, crates: &[(&str, &[&str])]) -> bool {
    let rule = crates.iter().find(|(rule, _)| *rule == name);
    rule.is_some_and(|(_, modules)| !modules.contains(&from.name))
}

/// Circles among what lies in one folder, `mod.rs` and the like left out; one message each. `root` is the
/// folder of the sources from the workspace's root.
pub(super) fn circles(tree: &Tree, root: &str, exceptions: &[Circle]) -> Vec<String> {
    let mut problems = Vec::new();
    for (folder, arrows) in folders(tree) {
        let name = std::iter::once(root).chain(folder.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join("/");
        for circle in strongly_connected(&arrows) {
            let is_known = |known: &&Circle| known.folder == name && known.files == circle;
            if !exceptions.iter().any(|known| is_known(&known)) {
                problems.push(format!("{name}: a circle of {}", circle.join(", ")));
            }
        }
    }
    problems
}

/// Exceptions of circles that are none any more.
pub(super) fn mended(tree: &Tree, root: &str, exceptions: &[Circle]) -> Vec<String> {
    let found = circles(tree, root, &[]);
    let of_this =
        |circle: &&Circle| circle.folder == root || circle.folder.starts_with(&format!("{root}/"));
    let gone = exceptions.iter().filter(of_this).filter(|circle| {
        let message = format!("{}: a circle of {}", circle.folder, circle.files.join(", "));
        !found.contains(&message)
    });
    gone.map(|circle| {
        let files = circle.files.join(", ");
        format!(
            "{}: {files} are no circle any more: take the exception away ({})",
            circle.folder, circle.reason
        )
    })
    .collect()
}

/// What lies in a folder, and what of the same folder it knows.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Every folder with its arrows. A file and the folder of its name are one.
fn folders(tree: &Tree) -> BTreeMap<ModulePath, Arrows> {
    let mut folders: BTreeMap<ModulePath, Arrows> = BTreeMap::new();
    for file in &tree.files {
        for to in &file.modules {
            let shared = shared_length(&file.module, to);
            // One of them holds the other: a folder's face and what is in it.
            let (Some(from), Some(to)) = (file.module.get(shared), to.get(shared)) else {
                continue;
            };
            let arrows = folders.entry(file.module[..shared].to_vec()).or_default();
            arrows.entry(from.clone()).or_default().insert(to.clone());
        }
    }
    folders
}

fn shared_length(a: &[String], b: &[String]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Sets of two or more that all lead to each other, sorted.
fn strongly_connected(arrows: &Arrows) -> BTreeSet<Vec<String>> {
    let reached = |from: &String| {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(node) = next.pop() {
            for to in arrows.get(node).into_iter().flatten() {
                if reached.insert(to) {
                    next.push(to);
                }
            }
        }
        reached
    };
    let all: BTreeMap<&String, BTreeSet<&String>> =
        arrows.keys().map(|node| (node, reached(node))).collect();
    let leads = |a: &String, b: &String| all.get(a).is_some_and(|reached| reached.contains(b));
    let mut circles = BTreeSet::new();
    for node in all.keys() {
        let others = all.keys();
        let others = others.filter(|other| leads(node, other) && leads(other, node));
        let circle: Vec<String> = others.map(|&other| other.clone()).collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::{
        super::{layers::Exception, tree::tests::tree},
        *,
    };

    const MODULES: &[Module] = &[
        Module {
            name: "model",
            floor: 0,
            is_pure: true,
        },
        Module {
            name: "host",
            floor: 1,
            is_pure: false,
        },
        Module {
            name: "render",
            floor: 2,
            is_pure: true,
        },
        Module {
            name: "session",
            floor: 3,
            is_pure: false,
        },
    ];

    const CRATES: &[(&str, &[&str])] = &[("aya", &["session"])];

    fn problems(sources: &[(&str, &str)], exceptions: &[Exception]) -> Vec<String> {
        let rules = Rules {
            modules: MODULES,
            crates: CRATES,
            exceptions,
        };
        against_the_layers(&tree(sources), None, rules)
    }

    #[test]
    fn arrows_downward_are_fine() {
        let sources = [
            (
                "session/live.rs",
                "use crate::{host::a, render::b}; use aya::Ebpf;",
            ),
            ("render.rs", "use crate::model::C;"),
            ("model.rs", ""),
            ("host.rs", "use crate::model::C;"),
        ];
        assert!(problems(&sources, &[]).is_empty());
    }

    #[test]
    fn arrows_upward_sideways_and_out_of_purity_are_refused() {
        let sources = [
            ("session.rs", ""),
            ("render/a.rs", "use crate::host::Findings;"),
            ("render/b.rs", "fn f() { aya::load() }"),
            ("model.rs", "use crate::session::X;"),
            ("host.rs", ""),
            ("other.rs", ""),
        ];
        assert_eq!(
            problems(&sources, &[]),
            [
                "`other` has no floor: give it one in xtask/src/lint/layers.rs",
                "model.rs: `model` may not know `session`",
                "render/a.rs: `render` may not know `host`",
                "render/b.rs: `render` may not know `aya`",
            ]
        );
    }

    #[test]
    fn a_crate_is_one_module() {
        let rules = Rules {
            modules: &[
                Module {
                    name: "floor",
                    ..MODULES[2]
                },
                MODULES[0],
            ],
            crates: CRATES,
            exceptions: &[],
        };
        let model = tree(&[
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "use crate::b::X; use aya::Y; use fault_trace_floor::Z;",
            ),
            ("b.rs", ""),
        ]);
        assert_eq!(
            against_the_layers(&model, Some("model"), rules),
            [
                "a.rs: `model` may not know `aya`",
                "a.rs: `model` may not know `floor`",
            ]
        );
    }

    #[test]
    fn an_exception_is_for_one_file_and_goes_with_its_arrow() {
        let exceptions = [Exception {
            from: "render/a.rs",
            to: "host",
            reason: "made up",
        }];
        let breach = "use crate::host::F;";
        let host = ("host.rs", "");
        assert!(problems(&[("render/a.rs", breach), host], &exceptions).is_empty());
        let moved = problems(&[("render/b.rs", breach), host], &exceptions);
        assert_eq!(
            moved,
            [
                "render/a.rs does not know `host` any more: take the exception away (made up)",
                "render/b.rs: `render` may not know `host`",
            ]
        );
    }

    const CIRCLE: [(&str, &str); 4] = [
        ("a/mod.rs", "mod b; mod c; mod d; use self::d::X;"),
        ("a/b.rs", "use super::c::Y;"),
        ("a/c.rs", "mod e;"),
        ("a/c/e.rs", "use crate::a::b::Z;"),
    ];

    #[test]
    fn files_that_know_each_other_are_a_circle_and_a_face_is_none() {
        assert_eq!(
            circles(&tree(&CIRCLE), "x/src", &[]),
            ["x/src/a: a circle of b, c"]
        );
        let face = [("a/mod.rs", "use self::b::X;"), ("a/b.rs", "use super::Y;")];
        assert!(circles(&tree(&face), "x/src", &[]).is_empty());
    }

    #[test]
    fn a_known_circle_is_left_alone_until_it_is_mended() {
        let known = [Circle {
            folder: "x/src/a",
            files: &["b", "c"],
            reason: "",
        }];
        assert!(circles(&tree(&CIRCLE), "x/src", &known).is_empty());
        assert!(mended(&tree(&CIRCLE), "x/src", &known).is_empty());
        assert_eq!(mended(&tree(&CIRCLE[..3]), "x/src", &known).len(), 1);
        assert!(mended(&tree(&CIRCLE[..3]), "y/src", &known).is_empty());
    }
}
