//! Every class of page fault, provoked by a program that knows what it provokes, and held against
//! what fault-trace records: class, access, mode, count, and how sure it claims to be.

mod matrix;

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use matrix::Matrix;

/// A scenario's exit status where the machine cannot provoke it.
const SKIPPED: i32 = 77;

/// What a recorded fault shows.
type Shown = (String, String, String);

/// How one scenario came out.
enum Outcome {
    Proven,
    Skipped(String),
    Wrong(Vec<String>),
}

#[test]
fn each_scenario_shows_just_the_faults_it_provokes() {
    if !crate::is_root() {
        return;
    }
    let scenarios = scenarios();
    assert!(scenarios.len() > 50, "{scenarios:?}");
    let mut matrix = Matrix::default();
    show("\nscenario                 outcome\n");
    let mut wrong = Vec::new();
    for scenario in &scenarios {
        let outcome = prove(scenario, &mut matrix);
        let text = match outcome {
            Outcome::Proven => "proven".to_owned(),
            Outcome::Skipped(reason) => format!("not provoked: {reason}"),
            Outcome::Wrong(reasons) => {
                wrong.push(format!("{scenario}: {}", reasons.join("; ")));
                format!("WRONG: {}", reasons.join("; "))
            }
        };
        show(&format!("{scenario:<24} {text}\n"));
    }
    show(&matrix.to_string());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(matrix.off_diagonal(), 0, "{matrix}");
}

/// The test harness keeps what passing tests print to itself; this is to be seen.
fn show(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn workloads() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_fault-trace")).parent();
    let path = folder.map(|folder| folder.join("examples/workloads"));
    path.filter(|path| path.exists())
        .expect("the example `workloads` is not built: cargo build --examples")
}

fn scenarios() -> Vec<String> {
    let output = Command::new(workloads())
        .arg("list")
        .output()
        .expect("workloads list");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn prove(scenario: &str, matrix: &mut Matrix) -> Outcome {
    let folder = tempfile::tempdir().expect("temporary directory");
    let recording = folder.path().join("proof.ftrace");
    let hints_before = numa_hint_faults();
    let output = record(scenario, &recording);
    let numa_hints = numa_hint_faults() != hints_before;
    if output.status.code() == Some(SKIPPED) {
        let reason = lines(&output.stdout)
            .find_map(|line| line["skipped"].as_str().map(str::to_owned))
            .unwrap_or_default();
        return Outcome::Skipped(reason);
    }
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Outcome::Wrong(vec![format!("{}: {stderr}", output.status)]);
    }
    let expected: Vec<Value> = lines(&output.stdout)
        .filter(|line| line.get("scenario").is_some())
        .collect();
    if expected.is_empty() {
        return Outcome::Wrong(vec!["it expects nothing".to_owned()]);
    }
    let faults = faults(&recording);
    let mut reasons = Vec::new();
    for group in groups(&expected) {
        check(&group, &faults, numa_hints, matrix, &mut reasons);
    }
    if reasons.is_empty() {
        Outcome::Proven
    } else {
        Outcome::Wrong(reasons)
    }
}

fn record(scenario: &str, recording: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fault-trace"))
        .args(["record", "--format", "csv", "--output"])
        .arg(recording)
        .arg("--")
        .arg(workloads())
        .args([scenario, "--traced"])
        .output()
        .expect("fault-trace record")
}

/// The lines that are JSON objects; the summary's are not.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Value> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines
        .into_iter()
        .filter(|line| line.starts_with('{'))
        .filter_map(|line| serde_json::from_str(&line).ok())
}

fn faults(recording: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_fault-trace"))
        .args(["export", "--to", "jsonl"])
        .arg(recording)
        .output()
        .expect("fault-trace export");
    assert!(output.status.success(), "{output:?}");
    lines(&output.stdout).collect()
}

/// Expectations about the same addresses of the same process.
fn groups(expected: &[Value]) -> Vec<Vec<&Value>> {
    let mut groups: BTreeMap<(u64, String, String), Vec<&Value>> = BTreeMap::new();
    for line in expected {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let pid = line["pid"].as_u64().expect("a pid");
        let key = (pid, text("start"), text("end"));
        groups.entry(key).or_default().push(line);
    }
    groups.into_values().collect()
}

fn address(value: &Value) -> u64 {
    let text = value.as_str().expect("an address");
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("hexadecimal")
}

fn shown(value: &Value) -> Shown {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    (text("class"), text("access"), text("mode"))
}

