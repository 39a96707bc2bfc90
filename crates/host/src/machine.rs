//! The machine that runs, as the pipeline asks it.

use std::{fs::File, io::BufReader, os::fd::BorrowedFd, path::PathBuf, time::Duration};

use super::{
    cgroups::Hierarchy,
    devices, huge, kernel,
    proc::Proc,
    symbols::{self, Loss, Registers, Symbols},
};
use fault_trace_model::{
    address_space::AddressSpace,
    code::{CodePlace, CodeSpot},
    mapping::{Devices, Mapping},
};
use fault_trace_pipeline::{Code, GivenUp, Machine, Moment, News, Unwound, decode::StackCopy};

/// This machine.
#[derive(Debug)]
pub struct LiveMachine {
    proc: Proc,
    sys: PathBuf,
    hierarchy: Option<Hierarchy>,
    symbols: Symbols,
}

impl LiveMachine {
    /// The one whose proc file system and /sys these are; `symbols` knows its code.
    #[must_use]
    pub fn new(proc: Proc, sys: PathBuf, symbols: Symbols) -> Self {
        Self {
            hierarchy: Hierarchy::find(&proc).ok(),
            proc,
            sys,
            symbols,
        }
    }

    /// The descriptor that is readable when there is something to take in.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.symbols.fd()
    }
}

impl Machine for LiveMachine {
    type Maps = BufReader<File>;

    fn now(&mut self) -> Duration {
        Duration::from_nanos(kernel::monotonic_ns())
    }

    fn maps(&mut self, pid: u32) -> Option<Self::Maps> {
        self.proc.open_maps(pid).ok()
    }

    fn has_process(&mut self, pid: u32) -> bool {
        self.proc.has_process(pid)
    }

    fn cgroup_path(&mut self, id: u64, pid: u32) -> Option<Vec<u8>> {
        self.hierarchy.as_ref()?.path_of(&self.proc, id, pid)
    }

    fn devices(&mut self) -> Devices {
        devices::devices(&self.proc)
    }

    fn huge_zero_page(&mut self) -> bool {
        huge::zero_page_in_use(&self.sys)
    }

    fn numa_hint_faults(&mut self) -> Option<u64> {
        self.proc.numa_hint_faults()
    }
}

impl Code for LiveMachine {
    fn spot(&mut self, pid: u32, address: u64, mapping: Option<&Mapping>) -> CodeSpot {
        self.symbols.spot(pid, address, mapping)
    }

    fn place(&mut self, spot: &CodeSpot) -> Result<CodePlace, u32> {
        self.symbols.place(spot)
    }

    fn ask(&mut self, id: u32, place: &CodePlace, spot: &CodeSpot) {
        self.symbols.ask(id, place, spot);
    }

    fn unwind(&mut self, at: Moment, copy: &StackCopy, space: &AddressSpace) -> Option<u64> {
        if self.symbols.is_down() || !self.symbols.has_room_for(copy.bytes.len()) {
            return None;
        }
        let Moment { pid, time_ns } = at;
        let registers = Registers {
            ip: copy.ip,
            sp: copy.sp,
            bp: copy.bp,
        };
        let stack = self
            .symbols
            .unwind((pid, time_ns), registers, &copy.bytes, space);
        Some(stack)
    }

    fn abandon_stack(&mut self, stack: u64) {
        self.symbols.abandon_stack(stack);
    }

    fn process_executed(&mut self, pid: u32) {
        self.symbols.process_executed(pid);
    }

    fn process_exited(&mut self, pid: u32) {
        self.symbols.process_exited(pid);
    }

    fn poll(&mut self) -> News {
        let symbols::News {
            identified,
            named,
            unwound,
        } = self.symbols.poll();
        let symbols = &mut self.symbols;
        let unwound = unwound.into_iter().map(|unwound| spots(unwound, symbols));
        News {
            identified,
            named,
            unwound: unwound.collect(),
        }
    }

    fn is_down(&mut self) -> bool {
        self.symbols.is_down()
    }

    fn is_named(&mut self) -> bool {
        self.symbols.is_named()
    }

    fn unnamed(&mut self) -> usize {
        self.symbols.unnamed()
    }

    fn abandon_names(&mut self) -> usize {
        self.symbols.abandon_names().len()
    }

    fn abandon_files(&mut self, why: GivenUp) -> Vec<u32> {
        self.symbols.abandon_files(match why {
            GivenUp::Stalled => Loss::Stalled,
            GivenUp::Unfinished => Loss::Unfinished,
            GivenUp::NoMemory => Loss::NoMemory,
        })
    }

    fn lost_files(&mut self) -> u64 {
        self.symbols.lost_files()
    }

    fn losses(&mut self, is_missed: bool) -> Vec<String> {
        self.symbols.losses().notes(is_missed)
    }
}

/// Tells where the calls are that were found.
fn spots(unwound: symbols::Unwound, symbols: &mut Symbols) -> Unwound {
    let symbols::Unwound {
        stack,
        code,
        addresses,
        is_lost,
        ..
    } = unwound;
    let spot = |(depth, address): (usize, u64)| {
        // A return address may lie beyond the function that called, or in the next line.
        let at = address.wrapping_sub(u64::from(depth != 0));
        (address, symbols.spot(code.pid, at, code.at(at)))
    };
    Unwound {
        stack,
        pid: code.pid,
        calls: (!is_lost).then(|| addresses.into_iter().enumerate().map(spot).collect()),
    }
}
