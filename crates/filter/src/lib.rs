//! Which faults are meant: while tracing, and of a recording.
//!
//! Each filter is one entry in the list of [`list`]; the command line, the eBPF programs' configuration, the
//! test on recorded faults and the words about it follow from that.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod faults;
mod list;
mod text;

pub use faults::{FaultFilter, Test, Values};
pub use list::{Condition, FilterOption, Mode, NonePass, OPTIONS};
pub use text::ProcessName;
pub use text::{duration, shortened, write_duration};

use fault_trace_common::wire::{ALL_CLASSES, KernelFilter};

use fault_trace_model::Run;

/// Conditions on faults. Of the values of one option any may hold, and of `--class` and `--family`
/// together; otherwise all have to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter(Vec<Condition>);

impl FromIterator<Condition> for Filter {
    fn from_iter<I: IntoIterator<Item = Condition>>(conditions: I) -> Self {
        Self(conditions.into_iter().collect())
    }
}

impl Filter {
    /// The conditions, in the order of [`OPTIONS`] if they come from the command line.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.0.iter()
    }

    /// Whether every fault passes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The conditions that say which faults a run counts, as on the command line.
    #[must_use]
    pub fn counting_words(&self) -> Vec<String> {
        self.words(|option| option.counts)
    }

    /// The options that `are_meant` as on the command line.
    fn words(&self, are_meant: impl Fn(&FilterOption) -> bool) -> Vec<String> {
        let meant = OPTIONS.iter().filter(|option| are_meant(option));
        let words = meant.filter_map(|option| {
            let of_option = self.conditions().filter(|one| one.name() == option.name);
            let values: Vec<String> = of_option.map(Condition::value).collect();
            (!values.is_empty()).then(|| format!("--{} {}", option.name, values.join(",")))
        });
        words.collect()
    }

    /// The filter as the eBPF programs take it.
    #[must_use]
    pub fn for_kernel(&self) -> KernelFilter {
        let mut filter = KernelFilter {
            class_mask: 0,
            ..KernelFilter::NONE
        };
        for condition in self.conditions() {
            condition.trace(&mut filter);
        }
        if filter.class_mask == 0 {
            filter.class_mask = ALL_CLASSES;
        }
        filter
    }

    /// The filter on the recorded faults of `run`.
    ///
    /// # Errors
    /// Why no fault of this run can pass: no process has a name that was asked for, or the run was over by
    /// `--from`.
    pub fn for_recording(&self, run: &Run) -> Result<FaultFilter, NonePass> {
        let mut filter = FaultFilter::default();
        filter.words = self.words(|option| option.chooses);
        for condition in self.conditions() {
            if let Some(test) = condition.test(run)? {
                filter.add(test);
            }
        }
        Ok(filter)
    }
}

#[cfg(test)]
mod tests;
