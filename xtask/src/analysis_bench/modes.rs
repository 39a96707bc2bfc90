//! What is compared.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Result;

use super::Extent;
use crate::command::{self, say};

/// The programs that are built for it.
pub(super) struct Programs {
    pub(super) fault_trace: PathBuf,
    pub(super) synthetic: PathBuf,
    pub(super) touch: PathBuf,
}

/// A command line that goes through all faults.
pub(super) struct Mode {
    pub(super) name: String,
    pub(super) line: Vec<String>,
    pub(super) faults: u64,
}

const REPORTS: [&[&str]; 13] = [
    &[],
    &["--histogram", "linear"],
    &["--by", "class", "--sort", "time"],
    &["--by", "process"],
    &["--by", "thread"],
    &["--by", "function"],
    &["--by", "stack"],
    &["--by", "file"],
    &["--by", "mapping"],
    &["--by", "page"],
    &["--by", "cgroup"],
    &["--by", "time"],
    &["--slowest", "10"],
];
const EXPORTS: [&[&str]; 5] = [
    &["jsonl"],
    &["csv"],
    &["folded"],
    &["hgrm"],
    &["hgrm", "--mode", "user"],
];

/// The same groups in SQL: name, what is grouped by, and tables to join.
const QUERIES: [(&str, &str, &str); 7] = [
    ("class", "class", ""),
    ("process", "pid", ""),
    ("thread", "pid, tid", ""),
    ("stack", "stack_id", ""),
    ("mapping", "mapping_id", ""),
    ("page", "pid, address // 4096", ""),
    (
        "function",
        "s.function",
        " JOIN read_parquet('RECORDING/symbols/*.parquet') AS s USING (location_id)",
    ),
];
/// What a view tells of a group.
const FIGURES: &str = "count(*), sum(latency_ns), min(latency_ns), max(latency_ns), sum(pages), \
                       approx_quantile(latency_ns, [0.5, 0.9, 0.99, 0.999])";

/// Makes the recordings; what cannot be compared comes with its reason.
pub(super) fn prepare(
    programs: &Programs,
    extent: &Extent,
    scratch: &Path,
) -> Result<(Vec<Mode>, Vec<String>)> {
    say(&format!("making up {} faults ...", extent.faults));
    let recording = text(&scratch.join("made-up.ftrace"));
    let mut synthetic = Command::new(&programs.synthetic);
    command::run(synthetic.args([&recording, &extent.faults.to_string()]))?;
    let mut modes = own(programs, extent, &recording);
    let mut skipped = Vec::new();
    match duckdb(extent, &recording) {
        Ok(queries) => modes.extend(queries),
        Err(reason) => skipped.push(reason),
    }
    match perf(programs, extent, scratch) {
        Ok(reports) => modes.extend(reports),
        Err(reason) => skipped.push(reason),
    }
    Ok((modes, skipped))
}

fn own(programs: &Programs, extent: &Extent, recording: &str) -> Vec<Mode> {
    let mode = |command: &str, words: Vec<&str>| {
        let mut line = vec![text(&programs.fault_trace), command.to_owned()];
        line.extend(words.iter().map(|word| (*word).to_owned()));
        line.push(recording.to_owned());
        Mode {
            name: [&[command][..], &words].concat().join(" "),
            line,
            faults: extent.faults,
        }
    };
    let reports = REPORTS.iter().map(|words| mode("report", words.to_vec()));
    let exports = EXPORTS
        .iter()
        .map(|words| mode("export", [&["--to"], *words].concat()));
    reports.chain(exports).collect()
}

/// On one CPU, since CPU time is compared.
fn duckdb(extent: &Extent, recording: &str) -> Result<Vec<Mode>, String> {
    let python = ["python3", "-c"];
    if !succeeds(&[python[0], python[1], "import duckdb"]) {
        return Err("DuckDB is not installed (pip install duckdb)".to_owned());
    }
    let query = |(name, keys, join): (&str, &str, &str)| {
        let join = join.replace("RECORDING", recording);
        let sql = format!(
            "SELECT {keys}, {FIGURES} FROM read_parquet('{recording}/faults/*.parquet') AS f{join} \
             GROUP BY {keys} ORDER BY count(*) DESC LIMIT 20"
        );
        let script =
            format!("import duckdb; duckdb.sql('SET threads=1'); duckdb.sql(\"{sql}\").fetchall()");
        Mode {
            name: format!("duckdb GROUP BY {name}"),
            line: [python[0], python[1], &script].map(str::to_owned).to_vec(),
            faults: extent.faults,
        }
    };
    Ok(QUERIES.map(query).into())
}

/// Events of a program that touches fresh pages.
fn perf(programs: &Programs, extent: &Extent, scratch: &Path) -> Result<Vec<Mode>, String> {
    const PAGES: u64 = 1_000;
    let Some(perf) = command::find("perf") else {
        return Err("perf is not installed".to_owned());
    };
    say(&format!("recording {} events with perf ...", extent.events));
    let (perf, data) = (text(&perf), text(&scratch.join("perf.data")));
    let rounds = (extent.events / PAGES).to_string();
    let touch = text(&programs.touch);
    let record = [
        "record",
        "-e",
        "page-faults",
        "-c",
        "1",
        "-d",
        "-g",
        "-o",
        &data,
    ];
    let workload = ["--", &touch, &PAGES.to_string(), &rounds];
    let record = [&[&*perf], &record[..], &workload].concat();
    if !succeeds(&record) {
        return Err(format!("`{}` failed", record.join(" ")));
    }
    let mode = |words: &[&str]| Mode {
        name: format!("perf {}", words.join(" ")),
        line: [&[&*perf], words, &["-i", &data]]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect(),
        faults: extent.events,
    };
    Ok(vec![
        mode(&["script"]),
        mode(&["report", "--stdio", "--no-children", "-g", "none"]),
        mode(&["report", "--stdio", "--children"]),
    ])
}

fn succeeds(line: &[&str]) -> bool {
    let mut program = Command::new(line[0]);
    program.args(&line[1..]).stdin(Stdio::null());
    let status = program.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
