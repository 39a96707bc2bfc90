//! A simulated thread, which knows at each moment what is really going on, and the driver on top of
//! the state machine, which makes the same calls as the eBPF programs.

use std::collections::BTreeMap;

use fault_trace_common::{
    Closer, Evidence,
    open::{DEPTH, OpenFault, OpenFaults},
};

use crate::programs::{Act, Interrupt, KernelFault, Kind, Probe, UserEnding};

/// Where the kernel saves the registers of what user mode does, below the top of the stack.
const USER_REGS: u64 = 0xffff_c900_0001_3f58;
/// The instruction of an access in kernel mode, and its entry in the exception table.
const ACCESS: u64 = 0xffff_ffff_8100_0000;
const FIXUP: u64 = 0xffff_ffff_8200_0000;
/// How far apart on the stack two levels of kernel functions are.
const LEVEL_BYTES: u64 = 0x100;

/// A thread under the tracer.
#[derive(Default)]
pub(crate) struct Thread {
    open: OpenFaults,
    /// The truth: the faults really in progress, oldest first.
    in_progress: Vec<u64>,
    /// The one that is ending just now.
    ending: Option<u64>,
    started: u64,
    /// What lies on the stack where exceptions saved the instruction pointer, by their registers.
    saved_ips: BTreeMap<u64, u64>,
    pub(crate) closed: BTreeMap<u64, Closer>,
}

/// The driver: as in `fault-trace-ebpf/src/probes`. A fault's number stands in `start_ns`.
impl Thread {
    fn start(&mut self, evidence: u128, address: u64, regs: u64) -> u64 {
        let keep = if evidence & Evidence::KERNEL_MODE == 0 {
            0
        } else {
            self.evidence();
            let confirmed = evidence & Evidence::CONFIRMED != 0;
            self.open.kept_by_kernel_start(regs, confirmed)
        };
        self.close_down_to(keep, Closer::NextStart);
        if self.open.depth() == DEPTH {
            self.close(self.open.frames[0].start_ns, Closer::Overflow);
            self.open.remove_oldest();
        }
        self.started += 1;
        let ip = match evidence & Evidence::KERNEL_MODE {
            0 => 0,
            _ => ACCESS + address,
        };
        self.saved_ips.insert(regs, ip);
        self.open.push(&OpenFault {
            address,
            regs,
            ip,
            start_ns: self.started,
            evidence: Evidence::of(evidence),
            ..OpenFault::default()
        });
        assert!(
            self.open.depth() < DEPTH,
            "there is always room for one more"
        );
        self.in_progress.push(self.started);
        self.started
    }

    /// Something that the thread does now is evidence; for which fault.
    fn evidence(&mut self) -> Option<u64> {
        let saved_ips = &self.saved_ips;
        let fault = self.open.taking_evidence(|regs| saved_ips[&regs])?;
        let (number, is_kernel_mode) = (fault.start_ns, fault.evidence.any(Evidence::KERNEL_MODE));
        assert!(
            !is_kernel_mode || self.in_progress.contains(&number),
            "evidence for a fault that is over"
        );
        Some(number)
    }

    /// An END, or a signal for an address.
    fn end(&mut self, fault: u64, address: u64, closer: Closer) {
        self.ending = Some(fault);
        match self.open.newest_at(address) {
            Some(index) => {
                self.close_down_to(index + 1, Closer::OuterEnd);
                self.close_newest(closer);
            }
            None => assert_eq!(self.closed.get(&fault), Some(&Closer::Overflow)),
        }
        self.ending = None;
        self.over(fault);
    }

    fn close_down_to(&mut self, keep: usize, closer: Closer) {
        while self.open.depth() > keep {
            self.close_newest(closer);
        }
    }

    fn close_newest(&mut self, closer: Closer) {
        let newest = self.open.newest_mut().expect("an open fault").start_ns;
        self.close(newest, closer);
        self.open.pop();
    }
}

/// The truth, and what must never happen.
impl Thread {
    fn over(&mut self, fault: u64) {
        assert_eq!(self.in_progress.pop(), Some(fault), "faults end inside out");
    }

