use std::ffi::OsString;

use fault_trace_common::{Class, Family};

use super::*;
use crate::{filter::Condition, options::Target};

fn parse(line: &str) -> Result<Command, clap::Error> {
    crate::cli::parse(line.split_whitespace().map(OsString::from))
}

#[test]
fn the_declaration_is_sound() {
    use clap::CommandFactory as _;
    Arguments::command().debug_assert();
}

#[test]
fn a_command_is_taken_as_it_is() {
    let Ok(Command::Record(capture, _)) = parse("fault-trace record -- ls -lR --all") else {
        panic!("not a record command");
    };
    assert_eq!(
        capture.target,
        Target::Launch(["ls", "-lR", "--all"].map(OsString::from).to_vec())
    );
}

#[test]
fn descendants_are_traced_and_not_waited_for_unless_told() {
    let options = |line: &str| match parse(line) {
        Ok(Command::Stat(capture, _)) => Some((capture.children, capture.wait)),
        _ => None,
    };
    assert_eq!(options("fault-trace stat -p 7"), Some((true, false)));
    assert_eq!(
        options("fault-trace stat --no-children --wait -p 7"),
        Some((false, true))
    );
    assert_eq!(options("fault-trace stat --wait -- ls"), Some((true, true)));
    for target in ["-a", "-t 7", "-u me", "--comm ls", "--cgroup /", "-- ls"] {
        assert_eq!(
            options(&format!("fault-trace stat --no-children {target}")),
            None
        );
    }
    assert_eq!(options("fault-trace stat --wait -a"), None);
}

#[test]
fn a_target_is_needed_and_only_one() {
    for wrong in [
        "record",
        "record -a -p 1",
        "stat -p 1 -- ls",
        "trace -t 1 -a",
        "record -p 0",
    ] {
        assert!(parse(&format!("fault-trace {wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn lists_are_split_at_commas() {
    let Ok(Command::Stat(capture, _)) =
        parse("fault-trace stat -p 1,2 -p 3 --class cow-anon,swap-in --family cow")
    else {
        panic!("not a stat command");
    };
    assert_eq!(capture.target, Target::Processes(vec![1, 2, 3]));
    let filter = [
        Condition::Class(Class::CowAnon),
        Condition::Class(Class::SwapIn),
        Condition::Family(Family::Cow),
    ];
    assert_eq!(capture.filter, filter.into_iter().collect());
}
