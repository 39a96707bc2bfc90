//! Task `kernels`: the class proof and the reconciliation on real Debian kernels, under software
//! emulation, one after the other.

mod apt;
mod cost;
mod disks;
mod elsewhere;
mod emulator;
mod guest;
mod image;
mod lab;
mod modules;
mod options;
mod outcome;
mod programs;
mod proof;
mod qemu;
mod series;
mod table;
/// The versions that matter, from the one table of them.
#[path = "../../../fault-trace-common/src/catalogue/kernel.rs"]
#[expect(unreachable_pub, reason = "the tracer uses it from elsewhere")]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the tracer uses what is not used here")
)]
mod versions;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};

use crate::{command::say, setup::Build};

use apt::Apt;
use emulator::Emulator;
use lab::Lab;
pub(crate) use options::Arguments;
use options::{NEWEST, Options, Task};
use outcome::Outcome;
use programs::Programs;
use qemu::Purpose;
use series::{Kernel, Series};

const DOCUMENT: &str = "docs/kernels.md";
/// What follows this line of the document is written by the task.
const MARK: &str = "<!-- Written by `cargo xtask kernels --write`. -->\n";

pub(crate) fn task(arguments: Arguments) -> Result<ExitCode> {
    if let Some(Task::Cost { write }) = arguments.task {
        return count(write);
    }
    let options = arguments.options;
    programs::need()?;
    let build = Build::prepare()?;
    let folder = build.workspace.target_dir.join("kernels");
    let apt = Apt::prepare(&folder)?;
    let kernels = match apt.kernels() {
        Ok(kernels) => kernels,
        Err(error) => {
            skip("every kernel", &error);
            return Ok(ExitCode::SUCCESS);
        }
    };
    let outcomes = if options.again {
        judge_again(&folder, &kernels, &options.series())?
    } else {
        prove(&build, &apt, &kernels, &options)?
    };
    let tables = table::markdown(&outcomes);
    print!("{tables}");
    if options.write {
        write_document(&build.workspace.root.join(DOCUMENT), &tables)?;
    }
    Ok(verdict(&outcomes))
}

/// Boots the kernels one after the other.
fn prove(build: &Build, apt: &Apt, kernels: &[Kernel], options: &Options) -> Result<Vec<Outcome>> {
    let folder = build.workspace.target_dir.join("kernels");
    let lab = Lab {
        programs: Programs::build(build)?,
        emulator: Emulator::prepare(apt, &folder)?,
        purpose: Purpose::Proof,
        disks: if options.scenarios().is_empty() {
            disks::prepare(apt, &folder)
        } else {
            Vec::new()
        },
        folder,
    };
    let file_systems: Vec<&str> = lab.disks.iter().map(|disk| disk.file_system).collect();
    let mut outcomes = Vec::new();
    for name in &options.series() {
        if let Some((kernel, packages)) = fetch(apt, kernels, name)? {
            let series = kernel.series().context("a kernel has a version")?;
            let script = guest::script(series, &options.scenarios(), &file_systems);
            let result = lab
                .boot(kernel, &packages, &script)
                .unwrap_or_else(|error| {
                    say(&format!("{error:#}"));
                    String::new()
                });
            let steps = guest::steps(&result);
            let mut outcome = outcome::judge(&kernel.release, series, &steps);
            if guest::is_supported(series) {
                let folder = lab.folder.join(&kernel.release);
                let problem = elsewhere::problem(&steps, &lab.programs.fault_trace, &folder);
                outcome.problems.extend(problem);
            }
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}

/// Judges what the last guests wrote. Their recordings are not reported here: the program may be
/// another one by now.
fn judge_again(folder: &Path, kernels: &[Kernel], wanted: &[String]) -> Result<Vec<Outcome>> {
    let judge = |name: &String| {
        let kernel = find(kernels, name)?.with_context(|| format!("there is no kernel {name}"))?;
        let series = kernel.series().context("a kernel has a version")?;
        let result = qemu::read_result(&folder.join(&kernel.release))?;
        Ok(outcome::judge(
            &kernel.release,
            series,
            &guest::steps(&result),
        ))
    };
    wanted.iter().map(judge).collect()
}

fn find<'a>(kernels: &'a [Kernel], wanted: &str) -> Result<Option<&'a Kernel>> {
    Ok(if wanted == NEWEST {
        kernels.last()
    } else {
        series::newest(kernels, Series::parse(wanted)?)
    })
}

/// `cost`: the instructions that tracing adds, against the budget.
fn count(write: bool) -> Result<ExitCode> {
    programs::need()?;
    let build = Build::prepare()?;
    let folder = build.workspace.target_dir.join("kernels");
    let programs = Programs::build(&build)?;
    let apt = Apt::prepare(&folder)?;
    let kernels = apt.kernels()?;
    let Some((kernel, packages)) = fetch(&apt, &kernels, cost::SERIES)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let lab = Lab {
        emulator: Emulator::prepare(&apt, &folder)?,
        // The logs of the proof stay.
        folder: folder.join("cost"),
        programs,
        purpose: Purpose::Counting,
        disks: Vec::new(),
    };
    let result = lab.boot(kernel, &packages, &cost::script())?;
    let added = cost::added(&guest::steps(&result))?;
    cost::verdict(&build.workspace.root, &kernel.release, &added, write)
}

/// The kernel wanted and its packages; none, and loudly, where they cannot be had.
fn fetch<'a>(
    apt: &Apt,
    kernels: &'a [Kernel],
    wanted: &str,
) -> Result<Option<(&'a Kernel, Vec<PathBuf>)>> {
    let kernel = find(kernels, wanted)?;
    let packages = kernel
        .context("the archive has no such kernel")
        .and_then(|kernel| Ok((kernel, apt.download(&kernel.packages)?)));
    match packages {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            skip(wanted, &error);
            Ok(None)
        }
    }
}

fn skip(what: &str, error: &anyhow::Error) {
    let rule = "*".repeat(72);
    say(&rule);
    say(&format!(
        "WARNING: {what} SKIPPED, nothing was proven there: {error:#}"
    ));
    say(&rule);
}

fn write_document(path: &Path, tables: &str) -> Result<()> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (head, _) = text
        .split_once(MARK)
        .with_context(|| format!("{} has no line {MARK}", path.display()))?;
    fs::write(path, format!("{head}{MARK}\n{tables}"))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn verdict(outcomes: &[Outcome]) -> ExitCode {
    let mut good = true;
    for outcome in outcomes {
        for problem in &outcome.problems {
            good = false;
            say(&format!("{}: {problem}", outcome.release));
        }
        for (scenario, reason) in &outcome.proof.wrong {
            good = false;
            say(&format!("{}: {scenario}: {reason}", outcome.release));
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
