//! What is compared: fault-trace, the floor, and peers that are installed.

mod peers;

use anyhow::Result;
use clap::error::ErrorKind;

use super::{options::Options, setting::Setting, workload::Workload};

/// How tracer and workload come together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// No tracer.
    Alone,
    /// The tracer starts the workload.
    Launches,
    /// The tracer is there first, and is ended after the workload.
    Beside,
}

/// What the tracer leaves for us to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leaves {
    Nothing,
    /// The report of `stat` as JSON, in [`Setting::output`].
    Report,
    /// A recording in [`Setting::recording`].
    Recording,
    /// Counts of `perf stat -x,`, in [`Setting::output`].
    PerfCounts,
    /// A recording of perf, in [`Setting::output`].
    PerfData,
    /// A line a fault, in [`Setting::output`].
    PerfTrace,
    /// Maps on standard output.
    Bpftrace,
}

/// Whose tool it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Maker {
    Nobody,
    Ours,
    Perf,
    Bpftrace,
}

pub(super) struct Mode {
    pub(super) name: &'static str,
    pub(super) maker: Maker,
    pub(super) shape: Shape,
    /// The tracer's command line, without the workload.
    pub(super) tracer: Vec<String>,
    pub(super) leaves: Leaves,
    /// Too slow for every round, and for more than one workload.
    pub(super) is_slow: bool,
    /// Measured with every workload even when little time is given.
    pub(super) is_central: bool,
}

/// A peer that cannot be measured here.
#[derive(Debug)]
pub(super) struct Skipped {
    pub(super) name: &'static str,
    pub(super) reason: String,
}

pub(super) const UNTRACED: &str = "untraced";
pub(super) const FLOOR: &str = "floor";
pub(super) const STAT: &str = "stat";
pub(super) const STAT_ALL: &str = "stat -a";
pub(super) const STAT_OTHER: &str = "stat -p OTHER";
pub(super) const RECORD: &str = "record";
pub(super) const RECORD_ALL: &str = "record -a";
pub(super) const RECORD_OTHER: &str = "record -p OTHER";
pub(super) const PERF_STAT_ALL: &str = "perf stat -a";
pub(super) const PERF_RECORD: &str = "perf record";
pub(super) const BPFTRACE_HISTOGRAM: &str = "bpftrace histogram";

/// Stands for the process id of another process, which is the target.
pub(super) const OTHER: &str = "OTHER";

impl Mode {
    pub(super) fn is_wanted(&self, load: Workload, round: usize, setting: &Setting) -> bool {
        /// A slow mode is measured once in so many rounds.
        const SLOW_EVERY: usize = 3;
        let is_first = matches!(load, Workload::Nothing | Workload::Anonymous);
        if self.is_slow {
            return is_first && round.is_multiple_of(SLOW_EVERY);
        }
        is_first || self.is_central || !setting.is_quick
    }
}

/// Those that are asked for, and the untraced workload always; the others' absence is told.
pub(super) fn modes(options: &Options, setting: &Setting) -> Result<(Vec<Mode>, Vec<Skipped>)> {
    let mut modes = ours(setting);
    modes.extend(peers::all(setting));
    for name in &options.modes {
        ensure_known(name, &modes)?;
    }
    modes.retain(|mode| {
        let is_asked = || options.modes.iter().any(|name| name == mode.name);
        options.modes.is_empty() || mode.name == UNTRACED || is_asked()
    });
    let mut skipped = Vec::new();
    modes.retain(|mode| match peers::obstacle(mode) {
        None => true,
        Some(reason) => {
            skipped.push(Skipped {
                name: mode.name,
                reason,
            });
            false
        }
    });
    Ok((modes, skipped))
}

fn ensure_known(name: &str, modes: &[Mode]) -> Result<()> {
    if modes.iter().any(|mode| mode.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = modes.iter().map(|mode| mode.name).collect();
    let message = format!(
        "no mode is called `{name}`; there are {}\n",
        names.join(", ")
    );
    Err(clap::Error::raw(ErrorKind::InvalidValue, message).into())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn ours(setting: &Setting) -> Vec<Mode> {
    let program = setting.programs.fault_trace.to_string_lossy();
    let recording = setting.recording().to_string_lossy().into_owned();
    let output = setting.output().to_string_lossy().into_owned();
    let mode = |name, arguments: &[&str], is_central| {
        let (base, leaves): (&[&str], _) = match arguments {
            ["stat", ..] => (&["--format", "json", "-o", &output], Leaves::Report),
            _ => (&["-o", &recording], Leaves::Recording),
        };
        let is_beside = arguments.iter().any(|word| ["-a", "-p"].contains(word));
        let (command, rest) = arguments.split_at(1);
        Mode {
            name,
            maker: Maker::Ours,
            shape: if is_beside {
                Shape::Beside
            } else {
                Shape::Launches
            },
            tracer: words(&[&[&*program], command, base, rest].concat()),
            leaves,
            is_slow: false,
            is_central,
        }
    };
    let floor = setting.programs.floor.to_string_lossy();
    let bare = |name, shape, tracer| Mode {
        name,
        maker: Maker::Nobody,
        shape,
        tracer,
        leaves: Leaves::Nothing,
        is_slow: false,
        is_central: true,
    };
    vec![
        bare(UNTRACED, Shape::Alone, Vec::new()),
        bare(FLOOR, Shape::Beside, words(&[&floor])),
        bare(
            "floor evidence",
            Shape::Beside,
            words(&[&floor, "evidence"]),
        ),
        mode(STAT, &["stat"], true),
        mode(STAT_ALL, &["stat", "-a"], true),
        mode(STAT_OTHER, &["stat", "-p", OTHER], true),
        mode(RECORD, &["record"], true),
        mode(RECORD_ALL, &["record", "-a"], true),
        mode(RECORD_OTHER, &["record", "-p", OTHER], true),
        mode("record -g", &["record", "-g"], false),
        mode(
            "record --sample 1/64",
            &["record", "--sample", "1/64"],
            false,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::setting::tests::setting;

    #[test]
    fn a_selection_always_has_the_untraced_workload_beside_it() {
        let options = Options {
            modes: words(&["record -a"]),
            ..Options::default()
        };
        let (modes, skipped) = modes(&options, &setting()).expect("known");
        let names: Vec<_> = modes.iter().map(|mode| mode.name).collect();
        assert_eq!(names, [UNTRACED, RECORD_ALL]);
        assert!(skipped.is_empty());
    }

    #[test]
    fn an_unknown_mode_is_a_usage_error_that_names_the_known_ones() {
        let options = Options {
            modes: words(&["rekord"]),
            ..Options::default()
        };
        let error = modes(&options, &setting()).map(drop).expect_err("unknown");
        assert!(error.is::<clap::Error>());
        assert!(error.to_string().contains("record --sample 1/64"));
    }

    #[test]
    fn names_are_unique() {
        let mut modes = ours(&setting());
        modes.extend(peers::all(&setting()));
        let mut names: Vec<_> = modes.iter().map(|mode| mode.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), modes.len());
    }

    #[test]
    fn the_words_of_a_mode_stand_behind_where_it_writes() {
        let modes = ours(&setting());
        let record = modes.iter().find(|mode| mode.name == "record -g");
        let record = record.expect("there");
        assert_eq!(record.shape, Shape::Launches);
        assert_eq!(record.tracer[1..3], ["record", "-o"]);
        assert_eq!(record.tracer.last().map(String::as_str), Some("-g"));
    }
}