/// Holds the faults in a group's range against its expectations.
fn check(
    group: &[&Value],
    faults: &[Value],
    numa_hints: bool,
    matrix: &mut Matrix,
    reasons: &mut Vec<String>,
) {
    let first = group.first().expect("a group is not empty");
    let range = address(&first["start"])..address(&first["end"]);
    let is_in_range = |fault: &&Value| {
        fault["pid"] == first["pid"] && range.contains(&address(&fault["address"]))
    };
    let mut in_range: Vec<&Value> = faults.iter().filter(is_in_range).collect();
    // What is proven takes its place first; only what is inferred may stand for something else.
    in_range.sort_by_key(|fault| fault["confidence"] == "inferred");
    let mut left: BTreeMap<Shown, i64> = BTreeMap::new();
    for line in group.iter().filter(|line| line.get("gup").is_none()) {
        *left.entry(shown(line)).or_default() += line["count"].as_i64().expect("a count");
    }
    let mut inferred: BTreeMap<String, u64> = BTreeMap::new();
    for fault in in_range {
        let own = shown(fault);
        let (what, expected) = match stands_for(fault, group, &left) {
            Some(what) => (what.clone(), what.0),
            None => (own.clone(), shown(first).0),
        };
        let admitted = what.0 == expected;
        let is_inferred = fault["confidence"] == "inferred";
        let recorded = if admitted { &expected } else { &own.0 };
        matrix.add(&expected, recorded, is_inferred);
        *left.entry(what.clone()).or_default() -= 1;
        if is_inferred {
            *inferred.entry(what.0).or_default() += 1;
        }
        check_major(fault, group, reasons);
    }
    for (what, missing) in left {
        if missing != 0 {
            let too = if missing > 0 { "few" } else { "many" };
            reasons.push(format!("{} {what:?} too {too}", missing.abs()));
        }
    }
    for (class, count) in inferred {
        let doubted = numa_hints || range.end - range.start >= HUGE_BYTES;
        let allowed = inferred_allowed(&class, doubted);
        if count > allowed {
            reasons.push(format!("{count} {class} are inferred, not exact"));
        }
    }
}

/// Which expectation a recorded fault meets: one of its own class while any is `left`, or one that
/// admits it, since the kernel leaves no evidence that would tell them apart. Then it may not claim to
/// be exact.
fn stands_for(fault: &Value, group: &[&Value], left: &BTreeMap<Shown, i64>) -> Option<Shown> {
    let own = shown(fault);
    if left.get(&own).is_some_and(|&count| count > 0) {
        return Some(own);
    }
    let admits = |line: &&&Value| {
        let also = line["also"].as_array();
        let (_, access, mode) = shown(line);
        also.is_some_and(|also| also.contains(&fault["class"]))
            && (&own.1, &own.2) == (&access, &mode)
            && fault["confidence"] == "inferred"
    };
    let admitted = group.iter().find(admits).map(|line| shown(line));
    admitted.or_else(|| left.contains_key(&own).then_some(own))
}

/// The kernel's own flag, where the scenario is sure of it.
fn check_major(fault: &Value, group: &[&Value], reasons: &mut Vec<String>) {
    let mut majors = group
        .iter()
        .filter(|line| shown(line) == shown(fault))
        .map(|line| &line["major"])
        .peekable();
    let known = majors.peek().is_some();
    if known && !majors.any(|major| major.is_null() || *major == fault["major"]) {
        reasons.push(format!("{} has major {}", fault["address"], fault["major"]));
    }
}

/// The machine's NUMA hint faults so far. Pages marked for one scenario fault in later ones.
fn numa_hint_faults() -> Option<String> {
    let vmstat = std::fs::read_to_string("/proc/vmstat").expect("/proc/vmstat");
    let line = vmstat
        .lines()
        .find(|line| line.starts_with("numa_hint_faults "));
    line.map(str::to_owned)
}

/// A transparent huge page, bytes.
const HUGE_BYTES: u64 = 2 << 20;

/// How many faults of a class may be inferred in one range, on a kernel with all hooks. `doubted`: a
/// NUMA hint or the huge zero page would look the same.
fn inferred_allowed(class: &str, doubted: bool) -> u64 {
    match class {
        "anon-zero" if doubted => u64::MAX,
        // No stable hook proves these.
        "migration-wait" | "file-wait" | "numa-hint" => u64::MAX,
        // Admitted for another class, see `stands_for`: the race left no trace, or the page is huge.
        "spurious" | "anon-huge" | "segv-guard" => u64::MAX,
        // The last of a thread is closed by its exit.
        "kernel-efault" | "nofault-probe" => 1,
        _ => 0,
    }
}
