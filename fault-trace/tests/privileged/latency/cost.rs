//! CPU time of what is traced, against what the shell and the kernel say.

use fault_trace::host::cpu_time;
use nix::sys::signal::Signal;

use crate::{
    is_root,
    support::{Known, Report, Tracer, run, text},
};

/// A shell with a child that it waits for itself; both work, and tell their times at the end.
const SHELL: &str = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; \
    (i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done); times >&2";

/// The seconds in what `times` prints, as in `0m0.21s`, user and system, the shell's and its children's.
fn seconds(times: &str) -> f64 {
    let times = times.split_whitespace().filter_map(|time| {
        let (minutes, seconds) = time.strip_suffix('s')?.split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    });
    times.sum()
}

#[test]
fn a_command_and_its_children_have_the_cpu_time_that_wait_tells() {
    if !is_root() {
        return;
    }
    let output = run(["stat", "--format", "json", "--", "sh", "-c", SHELL]);
    let report = Report::of(&output);
    let all_ns = report.number("/cost/cpu_ns");
    let mut own = report.processes().iter().map(|row| &row["cpu_ns"]);
    let shell_ns = own.clone().find_map(serde_json::Value::as_i64);
    let shell_ns = shell_ns.expect("the tracer waited for the shell itself");
    assert!(0 < shell_ns && shell_ns < all_ns, "{shell_ns} of {all_ns}");
    assert!(
        own.any(serde_json::Value::is_null),
        "the shell waited for its child"
    );
    let told = seconds(text(&output.stderr));
    // Each of the four times is rounded down to the shell's 10 ms, and the shell goes on after it.
    assert!(
        told > 0.0 && all_ns as f64 / 1e9 >= told - 0.04,
        "{all_ns} ns, {told} s"
    );
}

#[test]
fn an_attached_process_has_the_cpu_time_of_the_run_alone() {
    if !is_root() {
        return;
    }
    let mut known = Known::waiting(&["wait", "touch:64", "wait"]);
    let pid = known.pid();
    let tracer = Tracer::attached(["stat", "--format", "json", "-p", &pid.to_string()]);
    known.go_on();
    known.until("ready");
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    let whole_ns = cpu_time::of_process(pid).expect("it lives");
    let process = report.process(pid);
    let cpu_ns = process["cpu_ns"].as_u64().expect("it lives");
    // It was started before.
    assert!(0 < cpu_ns && cpu_ns < whole_ns, "{cpu_ns} of {whole_ns}");
    assert_eq!(report.0["cost"]["cpu_ns"], cpu_ns);
    let threads = report.0["threads"].as_array().expect("a list");
    let [thread] = threads.as_slice() else {
        panic!("one thread: {threads:#?}");
    };
    assert_eq!(thread["latency_ns"], process["latency_ns"]);
    // While a thread runs, its own statistics lag behind.
    assert!(
        thread["cpu_ns"]
            .as_u64()
            .is_none_or(|ns| 0 < ns && ns <= cpu_ns),
        "{thread:#}"
    );
    known.finish();
}
