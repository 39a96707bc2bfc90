use super::*;

fn series(text: &str) -> Series {
    Series::parse(text).expect("a series")
}

#[test]
fn an_old_kernel_must_refuse_clearly() {
    let refused = "@begin doctor\n{\"can_trace\": false}\n\n@end 3\n\
                       @begin refused\nfault-trace: 5.10 is older than 5.15\n@end 3\n";
    let outcome = judge("5.10.0", series("5.10"), &guest::steps(refused));
    assert!(outcome.refused && outcome.problems.is_empty());
    let ran = refused
        .replace("@end 3\n@begin", "@end 0\n@begin")
        .replace("older", "x");
    let outcome = judge("5.10.0", series("5.10"), &guest::steps(&ran));
    assert!(!outcome.refused && !outcome.problems.is_empty());
}

#[test]
fn hooks_and_classes_are_those_of_doctor_and_of_a_recording() {
    let result = r#"@begin doctor
{"can_trace": true, "hooks": [
 {"hook": "minor-faults", "state": "attached", "reason": null},
 {"hook": "rss_stat", "state": "left-out", "reason": "reports in batches"},
 {"hook": "mm_filemap_fault", "state": "missing", "reason": "not in this kernel"}],
 "classes": [{"class": "sgx", "best": "impossible", "reason": "no SGX"}]}
@end 0
@begin recording
{"run": {"support": {"hooks": [], "classes": []}}}
@end 0
"#;
    let outcome = judge("6.1.0", series("6.1"), &guest::steps(result));
    let hook = |name: &str, state| (name.to_owned(), state);
    assert_eq!(
        outcome.hooks,
        [
            hook("minor-faults", HookState::Attached),
            hook("rss_stat", HookState::LeftOut),
            hook("mm_filemap_fault", HookState::Missing),
        ]
    );
    assert_eq!(outcome.impossible["sgx"], "no SGX");
    assert_eq!(
        outcome.problems,
        [
            "a recording says other things of hooks and classes than doctor",
            "`record` notes 0 times that mm_filemap_fault is missing",
            "the proof shows nothing"
        ]
    );
}

#[test]
fn what_fails_or_does_not_add_up_is_a_problem() {
    let result = "@begin reconcile ls\n{\"gup\": 1}\nnote {\n{\"accounting\": {\"started\": 9, \
                      \"unexplained\": 2, \"adds_up\": false}}\n@end 0\n\
                      @begin reconcile threads\nkilled\n";
    let outcome = judge("6.12.1", series("6.12"), &guest::steps(result));
    assert_eq!(outcome.reconciled, [("ls".to_owned(), 9, 2)]);
    let all = outcome.problems.join("\n");
    assert!(all.contains("`ls` does not add up"), "{all}");
    assert!(
        all.contains("`ls`: 2 of the kernel's faults are unexplained"),
        "{all}"
    );
    assert!(
        all.contains("`reconcile threads` did not end:\nkilled"),
        "{all}"
    );
}
