//! Views, exports and comparisons of a recording, as anybody may make them on any machine.

mod support;

use std::{path::Path, process::Output, sync::Arc};

use assert_cmd::Command;
use fault_trace::model::{Event, Run, attribution::MappingKind};
use serde_json::{Value, json};
use support::{FAULTS, attribution, run};
use tempfile::TempDir;

/// A recording with what faults refer to, or without.
fn recording(folder: &TempDir, attributed: bool) -> String {
    let path = folder.path().join(if attributed { "new" } else { "old" });
    support::write(&path, attributed, 1);
    path.to_str().expect("text").to_owned()
}

fn fault_trace(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fault-trace"));
    command
        .args(arguments)
        .output()
        .expect("fault-trace starts")
}

fn shown(arguments: &[&str]) -> String {
    let output = fault_trace(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

fn view(arguments: &[&str]) -> Value {
    let text = shown(&[arguments, &["--format", "json"]].concat());
    let mut report: Value = serde_json::from_str(&text).expect("JSON");
    report["view"].take()
}

#[test]
fn each_view_holds_every_recorded_fault() {
    let folder = TempDir::new().expect("a folder");
    let path = recording(&folder, true);
    for by in [
        "process", "thread", "function", "stack", "file", "mapping", "page", "time",
    ] {
        let view = view(&["report", &path, "--by", by, "--limit", "2"]);
        assert_eq!(
            (&view["faults"], &view["of"]),
            (&json!(FAULTS), &json!(FAULTS))
        );
        let rows = view["rows"].as_array().expect("rows").iter();
        let counts = rows
            .chain([&view["rest"]])
            .filter_map(|row| row["count"].as_u64());
        assert_eq!(counts.sum::<u64>(), FAULTS, "{by}: {view}");
    }
}

#[test]
fn by_class_is_a_view_of_the_recorded_faults_and_without_it_the_totals_are_shown() {
    let folder = TempDir::new().expect("a folder");
    let path = recording(&folder, true);
    assert_eq!(view(&["report", &path]), Value::Null);
    let view = view(&["report", &path, "--by", "class"]);
    assert_eq!(
        (&view["by"], &view["faults"]),
        (&json!("class"), &json!(FAULTS))
    );
    assert!(shown(&["report", &path, "--by", "class"]).contains("all 30 recorded faults by class"));
}

#[test]
fn a_class_and_a_family_are_united() {
    let folder = TempDir::new().expect("a folder");
    let path = recording(&folder, true);
    for (filter, faults) in [
        (&["--family", "cow"][..], 0),
        (&["--family", "cow", "--class", "anon-alloc"], FAULTS),
        (
            &["--class", "anon-alloc", "--family", "cow", "--process", "8"],
            10,
        ),
    ] {
        let view = view(&[&["report", &path], filter].concat());
        assert_eq!(view["faults"], json!(faults), "{filter:?}");
    }
}

#[test]
fn filters_choose_by_name_time_and_address() {
    let folder = TempDir::new().expect("a folder");
    let path = recording(&folder, true);
    for (filter, faults) in [
        (&["--process", "db"][..], 20),
        (&["--process", "8"], 10),
        (&["--from", "10us", "--until", "15us"], 5),
        (&["--address", "0x100000-0x102000"], 2),
        (&["--min-latency", "125ns"], 5),
        (&["--family", "cow"], 0),
        (&["--mode", "kernel"], 0),
    ] {
        let view = view(&[&["report", &path], filter].concat());
        assert_eq!(view["faults"], json!(faults), "{filter:?}: {view}");
        assert_eq!(view["by"], json!("class"));
        assert_eq!(view["filters"][0], json!(filter[..2].join(" ")));
        let lines = shown(&[&["export", &path, "--to", "jsonl"], filter].concat());
        assert_eq!(lines.lines().count(), faults);
    }
}

#[test]
fn a_name_that_no_process_has_is_refused_with_those_there_are() {
    let folder = TempDir::new().expect("a folder");
    let output = fault_trace(&["report", &recording(&folder, true), "--process", "nginx"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("nginx") && message.contains("db"),
        "{message}"
    );
    assert!(!message.contains('\x1b'), "{message:?}");
}

#[test]
fn a_recording_without_the_tables_says_how_to_get_them() {
    let folder = TempDir::new().expect("a folder");
    let path = recording(&folder, false);
    for (by, remedy) in [
        ("stack", "record with -g"),
        ("function", "record again"),
        ("file", "record again"),
        ("mapping", "record again"),
        ("cgroup", "record again"),
    ] {
        let output = fault_trace(&["report", &path, "--by", by]);
        assert_eq!(output.status.code(), Some(2), "{by}: {output:?}");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(remedy), "{by}: {message}");
    }
    assert!(shown(&["report", &path, "--by", "page"]).contains("30 pages"));
}

#[test]
fn stacks_are_folded_and_drawn() {
    let folder = TempDir::new().expect("a folder");
    let path = recording(&folder, true);
    let folded = shown(&["export", &path, "--to", "folded"]);
    assert_eq!(
        folded,
        "=evil\\x1b;_start;insert;[anon-alloc] 10\ndb;_start;insert;[anon-alloc] 20\n"
    );
    let svg = folder.path().join("x.svg");
    let file = svg.to_str().expect("text");
    shown(&[
        "export",
        &path,
        "--to",
        "flamegraph",
        "--weight",
        "pages",
        "-o",
        file,
    ]);
    let graph = std::fs::read_to_string(Path::new(file)).expect("it is there");
    assert!(graph.contains("30 pages made resident"), "{graph}");
    assert!(
        graph.contains("<title>insert (20 pages, 66.67%)</title>"),
        "{graph}"
    );
}

#[test]
fn a_recording_does_not_differ_from_itself() {
    let folder = TempDir::new().expect("a folder");
    let path = recording(&folder, true);
    let lines = shown(&["diff", &path, &path, "--to", "folded"]);
    assert!(
        lines.contains("db;_start;insert;[anon-alloc] 20 20\n"),
        "{lines}"
    );
    let table = shown(&["diff", &path, &path]);
    assert!(table.contains("faults A"), "{table}");
}

#[test]
fn a_window_beyond_the_run_is_refused_with_its_length() {
    let folder = TempDir::new().expect("a folder");
    let path = recording(&folder, true);
    for command in [
        &["report", &path][..],
        &["report", &path, "--by", "file"],
        &["report", &path, "--slowest", "3"],
        &["export", &path, "--to", "jsonl"],
        &["export", &path, "--to", "hgrm"],
    ] {
        for from in ["30us", "10s"] {
            let output = fault_trace(&[command, &["--from", from]].concat());
            assert_eq!(output.status.code(), Some(2), "{command:?}: {output:?}");
            assert!(output.stdout.is_empty(), "{output:?}");
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(message.contains("which took 30.0 µs"), "{message}");
        }
    }
    let view = view(&["report", &path, "--from", "29us"]);
    assert_eq!(view["faults"], json!(1), "{view}");
}

#[test]
fn a_process_goes_by_the_15_bytes_that_the_kernel_keeps() {
    let folder = TempDir::new().expect("a folder");
    let mut run = run();
    run.totals.processes[0].comm = b"abcdefghijklmno".to_vec();
    let path = written(&folder, "long", &run, attribution());
    let given = "abcdefghijklmnopqrstuvw";
    let output = fault_trace(&["report", &path, "--process", given, "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["view"]["faults"], json!(20), "{report}");
    let note = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(note.contains("matches abcdefghijklmno\n"), "{note}");
    let wrong = fault_trace(&["report", &path, "--process", "abcdefghijklmnX"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

/// A recording of these tables.
fn written(folder: &TempDir, name: &str, run: &Run, tables: Vec<Event>) -> String {
    let path = folder.path().join(name);
    support::write_run(&path, run, tables, 1);
    path.to_str().expect("text").to_owned()
}

/// A recording in which everything that has a name is called `name`.
fn called(folder: &TempDir, name: &[u8]) -> String {
    let mut tables = attribution();
    for event in &mut tables {
        match event {
            Event::Mapping(row) => {
                row.name = Arc::from(name);
                row.kind = MappingKind::File;
            }
            Event::Location(row) => row.module = Arc::from(name),
            // The other is where threads start.
            Event::Symbol(row) if row.location_id == 1 => {
                row.function = String::from_utf8_lossy(name).into_owned();
                row.source_file = Some(row.function.clone());
                row.source_line = Some(7);
            }
            Event::Task(row) => row.comm = name.to_vec(),
            _ => {}
        }
    }
    let mut run = run();
    run.command = vec![String::from_utf8_lossy(name).into_owned()];
    for process in &mut run.totals.processes {
        process.comm = name.to_vec();
    }
    written(folder, "called", &run, tables)
}

/// Names that terminals, XML, Markdown, HTML, spreadsheets or folded stacks could take for their own.
const HOSTILE: [&[u8]; 6] = [
    b"\x1b[2J\x00\x07\r\n\t\x7f\xff\xfe",
    "\u{202e}\u{2066}\u{9b}31m\u{200f}\u{61c}\u{2028}\u{feff}\u{fffe}\u{e0041}".as_bytes(),
    b"<script>alert(1)</script>&amp;]]>\"'",
    b"| `a` *b* _c_ [d](https://e) ~~f~~ $g$ \\",
    b"=HYPERLINK(1),\"2\";#3 4",
    "数据库 caf\u{e9}".as_bytes(),
];

fn is_harmless(char: char) -> bool {
    let hidden = "\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{feff}\u{fffe}\u{e0041}";
    char == '\n' || !(char.is_control() || hidden.contains(char))
}

#[test]
fn no_name_breaks_a_format_or_reaches_a_terminal() {
    for name in HOSTILE {
        let folder = TempDir::new().expect("a folder");
        let path = called(&folder, name);
        let meant = String::from_utf8_lossy(name).into_owned();
        let mut everything: Vec<Vec<String>> = Vec::new();
        for by in [
            "class", "process", "thread", "function", "stack", "file", "mapping", "page",
        ] {
            for format in ["text", "csv", "markdown", "json"] {
                let words = ["report", &path, "--by", by, "--format", format];
                everything.push(words.map(str::to_owned).to_vec());
            }
        }
        for format in ["text", "csv", "markdown", "json"] {
            let words = ["report", &path, "--slowest", "3", "--format", format];
            everything.push(words.map(str::to_owned).to_vec());
        }
        for form in ["jsonl", "csv", "folded", "flamegraph"] {
            let words = ["export", &path, "--to", form];
            everything.push(words.map(str::to_owned).to_vec());
        }
        for words in &everything {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let text = shown(&words);
            let bad = text.chars().find(|&char| !is_harmless(char));
            assert_eq!(bad, None, "{words:?}: {text:?}");
            if words.ends_with(&["csv"]) {
                let rows = csv::Reader::from_reader(text.as_bytes()).into_records();
                for row in rows {
                    // As many cells as the header has.
                    let row = row.unwrap_or_else(|error| panic!("{words:?}: {error}"));
                    let formula = row
                        .iter()
                        .find(|cell| cell.starts_with(['=', '+', '-', '@']));
                    assert_eq!(formula, None, "{words:?}");
                }
            }
        }
        // What reads JSON gets the name itself.
        for line in shown(&["export", &path, "--to", "jsonl"]).lines() {
            let fault: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(fault["symbol"], json!(meant));
            assert_eq!(fault["mapping"], json!(meant));
        }
        let folded = shown(&["export", &path, "--to", "folded"]);
        for line in folded.lines() {
            let (frames, weight) = line.rsplit_once(' ').expect("a weight");
            assert!(
                weight.parse::<u64>().is_ok_and(|weight| weight > 0),
                "{line}"
            );
            assert_eq!(frames.split(';').count(), 4, "{line}");
        }
    }
}

#[test]
fn a_long_name_is_written_with_each_fault_in_at_most_1_kib() {
    let folder = TempDir::new().expect("a folder");
    let name = format!("first_{}_last", "x".repeat(200_000));
    let path = called(&folder, name.as_bytes());
    for (form, names) in [("jsonl", 6), ("csv", 5), ("folded", 3)] {
        for line in shown(&["export", &path, "--to", form]).lines() {
            assert!(line.len() < names * 1024 + 1024, "{form}: {}", line.len());
            if form != "csv" || !line.starts_with("time_ns") {
                assert!(line.contains("first_xx") && line.contains("x…x"), "{form}");
                assert!(line.contains("xx_last"), "{form}");
            }
        }
    }
}
