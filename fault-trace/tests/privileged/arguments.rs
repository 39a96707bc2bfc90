//! Names as people write them.

use crate::support::{Known, Tracer, is_root, range, run, text};

#[test]
fn a_thread_goes_by_the_15_bytes_that_the_kernel_keeps() {
    if !is_root() {
        return;
    }
    let mut known = Known::waiting(&["name:abcdefghijklmno", "wait", "touch:200", "wait"]);
    let (range, given) = (range(200), "abcdefghijklmnopqrstuvw");
    let arguments = [
        "stat",
        "--format",
        "json",
        "--address",
        &range,
        "--comm",
        given,
    ];
    let tracer = Tracer::attached(arguments);
    known.go_on();
    known.until("ready");
    tracer.signal(nix::sys::signal::Signal::SIGINT);
    let output = tracer.output();
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["total"]["count"], 200, "{report:#}");
    let note = text(&output.stderr);
    assert!(
        note.contains("--comm abcdefghijklmnopqrstuvw matches abcdefghijklmno\n"),
        "{note}"
    );
}

#[test]
fn a_thread_that_is_not_there_is_named_without_an_error_number() {
    if !is_root() {
        return;
    }
    // Beyond the kernel's bound (include/linux/threads.h:PID_MAX_LIMIT (v6.12)).
    let output = run(["stat", "--tid", "4194305"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        text(&output.stderr),
        "fault-trace: there is no thread 4194305; name a running one, see ps -eL\n"
    );
}
