//! What `cargo xtask bench` is asked for.

use std::{convert::Infallible, num::NonZero, path::PathBuf};

use clap::Args;

use super::workload::Workload;

#[derive(Args, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Fewer rounds, for a look
    #[arg(long = "quick")]
    pub(super) is_quick: bool,
    /// Rounds, instead of the number that `--quick` stands for, or its absence
    #[arg(long, value_name = "N")]
    pub(super) rounds: Option<NonZero<usize>>,
    /// Keep the results as JSON; `-` is standard output, instead of the text
    #[arg(long, value_name = "FILE", value_parser = sink)]
    pub(super) json: Option<Sink>,
    /// Draw the results
    #[arg(long, value_name = "FILE.svg")]
    pub(super) picture: Option<PathBuf>,
    /// Keep the results in docs/cost.md, and the picture beside it
    #[arg(long = "write")]
    pub(super) is_written: bool,
    /// Instead of all else, record every CPU at full speed for a minute, or as long as given
    #[arg(long = "endurance", value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    pub(super) endurance_s: Option<NonZero<u64>>,
    /// Measure only these modes
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(super) modes: Vec<String>,
    /// Measure only these workloads
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = workload)]
    pub(super) workloads: Vec<Workload>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    /// Instead of the text.
    Stdout,
    File(PathBuf),
}

#[expect(clippy::unnecessary_wraps, reason = "clap asks for a result")]
fn sink(value: &str) -> Result<Sink, Infallible> {
    Ok(match value {
        "-" => Sink::Stdout,
        file => Sink::File(file.into()),
    })
}

fn workload(name: &str) -> Result<Workload, String> {
    let found = Workload::ALL.into_iter().find(|load| load.name() == name);
    found.ok_or_else(|| {
        let names = Workload::ALL.map(Workload::name).join(", ");
        format!("no workload is called `{name}`; there are {names}")
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parsed(args: &[&str]) -> Option<Options> {
        let line = Line::try_parse_from(["bench"].iter().chain(args));
        line.ok().map(|line| line.options)
    }

    #[test]
    fn options_come_in_any_order() {
        let options = parsed(&["--json", "-", "--quick", "--rounds", "5"]).expect("good");
        assert!(options.is_quick);
        assert_eq!(options.rounds, NonZero::new(5));
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
        let seconds = |args: &[&str]| {
            let options = parsed(args)?;
            Some(options.endurance_s.map(NonZero::get))
        };
        assert_eq!(seconds(&["--endurance"]), Some(Some(60)));
        assert_eq!(seconds(&["--endurance", "5"]), Some(Some(5)));
        assert_eq!(seconds(&["--endurance", "--json", "-"]), Some(Some(60)));
        assert_eq!(seconds(&["--endurance", "0"]), None);
        assert_eq!(seconds(&[]), Some(None));
    }

    #[test]
    fn nothing_else_is_taken() {
        assert_eq!(parsed(&["--fast"]), None);
        assert_eq!(parsed(&["--picture"]), None);
        assert_eq!(parsed(&["--rounds", "few"]), None);
        assert_eq!(parsed(&["--rounds", "0"]), None);
    }
}
