//! Recordings that are damaged, or made to do harm: each command says what is lost, goes on with the rest, and
//! needs neither much time nor much memory.

mod support;

use std::{
    fs,
    os::unix::{
        fs::{FileExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use nix::{
    sys::{
        resource::{Resource, setrlimit},
        stat::Mode,
    },
    unistd::mkfifo,
};
use serde_json::Value;
use support::FAULTS;
use tempfile::TempDir;

/// Longer than anything takes on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bound of the memory that reading any recording may take, address space included.
const MEMORY_BYTES: u64 = 2 << 30;

/// Runs the program in bounded memory.
fn fault_trace(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fault-trace"));
    let limit = || Ok(setrlimit(Resource::RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES)?);
    // SAFETY: a system call is all it does after the fork.
    unsafe { command.args(arguments).pre_exec(limit) };
    let began = Instant::now();
    let output = command.output().expect("fault-trace starts");
    assert!(began.elapsed() < PATIENCE, "{arguments:?}");
    assert!(
        output.status.code().is_some(),
        "{arguments:?} died: {output:?}"
    );
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!message.contains("panicked"), "{arguments:?}: {message}");
    output
}

/// A copy of a small recording, of two segments of faults.
struct Copy {
    _folder: TempDir,
    path: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("r.ftrace");
        support::write(&path, true, 2);
        Self {
            _folder: folder,
            path,
        }
    }

    fn text(&self) -> &str {
        self.path.to_str().expect("text")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn report(&self, arguments: &[&str]) -> Value {
        let all = [&["report", "--format", "json", self.text()], arguments].concat();
        let output = fault_trace(&all);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

const SECOND: &str = "faults/part-00001.parquet";

/// Whether the report names the file, and how many rows it says are missing.
fn lost(report: &Value, file: &str) -> Option<Option<u64>> {
    let damaged = report["damaged"].as_array()?;
    let entry = damaged.iter().find(|entry| {
        entry["file"]
            .as_str()
            .is_some_and(|name| name.ends_with(file))
    })?;
    Some(entry["rows"].as_u64())
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    type Make = fn(&Path);
    let others: [(&str, Make); 4] = [
        ("a pipe", |path| {
            mkfifo(path, Mode::S_IRWXU).expect("makes");
        }),
        ("a link to a device", |path| {
            symlink("/dev/zero", path).expect("links");
        }),
        ("a folder", |path| fs::create_dir(path).expect("makes")),
        ("a link to a file", |path| {
            symlink("/etc/passwd", path).expect("links");
        }),
    ];
    for (what, make) in others {
        let copy = Copy::new();
        fs::remove_file(copy.file("recording.json")).expect("removes");
        make(&copy.file("recording.json"));
        for command in [
            &["report", copy.text()][..],
            &["export", copy.text(), "--to", "csv"],
            &["diff", copy.text(), copy.text()],
        ] {
            let output = fault_trace(command);
            assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(
                message.contains("recording.json: it is not a regular file"),
                "{what}: {message}"
            );
        }

        let copy = Copy::new();
        fs::remove_file(copy.file(SECOND)).expect("removes");
        make(&copy.file(SECOND));
        let report = copy.report(&["--by", "process"]);
        assert_eq!(report["view"]["faults"], FAULTS / 2, "{what}");
        assert_eq!(lost(&report, SECOND), Some(None), "{what}");
    }
}

#[test]
fn a_description_that_is_too_large_is_not_read() {
    let copy = Copy::new();
    let file = fs::File::create(copy.file("recording.json")).expect("creates");
    file.set_len(1 << 40).expect("sparse");
    let output = fault_trace(&["report", copy.text()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains("1099511627776 bytes, more than any that record writes (67108864)"),
        "{message}"
    );
}

#[test]
fn a_damaged_page_costs_its_segments_rows_in_every_form() {
    let copy = Copy::new();
    let mut bytes = fs::read(copy.file(SECOND)).expect("reads");
    bytes[20..400].iter_mut().for_each(|byte| *byte ^= 0x5a);
    fs::write(copy.file(SECOND), bytes).expect("writes");
    for by in [
        "process", "thread", "function", "stack", "file", "mapping", "page", "time",
    ] {
        let report = copy.report(&["--by", by]);
        assert_eq!(report["view"]["faults"], FAULTS / 2, "{by}");
        assert_eq!(lost(&report, SECOND), Some(Some(FAULTS / 2)), "{by}");
        let output = fault_trace(&["report", copy.text(), "--by", by]);
        let text = String::from_utf8_lossy(&output.stdout);
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let rows = format!("{} of its rows are missing", FAULTS / 2);
        assert!(plain.contains("lost: ") && plain.contains(&rows), "{text}");
    }
    let report = copy.report(&["--slowest", "3"]);
    assert_eq!(report["slowest"].as_array().expect("a list").len(), 3);
    assert_eq!(lost(&report, SECOND), Some(Some(FAULTS / 2)));
    for format in ["jsonl", "csv"] {
        let output = fault_trace(&["export", copy.text(), "--to", format]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let lines = output.stdout.split(|byte| *byte == b'\n').count() - 1;
        let header = usize::from(format == "csv");
        assert_eq!(lines, (FAULTS / 2) as usize + header, "{format}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains("lost: "), "{message}");
    }
    for format in ["folded", "flamegraph", "hgrm"] {
        let output = fault_trace(&["export", copy.text(), "--to", format]);
        assert_eq!(output.status.code(), Some(0), "{format}: {output:?}");
    }
    let output = fault_trace(&["diff", copy.text(), copy.text(), "--to", "folded"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(message.matches("lost: ").count(), 2, "{message}");
}

#[test]
fn a_damaged_table_is_named_and_no_older_version_blamed() {
    for (table, by) in [
        ("mappings", "mapping"),
        ("locations", "function"),
        ("symbols", "function"),
        ("stacks", "stack"),
        ("tasks", "process"),
        ("cgroups", "cgroup"),
    ] {
        let copy = Copy::new();
        let name = format!("{table}/part-00000.parquet");
        fs::write(copy.file(&name), b"PAR1 nonsense PAR1").expect("writes");
        let report = copy.report(&["--by", by]);
        assert_eq!(report["view"]["faults"], FAULTS, "{table}");
        assert_eq!(lost(&report, &name), Some(None), "{table}");
    }
}

#[test]
fn a_claim_that_would_take_all_memory_is_damage() {
    // The description at the end of a file claims to be as long as the file, which has a hole of 100 GB.
    let copy = Copy::new();
    let file = fs::File::create(copy.file(SECOND)).expect("creates");
    file.set_len(100 << 30).expect("sparse");
    let tail = [&u32::MAX.to_le_bytes()[..], b"PAR1"].concat();
    file.write_all_at(&tail, (100 << 30) - 8).expect("writes");
    let report = copy.report(&["--by", "process"]);
    assert_eq!(report["view"]["faults"], FAULTS / 2);
    assert_eq!(lost(&report, SECOND), Some(None));
}

#[test]
fn output_is_never_written_onto_or_into_a_recording() {
    let copy = Copy::new();
    let hard = copy.path.with_file_name("hard");
    fs::hard_link(copy.file(SECOND), &hard).expect("links");
    let link = copy.path.with_file_name("link");
    symlink(copy.file(SECOND), &link).expect("links");
    // To what is not there yet, by way of another link.
    let (dangling, chain) = (
        link.with_file_name("dangling"),
        link.with_file_name("chain"),
    );
    symlink(copy.file("faults/part-00099.parquet"), &dangling).expect("links");
    symlink("dangling", &chain).expect("links");
    let before = fs::read(copy.file(SECOND)).expect("reads");
    let manifest = copy.file("recording.json");
    let inside = [
        copy.file("recording.json"),
        copy.file(SECOND),
        copy.file("faults/new.csv"),
        copy.file("new.csv"),
        hard,
        link,
        dangling,
        chain,
    ];
    for path in &inside {
        let path = path.to_str().expect("text");
        for command in [
            &["export", copy.text(), "--to", "csv", "-o", path][..],
            &["diff", copy.text(), copy.text(), "-o", path],
        ] {
            let output = fault_trace(command);
            assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(message.contains("is part of a recording"), "{message}");
        }
    }
    for folder in [copy.file(""), copy.file("faults/"), copy.file("new/")] {
        let folder = folder.to_str().expect("text");
        let output = fault_trace(&["export", copy.text(), "--to", "hgrm", "-o", folder]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
    assert_eq!(fs::read(copy.file(SECOND)).expect("reads"), before);
    assert!(fs::read(manifest).expect("reads").starts_with(b"{"));
    assert!(!copy.file("new.csv").exists() && !copy.file("new").exists());
}

#[test]
fn a_file_is_replaced_when_its_successor_is_whole_and_others_are_written_through() {
    let copy = Copy::new();
    let place = copy.path.with_file_name("out");
    fs::create_dir(&place).expect("makes");
    let export = |path: &Path| {
        fault_trace(&[
            "export",
            copy.text(),
            "--to",
            "csv",
            "-o",
            path.to_str().expect("text"),
        ])
    };
    let plain = place.join("plain.csv");
    fs::write(&plain, "old").expect("writes");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).expect("ours");
    let kept = place.join("kept.csv");
    let reader = fs::File::open(&plain).expect("opens");
    assert_eq!(export(&plain).status.code(), Some(0));
    let mut old = [0; 3];
    reader.read_exact_at(&mut old, 0).expect("reads");
    assert_eq!(&old, b"old", "who reads the old one still does");
    let mode = fs::metadata(&plain).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "its own");
    let whole = fs::read(&plain).expect("reads");
    assert!(whole.len() > 100);

    // A link is written through, and both names of a file stay names of it.
    symlink(&plain, place.join("link.csv")).expect("links");
    fs::hard_link(&plain, &kept).expect("links");
    fs::write(&plain, "x".repeat(2 * whole.len())).expect("writes");
    assert_eq!(export(&place.join("link.csv")).status.code(), Some(0));
    assert_eq!(fs::read(&kept).expect("reads"), whole);
    assert_eq!(fs::read(&plain).expect("reads"), whole);
    assert!(place.join("link.csv").is_symlink());

    // A device and a pipe.
    let output = export(Path::new("/dev/stdout"));
    assert_eq!(output.stdout, whole);
    assert_eq!(export(Path::new("/dev/null")).status.code(), Some(0));
    let full = export(Path::new("/dev/full"));
    assert_eq!(full.status.code(), Some(1));
    let message = String::from_utf8_lossy(&full.stderr);
    assert!(message.contains("/dev/full: No space left"), "{message}");
    let names = fs::read_dir(&place).expect("lists").count();
    assert_eq!(names, 3, "no temporary file stays");
}

#[test]
fn many_segments_are_read_in_time() {
    const MANY: u32 = 5000;
    let copy = Copy::new();
    let first = copy.file("faults/part-00000.parquet");
    for number in 2..MANY {
        let name = format!("faults/part-{number:05}.parquet");
        fs::hard_link(&first, copy.file(&name)).expect("links");
    }
    let report = copy.report(&["--by", "function"]);
    let faults = u64::from(MANY) * FAULTS / 2;
    assert_eq!(report["view"]["faults"], faults);
    assert_eq!(report["damaged"], Value::Null);
}

#[test]
fn a_recording_that_is_named_twice_is_not_counted_twice() {
    let copy = Copy::new();
    let link = copy.path.with_file_name("link");
    symlink(&copy.path, &link).expect("links");
    for again in [copy.text(), link.to_str().expect("text")] {
        let output = fault_trace(&["report", copy.text(), again]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains("are the same recording"), "{message}");
    }
}

#[test]
fn a_folder_of_debug_files_that_is_none_is_refused() {
    let copy = Copy::new();
    let none = copy.file("recording.json");
    for none in ["/nonexistent", none.to_str().expect("text")] {
        let cases: [&[&str]; 3] = [
            &["report", "--by", "function", copy.text()],
            &["export", "--to", "folded", copy.text()],
            &["diff", "--to", "folded", copy.text(), copy.text()],
        ];
        for arguments in cases {
            let output = fault_trace(&[arguments, &["--debug-dir", none]].concat());
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(message.contains("is no directory"), "{message}");
        }
    }
}

#[test]
fn an_export_of_a_part_of_the_faults_says_so_beside_it() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("r.ftrace");
    let mut run = support::run();
    run.options.sample = 64;
    run.options.min_latency_ns = 50_000;
    support::write_run(&path, &run, support::attribution(), 2);
    let path = path.to_str().expect("text");
    for form in ["jsonl", "csv", "folded", "hgrm", "flamegraph"] {
        let output = fault_trace(&["export", "--to", form, path]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let message = String::from_utf8_lossy(&output.stderr);
        let expected =
            "holds 30 of the run's 30 faults: only 1 in 64 and of them those of 50.0 µs or more";
        assert!(message.contains(expected), "{form}: {message}");
    }
    let whole = Copy::new();
    let output = fault_trace(&["export", "--to", "folded", whole.text()]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_difference_says_once_that_there_are_no_stacks() {
    let folder = TempDir::new().expect("a folder");
    let paths = ["a", "b"].map(|name| folder.path().join(name));
    for path in &paths {
        support::write(path, false, 1);
    }
    let [one, other] = paths.each_ref().map(|path| path.to_str().expect("text"));
    for form in ["folded", "flamegraph"] {
        let output = fault_trace(&["diff", "--to", form, one, other]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(message.matches("stacks").count(), 1, "{message}");
    }
}
