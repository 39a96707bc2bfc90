//! Provokes page faults of known classes at known addresses a known number of times, so that a
//! tracer can be held against the truth.
//!
//! `workloads list` names the scenarios. `workloads NAME` runs one and prints a JSON line for each
//! expectation ([`expect`] describes them). Exit status: 0 provoked; 77 this machine cannot, with a
//! line `{"skipped":"reason"}`; 1 the kernel did something else, or an error.

mod anon;
mod arena;
mod bpf;
mod catch;
mod cgroup;
mod cow;
mod cow_file;
mod efault;
mod expect;
mod file;
mod fuse;
mod gup;
mod handlers;
mod huge;
mod kernel_address;
mod kernel_mode;
mod ksm;
mod limit;
mod loop_device;
mod mapped_file;
mod memory;
mod meter;
mod numa;
mod oom;
mod perf;
mod phases;
mod placement;
mod process;
mod reclaim;
mod restore;
mod retried;
mod reuse;
mod scale;
mod scenario;
mod segv;
mod segv_handler;
mod shmem;
mod sigbus;
mod sleep;
mod slow_file;
mod spurious;
mod stack;
mod swap;
mod swap_device;
mod syscall;
mod uffd;
mod userfault;
mod vsyscall;
mod warm;
mod write_notify;

use std::{
    io::{Write as _, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser;
use scenario::{Run, Scenario, Skip};

/// What a test harness takes for "skipped".
const EXIT_SKIPPED: u8 = 77;

/// Provokes known page faults and prints what a tracer must have seen.
#[derive(Parser)]
struct Arguments {
    /// The scenario, or `list`
    scenario: String,
    /// How many pages, faults or rounds; each scenario has its own default
    #[arg(long)]
    count: Option<usize>,
    /// Where to make files; must be on a disk, not on tmpfs
    #[arg(long, default_value = "/var/tmp")]
    dir: PathBuf,
    /// A tracer is attached: tolerate kernel-mode faults of its own in the self-check
    #[arg(long)]
    traced: bool,
}

fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    [
        anon::SCENARIOS,
        huge::SCENARIOS,
        stack::SCENARIOS,
        mapped_file::SCENARIOS,
        slow_file::SCENARIOS,
        shmem::SCENARIOS,
        cow::SCENARIOS,
        ksm::SCENARIOS,
        cow_file::SCENARIOS,
        reuse::SCENARIOS,
        write_notify::SCENARIOS,
        swap::SCENARIOS,
        userfault::SCENARIOS,
        numa::SCENARIOS,
        placement::SCENARIOS,
        spurious::SCENARIOS,
        segv::SCENARIOS,
        segv_handler::SCENARIOS,
        sigbus::SCENARIOS,
        kernel_mode::SCENARIOS,
        efault::SCENARIOS,
        kernel_address::SCENARIOS,
        vsyscall::SCENARIOS,
        retried::SCENARIOS,
        oom::SCENARIOS,
        reclaim::SCENARIOS,
        phases::SCENARIOS,
        gup::SCENARIOS,
        scale::SCENARIOS,
        handlers::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}

fn list() -> String {
    scenarios()
        .map(|scenario| {
            let Scenario {
                name,
                class,
                needs,
                about,
                ..
            } = scenario;
            let class = class.map_or("none", |class| class.name());
            format!("{name:24} {class:20} {about} [{needs}]\n")
        })
        .collect()
}

/// Runs the scenario and returns the lines to print.
fn run(arguments: Arguments) -> anyhow::Result<String> {
    if arguments.scenario == "list" {
        return Ok(list());
    }
    let scenario = scenarios()
        .find(|scenario| scenario.name == arguments.scenario)
        .with_context(|| {
            format!(
                "no scenario is called {:?}; `workloads list` names them",
                arguments.scenario
            )
        })?;
    limit::set()?;
    warm::up()?;
    let count = arguments.count.unwrap_or(scenario.count);
    let mut run = Run::new(count, arguments.dir, arguments.traced)?;
    (scenario.run)(&mut run)?;
    Ok(run.into_lines(scenario.name))
}

fn main() -> ExitCode {
    let (text, code) = match run(Arguments::parse()) {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("workloads: {error:#}");
            match error.downcast_ref::<Skip>() {
                Some(Skip(reason)) => (
                    format!("{}\n", serde_json::json!({ "skipped": reason })),
                    ExitCode::from(EXIT_SKIPPED),
                ),
                None => return ExitCode::FAILURE,
            }
        }
    };
    match stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
