//! A machine that is made up, for tests: what is asked of it is set beforehand.

use std::{collections::HashMap, io::Cursor, time::Duration};

use super::{Code, GivenUp, Machine, Moment, News, decode::StackCopy};
use fault_trace_model::{
    address_space::AddressSpace,
    code::{CodePlace, CodeSpot, Resolution, Unresolved},
    mapping::{Devices, Mapping},
};

/// Nothing is mapped in it, nobody answers, and time stands still, unless a test says otherwise.
#[derive(Debug, Default)]
pub(super) struct FakeMachine {
    pub(super) now: Duration,
    /// The text of the maps of each process that exists.
    pub(super) maps: HashMap<u32, String>,
    /// How often each was read.
    pub(super) maps_read: HashMap<u32, u32>,
    pub(super) numa_hint_faults: Option<u64>,
    /// Whether every place is named as soon as it is asked for, `f` and its address.
    pub(super) names: bool,
    /// What comes with the next [`Code::poll`].
    pub(super) news: News,
    /// Asked for, and not answered.
    pub(super) asked: Vec<u32>,
    /// Processes that were told to be gone.
    pub(super) exited: Vec<u32>,
}

impl Machine for FakeMachine {
    type Maps = Cursor<Vec<u8>>;

    fn now(&mut self) -> Duration {
        self.now
    }

    fn maps(&mut self, pid: u32) -> Option<Self::Maps> {
        let text = self.maps.get(&pid)?.clone();
        *self.maps_read.entry(pid).or_default() += 1;
        Some(Cursor::new(text.into_bytes()))
    }

    fn has_process(&mut self, pid: u32) -> bool {
        self.maps.contains_key(&pid)
    }

    fn cgroup_path(&mut self, _id: u64, _pid: u32) -> Option<Vec<u8>> {
        None
    }

    fn devices(&mut self) -> Devices {
        Devices::default()
    }

    fn huge_zero_page(&mut self) -> bool {
        false
    }

    fn numa_hint_faults(&mut self) -> Option<u64> {
        self.numa_hint_faults
    }
}

impl Code for FakeMachine {
    fn spot(&mut self, pid: u32, address: u64, _mapping: Option<&Mapping>) -> CodeSpot {
        CodeSpot::Place(CodePlace::Jit { pid, address })
    }

    fn place(&mut self, spot: &CodeSpot) -> Result<CodePlace, u32> {
        match spot {
            CodeSpot::Place(place) => Ok(place.clone()),
            CodeSpot::File { file, .. } | CodeSpot::Shared { file, .. } => Err(*file),
        }
    }

    fn ask(&mut self, id: u32, place: &CodePlace, _spot: &CodeSpot) {
        if self.names {
            self.news.named.push((id, name(place)));
        } else {
            self.asked.push(id);
        }
    }

    fn unwind(&mut self, _at: Moment, _copy: &StackCopy, _space: &AddressSpace) -> Option<u64> {
        None
    }

    fn abandon_stack(&mut self, _stack: u64) {}

    fn process_executed(&mut self, _pid: u32) {}

    fn process_exited(&mut self, pid: u32) {
        self.exited.push(pid);
    }

    fn poll(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    fn is_down(&mut self) -> bool {
        false
    }

    fn is_named(&mut self) -> bool {
        self.asked.is_empty()
    }

    fn unnamed(&mut self) -> usize {
        self.asked.len()
    }

    fn abandon_names(&mut self) -> usize {
        std::mem::take(&mut self.asked).len()
    }

    fn abandon_files(&mut self, _why: GivenUp) -> Vec<u32> {
        Vec::new()
    }

    fn lost_files(&mut self) -> u64 {
        0
    }

    fn losses(&mut self, _is_missed: bool) -> Vec<String> {
        Vec::new()
    }
}

fn name(place: &CodePlace) -> Resolution {
    match place {
        CodePlace::Jit { address, .. } => Ok([fault_trace_model::code::Frame {
            function: format!("f{address:x}").into(),
            offset_bytes: 0,
            source: None,
            inlined: false,
        }]
        .into()),
        _ => Err(Unresolved::NoFile),
    }
}

/// A sideband record: a page of private memory is mapped.
pub(super) fn mapped(pid: u32, start: u64, time_ns: u64) -> Vec<u8> {
    const MMAP2: u32 = 10;
    const MAP_PRIVATE: u32 = 2;
    let range = [start, 0x1000, 0].map(u64::to_ne_bytes);
    let file = [0_u8; 24];
    let flags = [3, MAP_PRIVATE].map(u32::to_ne_bytes);
    let body = [
        range.as_flattened(),
        &file,
        flags.as_flattened(),
        b"//anon\0\0",
    ];
    sideband_record(MMAP2, [pid, pid], &body.concat(), time_ns)
}

/// A sideband record: a process is gone.
pub(super) fn exited(pid: u32, time_ns: u64) -> Vec<u8> {
    const EXIT: u32 = 4;
    let tids = [pid, 1].map(u32::to_ne_bytes);
    let body = [tids.as_flattened(), &time_ns.to_ne_bytes()].concat();
    sideband_record(EXIT, [pid, 1], &body, time_ns)
}

/// A record as the kernel lays it out: header, two ids, body, and the trailer of task and time.
fn sideband_record(kind: u32, ids: [u32; 2], body: &[u8], time_ns: u64) -> Vec<u8> {
    let size = u32::try_from(8 + 8 + body.len() + 16).expect("short");
    // The size is the upper half of its word, and nothing is in the lower.
    let words = [kind, size << 16, ids[0], ids[1]].map(u32::to_ne_bytes);
    let task = [ids[0]; 2].map(u32::to_ne_bytes);
    let time = time_ns.to_ne_bytes();
    [words.as_flattened(), body, task.as_flattened(), &time].concat()
}
