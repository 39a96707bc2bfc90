//! The state machine of open faults against a simulated thread.

mod programs;
mod thread;

use fault_trace_common::{
    Closer, Evidence,
    open::{DEPTH, OpenFault, OpenFaults},
};
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
fn an_accepted_access_proves_the_one_before_it_over() {
    for level in 0..4 {
        assert_eq!(
            closers(&[Act::Syscall(vec![efault(1, 1), efault(2, level)])]),
            [Closer::NextStart, Closer::Exit],
            "{level}"
        );
    }
}

#[test]
fn a_deeper_probe_closes_a_failed_access() {
    let probe = KernelFault {
        kind: Kind::Probe,
        ..efault(2, 2)
    };
    assert_eq!(
        closers(&[Act::Syscall(vec![efault(1, 1), probe])]),
        [Closer::NextStart, Closer::Exit]
    );
}

#[test]
fn a_deeper_probe_leaves_an_access_open_that_it_is_part_of() {
    let access = KernelFault {
        kind: Kind::Ends,
        within: vec![probe_at(2, None)],
        ..efault(1, 1)
    };
    assert_eq!(
        closers(&[Act::Syscall(vec![access])]),
        [Closer::End, Closer::OuterEnd]
    );
}

#[test]
fn any_number_of_failed_accesses_leave_one_open() {
    let deeper_and_deeper = (0..20).map(|level| efault(level, level));
    let closers = closers(&[Act::Syscall(deeper_and_deeper.collect())]);
    let (last, others) = closers.split_last().expect("twenty");
    assert_eq!(*last, Closer::Exit);
    assert!(others.iter().all(|closer| *closer == Closer::NextStart));
}

#[test]
fn the_oldest_makes_room_when_too_many_are_open() {
    let mut open = OpenFaults::default();
    for address in 1..=DEPTH as u64 {
        open.push(&OpenFault {
            address,
            ..OpenFault::default()
        });
    }
    open.remove_oldest();
    open.push(&OpenFault {
        address: 9,
        ..OpenFault::default()
    });
    let addresses: Vec<u64> = open.frames.iter().map(|frame| frame.address).collect();
    assert_eq!(addresses, [2, 3, 4, 9]);
    assert_eq!(open.depth(), DEPTH);
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

#[test]
fn a_failed_access_takes_no_evidence_any_more_and_no_end() {
    const REGS: u64 = 0xffff_c900_0001_3000;
    let mut open = OpenFaults::default();
    assert!(open.is_idle());
    open.push(&OpenFault {
        address: 1,
        regs: REGS,
        ip: 7,
        evidence: Evidence::of(Evidence::KERNEL_MODE | Evidence::CONFIRMED),
        ..OpenFault::default()
    });
    assert!(open.taking_evidence(|_| 7).is_some(), "it is in progress");
    assert!(!open.is_idle() && open.is_only_at(1));
    assert!(open.taking_evidence(|_| 8).is_none(), "it was fixed up");
    assert!(open.is_idle(), "what comes now is not its doing");
    assert!(open.taking_evidence(|_| 7).is_none(), "it stays over");
    assert_eq!((open.newest_at(1), open.is_only_at(1)), (None, false));
    assert_eq!(open.kept_by_kernel_start(REGS - 0x100, false), 0);
    assert_eq!(open.depth(), 1, "but has yet to be closed");
}

#[test]
fn a_fault_from_user_mode_is_not_asked_for_its_registers() {
    let mut open = OpenFaults::default();
    open.push(&OpenFault {
        address: 1,
        ip: 7,
        ..OpenFault::default()
    });
    let fault = open.taking_evidence(|_| panic!("nobody overwrites them"));
    assert!(fault.is_some());
}
