//! The filters, each in one entry: its option, and what it means to the eBPF programs and of a recording.

use std::time::Duration;

use fault_trace_common::{
    Class, Evidence, Family,
    wire::{KernelFilter, comm_bytes},
};

use super::{
    faults::{Test, Values},
    text::{self, ProcessName},
};
use fault_trace_model::{Field, Run};
use fault_trace_text::choice::{Choice as _, choices};

choices! {
    /// Where an access was made.
    pub enum Mode {
        User "user",
        Kernel "kernel",
    }
}

/// The option of a filter.
#[derive(Debug)]
pub struct FilterOption {
    pub name: &'static str,
    /// What stands for its value in the help.
    pub value: &'static str,
    pub help: &'static str,
    /// Whether it takes a list of values, of which any may hold.
    pub is_list: bool,
    /// The values there are; empty where they are countless, or too many to show.
    pub values: &'static [Mode],
    /// Whether it says which faults a run counts.
    pub counts: bool,
    /// Whether it says which faults of those that count a run records.
    pub records: bool,
    /// Whether recorded faults can be chosen by it.
    pub chooses: bool,
    pub read: fn(&str) -> Result<Condition, String>,
}

/// What a filter means while tracing.
enum Tracing<T> {
    /// The run counts the faults that pass.
    Counts(fn(&T, &mut KernelFilter)),
    /// The run counts all and records those that pass.
    Records(fn(&T, &mut KernelFilter)),
    /// Only a recording can tell.
    Never,
}

/// What a filter means of the recorded faults of a run.
type Choosing<T> = fn(&T, &Run) -> Result<Test, NonePass>;

/// Why none of a run's faults can pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NonePass {
    /// The run was over by then, ns from its start.
    Over { from_ns: u64, took_ns: u64 },
    /// There is no such process, and this is what to say.
    NoSuchProcess(String),
}

macro_rules! filters {
    ($(
        $filter:ident($type:ty): $name:literal $value:literal $help:literal {
            list: $list:literal,
            values: $values:expr,
            read: $read:expr,
            write: $write:expr,
            tracing: $tracing:expr,
            recorded: $recorded:expr,
        }
    )*) => {
        /// What has to hold of a fault.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Condition {
            $(#[doc = $help] $filter($type)),*
        }

        /// The options, in the order of every output.
        pub static OPTIONS: &[FilterOption] = &[$({
            const TRACING: Tracing<$type> = $tracing;
            const RECORDED: Option<Choosing<$type>> = $recorded;
            FilterOption {
                name: $name,
                value: $value,
                help: $help,
                is_list: $list,
                values: $values,
                counts: matches!(TRACING, Tracing::Counts(_)),
                records: matches!(TRACING, Tracing::Records(_)),
                chooses: RECORDED.is_some(),
                read: |text| $read(text).map(Condition::$filter),
            }
        }),*];

        impl Condition {
            /// The name of the option.
            pub(super) const fn name(&self) -> &'static str {
                match self {
                    $(Self::$filter(_) => $name),*
                }
            }

            /// The value as it would be written.
            pub(super) fn value(&self) -> String {
                match self {
                    $(Self::$filter(value) => {
                        let write: fn(&$type) -> String = $write;
                        write(value)
                    }),*
                }
            }

            /// Adds the condition to what the eBPF programs look for.
            pub(super) fn trace(&self, filter: &mut KernelFilter) {
                match self {
                    $(Self::$filter(value) => {
                        let tracing: Tracing<$type> = $tracing;
                        match tracing {
                            Tracing::Counts(set) | Tracing::Records(set) => set(value, filter),
                            Tracing::Never => {}
                        }
                    }),*
                }
            }

            /// The condition on the recorded faults of `run`; `None` if they cannot be chosen by it.
            pub(super) fn test(&self, run: &Run) -> Result<Option<Test>, NonePass> {
                match self {
                    $(Self::$filter(value) => {
                        let recorded: Option<Choosing<$type>> = $recorded;
                        recorded.map(|test| test(value, run)).transpose()
                    }),*
                }
            }
        }
    };
}

