//! What a kernel offers is found out by trying, said by `doctor`, and kept in recordings.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::tempdir;

use crate::support::{is_root, run, text};

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// What a recording keeps of a run with these options.
fn recorded(options: &[&str], folder: &Path) -> Value {
    let path = folder.join("run.ftrace");
    let path = path.to_str().expect("text");
    let output = run([&["record", "-o", path], options, &["--", "true"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let manifest = fs::read(folder.join("run.ftrace/recording.json")).expect("recording.json");
    json(&manifest)["run"].clone()
}

fn entry<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let list = list.as_array().expect("a list");
    let found = list.iter().find(|entry| entry[key] == name);
    found.unwrap_or_else(|| panic!("nothing about {name}"))
}

#[test]
fn a_recording_keeps_what_doctor_finds_out_by_trying() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let run_kept = recorded(&[], folder.path());
    let doctor = run(["doctor", "--json"]);
    assert!(doctor.status.success(), "{}", text(&doctor.stdout));
    let doctor = json(&doctor.stdout);
    let support = &run_kept["support"];
    assert_eq!(support["hooks"], doctor["hooks"]);
    assert_eq!(support["classes"], doctor["classes"]);
    let attached: Vec<&Value> = doctor["hooks"]
        .as_array()
        .expect("hooks")
        .iter()
        .filter(|hook| hook["state"] == "attached")
        .map(|hook| &hook["hook"])
        .collect();
    let hooks: Vec<&Value> = run_kept["hooks"]
        .as_array()
        .expect("hooks")
        .iter()
        .collect();
    assert_eq!(attached, hooks);
}

#[test]
fn hooks_that_were_not_asked_for_make_their_classes_less_sure() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let support = recorded(&["--evidence", "core"], folder.path())["support"].clone();
    let switch = entry(&support["hooks"], "hook", "sched_switch");
    assert_eq!(switch["state"], "left-out");
    let class = |name: &str| entry(&support["classes"], "class", name);
    assert_eq!(class("file-wait")["best"], "impossible");
    let reason = class("file-read")["reason"].as_str().expect("a reason");
    assert!(reason.contains("sched_switch"), "{reason}");
    assert_eq!(class("segv-unmapped")["best"], "exact");
}
