//! Golden files of the summary.

use fault_trace_common::Class;
use insta::assert_snapshot;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::{
    analysis::sample::{class, database, process, run, troubled},
    model::Run,
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
