//! The books of completed faults against a simulated thread.

use std::collections::BTreeMap;

use fault_trace_common::{
    Evidence, Hook, Hooks, Region,
    ledger::{Deed, FaultCounters, Ledger},
    open::{DEPTH, OpenFault, OpenFaults},
};
use proptest::prelude::*;

/// How a fault with an exception goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// Completed, and END comes.
    Ends,
    /// Completed, and END is missed.
    Missed,
    /// Not completed: sent to the exception table in kernel mode, repeated from user mode.
    GivenUp,
}

/// What a thread does.
#[derive(Clone, Copy, Debug)]
enum Act {
    User {
        page: u64,
        ending: Ending,
        is_major: bool,
    },
    Kernel {
        page: u64,
        ending: Ending,
        is_major: bool,
        /// Whether a later call overwrites the saved registers.
        is_overwritten: bool,
    },
    Gup {
        deed: Deed,
        is_major: bool,
        count: u64,
    },
    /// What moves pages without a fault: munmap, and write(2) into the page cache.
    Noise { evidence: u128 },
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Sums {
    ended: FaultCounters,
    missed: FaultCounters,
    gup: FaultCounters,
    deeds: BTreeMap<&'static str, u64>,
}

impl Sums {
    fn deed(&mut self, deed: Deed, count: u64) {
        let name = match deed {
            Deed::Zeroed => "zeroed",
            Deed::Copied => "copied",
            Deed::File => "file",
            Deed::Shared => "shared",
            Deed::Other => return,
        };
        *self.deeds.entry(name).or_default() += count;
    }
}

const USER_REGS: u64 = 0xffff_c900_0001_3f58;
const KERNEL_REGS: u64 = 0xffff_c900_0001_3e00;
const ACCESS: u64 = 0xffff_ffff_8100_0000;
const OTHER_IP: u64 = 0xffff_ffff_8200_0000;

/// A thread under the tracer: the same calls as in `fault-trace-ebpf/src`.
#[derive(Default)]
struct Thread {
    open: OpenFaults,
    ledger: Ledger,
    saved_ips: BTreeMap<u64, u64>,
    /// The kernel's own counters.
    counters: FaultCounters,
    counted: Sums,
    truth: Sums,
}

impl Thread {
    fn settle(&mut self) {
        if self.ledger.is_settled(self.counters) {
            return;
        }
        let settled = self.ledger.settle(self.counters, Hooks::ALL);
        if settled.faults.total() == 0 {
            return;
        }
        let gup = &mut self.counted.gup;
        gup.minor = gup.minor.wrapping_add(settled.faults.minor);
        gup.major = gup.major.wrapping_add(settled.faults.major);
        self.counted.deed(settled.deed, 1);
    }

    fn close_down_to(&mut self, keep: usize, evidence: u128) {
        while self.open.depth() > keep {
            let newest = self.open.depth() - 1;
            let fault = self.open.frame_mut(newest);
            fault.evidence.set(evidence);
            let keeps_ip = fault.ip != 0 && self.saved_ips[&fault.regs] == fault.ip;
            let fault = *fault;
            if let Some(is_major) = self.ledger.take_completed(self.counters, &fault, keeps_ip) {
                self.counted.missed.raise(is_major);
            }
            self.open.pop();
        }
    }

    fn start(&mut self, page: u64, regs: u64, evidence: u128) {
        let (keep, ip) = if evidence & Evidence::KERNEL_MODE == 0 {
            (0, 0)
        } else {
            let saved_ips = &self.saved_ips;
            let _ = self.open.taking_evidence(|regs| saved_ips[&regs]);
            let keep = if self.ledger.has_moved(self.counters) {
                0
            } else {
                self.open.kept_by_kernel_start(regs, true)
            };
            (keep, ACCESS + page)
        };
        let repeats = self
            .open
            .newest_mut()
            .is_some_and(|newest| newest.address == page);
        self.close_down_to(keep, if repeats { Evidence::TRIED_AGAIN } else { 0 });
        assert!(self.open.depth() < DEPTH);
        self.settle();
        self.saved_ips.insert(regs, ip);
        self.open.push(&OpenFault {
            address: page,
            regs,
            ip,
            evidence: Evidence::of(evidence).with_region(Region::User),
            ..OpenFault::default()
        });
    }

    /// A page is allocated: for the open fault, or for none.
    fn allocates(&mut self, evidence: u128) {
        let saved_ips = &self.saved_ips;
        if let Some(fault) = self.open.taking_evidence(|regs| saved_ips[&regs]) {
            fault.evidence.set(evidence);
        } else if self.open.is_idle() {
            self.note(evidence);
        }
    }

    /// A page becomes resident.
    fn resident(&mut self, evidence: u128) {
        if let Some(fault) = self.open.perhaps_taking_evidence() {
            fault.evidence.set(evidence);
        } else if self.open.is_idle() {
            self.note(evidence);
        }
    }

