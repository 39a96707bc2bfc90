//! What a thread does: programs for the simulation.

use proptest::prelude::*;

/// Something the kernel does with user memory while it works for the thread.
#[derive(Clone, Debug)]
pub(crate) struct KernelFault {
    pub(crate) address: u64,
    /// How deep in the kernel's functions, from where they were entered.
    pub(crate) level: u64,
    pub(crate) kind: Kind,
    /// What the handling of the fault runs into, if it is handled.
    pub(crate) within: Vec<Probe>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Page faults are disabled: never confirmed, fixed up at once.
    Probe,
    /// Handled to its end.
    Ends,
    /// Confirmed, and then fixed up without a trace: the system call gets EFAULT.
    Fails,
}

/// A tracer or the profiler looks at user memory inside a fault's handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) address: u64,
    pub(crate) level: u64,
    /// From an interrupt or an NMI, which have stacks of their own.
    pub(crate) interrupt: Option<Interrupt>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Interrupt {
    /// Its stack lies below or above the thread's, both in the vmalloc area.
    Below,
    Above,
    /// In the CPU entry area, above all of it.
    Nmi,
}

/// What a thread does in user mode.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Fault {
        address: u64,
        within: Vec<Probe>,
        ending: UserEnding,
    },
    /// A call of the vsyscall page: the kernel writes the results for it.
    Vsyscall {
        address: u64,
        within: Vec<KernelFault>,
        ending: UserEnding,
    },
    Syscall(Vec<KernelFault>),
    /// A signal is delivered, for which the kernel writes a frame on the user stack.
    Signal(KernelFault),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UserEnding {
    Ends,
    Signals,
    /// Given up without a trace; the access is repeated later, or never.
    GivenUp,
}

/// Few addresses, so that they meet.
const ADDRESSES: std::ops::Range<u64> = 0..4;
fn probes() -> impl Strategy<Value = Vec<Probe>> {
    let interrupt = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Interrupt::Below)),
        1 => Just(Some(Interrupt::Above)),
        1 => Just(Some(Interrupt::Nmi)),
    ];
    let probe = (ADDRESSES, 0_u64..4, interrupt).prop_map(|(address, level, interrupt)| Probe {
        address,
        level,
        interrupt,
    });
    prop::collection::vec(probe, 0..4)
}

fn kernel_fault() -> impl Strategy<Value = KernelFault> {
    let kind = prop_oneof![Just(Kind::Probe), Just(Kind::Ends), Just(Kind::Fails)];
    (ADDRESSES, 0_u64..6, kind, probes()).prop_map(|(address, level, kind, within)| KernelFault {
        address,
        level,
        kind,
        within,
    })
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let ending = || {
        prop_oneof![
            3 => Just(UserEnding::Ends),
            1 => Just(UserEnding::Signals),
            1 => Just(UserEnding::GivenUp),
        ]
    };
    let act = prop_oneof![
        3 => (ADDRESSES, probes(), ending()).prop_map(|(address, within, ending)| Act::Fault {
            address,
            within,
            ending,
        }),
        1 => (prop::collection::vec(kernel_fault(), 0..3), ending()).prop_map(
            |(within, ending)| Act::Vsyscall { address: 0xf60, within, ending }
        ),
        3 => prop::collection::vec(kernel_fault(), 0..8).prop_map(Act::Syscall),
        1 => kernel_fault().prop_map(Act::Signal),
    ];
    prop::collection::vec(act, 0..12)
}
