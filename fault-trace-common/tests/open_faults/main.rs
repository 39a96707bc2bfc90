//! The state machine of open faults against a simulated thread.

mod programs;
mod thread;

use fault_trace_common::{Closer, open::DEPTH};
use proptest::prelude::*;

use programs::{Act, Interrupt, KernelFault, Kind, Probe, UserEnding, acts};
use thread::Thread;

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(4096)
    })]

    #[test]
    fn each_fault_is_closed_once_and_none_in_progress(acts in acts()) {
        Thread::run(&acts);
    }
}

fn efault(address: u64, level: u64) -> KernelFault {
    KernelFault {
        address,
        level,
        kind: Kind::Fails,
        within: Vec::new(),
    }
}

fn closers(acts: &[Act]) -> Vec<Closer> {
    Thread::run(acts).closed.into_values().collect()
}

#[test]
fn a_failed_access_is_over_when_the_next_is_no_deeper() {
    for level in [1, 2] {
        let faults = vec![efault(1, 2), efault(1, level)];
        assert_eq!(
            closers(&[Act::Syscall(faults)]),
            [Closer::NextStart, Closer::Exit],
            "{level}"
        );
    }
}

#[test]
fn a_probe_is_over_when_anything_starts() {
    let probe = KernelFault {
        kind: Kind::Probe,
        ..efault(1, 1)
    };
    assert_eq!(
        closers(&[Act::Syscall(vec![probe, efault(2, 3)])]),
        [Closer::NextStart, Closer::Exit]
    );
}

#[test]
fn a_deeper_access_may_be_part_of_the_last_and_leaves_it_open() {
    assert_eq!(
        closers(&[Act::Syscall(vec![efault(1, 1), efault(2, 2)])]),
        [Closer::Exit, Closer::Exit]
    );
    let until_user_code_runs = [
        Act::Syscall(vec![efault(1, 1), efault(2, 2)]),
        Act::Fault {
            address: 3,
            within: Vec::new(),
            ending: UserEnding::Ends,
        },
    ];
    assert_eq!(
        closers(&until_user_code_runs),
        [Closer::NextStart, Closer::NextStart, Closer::End]
    );
}

#[test]
fn the_oldest_is_given_up_when_too_many_are_open() {
    let deeper_and_deeper = (0..=DEPTH as u64).map(|level| efault(level, level));
    let thread = Thread::run(&[Act::Syscall(deeper_and_deeper.collect())]);
    assert_eq!(thread.closed.get(&1), Some(&Closer::Overflow));
    assert_eq!(thread.closed.get(&2), Some(&Closer::Exit));
}

#[test]
fn what_is_left_of_a_probe_ends_with_the_fault_around_it() {
    let thread = Thread::run(&[Act::Fault {
        address: 1,
        within: vec![probe_at(5, None)],
        ending: UserEnding::Ends,
    }]);
    assert_eq!(thread.closed.get(&1), Some(&Closer::End));
    assert_eq!(thread.closed.get(&2), Some(&Closer::OuterEnd));
}

fn probe_at(address: u64, interrupt: Option<Interrupt>) -> Probe {
    Probe {
        address,
        level: 0,
        interrupt,
    }
}

#[test]
fn a_probe_of_the_faulting_address_does_not_take_its_end() {
    let thread = Thread::run(&[Act::Fault {
        address: 1,
        within: vec![probe_at(1, None)],
        ending: UserEnding::Ends,
    }]);
    assert_eq!(thread.closed.get(&1), Some(&Closer::End));
}

#[test]
fn an_interrupt_does_not_close_the_access_it_interrupts() {
    for interrupt in [Interrupt::Below, Interrupt::Above, Interrupt::Nmi] {
        let access = KernelFault {
            kind: Kind::Ends,
            within: vec![probe_at(5, Some(interrupt))],
            ..efault(1, 1)
        };
        let thread = Thread::run(&[Act::Syscall(vec![access])]);
        assert_eq!(thread.closed.get(&1), Some(&Closer::End), "{interrupt:?}");
    }
}
