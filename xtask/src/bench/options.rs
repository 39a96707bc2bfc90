//! What `cargo xtask bench` is asked for.

use std::{ffi::OsString, path::PathBuf};

use anyhow::Result;

use super::workload::Workload;
use crate::help;

/// Seconds that `--endurance` takes when none are given.
const ENDURANCE_S: u64 = 60;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) is_quick: bool,
    /// Instead of the number that `--quick` stands for, or its absence.
    pub(super) rounds: Option<usize>,
    pub(super) json: Option<Sink>,
    pub(super) picture: Option<PathBuf>,
    /// Keep the results in docs/cost.md, and the picture beside it.
    pub(super) is_written: bool,
    /// Seconds; then nothing else is measured.
    pub(super) endurance_s: Option<u64>,
    /// Names of modes; none means all. [`super::modes`] checks them.
    pub(super) modes: Vec<String>,
    /// None means all.
    pub(super) workloads: Vec<Workload>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sink {
    /// Instead of the text.
    Stdout,
    File(PathBuf),
}

pub(super) fn parse(args: &[OsString]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        let mut value = || {
            let value = args.next().and_then(|value| value.to_str());
            value.ok_or_else(|| help::usage_error(format!("{} takes a value", arg.display())))
        };
        match arg.to_str() {
            Some("--quick") => options.is_quick = true,
            Some("--write") => options.is_written = true,
            Some("--rounds") => options.rounds = Some(number(value()?)?),
            Some("--json") => {
                options.json = Some(match value()? {
                    "-" => Sink::Stdout,
                    file => Sink::File(file.into()),
                });
            }
            Some("--picture") => options.picture = Some(value()?.into()),
            Some("--modes") => options.modes = value()?.split(',').map(str::to_owned).collect(),
            Some("--workloads") => {
                options.workloads = value()?.split(',').map(workload).collect::<Result<_>>()?;
            }
            Some("--endurance") => {
                let seconds = args.next_if(|next| !next.as_encoded_bytes().starts_with(b"-"));
                options.endurance_s = Some(match seconds {
                    Some(seconds) => number(&seconds.to_string_lossy())? as u64,
                    None => ENDURANCE_S,
                });
            }
            _ => return Err(help::unexpected(arg)),
        }
    }
    Ok(options)
}

fn number(text: &str) -> Result<usize> {
    let number = text.parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| help::usage_error(format!("`{text}` is no number above 0")))
}

fn workload(name: &str) -> Result<Workload> {
    let found = Workload::ALL.into_iter().find(|load| load.name() == name);
    found.ok_or_else(|| {
        let names = Workload::ALL.map(Workload::name).join(", ");
        help::usage_error(format!("no workload is called `{name}`; there are {names}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Option<Options> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        parse(&args).ok()
    }

    #[test]
    fn options_come_in_any_order() {
        let options = parsed(&["--json", "-", "--quick", "--rounds", "5"]).expect("good");
        assert!(options.is_quick);
        assert_eq!(options.rounds, Some(5));
        assert_eq!(options.json, Some(Sink::Stdout));
        assert_eq!(parsed(&[]), Some(Options::default()));
    }

    #[test]
    fn modes_and_workloads_are_chosen_by_name() {
        let options = parsed(&["--modes", "stat -a,record", "--workloads", "fork,innocent"]);
        let options = options.expect("good");
        assert_eq!(options.modes, ["stat -a", "record"]);
        assert_eq!(options.workloads, [Workload::Fork, Workload::Innocent]);
        assert_eq!(parsed(&["--workloads", "frok"]), None);
    }

    #[test]
    fn endurance_lasts_a_minute_unless_told() {
        let seconds = |args: &[&str]| parsed(args).map(|options| options.endurance_s);
        assert_eq!(seconds(&["--endurance"]), Some(Some(60)));
        assert_eq!(seconds(&["--endurance", "5"]), Some(Some(5)));
        assert_eq!(seconds(&["--endurance", "--json", "-"]), Some(Some(60)));
        assert_eq!(seconds(&["--endurance", "0"]), None);
    }

    #[test]
    fn nothing_else_is_taken() {
        assert_eq!(parsed(&["--fast"]), None);
        assert_eq!(parsed(&["--picture"]), None);
        assert_eq!(parsed(&["--rounds", "few"]), None);
    }
}
