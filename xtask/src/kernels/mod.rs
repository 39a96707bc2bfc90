//! Task `kernels`: the class proof and the reconciliation on real Debian kernels, under software
//! emulation, one after the other.

mod apt;
mod cost;
mod disks;
mod elsewhere;
mod emulator;
mod guest;
mod image;
mod modules;
mod outcome;
mod programs;
mod proof;
mod qemu;
mod series;
mod table;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    command::{self, say},
    help,
    setup::Build,
};

use apt::Apt;
use disks::Disk;
use emulator::Emulator;
use outcome::Outcome;
use programs::Programs;
use qemu::{Guest, Purpose};
use series::{Kernel, Series};

/// The newest series that there is.
const NEWEST: &str = "newest";
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
const DOCUMENT: &str = "docs/kernels.md";
/// What follows this line of the document is written by the task.
const MARK: &str = "<!-- Written by `cargo xtask kernels --write`. -->\n";

/// What the command line asks for.
#[derive(PartialEq, Eq, Default, Debug)]
struct Options {
    write: bool,
    /// The scenarios to prove, with commas between; empty for all.
    scenarios: String,
    series: Vec<String>,
}

pub(crate) fn task(args: &[OsString]) -> Result<ExitCode> {
    if let Some((first, rest)) = args.split_first()
        && first == "cost"
    {
        return count(rest);
    }
    let options = parse(args)?;
    programs::need()?;
    let build = Build::prepare()?;
    let folder = build.workspace.target_dir.join("kernels");
    let programs = Programs::build(&build)?;
    let apt = Apt::prepare(&folder)?;
    let kernels = match apt.kernels() {
        Ok(kernels) => kernels,
        Err(error) => {
            skip("every kernel", &error);
            return Ok(ExitCode::SUCCESS);
        }
    };
    let lab = Lab {
        emulator: Emulator::prepare(&apt, &folder)?,
        programs,
        purpose: Purpose::Proof,
        disks: if options.scenarios.is_empty() {
            disks::prepare(&apt, &folder)
        } else {
            Vec::new()
        },
        folder,
    };
    let file_systems: Vec<&str> = lab.disks.iter().map(|disk| disk.file_system).collect();
    let mut outcomes = Vec::new();
    for name in &options.series {
        if let Some((kernel, packages)) = fetch(&apt, &kernels, name)? {
            let series = kernel.series().context("a kernel has a version")?;
            let script = guest::script(series, &options.scenarios, &file_systems);
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
    let tables = table::markdown(&outcomes);
    print!("{tables}");
    if options.write {
        write_document(&build.workspace.root.join(DOCUMENT), &tables)?;
    }
    Ok(verdict(&outcomes))
}

/// `cost`: the instructions that tracing adds, against the budget.
fn count(args: &[OsString]) -> Result<ExitCode> {
    let write = match args {
        [] => false,
        [arg] if arg == "--write" => true,
        [arg, ..] => return Err(help::unexpected(arg)),
    };
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
        folder,
        programs,
        purpose: Purpose::Counting,
        disks: Vec::new(),
    };
    let result = lab.boot(kernel, &packages, &cost::script())?;
    let added = cost::added(&guest::steps(&result))?;
    cost::verdict(&build.workspace.root, &kernel.release, &added, write)
}

fn parse(args: &[OsString]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--write") => options.write = true,
            Some("--quick") => options.scenarios = QUICK.join(","),
            Some("--scenarios") => {
                let names = args.next().and_then(|names| names.to_str());
                options.scenarios = names
                    .filter(|names| is_list_of_names(names))
                    .context("--scenarios needs names with commas between")?
                    .to_owned();
            }
            Some(NEWEST) => options.series.push(NEWEST.to_owned()),
            Some(series) if Series::parse(series).is_ok() => {
                options.series.push(series.to_owned());
            }
            _ => return Err(help::unexpected(arg)),
        }
    }
    if options.series.is_empty() {
        options.series = DEFAULT.map(str::to_owned).to_vec();
    }
    ensure!(
        !options.write || options.scenarios.is_empty(),
        "the document is about all scenarios"
    );
    Ok(options)
}

/// Nothing that a shell would take for something else.
fn is_list_of_names(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == ',';
    !text.is_empty() && text.chars().all(is_part)
}

/// The kernel wanted and its packages; none, and loudly, where they cannot be had.
fn fetch<'a>(
    apt: &Apt,
    kernels: &'a [Kernel],
    wanted: &str,
) -> Result<Option<(&'a Kernel, Vec<PathBuf>)>> {
    let kernel = if wanted == NEWEST {
        kernels.last()
    } else {
        series::newest(kernels, Series::parse(wanted)?)
    };
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

/// What every guest gets.
struct Lab {
    folder: PathBuf,
    programs: Programs,
    emulator: Emulator,
    purpose: Purpose,
    disks: Vec<Disk>,
}

impl Lab {
    /// Unpacks the kernel and boots it with a script; returns what that wrote.
    fn boot(&self, kernel: &Kernel, packages: &[PathBuf], script: &str) -> Result<String> {
        let folder = self.folder.join(&kernel.release);
        let unpacked = folder.join("kernel");
        fs::create_dir_all(&unpacked)?;
        for package in packages {
            command::run(
                Command::new("dpkg-deb")
                    .arg("-x")
                    .arg(package)
                    .arg(&unpacked),
            )?;
        }
        let guest = Guest {
            purpose: self.purpose,
            emulator: &self.emulator,
            disks: &self.disks,
            kernel: boot_image(&unpacked, &kernel.release)?,
            image: image::build(&self.programs, &unpacked, script, &folder)?,
            folder,
        };
        say(&format!("booting {} ...", kernel.release));
        guest.run()
    }
}

fn boot_image(unpacked: &Path, release: &str) -> Result<PathBuf> {
    [
        format!("boot/vmlinuz-{release}"),
        format!("usr/lib/modules/{release}/vmlinuz"),
    ]
    .map(|path| unpacked.join(path))
    .into_iter()
    .find(|path| path.exists())
    .with_context(|| format!("the packages of {release} hold no vmlinuz"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Option<Options> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        parse(&args).ok()
    }

    fn all(series: &[&str]) -> Options {
        Options {
            series: series.iter().map(|&name| name.to_owned()).collect(),
            ..Options::default()
        }
    }

    #[test]
    fn series_are_given_or_the_default() {
        assert_eq!(parsed(&[]), Some(all(&DEFAULT)));
        assert_eq!(parsed(&["5.10", "newest"]), Some(all(&["5.10", NEWEST])));
        let written = Options {
            write: true,
            ..all(&DEFAULT)
        };
        assert_eq!(parsed(&["--write"]), Some(written));
        for wrong in [&["all"][..], &["6"], &["--fast"], &["--scenarios"]] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn scenarios_are_names_and_leave_the_document_alone() {
        let chosen = Options {
            scenarios: "oom,segv-pkey".to_owned(),
            ..all(&["6.1"])
        };
        let args = ["--scenarios", "oom,segv-pkey", "6.1"];
        assert_eq!(parsed(&args), Some(chosen));
        assert_eq!(parsed(&["--scenarios", "a; reboot"]), None);
        assert_eq!(parsed(&["--write", "--quick"]), None);
        let quick = parsed(&["--quick"]).expect("an option");
        assert!(quick.scenarios.contains("anon-alloc,anon-zero"));
    }
}
