//! The documents keep up with the program: links lead somewhere, and every option, key and column is described.

#[expect(dead_code, reason = "other tests write other recordings")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use fault_trace::{
    analysis::view::By,
    model::{Event, TaskChange, TaskEvent, attribution::CgroupRow},
};
use fault_trace_common::Class;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pulldown_cmark::{Event as Part, Options, Parser, Tag, TagEnd};
use serde_json::Value;
use tempfile::TempDir;

/// Most words that the README may have, so that it stays an entrance.
const README_WORDS: usize = 900;
const COMMANDS: [&str; 8] = [
    "record", "stat", "trace", "report", "export", "diff", "explain", "doctor",
];

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the workspace").to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the names of all documents, relative to the workspace.
fn documents() -> Vec<String> {
    let in_folder = |folder: &str| {
        let files = fs::read_dir(root().join(folder)).expect("the folder of documents");
        let names = files.map(|file| file.expect("a file").file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        let documents = names.filter(|name| name.ends_with(".md"));
        documents
            .map(|name| Path::new(folder).join(name))
            .collect::<Vec<_>>()
    };
    let paths = in_folder("").into_iter().chain(in_folder("docs"));
    paths.map(|path| path.display().to_string()).collect()
}

/// The places that a document links to, and its headings as they are linked to.
#[derive(Default)]
struct Document {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Document {
    fn read(name: &str) -> Self {
        let text = read(name);
        let mut document = Self::default();
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Part::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.push(dest_url.into_string());
                }
                Part::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Part::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    document.anchors.insert(anchor);
                }
                Part::Text(text) | Part::Code(text) => {
                    if let Some(heading) = &mut heading {
                        *heading += &text;
                    }
                }
                _ => {}
            }
        }
        document
    }
}

/// Returns the anchor that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
    let heading = heading.to_lowercase();
    let chars = heading.chars().filter(kept);
    chars
        .map(|char| if char == ' ' { '-' } else { char })
        .collect()
}

