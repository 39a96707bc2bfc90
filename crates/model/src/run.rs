//! A run without its events: what was traced, how, on what, and what the eBPF programs counted. A recording keeps it as `recording.json`; reports are made from it.

use fault_trace_common::Hooks;
use serde::{Deserialize, Serialize};

use super::totals::{KernelCounts, Totals};
use super::{calibration::Calibration, interner::Unnamed, spaces::SpaceCounts, support::Support};

/// A run: complete, or as far as it was known when last written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Run {
    pub tool_version: String,
    pub host: Host,
    /// The launched command and its arguments, lossily as text; empty when attached.
    pub command: Vec<String>,
    /// What was traced, for people: `command`, `pid 12, 13`, `all`.
    pub target: String,
    pub options: RunOptions,
    /// The hooks that were attached.
    pub hooks: Hooks,
    /// What became of every hook, and how sure each class could be.
    #[serde(default)]
    pub support: Support,
    pub clock: ClockBase,
    /// First and last moment of tracing, ns of CLOCK_MONOTONIC; the last is that of the last write
    /// while the run is not complete.
    pub started_ns: u64,
    pub stopped_ns: u64,
    /// Whether the run was stopped in order, so that the totals are final.
    pub complete: bool,
    /// The kernel's own counts of the same window; `None` while running or where unknown.
    pub kernel: Option<KernelReading>,
    /// User and system time of the traced processes over the run, ns; `None` where it is not known
    /// of all of them.
    #[serde(default)]
    pub cpu_ns: Option<u64>,
    /// What faults cost on this machine at the time; `None` if that was not measured.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// The launched command's exit status, as a shell gives it (128 + signal).
    pub exit_status: Option<i32>,
    /// Ring-buffer records that could not be decoded.
    pub undecodable: u64,
    /// What was not known of the mappings that faults were looked up in.
    #[serde(default)]
    pub spaces: SpaceCounts,
    /// What the tables that faults refer to had no room for.
    #[serde(default)]
    pub unnamed: Unnamed,
    /// What is missing because files could not be read.
    #[serde(default)]
    pub unread: Unread,
    /// How often a CPU came online during the run.
    #[serde(default)]
    pub cpus_joined: u64,
    /// Whether faults without an exception were counted by the kernel's own counters of each thread. Older
    /// versions took zeroed pages for them.
    #[serde(default)]
    pub knows_gup: bool,
    /// What degraded the run, for people.
    pub notes: Vec<String>,
    pub totals: Totals,
}

/// Names that are missing because files of the traced programs could not be read: they did not answer,
/// or reading them failed or took too much time or memory. The notes name the first of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Unread {
    /// Files that were given up, wholly or but for their symbol tables.
    pub files: u64,
    /// Places in code without a name.
    pub places: u64,
    /// Of these, were not looked up because the run was to end: reports look them up.
    pub abandoned: u64,
}

impl Unread {
    /// Adds those of another run.
    pub(super) const fn add(&mut self, other: Self) {
        self.files = self.files.saturating_add(other.files);
        self.places = self.places.saturating_add(other.places);
        self.abandoned = self.abandoned.saturating_add(other.abandoned);
    }
}

/// Where a run was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Host {
    pub name: String,
    pub kernel_release: String,
    pub machine: String,
    pub cpus_online: u32,
    pub page_size_bytes: u64,
}

/// How faults were selected and thinned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunOptions {
    /// One in so many faults was recorded.
    pub sample: u32,
    /// Faster faults were not recorded.
    pub min_latency_ns: u64,
    /// The filters in words, as given on the command line; empty if everything counts.
    pub filters: Vec<String>,
    /// Whether faults were recorded one by one (`record`, `trace`) or only counted (`stat`).
    pub records_faults: bool,
    /// How the stacks of the recorded faults were taken: `fp`, `dwarf`, or `null` for not at all.
    #[serde(default)]
    pub call_graph: Option<String>,
}

/// One moment on two clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClockBase {
    pub monotonic_ns: u64,
    /// ns since 1970-01-01T00:00:00Z.
    pub unix_ns: i64,
}

impl ClockBase {
    /// The wall-clock time of a CLOCK_MONOTONIC moment, ns since 1970.
    #[must_use]
    pub const fn unix_ns_at(&self, monotonic_ns: u64) -> i64 {
        self.unix_ns
            .saturating_add(monotonic_ns.cast_signed())
            .saturating_sub(self.monotonic_ns.cast_signed())
    }
}

/// The kernel's own counts and where they came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KernelReading {
    #[serde(flatten)]
    pub counts: KernelCounts,
    pub source: KernelSource,
}

/// Where the kernel's own counts came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelSource {
    /// `wait4` of the launched command and what it left behind.
    Rusage,
    /// Differences of /proc/PID/task/TID/stat, and `min_flt`/`maj_flt` of threads that exited.
    Proc,
    /// Differences of /proc/vmstat.
    Vmstat,
}
