//! Expectations: what a tracer must have recorded.
//!
//! A line of faults:
//!
//! ```json
//! {"scenario":"cow-zero","class":"cow-zero","also":[],"access":"write","mode":"user","count":64,
//!  "major":false,"step":1,"start":"0x…","end":"0x…","pid":N,"tid":N,"variant":null,"shows":null,
//!  "spends":{"phase":"sleep","each_at_least_ns":N,"all_at_most_ns":N}}
//! ```
//!
//! - Take the lines with the same `pid`, `start` and `end` together: the faults of that process at
//!   addresses in `[start, end)` are just the union of these lines, nothing more and nothing less.
//! - `class` is what happened. `also` lists classes that a tracer may show in its place, because the
//!   kernel leaves no evidence that tells them apart.
//! - `major`: the kernel's flag; `null` where it depends on timing or on the kernel's version.
//! - `step`: where a page faults more than once, its faults come in the order of their steps.
//! - `tid`: `null` where any thread of the process may have taken them.
//! - `variant`: a finer point of the class (`cache` or `device` of `swap-in`).
//! - `shows`: evidence that some of them have, by its name.
//! - `spends`: a phase in which some of them spend time, each `each_at_least_ns`, all together no more than
//!   the program saw all of them take; `null` where that is not known.
//!
//! A line `{"scenario":…,"gup":N,"start":…,"end":…,"pid":N,"tid":N}`: the thread's minor faults grew
//! by N for pages in the range, without an exception.

use std::time::Duration;

use fault_trace_common::{class::Class, error_code::Access, phase::Phase, region::VSYSCALL};
use serde_json::{Value, json};

use crate::memory::Pages;

/// A group of faults that are alike.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub(crate) class: Class,
    also: Vec<Class>,
    access: Access,
    kernel_mode: bool,
    pub(crate) count: usize,
    major: Option<bool>,
    step: u32,
    range: Pages,
    pid: u32,
    tid: Option<u32>,
    variant: Option<&'static str>,
    shows: Option<&'static str>,
    spends: Option<Spends>,
}

/// Where the time of some faults goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spends {
    phase: Phase,
    each_at_least: Duration,
    all_at_most: Option<Duration>,
}

impl Spends {
    /// Each spends so long at least.
    pub(crate) const fn each(phase: Phase, at_least: Duration) -> Self {
        Self {
            phase,
            each_at_least: at_least,
            all_at_most: None,
        }
    }

    /// Some spend time, all of them no more than that.
    pub(crate) const fn some(phase: Phase, all_at_most: Duration) -> Self {
        Self {
            phase,
            each_at_least: Duration::ZERO,
            all_at_most: Some(all_at_most),
        }
    }

