//! Developer tasks, one file each. `cargo xtask help` lists them.

mod analysis_bench;
mod artifact;
mod bench;
mod bpf_linker;
mod build;
mod command;
mod environment;
mod fmt;
mod help;
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

use std::{env, ffi::OsString, process::ExitCode};

use anyhow::Result;

/// A developer task: `cargo xtask NAME ARGUMENTS`.
struct Task {
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: fn(&[OsString]) -> Result<ExitCode>,
}

/// A new task (a kernel matrix) is a module and an entry here.
const TASKS: &[Task] = &[
    Task {
        name: "build",
        arguments: "[--debug]",
        summary: "build target/release/fault-trace (or target/debug/fault-trace)",
        run: build::task,
    },
    Task {
        name: "run",
        arguments: "[--] ARGS...",
        summary: "build as you, then run `fault-trace ARGS...` as root (sudo for that step only)",
        run: run::task,
    },
    Task {
        name: "test",
        arguments: "[ARGS...]",
        summary: "run every test; ARGS are filters and libtest options. Those that need root\n\
                  run last, through sudo when you are not root",
        run: test::task,
    },
    Task {
        name: "lint",
        arguments: "",
        summary: "rustfmt and clippy, warnings denied, for the host and the eBPF crates",
        run: lint::task,
    },
    Task {
        name: "fmt",
        arguments: "[--check]",
        summary: "format every crate (or only report)",
        run: fmt::task,
    },
    Task {
        name: "bench",
        arguments: "[--quick] [--endurance [SECONDS]]",
        summary: "measure what tracing costs, next to the least possible and to perf and bpftrace;\n\
                  needs root and a quiet machine. --modes A,B, --workloads A,B and --rounds N\n\
                  choose; --json FILE|- and --picture FILE.svg keep the results, --write keeps\n\
                  them in docs/cost.md; --endurance records every CPU at full speed for a\n\
                  minute instead",
        run: bench::task,
    },
    Task {
        name: "bench-analysis",
        arguments: "[--quick]",
        summary: "measure reports and exports of 50 million faults, next to DuckDB and perf; takes\n\
                  half an hour and 2 GB of temporary files",
        run: analysis_bench::task,
    },
    Task {
        name: "kernels",
        arguments: "[cost] [--write] [SERIES...]",
        summary: "prove the classes on Debian's kernels, emulated (6.1, 6.12 and `newest`, or\n\
                  those given); --write keeps the result in docs/kernels.md, --quick and\n\
                  --scenarios A,B prove less; cost counts the instructions that tracing adds",
        run: kernels::task,
    },
    Task {
        name: "install",
        arguments: "[--root DIR]",
        summary: "build as it is shipped and copy to DIR/bin; DIR is /usr/local, where sudo looks\n\
                  for programs (the copy goes through sudo if you may not write there)",
        run: install::task,
    },
    Task {
        name: "setup",
        arguments: "",
        summary: "only install the pinned Rust and bpf-linker; every task does it when needed",
        run: setup::task,
    },
    Task {
        name: "help",
        arguments: "",
        summary: "this text",
        run: help::task,
    },
];

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    dispatch(&args).unwrap_or_else(|error| {
        // Not Debug: it would print a backtrace under RUST_BACKTRACE=1.
        eprintln!("xtask: error: {error:#}");
        if error.is::<help::UsageError>() {
            eprint!("{}", help::usage());
            return ExitCode::from(2);
        }
        ExitCode::FAILURE
    })
}

fn dispatch(args: &[OsString]) -> Result<ExitCode> {
    let Some((name, args)) = args.split_first() else {
        return Err(help::usage_error("no task given"));
    };
    if help::is_help_flag(name) || args.first().is_some_and(|arg| help::is_help_flag(arg)) {
        return help::task(&[]);
    }
    match TASKS.iter().find(|task| *task.name == **name) {
        Some(task) => (task.run)(args),
        None => Err(help::usage_error(format!(
            "unknown task `{}`",
            name.display()
        ))),
    }
}
