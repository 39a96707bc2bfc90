//! The command line of the task.

use clap::{Args, Subcommand};

use super::series::Series;

/// The newest series that there is.
pub(super) const NEWEST: &str = "newest";
const DEFAULT: [&str; 3] = ["6.1", "6.12", NEWEST];
/// A scenario of each way in which kernels have differed, for a run that must be short.
const QUICK: [&str; 14] = [
    "anon-alloc",
    "anon-zero",
    "cow-zero",
    "cow-anon-child",
    "cow-file",
    "file-read",
    "file-cached-shared",
    "shmem-memfd",
    "swap-in-zram",
    "uffd-missing",
    "segv-pkey",
    "segv-guard",
    "nofault-probe",
    "vsyscall-nested",
];

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(super) task: Option<Task>,
    #[command(flatten)]
    pub(super) options: Options,
}

#[derive(Subcommand, Debug)]
pub(super) enum Task {
    /// Count the instructions that tracing adds, against the budget
    Cost {
        /// Keep them as the budget
        #[arg(long)]
        write: bool,
    },
}

/// What the command line asks for.
#[derive(Args, PartialEq, Eq, Default, Debug)]
pub(super) struct Options {
    /// Keep the result in docs/kernels.md, which is about all scenarios
    #[arg(long, conflicts_with_all = ["scenarios", "quick"])]
    pub(super) write: bool,
    /// Judge the logs of the last guests, and boot none
    #[arg(long)]
    pub(super) again: bool,
    /// Prove only a scenario of each way in which kernels have differed
    #[arg(long, conflicts_with = "scenarios")]
    quick: bool,
    /// Prove only these scenarios
    #[arg(long, value_name = "A,B", value_parser = list_of_names)]
    scenarios: Option<String>,
    /// Kernels: `newest`, or a series such as 6.1
    #[arg(value_parser = series)]
    series: Vec<String>,
}

impl Options {
    /// The kernels to prove on.
    pub(super) fn series(&self) -> Vec<String> {
        if self.series.is_empty() {
            DEFAULT.map(str::to_owned).to_vec()
        } else {
            self.series.clone()
        }
    }

    /// The scenarios to prove, with commas between; empty for all.
    pub(super) fn scenarios(&self) -> String {
        if self.quick {
            QUICK.join(",")
        } else {
            self.scenarios.clone().unwrap_or_default()
        }
    }
}

fn series(text: &str) -> Result<String, String> {
    if text == NEWEST || Series::parse(text).is_ok() {
        Ok(text.to_owned())
    } else {
        Err(format!("no series of kernels, nor `{NEWEST}`"))
    }
}

/// Nothing that a shell would take for something else.
fn list_of_names(text: &str) -> Result<String, &'static str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == ',';
    if !text.is_empty() && text.chars().all(is_part) {
        Ok(text.to_owned())
    } else {
        Err("names with commas between are needed")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(args: &[&str]) -> Option<Arguments> {
        let line = Line::try_parse_from(["kernels"].iter().chain(args));
        line.ok().map(|line| line.arguments)
    }

    fn parsed(args: &[&str]) -> Option<Options> {
        arguments(args).map(|arguments| arguments.options)
    }

    #[test]
    fn series_are_given_or_the_default() {
        let series = |args: &[&str]| parsed(args).map(|options| options.series());
        assert_eq!(series(&[]), Some(DEFAULT.map(str::to_owned).to_vec()));
        let given = ["5.10".to_owned(), NEWEST.to_owned()];
        assert_eq!(series(&["5.10", "newest"]), Some(given.to_vec()));
        assert!(parsed(&["--write"]).is_some_and(|options| options.write));
        for wrong in [&["all"][..], &["6"], &["--fast"], &["--scenarios"]] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn scenarios_are_names_and_leave_the_document_alone() {
        let scenarios = |args: &[&str]| parsed(args).map(|options| options.scenarios());
        let chosen = scenarios(&["--scenarios", "oom,segv-pkey", "6.1"]);
        assert_eq!(chosen.as_deref(), Some("oom,segv-pkey"));
        assert_eq!(scenarios(&[]), Some(String::new()));
        assert_eq!(scenarios(&["--scenarios", "a; reboot"]), None);
        assert_eq!(scenarios(&["--write", "--quick"]), None);
        let quick = scenarios(&["--quick"]).expect("an option");
        assert!(quick.contains("anon-alloc,anon-zero"));
    }

    #[test]
    fn cost_is_a_task_of_its_own() {
        let task = |args: &[&str]| arguments(args).and_then(|arguments| arguments.task);
        assert!(matches!(task(&["cost"]), Some(Task::Cost { write: false })));
        assert!(matches!(
            task(&["cost", "--write"]),
            Some(Task::Cost { write: true })
        ));
        assert!(task(&["6.1"]).is_none());
        assert!(arguments(&["cost", "6.1"]).is_none());
    }
}
