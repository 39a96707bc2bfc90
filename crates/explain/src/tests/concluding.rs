//! What follows from the clues: hints, paths, classes.

use fault_trace_common::Class;

use super::{STORE_NEAR_NULL, ok};
use crate::{Ending, Explanation};

pub(super) fn endings(explanation: &Explanation) -> Vec<Ending> {
    let mut endings: Vec<Ending> = explanation
        .path
        .iter()
        .flat_map(|step| step.endings.clone())
        .collect();
    endings.sort_by_key(|ending| ending.name());
    endings.dedup();
    endings
}

#[test]
fn a_store_near_null_is_a_field_of_a_null_pointer() {
    let explanation = ok(STORE_NEAR_NULL);
    assert!(explanation.address.expect("an address").hints[0].contains("offset 0x10"));
    assert_eq!(
        explanation.classes,
        [
            Class::SegvUnmapped,
            Class::SegvAccess,
            Class::SegvGuard,
            Class::SegvPkey
        ]
    );
}

#[test]
fn a_jump_through_a_null_pointer_is_told_apart() {
    let explanation = ok("a[1]: segfault at 0 ip 0000000000000000 sp 7ffdc1c43238 error 14");
    let hints = explanation.address.expect("an address").hints;
    assert!(hints[0].contains("null function pointer"), "{hints:?}");
}

#[test]
fn a_push_below_the_stack_is_an_overflow() {
    let explanation = ok("a[1]: segfault at 7ffc00000ff8 ip 401132 sp 7ffc00001000 error 6");
    let hints = explanation.address.expect("an address").hints;
    assert!(hints[0].contains("stack overflow"), "{hints:?}");
}

#[test]
fn user_mode_on_a_kernel_address_always_segfaults() {
    for input in [
        "a[1]: segfault at ffffffff81000000 ip 401132 sp 7ffc0 error 7",
        "a[1]: segfault at ffff888000000000 ip 401132 sp 7ffc0 error 5",
    ] {
        let explanation = ok(input);
        assert_eq!(explanation.classes, [Class::SegvKernelAddress], "{input}");
        assert_eq!(endings(&explanation), [Ending::Segv], "{input}");
    }
}

#[test]
fn the_vsyscall_page_is_no_kernel_address() {
    let explanation = ok("a[1]: segfault at ffffffffff600000 ip 558bc0560295 sp 7ff0 error 5");
    assert_eq!(
        explanation.address.as_ref().map(|it| it.region),
        Some("vsyscall")
    );
    assert!(
        explanation
            .path
            .iter()
            .any(|step| step.function == "lock_mm_and_find_vma")
    );
    assert!(
        !explanation
            .path
            .iter()
            .any(|step| step.function == "fixup_exception")
    );
}

#[test]
fn executing_data_is_an_access_error_for_certain() {
    let explanation = ok("a[1]: segfault at 7f1784fdf000 ip 7f1784fdf000 sp 7fff0 error 15");
    assert_eq!(explanation.classes, [Class::SegvAccess]);
    assert_eq!(
        explanation
            .path
            .iter()
            .filter(|it| !it.endings.is_empty())
            .count(),
        1
    );
}

#[test]
fn without_a_log_line_a_write_fault_may_be_demand_or_bad() {
    let classes = ok("6").classes;
    for class in [
        Class::AnonAlloc,
        Class::CowFile,
        Class::SwapIn,
        Class::Uffd,
        Class::SegvUnmapped,
        Class::Sigbus,
    ] {
        assert!(classes.contains(&class), "{}", class.name());
    }
    for class in [
        Class::CowAnon,
        Class::AnonZero,
        Class::KernelEfault,
        Class::Vmalloc,
    ] {
        assert!(!classes.contains(&class), "{}", class.name());
    }
}

#[test]
fn a_write_to_a_present_page_may_be_copy_on_write() {
    let classes = ok("7").classes;
    assert!(classes.contains(&Class::CowAnon));
    assert!(!classes.contains(&Class::AnonAlloc));
    // Nothing allows a read that a present page forbade.
    assert!(!ok("5").classes.contains(&Class::CowAnon));
}

#[test]
fn a_protection_key_always_wins() {
    let explanation = ok("a[1]: segfault at 7f1784fdf000 ip 401000 sp 7fff0 error 27");
    assert_eq!(explanation.classes, [Class::SegvPkey]);
}

#[test]
fn facts_that_exclude_each_other_are_noted() {
    // A segfault line with a code from kernel mode.
    let notes = ok("a[1]: segfault at 10 ip 401000 sp 7fff0 error 12").notes;
    assert!(
        notes.iter().any(|note| note.contains("instruction fetch")),
        "{notes:?}"
    );
}
