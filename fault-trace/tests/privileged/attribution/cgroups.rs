//! Selection in the kernel by cgroup, user and name, and the cgroup that a fault is laid to.

use std::path::Path;

use nix::sys::signal::Signal;
use tempfile::tempdir;

use super::Recorded;
use crate::support::{Cgroup, Known, Report, Tracer, is_root, range, run, skip, text};

/// Counts the faults of the target in the first 100 pages, while these programs run to their ends.
fn counted(target: [&str; 2], programs: impl IntoIterator<Item = Known>) -> Report {
    let range = range(100);
    let [option, value] = target;
    let tracer = Tracer::attached([
        "stat",
        "--format",
        "json",
        "--address",
        &range,
        option,
        value,
    ]);
    programs.into_iter().for_each(Known::finish);
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    report.assert_balanced();
    report
}

#[test]
fn a_cgroup_is_traced_with_those_below_it_and_nobody_else() {
    if !is_root() {
        return;
    }
    let Some(parent) = Cgroup::new("fault-trace-test") else {
        return;
    };
    let (one, other) = (parent.below("one"), parent.below("other"));
    for (traced, expected) in [(&parent, 70), (&one, 30), (&other, 40)] {
        let in_one = Known::waiting(&["wait", "touch:30"]);
        let in_other = Known::waiting(&["wait", "touch:40"]);
        let outside = Known::waiting(&["wait", "touch:50"]);
        one.add(&in_one);
        other.add(&in_other);
        let report = counted(["--cgroup", traced.path()], [in_one, in_other, outside]);
        assert_eq!(report.class("anon-alloc"), expected, "{}", traced.path());
    }
}

#[test]
fn a_process_that_moves_is_laid_to_the_cgroup_it_was_in() {
    if !is_root() {
        return;
    }
    let Some(parent) = Cgroup::new("fault-trace-moving") else {
        return;
    };
    let (one, other) = (parent.below("one"), parent.below("other"));
    let mut known = Known::waiting(&["wait", "touch:30", "wait", "touch:40"]);
    one.add(&known);
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("r.ftrace");
    let range = range(100);
    let tracer = Tracer::attached([
        "record",
        "--format",
        "json",
        "--address",
        &range,
        "--cgroup",
        parent.path(),
        "-o",
        path.to_str().expect("plain"),
    ]);
    known.go_on();
    known.until("ready");
    other.add(&known);
    known.finish();
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    report.assert_balanced();
    let recorded = Recorded::open(&path);
    let faults = |cgroup: &Cgroup| {
        let name = cgroup.0.file_name().expect("a name").as_encoded_bytes();
        let at = |fault: &fault_trace::model::Fault| {
            let id = recorded
                .tables
                .cgroup_at(fault.pid, fault.tid, fault.time_ns)?;
            Some(recorded.tables.cgroup_path(id)?.ends_with(name))
        };
        recorded
            .faults
            .iter()
            .filter(|fault| at(fault) == Some(true))
            .count()
    };
    assert_eq!((faults(&one), faults(&other)), (30, 40));
}

#[test]
fn a_cgroup_of_version_1_or_none_is_explained() {
    if !is_root() {
        return;
    }
    let output = run(["stat", "--cgroup", "/no/such/cgroup"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("no cgroup"), "{output:?}");
    if !Path::new("/sys/fs/cgroup/memory/tasks").exists() {
        skip("there are no cgroups of version 1");
        return;
    }
    let output = run(["stat", "--cgroup", "/sys/fs/cgroup/memory"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("version 1"), "{output:?}");
}

#[test]
fn a_user_is_traced_and_nobody_else() {
    if !is_root() {
        return;
    }
    let theirs = Known::waiting(&["user:65534", "wait", "touch:30"]);
    let ours = Known::waiting(&["wait", "touch:50"]);
    let report = counted(["--user", "nobody"], [theirs, ours]);
    assert_eq!(report.class("anon-alloc"), 30);
    assert_eq!(report.0["target"], "user nobody");
}

#[test]
fn a_name_is_traced_and_no_other() {
    if !is_root() {
        return;
    }
    let one = Known::waiting(&["wait", "touch:30"]);
    let other = Known::waiting(&["name:other-name", "wait", "touch:50"]);
    let report = counted(["--comm", "other-name"], [one, other]);
    assert_eq!(report.class("anon-alloc"), 50);
}