    fn to_json(self) -> Value {
        json!({
            "phase": self.phase.name(),
            "each_at_least_ns": nanoseconds(self.each_at_least),
            "all_at_most_ns": self.all_at_most.map(nanoseconds),
        })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How a fault of a class is over.
#[derive(PartialEq, Eq)]
enum Ending {
    /// `handle_mm_fault` completed it.
    Completed,
    /// Accepted as a user address, but not completed.
    Failed,
    /// Refused before the kernel looked for a mapping.
    Refused,
}

impl Faults {
    /// Minor faults of this thread from user mode, one at each page of `range`.
    pub(crate) fn new(class: Class, access: Access, range: Pages) -> Self {
        Self {
            class,
            also: Vec::new(),
            access,
            kernel_mode: false,
            count: range.count(),
            major: Some(false),
            step: 0,
            range,
            pid: std::process::id(),
            tid: Some(current_tid()),
            variant: None,
            shows: None,
            spends: None,
        }
    }

    pub(crate) fn count(self, count: usize) -> Self {
        Self { count, ..self }
    }

    pub(crate) fn kernel_mode(self) -> Self {
        Self {
            kernel_mode: true,
            ..self
        }
    }

    pub(crate) fn major(self, major: bool) -> Self {
        Self {
            major: Some(major),
            ..self
        }
    }

    /// Minor or major: it depends.
    pub(crate) fn minor_or_major(self) -> Self {
        Self {
            major: None,
            ..self
        }
    }

    pub(crate) fn step(self, step: u32) -> Self {
        Self { step, ..self }
    }

    pub(crate) fn or(mut self, class: Class) -> Self {
        self.also.push(class);
        self
    }

    pub(crate) fn process(self, pid: u32) -> Self {
        Self {
            pid,
            tid: Some(pid),
            ..self
        }
    }

    pub(crate) fn thread(self, tid: u32) -> Self {
        Self {
            tid: Some(tid),
            ..self
        }
    }

    pub(crate) fn any_thread(self) -> Self {
        Self { tid: None, ..self }
    }

    pub(crate) fn variant(self, variant: &'static str) -> Self {
        Self {
            variant: Some(variant),
            ..self
        }
    }

    pub(crate) fn shows(self, evidence: &'static str) -> Self {
        Self {
            shows: Some(evidence),
            ..self
        }
    }

    pub(crate) fn spends(self, spends: Spends) -> Self {
        Self {
            spends: Some(spends),
            ..self
        }
    }

    fn ending(&self) -> Ending {
        match self.class {
            Class::NofaultProbe | Class::Vmalloc => Ending::Refused,
            Class::SegvKernelAddress if !VSYSCALL.contains(self.range.start as u64) => {
                Ending::Refused
            }
            Class::SegvKernelAddress
            | Class::SegvUnmapped
            | Class::SegvAccess
            | Class::SegvGuard
            | Class::SegvPkey
            | Class::Sigbus
            | Class::Hwpoison
            | Class::KernelEfault
            | Class::Vsyscall
            | Class::Interrupted
            | Class::Oom => Ending::Failed,
            _ => Ending::Completed,
        }
    }

    /// How many the kernel counts as minor or major.
    pub(crate) fn completed(&self) -> u64 {
        self.counted(self.ending() == Ending::Completed)
    }

    /// How many it must count as major; `None` if that depends.
    pub(crate) fn majors(&self) -> Option<u64> {
        self.major
            .map(|major| self.counted(major && self.ending() == Ending::Completed))
    }

    /// How many the software event `page-faults` counts.
    pub(crate) fn confirmed(&self) -> u64 {
        self.counted(self.ending() != Ending::Refused)
    }

    /// How many exceptions from user and from kernel mode.
    pub(crate) fn started(&self) -> [u64; 2] {
        [
            self.counted(!self.kernel_mode),
            self.counted(self.kernel_mode),
        ]
    }

    fn counted(&self, counts: bool) -> u64 {
        if counts { self.count as u64 } else { 0 }
    }
}

/// A line of the output.
pub(crate) enum Line {
    Faults(Box<Faults>),
    /// The kernel counted `count` faults of this thread without an exception.
    Gup {
        count: usize,
        range: Pages,
    },
}

impl Line {
    pub(crate) fn to_json(&self, scenario: &str) -> Value {
        match self {
            Self::Faults(faults) => faults_to_json(scenario, faults),
            Self::Gup { count, range } => json!({
                "scenario": scenario,
                "gup": count,
                "start": hexadecimal(range.start),
                "end": hexadecimal(range.end()),
                "pid": std::process::id(),
                "tid": current_tid(),
            }),
        }
    }
}

fn faults_to_json(scenario: &str, faults: &Faults) -> Value {
    let also: Vec<_> = faults.also.iter().map(|class| class.name()).collect();
    json!({
        "scenario": scenario,
        "class": faults.class.name(),
        "also": also,
        "access": faults.access.name(),
        "mode": if faults.kernel_mode { "kernel" } else { "user" },
        "count": faults.count,
        "major": faults.major,
        "step": faults.step,
        "start": hexadecimal(faults.range.start),
        "end": hexadecimal(faults.range.end()),
        "pid": faults.pid,
        "tid": faults.tid,
        "variant": faults.variant,
        "shows": faults.shows,
        "spends": faults.spends.map(Spends::to_json),
    })
}

fn hexadecimal(address: usize) -> String {
    format!("{address:#x}")
}

/// This thread's id.
pub(crate) fn current_tid() -> u32 {
    nix::unistd::gettid().as_raw().unsigned_abs()
}
