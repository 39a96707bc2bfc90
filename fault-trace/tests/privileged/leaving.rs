//! Threads that leave the target and come back: by name, user and cgroup.

use nix::sys::signal::Signal;

use crate::support::{Cgroup, Known, Report, Tracer, is_root, range};

/// Counts the faults of a target in the first 1000 pages, while `act` runs programs to their ends.
fn counted(target: [&str; 2], act: impl FnOnce()) -> Report {
    let range = range(1000);
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
    act();
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    report.assert_balanced();
    report
}

/// So many faults of fresh memory and without an exception; the kernel counted nothing else.
fn assert_counted(report: &Report, touched: i64, gup: i64) {
    assert_eq!(report.class("anon-alloc"), touched, "{report:#?}");
    assert_eq!(report.accounting("gup"), gup, "{report:#?}");
    report.assert_nothing_unexplained();
}

#[test]
fn what_a_thread_does_under_another_name_does_not_count() {
    if !is_root() {
        return;
    }
    let steps = [
        "wait",
        "touch:50",
        "name:ft-inside",
        "touch:100",
        "name:ft-outside",
        "touch:400",
        "populate:30",
        "name:ft-inside",
        "touch:7",
        "name:ft-outside",
        "populate:8",
    ];
    let report = counted(["--comm", "ft-inside"], || Known::waiting(&steps).finish());
    assert_counted(&report, 107, 0);
}

#[test]
fn faults_without_an_exception_count_while_the_name_is_right() {
    if !is_root() {
        return;
    }
    let steps = [
        "wait",
        "name:ft-inside",
        "touch:1",
        "populate:10",
        "name:ft-outside",
        "populate:20",
        "touch:2",
        "name:ft-inside",
        "touch:3",
        "populate:40",
    ];
    let report = counted(["--comm", "ft-inside"], || Known::waiting(&steps).finish());
    assert_counted(&report, 4, 50);
}

#[test]
fn a_thread_that_leaves_and_lives_on_is_compared_up_to_then() {
    if !is_root() {
        return;
    }
    let steps = [
        "name:ft-inside",
        "wait",
        "touch:20",
        "name:ft-outside",
        "touch:300",
        "populate:10",
        "wait",
    ];
    let mut known = Known::waiting(&steps);
    let report = counted(["--comm", "ft-inside"], || {
        known.go_on();
        known.until("ready");
    });
    assert_counted(&report, 20, 0);
    known.finish();
}

#[test]
fn threads_of_a_name_are_counted_each_for_itself() {
    if !is_root() {
        return;
    }
    let steps = [
        "wait",
        "named:ft-inside:30",
        "named:ft-outside:40",
        "called:ft-inside:5",
        "named:ft-inside:10",
    ];
    let report = counted(["--comm", "ft-inside"], || Known::waiting(&steps).finish());
    assert_counted(&report, 45, 0);
}

#[test]
fn a_fault_belongs_to_the_name_that_it_began_under() {
    if !is_root() {
        return;
    }
    let steps = ["wait", "stuck-named:ft-inside:ft-outside"];
    let report = counted(["--comm", "ft-inside"], || Known::waiting(&steps).finish());
    assert_eq!(report.number("/total/count"), 1, "{report:#?}");
    assert_eq!(report.accounting("open"), 0);
    assert_counted(&report, 0, 0);

    let steps = ["wait", "stuck-named:ft-outside:ft-inside"];
    let report = counted(["--comm", "ft-inside"], || Known::waiting(&steps).finish());
    assert_eq!(report.number("/total/count"), 0, "{report:#?}");
    assert_counted(&report, 0, 0);
}

#[test]
fn what_a_thread_does_as_another_user_does_not_count() {
    if !is_root() {
        return;
    }
    let steps = [
        "wait",
        "touch:9",
        "real-user:65533",
        "touch:30",
        "populate:5",
        "real-user:0",
        "touch:200",
        "populate:60",
        "real-user:65533",
        "touch:4",
        "real-user:0",
    ];
    let report = counted(["--user", "65533"], || Known::waiting(&steps).finish());
    assert_counted(&report, 34, 5);
}

#[test]
fn what_a_process_does_in_another_cgroup_does_not_count() {
    if !is_root() {
        return;
    }
    let Some(parent) = Cgroup::new("fault-trace-leaving") else {
        return;
    };
    let (inside, outside) = (parent.below("inside"), parent.below("outside"));
    let steps = [
        "wait",
        "touch:30",
        "populate:6",
        "wait",
        "touch:400",
        "populate:50",
        "wait",
        "touch:5",
        "wait",
        "populate:3",
    ];
    let mut known = Known::waiting(&steps);
    let report = counted(["--cgroup", inside.path()], || {
        for cgroup in [&inside, &outside, &inside] {
            cgroup.add(&known);
            known.go_on();
            known.until("ready");
        }
        outside.add(&known);
        known.finish();
    });
    assert_counted(&report, 35, 6);
}
