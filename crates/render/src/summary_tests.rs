//! Golden files of the summary.

use fault_trace_common::{Class, phase::Phase};
use insta::assert_snapshot;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::*;
use fault_trace_model::{
    Run,
    sample::{class, database, process, run, troubled},
};

fn shown(run: &Run, width: usize) -> String {
    let options = SummaryOptions {
        width,
        style: Style::default(),
        live: false,
    };
    summary(&Report::new(run), options)
}

fn hostile() -> Run {
    let names: [&[u8]; 4] = [
        b"\x1b[2Jgone",
        b"two\nlines",
        "数据库\u{202e}gpj".as_bytes(),
        b"bad\xff\xfe",
    ];
    let processes = (1..)
        .zip(names)
        .map(|(pid, name)| process(pid, name, 10, 0))
        .collect();
    let mut run = run(vec![class(Class::AnonAlloc, 40, 900)], processes);
    run.command = vec!["./a\x1b[31m.out".to_owned(), String::new()];
    run.notes = vec!["line\r\x1b]0;title\x07".to_owned()];
    run
}

fn empty() -> Run {
    let mut run = run(Vec::new(), Vec::new());
    run.command.clear();
    run.target = "pid 12, 13".to_owned();
    run.kernel = None;
    run.exit_status = None;
    run
}

#[test]
fn all_well_at_80_columns() {
    assert_snapshot!(shown(&database(), 80));
}

#[test]
fn all_well_at_100_columns() {
    assert_snapshot!(shown(&database(), 100));
}

#[test]
fn all_well_at_140_columns() {
    assert_snapshot!(shown(&database(), 140));
}

#[test]
fn everything_that_went_wrong_is_said() {
    assert_snapshot!(shown(&troubled(), 100));
}

#[test]
fn hostile_names_are_shown_as_escapes() {
    assert_snapshot!(shown(&hostile(), 80));
}

/// Only two classes of faults passed, of two of the processes, and some of that was thinned.
fn filtered() -> Run {
    let mut run = database();
    run.options.filters = vec!["--class file-read,cow-anon".to_owned()];
    run.options.sample = 10;
    let passes = [Class::FileRead, Class::CowAnon];
    run.totals
        .classes
        .retain(|totals| passes.contains(&totals.class));
    for totals in &mut run.totals.classes {
        totals.phases_ns[Phase::Io as usize] = totals.sum_ns / 2;
    }
    for process in &mut run.totals.processes {
        let counts = &mut process.counts;
        (counts.left_out, counts.left_out_ns) = (counts.started, counts.latency_ns);
        counts.left_out_major = counts.major;
        counts.left_out_failed = counts.failed;
    }
    let mut pass = |index: usize, faults: u64, major: u64, latency_ns: u64| {
        let counts = &mut run.totals.processes[index].counts;
        counts.left_out -= faults;
        counts.left_out_major -= major;
        counts.left_out_ns -= latency_ns;
        counts.off_cpu_ns = latency_ns / 2;
    };
    pass(0, 1_224, 3, 5_000_000);
    pass(1, 30_000, 1_190, 300_000_000);
    let totals = &mut run.totals;
    totals.counts.left_out = totals.processes.iter().map(|p| p.counts.left_out).sum();
    totals.counts.off_cpu_ns = 152_500_000;
    totals.counts.recorded = 3_100;
    totals.counts.filtered = totals.counts.started - 3_100;
    run
}

#[test]
fn a_filtered_run_shows_what_passed() {
    assert_snapshot!(shown(&filtered(), 100));
}

#[test]
fn where_nothing_passed_there_is_no_table() {
    let mut run = database();
    run.options.filters = vec!["--address 0x0-0x1000".to_owned()];
    run.options.records_faults = false;
    run.totals.classes.clear();
    for process in &mut run.totals.processes {
        process.counts.left_out = process.counts.started;
    }
    run.totals.counts.left_out = run.totals.counts.started;
    run.totals.counts.filtered = run.totals.counts.started;
    assert_snapshot!(shown(&run, 100));
}

#[test]
fn an_older_recording_with_filters_shows_no_processes() {
    let mut run = filtered();
    run.totals.counts.left_out = 0;
    for process in &mut run.totals.processes {
        process.counts.left_out = 0;
    }
    let report = Report::new(&run);
    assert!(report.accounting.left_out > 1_000_000);
    assert!(!shown(&run, 100).contains("Processes"));
}

#[test]
fn a_run_without_faults_says_so() {
    assert_snapshot!(shown(&empty(), 80));
}

#[test]
fn colours_change_nothing_but_the_colours() {
    let report = Report::new(&troubled());
    let style = Style { colour: true };
    let coloured = summary(
        &report,
        SummaryOptions {
            width: 100,
            style,
            live: false,
        },
    );
    assert!(coloured.contains('\x1b'));
    let mut plain = String::new();
    for (index, part) in coloured.split('\x1b').enumerate() {
        plain += if index == 0 {
            part
        } else {
            part.split_once('m')
                .expect("every escape here sets a colour")
                .1
        };
    }
    // Padding may move to the other side of an escape.
    let trimmed = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    assert_eq!(trimmed(&plain), trimmed(&shown(&troubled(), 100)));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for run in [database(), troubled(), hostile(), empty()] {
        for width in [80, 100, 120, 140] {
            for line in shown(&run, width).lines().skip(2) {
                assert!(line.width() <= width, "{width}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
}

proptest! {
    #[test]
    fn no_control_character_reaches_the_terminal(comm: Vec<u8>, words: [String; 5]) {
        let mut run = hostile();
        run.totals.processes[0].comm = comm;
        let [command, note, host, release, filter] = words;
        run.command.push(command);
        run.notes.push(note);
        run.host.name = host;
        run.host.kernel_release = release;
        run.options.filters.push(filter);
        let is_hostile = |char: char| char.is_control() && char != '\n';
        let text = shown(&run, 100);
        prop_assert!(!text.contains(is_hostile), "{}", text);
    }
}