filters! {
    Class(Class): "class" "CLASS,…" "Only faults of these classes" {
        list: true,
        values: &[],
        read: text::class,
        write: |class| class.name().to_owned(),
        tracing: Tracing::Counts(|class, filter| filter.class_mask |= class.bit()),
        recorded: Some(|class, _| Ok(Test::new(Field::Class, Values::Bits(class.bit())))),
    }
    Family(Family): "family" "FAMILY,…" "Only faults of these families, and of the classes of --class" {
        list: true,
        values: &[],
        read: text::family,
        write: |family| family.name().to_owned(),
        tracing: Tracing::Counts(|family, filter| filter.class_mask |= classes(*family)),
        recorded: Some(|family, _| Ok(Test::new(Field::Class, Values::Bits(classes(*family))))),
    }
    Process(ProcessName): "process" "PID|NAME,…" "Only faults of these processes, by id or name" {
        list: true,
        values: &[],
        read: text::process,
        write: ProcessName::write,
        tracing: Tracing::Never,
        recorded: Some(|process, run| Ok(Test::new(Field::Pid, Values::OneOf(pids(process, run)?)))),
    }
    Mode(Mode): "mode" "MODE" "Only accesses made in this mode" {
        list: false,
        values: Mode::ALL,
        read: text::choice::<Mode>,
        write: |mode| mode.name().to_owned(),
        tracing: Tracing::Counts(|mode, filter| {
            filter.mode_mask = match mode {
                Mode::User => 1,
                Mode::Kernel => 2,
            };
        }),
        recorded: Some(|mode, _| Ok(Test::new(Field::Evidence, Values::Flag {
            mask: Evidence::of(Evidence::KERNEL_MODE).word,
            set: *mode == Mode::Kernel,
        }))),
    }
    MinLatency(Duration): "min-latency" "T"
        "Only faults that took at least T; the totals of a run still hold all" {
        list: false,
        values: &[],
        read: text::duration,
        write: text::write_duration,
        tracing: Tracing::Records(|latency, filter| {
            filter.min_latency_ns = ns(*latency).min(u64::MAX - 1);
        }),
        recorded: Some(|latency, _| {
            Ok(Test::new(Field::Latency, Values::Within(ns(*latency), u64::MAX)))
        }),
    }
    Address((u64, u64)): "address" "LO-HI" "Only faults at addresses from LO to below HI" {
        list: false,
        values: &[],
        read: text::addresses,
        write: text::write_addresses,
        tracing: Tracing::Counts(|addresses, filter| {
            (filter.address_first, filter.address_last) = *addresses;
        }),
        recorded: Some(|&(first, last), _| {
            Ok(Test::new(Field::Address, Values::Within(first, last)))
        }),
    }
    From(Duration): "from" "T" "Only faults that started T after the start of the run, or later" {
        list: false,
        values: &[],
        read: text::moment,
        write: text::write_duration,
        tracing: Tracing::Never,
        recorded: Some(|from, run| {
            let (from_ns, took_ns) = (ns(*from), run.stopped_ns.saturating_sub(run.started_ns));
            if run.complete && from_ns >= took_ns {
                return Err(NonePass::Over { from_ns, took_ns });
            }
            let first_ns = run.started_ns.saturating_add(from_ns);
            Ok(Test::new(Field::Time, Values::Within(first_ns, u64::MAX)))
        }),
    }
    Until(Duration): "until" "T" "Only faults that started less than T after the start of the run" {
        list: false,
        values: &[],
        read: text::moment,
        write: text::write_duration,
        tracing: Tracing::Never,
        recorded: Some(|until, run| {
            let last_ns = run.started_ns.saturating_add(ns(*until)).saturating_sub(1);
            Ok(Test::new(Field::Time, Values::Within(0, last_ns)))
        }),
    }
    Sample(u32): "sample" "1/N" "Record one in N faults, chosen at random; totals still include all" {
        list: false,
        values: &[],
        read: text::fraction,
        write: |many| format!("1/{many}"),
        tracing: Tracing::Records(|many, filter| filter.sample = *many),
        recorded: None,
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The classes of a family, see [`Class::bit`].
fn classes(family: Family) -> u64 {
    let classes = Class::ALL.iter().filter(|class| class.family() == family);
    classes.fold(0, |mask, class| mask | class.bit())
}

/// The processes of that name or id in a run, in ascending order.
fn pids(process: &ProcessName, run: &Run) -> Result<Vec<u64>, NonePass> {
    let processes = run.totals.processes.iter();
    match process {
        ProcessName::Pid(pid) => {
            // The totals of a run that was not finished lack what came last.
            if run.complete
                && !processes
                    .map(|process| process.pid)
                    .any(|known| known == *pid)
            {
                return Err(NonePass::NoSuchProcess(format!(
                    "no process of the recording has the id {pid}; see `report --by process`"
                )));
            }
            Ok(vec![(*pid).into()])
        }
        ProcessName::Comm(name) => {
            let kept = comm_bytes(name.as_bytes());
            // As the kernel keeps them: recordings of older versions have names of 16 bytes.
            let named = processes.filter(|process| comm_bytes(&process.comm) == kept);
            let mut pids: Vec<u64> = named.map(|process| process.pid.into()).collect();
            if pids.is_empty() {
                return Err(NonePass::NoSuchProcess(unknown(name, run)));
            }
            pids.sort_unstable();
            Ok(pids)
        }
    }
}

/// That no process has a name, and which names there are.
fn unknown(name: &str, run: &Run) -> String {
    const SHOWN: usize = 20;
    let processes = run.totals.processes.iter();
    let mut names: Vec<_> = processes
        .map(|process| String::from_utf8_lossy(&process.comm))
        .collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let mut text = format!("no process of the recording is called {name}");
    if names.is_empty() {
        text += ": it holds no process";
    } else {
        text += &format!("; it holds {}", names.join(", "));
    }
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}
