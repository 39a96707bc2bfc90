//! Task `kernels`: the class proof and the reconciliation on real Debian kernels, under software
//! emulation, one after the other.

mod apt;
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

use anyhow::{Context as _, Result};

use crate::{
    command::{self, say},
    help,
    setup::Build,
};

use apt::Apt;
use emulator::Emulator;
use outcome::Outcome;
use programs::Programs;
use qemu::Guest;
use series::{Kernel, Series};

/// The newest series that there is.
const NEWEST: &str = "newest";
const DEFAULT: [&str; 3] = ["6.1", "6.12", NEWEST];
const DOCUMENT: &str = "docs/kernels.md";
/// What follows this line of the document is written by the task.
const MARK: &str = "<!-- Written by `cargo xtask kernels --write`. -->\n";

pub(crate) fn task(args: &[OsString]) -> Result<ExitCode> {
    let (write, wanted) = parse(args)?;
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
    let emulator = Emulator::prepare(&apt, &folder)?;
    let mut outcomes = Vec::new();
    for name in &wanted {
        if let Some((kernel, packages)) = fetch(&apt, &kernels, name)? {
            outcomes.push(prove(&folder, kernel, &packages, &programs, &emulator)?);
        }
    }
    let tables = table::markdown(&outcomes);
    print!("{tables}");
    if write {
        write_document(&build.workspace.root.join(DOCUMENT), &tables)?;
    }
    Ok(verdict(&outcomes))
}

/// Whether to write the document, and the series wanted.
fn parse(args: &[OsString]) -> Result<(bool, Vec<String>)> {
    let mut write = false;
    let mut wanted = Vec::new();
    for arg in args {
        match arg.to_str() {
            Some("--write") => write = true,
            Some(NEWEST) => wanted.push(NEWEST.to_owned()),
            Some(series) if Series::parse(series).is_ok() => wanted.push(series.to_owned()),
            _ => return Err(help::unexpected(arg)),
        }
    }
    if wanted.is_empty() {
        wanted = DEFAULT.map(str::to_owned).to_vec();
    }
    Ok((write, wanted))
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

/// Unpacks the kernel, boots it, and judges what it shows.
fn prove(
    folder: &Path,
    kernel: &Kernel,
    packages: &[PathBuf],
    programs: &Programs,
    emulator: &Emulator,
) -> Result<Outcome> {
    let series = kernel.series().context("a kernel has a version")?;
    let folder = folder.join(&kernel.release);
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
        emulator,
        kernel: boot_image(&unpacked, &kernel.release)?,
        image: image::build(programs, &unpacked, &guest::script(series), &folder)?,
        folder,
    };
    say(&format!("booting {} ...", kernel.release));
    let result = guest.run().unwrap_or_else(|error| {
        say(&format!("{error:#}"));
        String::new()
    });
    Ok(outcome::judge(&kernel.release, series, &result))
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

    fn parsed(args: &[&str]) -> Option<(bool, Vec<String>)> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        parse(&args).ok()
    }

    #[test]
    fn series_are_given_or_the_default() {
        let default = || DEFAULT.map(str::to_owned).to_vec();
        assert_eq!(parsed(&[]), Some((false, default())));
        assert_eq!(parsed(&["--write"]), Some((true, default())));
        assert_eq!(
            parsed(&["5.10", "newest"]),
            Some((false, vec!["5.10".to_owned(), NEWEST.to_owned()]))
        );
        for wrong in [&["all"][..], &["6"], &["--fast"]] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
    }
}
