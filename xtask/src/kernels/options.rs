//! The command line of the task.

use std::ffi::OsString;

use anyhow::{Context as _, Result, ensure};

use super::series::Series;
use crate::help;

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

/// What the command line asks for.
#[derive(PartialEq, Eq, Default, Debug)]
pub(super) struct Options {
    pub(super) write: bool,
    /// Judge the logs of the last guests, and boot none.
    pub(super) again: bool,
    /// The scenarios to prove, with commas between; empty for all.
    pub(super) scenarios: String,
    pub(super) series: Vec<String>,
}

pub(super) fn parse(args: &[OsString]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--write") => options.write = true,
            Some("--again") => options.again = true,
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