fn fault_trace(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fault-trace"));
    let output = command.args(arguments).output().expect("fault-trace runs");
    assert!(
        output.status.success() || arguments[0] == "doctor",
        "{arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Writes a small recording that has every table.
fn recording(folder: &TempDir) -> String {
    let path = folder.path().join("r.ftrace");
    let mut tables = support::attribution();
    tables.push(Event::Cgroup(CgroupRow {
        id: 1,
        path: b"/".to_vec(),
    }));
    tables.push(Event::Task(TaskEvent {
        time_ns: 0,
        pid: 7,
        tid: 7,
        comm: b"db".to_vec(),
        change: TaskChange::Moved,
        cgroup_id: Some(1),
    }));
    support::write_run(&path, &support::run(), tables, 1);
    path.display().to_string()
}

/// Asserts that the document names each of these as `code`.
fn assert_named(document: &str, names: &BTreeSet<String>, what: &str) {
    let text = read(document);
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| {
            let code = text.split('`').skip(1).step_by(2);
            !code
                .into_iter()
                .any(|code| words(code).any(|word| word == *name))
        })
        .collect();
    assert!(missing.is_empty(), "{document} lacks {what}: {missing:?}");
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |char: char| char.is_alphanumeric() || matches!(char, '-' | '_');
    text.split(move |char| !is_part(char))
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    let read: BTreeMap<String, Document> = documents()
        .into_iter()
        .map(|name| {
            let document = Document::read(&name);
            (name, document)
        })
        .collect();
    for (name, document) in &read {
        for link in document.links.iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(name).parent().expect("a folder");
            let target = match path {
                "" => Some(name.clone()),
                path => fs::canonicalize(root().join(folder).join(path))
                    .ok()
                    .and_then(|path| {
                        let root = fs::canonicalize(root()).expect("the workspace");
                        Some(path.strip_prefix(root).ok()?.display().to_string())
                    }),
            };
            let leads = target.is_some_and(|target| {
                anchor.is_empty()
                    || read
                        .get(&target)
                        .is_some_and(|document| document.anchors.contains(anchor))
            });
            if !leads {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_readme_stays_short_and_names_its_two_commands() {
    let readme = read("README.md");
    let words = readme.split_whitespace().count();
    assert!(words <= README_WORDS, "{words} words");
    for command in ["cargo xtask run", "cargo xtask test"] {
        assert!(readme.contains(command), "{command}");
    }
}

#[test]
fn every_option_is_described() {
    let mut options = BTreeSet::new();
    for command in COMMANDS {
        let help = fault_trace(&[command, "--help"]);
        let lines = help.lines().map(str::trim_start);
        for line in lines.filter(|line| line.starts_with('-')) {
            let long = words(line).find(|word| word.starts_with("--"));
            options.extend(long.map(str::to_owned));
        }
    }
    assert!(
        options.remove("--help") && options.len() > 20,
        "{options:?}"
    );
    assert_named("docs/commands.md", &options, "options");
}

#[test]
fn every_key_of_json_is_described() {
    let folder = TempDir::new().expect("a folder");
    let recording = recording(&folder);
    let mut outputs = vec![
        fault_trace(&["report", &recording, "--format", "json"]),
        fault_trace(&["report", &recording, "--slowest", "3", "--format", "json"]),
        fault_trace(&["explain", "--json", "6"]),
        fault_trace(&["explain", "--json", "cow-anon"]),
        fault_trace(&["explain", "--json", "cow"]),
        fault_trace(&["doctor", "--json"]),
        fs::read_to_string(Path::new(&recording).join("recording.json")).expect("it is there"),
    ];
    for view in By::ALL.map(By::name) {
        outputs.push(fault_trace(&[
            "report", &recording, "--by", view, "--format", "json",
        ]));
    }
    let faults = fault_trace(&["export", &recording, "--to", "jsonl"]);
    outputs.extend(faults.lines().map(str::to_owned));
    let mut keys = BTreeSet::new();
    for output in outputs {
        collect_keys(&serde_json::from_str(&output).expect("JSON"), &mut keys);
    }
    // Classes are keys where a view counts them.
    keys.retain(|key| Class::from_name(key).is_none());
    keys.remove("fault_trace.format");
    assert_named("docs/json.md", &keys, "keys");
}

fn collect_keys(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key.clone());
                collect_keys(value, keys);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

#[test]
fn every_column_of_csv_is_described() {
    let folder = TempDir::new().expect("a folder");
    let recording = recording(&folder);
    let mut outputs = vec![
        fault_trace(&["report", &recording, "--format", "csv"]),
        fault_trace(&["report", &recording, "--slowest", "3", "--format", "csv"]),
        fault_trace(&["export", &recording, "--to", "csv"]),
    ];
    for view in By::ALL.map(By::name) {
        outputs.push(fault_trace(&[
            "report", &recording, "--by", view, "--format", "csv",
        ]));
    }
    let mut columns = BTreeSet::new();
    for output in outputs {
        let header = output.lines().next().expect("a header");
        columns.extend(header.split(',').map(str::to_owned));
    }
    assert_named("docs/json.md", &columns, "columns");
}

#[test]
fn the_tables_of_a_recording_are_described_column_by_column() {
    let folder = TempDir::new().expect("a folder");
    let recording = recording(&folder);
    let document = read("docs/recording.md");
    for table in [
        "faults",
        "tasks",
        "mappings",
        "locations",
        "symbols",
        "stacks",
        "cgroups",
    ] {
        let segment = Path::new(&recording).join(table).join("part-00000.parquet");
        let segment = File::open(&segment).unwrap_or_else(|error| panic!("{table}: {error}"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(segment).expect("a segment");
        let written: BTreeSet<String> = reader
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let (_, section) = document
            .split_once(&format!("\n## {table}\n"))
            .unwrap_or_else(|| panic!("docs/recording.md has no section {table}"));
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let described: BTreeSet<String> = rows
            .filter_map(|row| row.split('|').nth(1))
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .map(str::to_owned)
            .collect();
        assert_eq!(described, written, "{table}");
    }
}
