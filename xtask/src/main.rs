//! Developer tasks, one file each. `cargo xtask help` lists them.

mod analysis_bench;
mod artifact;
mod bench;
mod bpf_linker;
mod build;
mod command;
mod environment;
mod fmt;
mod install;
mod kernels;
mod lint;
mod run;
mod setup;
mod sudo;
mod test;
mod toolchain;
mod usage;
mod workspace;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// A developer task of fault-trace.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// A new task is a module, and an entry here and in [`run`].
#[derive(Subcommand, Debug)]
enum Task {
    /// Build target/release/fault-trace (or target/debug/fault-trace)
    Build {
        /// Without optimisation
        #[arg(long)]
        debug: bool,
    },
    /// Build as you, then run `fault-trace ARGS...` as root (sudo for that step only)
    Run {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run every test; those that need root run last, through sudo when you are not root
    Test {
        /// Filters and libtest options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// The layers, rustfmt and clippy, warnings denied, for the host and the eBPF crates
    Lint,
    /// Format every crate
    Fmt {
        /// Only report
        #[arg(long)]
        check: bool,
    },
    /// Measure what tracing costs, next to the least possible and to perf and bpftrace; needs root and a
    /// quiet machine
    Bench(bench::Options),
    /// Measure reports and exports of 50 million faults, next to DuckDB and perf; takes half an hour and 2
    /// GB of temporary files
    BenchAnalysis {
        /// A tenth of it, once
        #[arg(long)]
        quick: bool,
    },
    /// Prove the classes on Debian's kernels, emulated (6.1, 6.12 and `newest`, or those given)
    Kernels(kernels::Arguments),
    /// Build as it is shipped and copy to DIR/bin, through sudo if you may not write there
    Install {
        /// Not ~/.cargo/bin: fault-trace needs root, and sudo does not look there
        #[arg(long, value_name = "DIR", default_value = "/usr/local")]
        root: PathBuf,
    },
    /// Only install the pinned Rust and bpf-linker; every task does it when needed
    Setup,
}

fn main() -> ExitCode {
    run(Arguments::parse().task).unwrap_or_else(|error| {
        if let Some(error) = error.downcast_ref::<clap::Error>() {
            error.exit();
        }
        // Not Debug: it would print a backtrace under RUST_BACKTRACE=1.
        eprintln!("xtask: error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Build { debug } => build::task(debug),
        Task::Run { args } => run::task(&args),
        Task::Test { args } => test::task(&args),
        Task::Lint => lint::task(),
        Task::Fmt { check } => fmt::task(check),
        Task::Bench(options) => bench::task(&options),
        Task::BenchAnalysis { quick } => analysis_bench::task(quick),
        Task::Kernels(arguments) => kernels::task(arguments),
        Task::Install { root } => install::task(&root),
        Task::Setup => setup::task(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(args: &[&str]) -> Option<Task> {
        let args = ["xtask"].iter().chain(args);
        Arguments::try_parse_from(args)
            .ok()
            .map(|parsed| parsed.task)
    }

    /// What is handed on to the program or the tests.
    fn handed_on(args: &[&str]) -> Vec<OsString> {
        match task(args) {
            Some(Task::Run { args } | Task::Test { args }) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_task_is_needed_and_takes_what_it_knows() {
        assert!(task(&[]).is_none());
        assert!(task(&["biuld"]).is_none());
        assert!(task(&["lint", "x"]).is_none());
        assert!(task(&["build", "--fast"]).is_none());
        assert!(matches!(
            task(&["build", "--debug"]),
            Some(Task::Build { debug: true })
        ));
    }

    #[test]
    fn arguments_of_the_program_are_handed_on_as_they_are() {
        assert_eq!(
            handed_on(&["run", "record", "--help"]),
            ["record", "--help"]
        );
        assert_eq!(handed_on(&["run", "--", "--help"]), ["--help"]);
        assert_eq!(
            handed_on(&["run", "stat", "--", "ls", "-l"]),
            ["stat", "--", "ls", "-l"]
        );
        assert_eq!(
            handed_on(&["test", "--nocapture", "x"]),
            ["--nocapture", "x"]
        );
        assert!(handed_on(&["test"]).is_empty());
    }

    #[test]
    fn it_is_installed_where_asked_or_by_default() {
        let root = |args: &[&str]| match task(args) {
            Some(Task::Install { root }) => Some(root),
            _ => None,
        };
        assert_eq!(root(&["install"]), Some("/usr/local".into()));
        assert_eq!(root(&["install", "--root", "/opt"]), Some("/opt".into()));
        assert_eq!(root(&["install", "--root=/opt"]), Some("/opt".into()));
        assert_eq!(root(&["install", "--root"]), None);
        assert_eq!(root(&["install", "x"]), None);
    }
}
