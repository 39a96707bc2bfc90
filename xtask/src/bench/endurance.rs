//! Every CPU at full fault speed for a long time, while the whole machine is recorded with default
//! buffers: is anything lost, does the reader keep up, does its memory grow?

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{
    measure,
    outcome::{self, Cost, Seen},
    report::table,
    setting::{Setting, size_bytes},
    tracer::{Ended, Tracer},
};

/// Fresh pages a thread and round: 16 MiB.
const PAGES: usize = 4096;

pub(super) struct Endurance {
    command: String,
    took_ns: u64,
    workload: Cost,
    seen: Seen,
    disk_bytes: u64,
    /// From when all was attached to the end of the workload, ns.
    reader_cpu_ns: u64,
    ended: Ended,
    /// The most memory until half of the time was over, and until the end of the workload, bytes.
    peak_bytes: [u64; 2],
}

pub(super) fn run(seconds: u64, setting: &Setting) -> Result<Endurance> {
    setting.clear();
    let program = setting.programs.fault_trace.to_string_lossy().into_owned();
    let recording = setting.recording();
    let line = [&program, "record", "-a", "-o", &recording.to_string_lossy()];
    let mut tracer = Tracer::start(&line.map(str::to_owned), &setting.scratch)?;
    tracer.wait_until_ready()?;
    let ready_cpu_ns = tracer.cpu_so_far_ns();
    let mut touch = Command::new(&setting.programs.touch);
    touch.args([PAGES.to_string(), format!("{seconds}s")]);
    touch.arg(setting.cpus.to_string());
    let began = Instant::now();
    let touching = touch.stdout(Stdio::piped()).spawn();
    let touching = touching.context("cannot run the workload")?;
    let tracer_id = tracer.id();
    let half = thread::spawn(move || {
        thread::sleep(Duration::from_millis(seconds * 500));
        peak_bytes(tracer_id)
    });
    let output = touching.wait_with_output()?;
    let took_ns = began.elapsed().as_nanos() as u64;
    let at_end = peak_bytes(tracer_id)?;
    let reader_cpu_ns = tracer.cpu_so_far_ns().saturating_sub(ready_cpu_ns);
    ensure!(
        output.status.success(),
        "the workload failed ({})",
        output.status
    );
    let Ok(at_half) = half.join() else {
        bail!("the thread that looks at the memory panicked");
    };
    let ended = tracer.stop()?;
    let manifest = fs::read_to_string(recording.join("recording.json"))
        .context("cannot read the recording's description")?;
    Ok(Endurance {
        command: line.join(" "),
        took_ns,
        workload: measure::cost(&String::from_utf8_lossy(&output.stdout))?,
        seen: outcome::recording(&manifest).context("recording.json has no counts")?,
        disk_bytes: size_bytes(&recording)?,
        reader_cpu_ns,
        ended,
        peak_bytes: [at_half?, at_end],
    })
}

fn peak_bytes(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .with_context(|| format!("process {process} is gone"))?;
    let kib = status.lines().find_map(|line| {
        let kib = line.strip_prefix("VmHWM:")?.strip_suffix("kB")?;
        kib.trim().parse::<u64>().ok()
    });
    Ok(kib.context("no VmHWM in /proc/PID/status")? * 1024)
}

impl Endurance {
    fn per_fault(&self, amount: u64) -> f64 {
        amount as f64 / self.seen.faults.max(1) as f64
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let lost = self.seen.lost.unwrap_or(0);
        let seconds = self.took_ns as f64 / 1e9;
        let share = lost as f64 / self.seen.faults.max(1) as f64 * 100.0;
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let other_ns = self.ended.cpu_ns.saturating_sub(self.reader_cpu_ns);
        let met = |is_met| if is_met { "met" } else { "missed" };
        let grown = self.peak_bytes[1] as f64 / self.peak_bytes[0].max(1) as f64;
        let bytes = self.per_fault(self.disk_bytes);
        let reader_ns = self.per_fault(self.reader_cpu_ns);
        let a_second = self.workload.faults as f64 / seconds;
        [
            ("time", format!("{seconds:.1} s"), ""),
            (
                "faults of the workload",
                self.workload.faults.to_string(),
                "",
            ),
            ("... a second", format!("{a_second:.0}"), ""),
            (
                "faults seen, whole machine",
                self.seen.faults.to_string(),
                "",
            ),
            (
                "dropped: none",
                format!("{lost} ({share:.2} %)"),
                met(lost == 0),
            ),
            (
                "bytes on disk per fault: at most 6",
                format!("{bytes:.2}"),
                met(bytes <= 6.0),
            ),
            (
                "CPU of the reader per fault: at most 250 ns",
                format!("{reader_ns:.0} ns"),
                met(reader_ns <= 250.0),
            ),
            (
                "CPU of the start and the end",
                format!("{:.0} ms", other_ns as f64 / 1e6),
                "",
            ),
            ("peak memory at half time", mib(self.peak_bytes[0]), ""),
            (
                "... at the end of the workload: at most 5 % more",
                mib(self.peak_bytes[1]),
                met(grown <= 1.05),
            ),
            ("... with the summary", mib(self.ended.peak_bytes), ""),
        ]
        .map(|(name, value, verdict)| vec![name.to_owned(), value, verdict.to_owned()])
        .into()
    }

    pub(super) fn text(&self) -> String {
        format!(
            "`{}`\nbeside a thread on every CPU that touches fresh pages\n{}",
            self.command,
            table::aligned(&self.rows()),
        )
    }

    /// For docs/cost.md.
    pub(super) fn markdown(&self) -> String {
        let rows = self
            .rows()
            .into_iter()
            .map(|row| format!("| {} |\n", row.join(" | ")));
        format!(
            "| | measured | |\n|---|---|---|\n{}",
            rows.collect::<String>()
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "schema": 2,
            "endurance": {
                "command": self.command,
                "took_ns": self.took_ns,
                "faults": self.workload.faults,
                "seen": self.seen.faults,
                "dropped": self.seen.lost,
                "disk_bytes": self.disk_bytes,
                "bytes_per_fault": self.per_fault(self.disk_bytes),
                "reader_cpu_ns": self.reader_cpu_ns,
                "reader_cpu_per_fault_ns": self.per_fault(self.reader_cpu_ns),
                "total_cpu_ns": self.ended.cpu_ns,
                "peak_bytes": {
                    "half": self.peak_bytes[0],
                    "end": self.peak_bytes[1],
                    "all": self.ended.peak_bytes,
                },
            },
        })
    }
}
