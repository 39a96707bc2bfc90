//! Names that somebody else chose never reach the terminal as they are.

use std::{
    ffi::{OsStr, OsString},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    process::Output,
};

use serde_json::Value;
use tempfile::tempdir;

use crate::support::{faults_in, is_root, jsonl, known_path, run};

/// Clears the screen, sets the title, goes back in the line, and is not UTF-8.
const NAMES: [&[u8]; 4] = [
    b"\x1b[2J\x1b]0;t\x07",
    b"a\rb\nc\x08\xff\xfe",
    "\u{202e}\u{9b}1m".as_bytes(),
    "<b>|&\u{fffe}`".as_bytes(),
];

/// Nothing that a terminal would obey.
fn assert_harmless(what: &str, output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        let bad = text.chars().find(|char| {
            (char.is_control() && *char != '\n') || *char == '\u{202e}' || *char == '\u{fffe}'
        });
        assert_eq!(bad, None, "{what}: {text:?}");
    }
}

fn arguments<'a>(words: &'a [&'a str]) -> Vec<&'a OsStr> {
    words.iter().map(OsStr::new).collect()
}

#[test]
fn a_hostile_thread_name_is_shown_as_escapes() {
    if !is_root() {
        return;
    }
    for name in NAMES {
        let folder = tempdir().expect("a folder");
        let recording = folder.path().join("r.ftrace");
        let path = recording.to_str().expect("text");
        let rename = OsString::from_iter([OsStr::new("name:"), OsStr::from_bytes(name)]);
        let known = known_path();
        let program = [known.as_os_str(), &rename, OsStr::new("touch:20")];
        let record = run([&arguments(&["record", "-o", path, "--"])[..], &program].concat());
        assert!(record.status.success(), "{record:?}");
        assert_harmless("record", &record);
        assert_harmless(
            "trace",
            &run([&arguments(&["trace", "--"])[..], &program].concat()),
        );
        assert_harmless(
            "stat",
            &run([&arguments(&["stat", "--"])[..], &program].concat()),
        );
        assert_all_forms_harmless(path);

        let faults = jsonl(&recording);
        let ours = faults_in(&faults, 20);
        assert_eq!(ours.len(), 20);
        let expected = String::from_utf8_lossy(&name[..name.len().min(15)]);
        assert!(
            ours.iter().all(|(_, fault)| fault["comm"] == *expected),
            "{expected:?} {ours:?}"
        );
    }
}

/// A report in each form.
fn assert_all_forms_harmless(path: &str) {
    for format in ["text", "csv", "markdown"] {
        let output = run(["report", "--format", format, path]);
        assert!(output.status.success(), "{output:?}");
        assert_harmless(format, &output);
    }
    // JSON holds the names themselves, written as escapes.
    let json = run(["report", "--format", "json", path]);
    serde_json::from_slice::<Value>(&json.stdout).expect("JSON");
    assert_harmless("json", &json);
    for form in ["jsonl", "csv", "folded", "flamegraph"] {
        let output = run(["export", "--to", form, path]);
        assert!(output.status.success(), "{output:?}");
        assert_harmless(form, &output);
    }
}

#[test]
fn a_hostile_program_and_recording_are_shown_as_escapes() {
    if !is_root() {
        return;
    }
    for name in NAMES {
        let folder = tempdir().expect("a folder");
        let program = folder.path().join(OsStr::from_bytes(name));
        symlink(known_path(), &program).expect("a link");
        let recording = program.with_added_extension("ftrace");
        let (program, recording) = (program.as_os_str(), recording.as_os_str());
        let steps = arguments(&["--"]);
        let record = [
            &arguments(&["record", "-o"])[..],
            &[recording],
            &steps,
            &[program],
        ]
        .concat();
        let output = run(record.iter().chain([&OsStr::new("touch:5")]));
        assert!(output.status.success(), "{output:?}");
        assert_harmless("record", &output);
        let again = run(&record);
        assert_eq!(again.status.code(), Some(1), "it exists: {again:?}");
        assert_harmless("the refusal to overwrite", &again);
        assert_harmless("report", &run([OsStr::new("report"), recording]));
    }
}

#[test]
fn an_error_about_a_hostile_path_is_harmless() {
    if !is_root() {
        return;
    }
    for name in NAMES {
        let folder = tempdir().expect("a folder");
        let missing = folder.path().join(OsStr::from_bytes(name));
        let missing: &Path = &missing;
        let report = run([OsStr::new("report"), missing.as_os_str()]);
        assert_eq!(report.status.code(), Some(1), "{report:?}");
        assert_harmless("report", &report);
        let stat = run([OsStr::new("stat"), OsStr::new("--"), missing.as_os_str()]);
        assert_eq!(stat.status.code(), Some(127), "{stat:?}");
        assert_harmless("stat", &stat);
    }
}