    fn close(&mut self, fault: u64, closer: Closer) {
        assert_eq!(self.closed.insert(fault, closer), None, "closed twice");
        if matches!(closer, Closer::End | Closer::Signal) {
            assert_eq!(self.ending, Some(fault), "the end of another fault");
        } else if closer != Closer::Overflow {
            assert!(!self.in_progress.contains(&fault), "closed in progress");
        }
    }

    /// The exception table ends a fault in kernel mode.
    fn fixed_up(&mut self, fault: u64, regs: u64) {
        self.saved_ips.insert(regs, FIXUP);
        self.over(fault);
    }

    fn probe(&mut self, probe: Probe, regs: u64) {
        let stack = match probe.interrupt {
            None => regs,
            Some(Interrupt::Below) => 0xffff_c900_0000_3fa8,
            Some(Interrupt::Above) => 0xffff_c900_0002_3fa8,
            Some(Interrupt::Nmi) => 0xffff_fe00_0000_9fa8,
        };
        let regs = stack - (probe.level + 1) * LEVEL_BYTES;
        let fault = self.start(Evidence::KERNEL_MODE, probe.address, regs);
        assert_eq!(self.evidence(), None, "a probe does nothing");
        self.fixed_up(fault, regs);
    }

    fn kernel_fault(&mut self, what: &KernelFault, regs: u64) {
        let regs = regs - (what.level + 1) * LEVEL_BYTES;
        let confirmed = match what.kind {
            Kind::Probe => 0,
            Kind::Ends | Kind::Fails => Evidence::CONFIRMED,
        };
        let fault = self.start(Evidence::KERNEL_MODE | confirmed, what.address, regs);
        if what.kind == Kind::Probe {
            self.fixed_up(fault, regs);
            return;
        }
        assert_eq!(self.evidence(), Some(fault), "it is at work");
        for &probe in &what.within {
            self.probe(probe, regs);
        }
        if what.kind == Kind::Ends {
            self.end(fault, what.address, Closer::End);
        } else {
            self.fixed_up(fault, regs);
        }
        // The system call goes on, or comes to its end.
        self.evidence();
    }

    fn user_start(&mut self, address: u64) -> u64 {
        let fault = self.start(0, address, USER_REGS);
        assert_eq!(self.open.depth(), 1, "user code ran: nothing older is open");
        fault
    }

    fn user_ending(&mut self, fault: u64, address: u64, ending: UserEnding) {
        match ending {
            UserEnding::Ends => self.end(fault, address, Closer::End),
            UserEnding::Signals => self.end(fault, address, Closer::Signal),
            UserEnding::GivenUp => self.over(fault),
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Fault {
                address,
                within,
                ending,
            } => {
                let fault = self.user_start(*address);
                for &probe in within {
                    self.probe(probe, USER_REGS);
                }
                self.user_ending(fault, *address, *ending);
            }
            Act::Vsyscall {
                address,
                within,
                ending,
            } => {
                let fault = self.user_start(*address);
                for nested in within {
                    self.kernel_fault(nested, USER_REGS);
                }
                self.user_ending(fault, *address, *ending);
            }
            Act::Syscall(faults) => {
                // Each system call starts at another depth (`randomize_kstack_offset`).
                let offset = (self.started.wrapping_mul(0x9e37_79b9) & 0x3f) << 4;
                self.evidence();
                for fault in faults {
                    self.kernel_fault(fault, USER_REGS - offset);
                }
            }
            Act::Signal(frame) => {
                self.close_down_to(0, Closer::SignalDelivery);
                self.kernel_fault(frame, USER_REGS);
            }
        }
    }

    pub(crate) fn run(acts: &[Act]) -> Self {
        let mut thread = Self::default();
        for act in acts {
            thread.act(act);
            assert!(thread.in_progress.is_empty(), "back in user mode");
        }
        thread.close_down_to(0, Closer::Exit);
        assert_eq!(thread.closed.len() as u64, thread.started, "each once");
        thread
    }
}
