//! Mappings that are made anew, some at each reading.

use std::{cell::Cell, rc::Rc};

use fault_trace::{
    model::{attribution::MappingRow, space_event::Origin},
    pipeline::Sideband,
};

use super::World;

/// Mappings made anew between two drains.
const CHANGES_A_DRAIN: usize = 8;
/// `PERF_RECORD_MMAP2`.
const MMAP2: u32 = 10;

pub(super) struct MadeUpSideband {
    mappings: Rc<[MappingRow]>,
    clock: Rc<Cell<u64>>,
    next: usize,
    bytes: Vec<u8>,
}

impl MadeUpSideband {
    pub(super) fn new(world: &World, clock: &Rc<Cell<u64>>) -> Self {
        Self {
            mappings: Rc::clone(&world.mappings),
            clock: Rc::clone(clock),
            next: 0,
            bytes: Vec::new(),
        }
    }
}

impl Sideband for MadeUpSideband {
    fn read(&mut self, origin: Origin, mut sink: impl FnMut(&[u8])) {
        if origin != Origin::Machine {
            return;
        }
        for _ in 0..CHANGES_A_DRAIN {
            let mapping = &self.mappings[self.next % self.mappings.len()];
            self.next += 1;
            record(mapping, self.clock.get(), &mut self.bytes);
            sink(&self.bytes);
        }
    }
}

/// A record as the kernel lays it out, with the trailer of the task and the time.
fn record(mapping: &MappingRow, time_ns: u64, bytes: &mut Vec<u8>) {
    let id = mapping.pid;
    bytes.clear();
    bytes.extend_from_slice(bytemuck::cast_slice(&[MMAP2, 0, id, id]));
    let range = [mapping.start, mapping.end - mapping.start, 0];
    bytes.extend_from_slice(bytemuck::cast_slice(&range));
    bytes.extend_from_slice(bytemuck::cast_slice(&[0_u32, 0]));
    bytes.extend_from_slice(bytemuck::cast_slice(&[mapping.inode, 0]));
    let flags = if mapping.shared { 1_u32 } else { 2 };
    bytes.extend_from_slice(bytemuck::cast_slice(&[3_u32, flags]));
    let name: &[u8] = if mapping.name.is_empty() {
        b"//anon"
    } else {
        &mapping.name
    };
    bytes.extend_from_slice(name);
    bytes.resize((bytes.len() + 1).next_multiple_of(8), 0);
    bytes.extend_from_slice(bytemuck::cast_slice(&[id, id]));
    bytes.extend_from_slice(&time_ns.to_ne_bytes());
    let size = u16::try_from(bytes.len()).expect("names are short");
    bytes[6..8].copy_from_slice(&size.to_ne_bytes());
}