    fn note(&mut self, evidence: u128) {
        if self.ledger.has_moved(self.counters) {
            self.close_down_to(0, 0);
            self.settle();
        }
        self.ledger.note(Evidence::of(evidence).word, 1);
    }

    /// `mm_account_fault` of a fault with an exception.
    fn complete(&mut self, page: u64, ending: Ending, is_major: bool) {
        if is_major {
            self.resident_io();
        }
        match ending {
            Ending::GivenUp => return,
            Ending::Missed => self.truth.missed.raise(is_major),
            Ending::Ends => self.truth.ended.raise(is_major),
        }
        self.allocates(Evidence::ALLOC_PAGE | Evidence::ALLOC_ZEROED);
        self.resident(Evidence::RSS_ANON);
        self.counters.raise(is_major);
        if ending == Ending::Ends {
            let index = self.open.newest_at(page).expect("it is open");
            self.ledger.ended(is_major);
            self.counted.ended.raise(is_major);
            self.close_down_to(index + 1, 0);
            self.open.pop();
        }
    }

    /// The fault waits for a disk.
    fn resident_io(&mut self) {
        let saved_ips = &self.saved_ips;
        if let Some(fault) = self.open.taking_evidence(|regs| saved_ips[&regs]) {
            fault.evidence.set(Evidence::BIO_QUEUED);
        }
    }

    fn gup(&mut self, deed: Deed, is_major: bool) {
        match deed {
            Deed::Zeroed => {
                self.allocates(Evidence::ALLOC_PAGE | Evidence::ALLOC_ZEROED);
                self.resident(Evidence::RSS_ANON);
            }
            Deed::Copied => self.allocates(Evidence::ALLOC_PAGE),
            Deed::File => self.resident(Evidence::RSS_FILE),
            Deed::Shared => {
                self.allocates(Evidence::ALLOC_PAGE);
                self.resident(Evidence::RSS_SHMEM);
            }
            Deed::Other => {}
        }
        self.counters.raise(is_major);
        self.truth.gup.raise(is_major);
        self.truth.deed(deed, 1);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::User {
                page,
                ending,
                is_major,
            } => {
                self.start(page, USER_REGS, 0);
                self.complete(page, ending, is_major);
                if ending == Ending::GivenUp {
                    // User code cannot get past the access.
                    self.start(page, USER_REGS, 0);
                    self.complete(page, Ending::Ends, is_major);
                }
            }
            Act::Kernel {
                page,
                ending,
                is_major,
                is_overwritten,
            } => {
                let evidence = Evidence::KERNEL_MODE | Evidence::CONFIRMED;
                self.start(page, KERNEL_REGS, evidence);
                self.complete(page, ending, is_major);
                if ending == Ending::GivenUp || is_overwritten {
                    self.saved_ips.insert(KERNEL_REGS, OTHER_IP);
                }
            }
            Act::Gup {
                deed,
                is_major,
                count,
            } => {
                for _ in 0..count {
                    self.gup(deed, is_major);
                }
            }
            Act::Noise { evidence } => {
                if evidence & Evidence::ALLOC_ANY != 0 {
                    self.allocates(evidence & Evidence::ALLOC_ANY);
                }
                if evidence & Evidence::RSS_ANY != 0 {
                    self.resident(evidence & Evidence::RSS_ANY);
                }
            }
        }
    }

    fn run(acts: &[Act]) -> Self {
        let mut thread = Self::default();
        // The counters of a thread are none of the run's before it is a target.
        thread.counters = FaultCounters {
            minor: 1000,
            major: 10,
        };
        thread.ledger = Ledger::from(thread.counters);
        for act in acts {
            thread.act(*act);
        }
        thread.close_down_to(0, 0);
        thread.settle();
        thread
    }
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        Just(Deed::Zeroed),
        Just(Deed::Copied),
        Just(Deed::File),
        Just(Deed::Shared),
        Just(Deed::Other),
    ]
}

