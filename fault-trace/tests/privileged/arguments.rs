//! Names as people write them.

use crate::support::{Known, Tracer, is_root, range, text};

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
