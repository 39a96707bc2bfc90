//! The port through which the machine is asked.

use std::{io::BufRead, time::Duration};

use serde::{Deserialize, Serialize};

use super::decode::StackCopy;
use fault_trace_model::{
    address_space::AddressSpace,
    code::{CodePlace, CodeSpot, Resolution},
    mapping::{Devices, Mapping},
};

/// Answers what no record tells. Nothing here is asked for every fault, but [`Machine::now`] for those
/// that wait.
pub trait Machine: Code {
    /// The text of /proc/PID/maps, read when it is asked for.
    type Maps: BufRead;

    /// Returns the time of CLOCK_MONOTONIC, the clock of all records.
    fn now(&mut self) -> Duration;

    /// Opens the mappings of a process; `None` if it is gone.
    fn maps(&mut self, pid: u32) -> Option<Self::Maps>;

    /// Returns whether the process exists.
    fn has_process(&mut self, pid: u32) -> bool;

    /// Returns the path of a cgroup in which the process was seen, as raw bytes.
    fn cgroup_path(&mut self, id: u64, pid: u32) -> Option<Vec<u8>>;

    /// Returns the devices that hold shared memory and huge pages.
    fn devices(&mut self) -> Devices;

    /// Returns whether reading fresh memory can map the huge zero page.
    fn huge_zero_page(&mut self) -> bool;

    /// Returns the number of NUMA hint faults so far; `None` where the kernel does not balance.
    fn numa_hint_faults(&mut self) -> Option<u64>;
}

/// Knows the code of processes and finds its names and callers. The answers to [`Code::ask`] and
/// [`Code::unwind`] come later, from [`Code::poll`].
pub trait Code {
    /// Returns where the instruction at `address` of a process is, `mapping` being what was there then.
    fn spot(&mut self, pid: u32, address: u64, mapping: Option<&Mapping>) -> CodeSpot;

    /// Returns the place of a spot.
    ///
    /// # Errors
    /// The number of its file, if that is not identified yet; [`News::identified`] tells when it is.
    fn place(&mut self, spot: &CodeSpot) -> Result<CodePlace, u32>;

    /// Asks for the names at a place, under an id of the caller's. `spot` is where it came from.
    fn ask(&mut self, id: u32, place: &CodePlace, spot: &CodeSpot);

    /// Has a copy of a stack unwound. Returns its number, or `None` if there is no room for it.
    fn unwind(&mut self, at: Moment, copy: &StackCopy, space: &AddressSpace) -> Option<u64>;

    /// Gives up waiting for a stack.
    fn abandon_stack(&mut self, stack: u64);

    /// The process has a new program.
    fn process_executed(&mut self, pid: u32);

    /// The process is gone, and all that it did has been asked about.
    fn process_exited(&mut self, pid: u32);

    /// Returns what has come since the last call. Waits for nothing.
    fn poll(&mut self) -> News;

    /// Returns whether nothing will come any more.
    fn is_down(&mut self) -> bool;

    /// Returns whether all that was asked for is named, or will not be.
    fn is_named(&mut self) -> bool;

    /// Returns the number of places that were asked for and have no answer yet.
    fn unnamed(&mut self) -> usize;

    /// Gives up waiting for names. Returns their number.
    fn abandon_names(&mut self) -> usize;

    /// Gives up waiting for files to be identified, and returns them.
    fn abandon_files(&mut self, why: GivenUp) -> Vec<u32>;

    /// Returns the number of files that were given up.
    fn lost_files(&mut self) -> u64;

    /// Says why names are missing, for people. `is_missed`: whether a name is missing because no file
    /// could be read.
    fn losses(&mut self, is_missed: bool) -> Vec<String>;
}

/// Why files were not waited for any longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GivenUp {
    /// Nothing came for too long.
    Stalled,
    /// The run was to end.
    Unfinished,
    /// There was too little memory left to go on.
    NoMemory,
}

/// The time for which a stack is waited for.
pub const STACK_PATIENCE: Duration = Duration::from_secs(2);

/// A moment in the life of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Moment {
    pub pid: u32,
    /// ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
}

/// Answers that came since the last time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct News {
    /// Files that are identified now, or given up: [`Code::place`] tells where their spots are.
    pub identified: Vec<u32>,
    /// The names of places that were asked for, by id.
    pub named: Vec<(u32, Resolution)>,
    pub unwound: Vec<Unwound>,
}

/// The callers that were found in a copy of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unwound {
    pub stack: u64,
    pub pid: u32,
    /// The address of each call and where it is, innermost first; `None` if the stack was lost.
    pub calls: Option<Vec<(u64, CodeSpot)>>,
}