fn endings() -> impl Strategy<Value = Ending> {
    prop_oneof![
        4 => Just(Ending::Ends),
        1 => Just(Ending::Missed),
        1 => Just(Ending::GivenUp),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let user =
        (0_u64..3, endings(), any::<bool>()).prop_map(|(page, ending, is_major)| Act::User {
            page,
            ending,
            is_major,
        });
    let kernel = (0_u64..3, endings(), any::<bool>(), any::<bool>()).prop_map(
        |(page, ending, is_major, is_overwritten)| Act::Kernel {
            page,
            ending,
            is_major,
            is_overwritten,
        },
    );
    let gup = (deeds(), any::<bool>(), 1_u64..5).prop_map(|(deed, is_major, count)| Act::Gup {
        deed,
        is_major,
        count,
    });
    let noise = prop_oneof![
        Just(Act::Noise {
            evidence: Evidence::RSS_ANON
        }),
        Just(Act::Noise {
            evidence: Evidence::RSS_FILE
        }),
        Just(Act::Noise {
            evidence: Evidence::ALLOC_PAGE | Evidence::RSS_FILE
        }),
    ];
    prop::collection::vec(
        prop_oneof![3 => user, 3 => kernel, 3 => gup, 1 => noise],
        0..24,
    )
}

/// Whether evidence can be ambiguous: something moved pages without a fault, or a failed access is still open.
fn is_ambiguous(acts: &[Act]) -> bool {
    acts.iter().any(|act| {
        matches!(
            act,
            Act::Noise { .. }
                | Act::Kernel {
                    ending: Ending::GivenUp | Ending::Missed,
                    ..
                }
                | Act::User {
                    ending: Ending::Missed,
                    ..
                }
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(8192)
    })]

    #[test]
    fn every_completed_fault_is_accounted_for_once(acts in acts()) {
        let Thread { counted, truth, counters, .. } = Thread::run(&acts);
        prop_assert_eq!(counted.ended, truth.ended);
        prop_assert_eq!(counted.missed.total(), truth.missed.total());
        prop_assert_eq!(counted.gup.total(), truth.gup.total());
        let all = counted.ended.total() + counted.missed.total() + counted.gup.total();
        prop_assert_eq!(all, counters.total() - 1010);
        let majors = counted.ended.major + counted.missed.major + counted.gup.major;
        prop_assert_eq!(majors, counters.major - 10);
    }

    #[test]
    fn what_they_did_is_told_where_nothing_else_moved_pages(acts in acts()) {
        if !is_ambiguous(&acts) {
            let Thread { counted, truth, .. } = Thread::run(&acts);
            prop_assert_eq!(counted.deeds, truth.deeds);
        }
    }
}

#[test]
fn no_more_deeds_are_told_than_there_were_faults() {
    let noise = |evidence| Act::Noise { evidence };
    let thread = Thread::run(&[
        noise(Evidence::RSS_ANON),
        noise(Evidence::ALLOC_PAGE),
        noise(Evidence::RSS_FILE),
    ]);
    assert_eq!(thread.counted, Sums::default());
}

/// A buffer is unmapped after it was written to a file, whose pages are mapped then.
#[test]
fn what_was_unmapped_before_is_no_evidence() {
    let noise = |evidence| Act::Noise { evidence };
    let mapped = |deed| Act::Gup {
        deed,
        is_major: false,
        count: 2,
    };
    for (deed, name) in [
        (Deed::File, "file"),
        (Deed::Shared, "shared"),
        (Deed::Zeroed, "zeroed"),
    ] {
        let before = [
            noise(Evidence::ALLOC_PAGE),
            noise(Evidence::RSS_FILE),
            noise(Evidence::RSS_ANON),
        ];
        let thread = Thread::run(&[&before[..], &[mapped(deed)]].concat());
        assert_eq!(thread.counted.deeds, BTreeMap::from([(name, 2)]));
    }
}

/// A system call that failed on a bad address, and went on with memory that needs no exception.
#[test]
fn a_failed_access_is_not_taken_for_a_missed_end() {
    let failed = Act::Kernel {
        page: 1,
        ending: Ending::GivenUp,
        is_major: false,
        is_overwritten: false,
    };
    for deed in [Deed::Other, Deed::Zeroed] {
        let mapped = Act::Gup {
            deed,
            is_major: false,
            count: 64,
        };
        let thread = Thread::run(&[failed, mapped]);
        assert_eq!(thread.counted.missed.total(), 0);
        assert_eq!(thread.counted.gup.minor, 64);
    }
}

#[test]
fn a_fault_in_progress_at_first_is_none_without_an_exception() {
    let mut ledger = Ledger::from(FaultCounters::default());
    ledger.note(Evidence::of(Evidence::ALLOC_PAGE).word, 1);
    ledger.ended(false);
    let now = FaultCounters { minor: 1, major: 0 };
    assert_eq!(ledger.settle(now, Hooks::ALL).faults.total(), 0);
}

/// An NMI looks at user memory between the counter and END: what was entered too early is taken back.
#[test]
fn a_fault_that_is_entered_before_its_end_is_counted_once() {
    let mut ledger = Ledger::from(FaultCounters::default());
    let now = FaultCounters { minor: 1, major: 0 };
    let early = ledger.settle(now, Hooks::ALL).faults.minor;
    ledger.ended(false);
    let taken_back = ledger.settle(now, Hooks::ALL).faults.minor;
    assert_eq!(early.wrapping_add(taken_back), 0);
}

#[test]
fn without_residency_nothing_is_called_a_copy() {
    let copy = Evidence::of(Evidence::ALLOC_PAGE);
    assert_eq!(Deed::of(copy, Hooks::ALL), Deed::Copied);
    let hooks = Hooks::ALL.without(Hook::RssStat);
    assert_eq!(Deed::of(copy, hooks), Deed::Other);
    let zeroed = Evidence::of(Evidence::ALLOC_PAGE | Evidence::ALLOC_ZEROED);
    assert_eq!(Deed::of(zeroed, hooks), Deed::Zeroed);
}
