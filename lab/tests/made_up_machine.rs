//! A made-up machine's faults, sent through the whole pipeline as bytes: what comes out must refer to
//! what was put in.

use std::collections::HashMap;

use fault_trace::model::{Event, Fault};

use lab::{synthetic::Shape, world::World};

const FAULTS: u64 = 100_000;

/// What faults refer to.
#[derive(Default)]
struct Rows {
    faults: Vec<Fault>,
    /// Process, start and end by id.
    mappings: HashMap<u32, (u32, u64, u64)>,
    /// Offsets in the only file by id.
    locations: HashMap<u32, u64>,
    stacks: HashMap<u32, Vec<u32>>,
    named: usize,
}

impl Rows {
    fn of(world: &World) -> Self {
        let mut rows = Self::default();
        world.run(FAULTS, |batch| {
            batch.others.iter().for_each(|row| rows.take(row));
            rows.faults.extend(&batch.faults);
        });
        rows
    }

    fn take(&mut self, row: &Event) {
        match row {
            Event::Mapping(row) => {
                let known = self.mappings.insert(row.id, (row.pid, row.start, row.end));
                assert_eq!(known, None, "two mappings of one id");
            }
            Event::Location(row) => _ = self.locations.insert(row.id, row.offset_bytes),
            Event::Stack(row) => {
                let stack = self.stacks.entry(row.stack_id).or_default();
                assert_eq!(usize::from(row.depth), stack.len(), "frames are in order");
                stack.push(row.location_id);
            }
            Event::Symbol(_) => self.named += 1,
            _ => {}
        }
    }
}

/// The offset of an instruction in the only file, which all processes have mapped at one address.
const fn offset(address: u64) -> u64 {
    address - 0x5555_5555_0000
}

#[test]
fn every_fault_comes_out_in_order_with_all_that_it_refers_to() {
    let world = World::new(Shape {
        stacks: 2_000,
        ..Shape::USUAL.with_faults(FAULTS)
    });
    let rows = Rows::of(&world);
    assert_eq!(rows.faults.len() as u64, FAULTS);
    for (put_in, fault) in world.faults.iter().zip(&rows.faults) {
        let identity = |fault: &Fault| {
            let Fault {
                time_ns, pid, tid, ..
            } = *fault;
            (time_ns, pid, tid, fault.address, fault.latency_ns)
        };
        assert_eq!(identity(fault), identity(put_in));
        assert_eq!(fault.class.family(), put_in.class.family());
        let mapping = put_in.mapping_id.expect("each has one") as usize - 1;
        let mapping = &world.mappings[mapping];
        let found = rows.mappings[&fault.mapping_id.expect("its mapping is known")];
        assert_eq!(found, (mapping.pid, mapping.start, mapping.end));
        let location = rows.locations[&fault.location_id.expect("its code is known")];
        assert_eq!(location, offset(put_in.ip));
        let stack = &rows.stacks[&fault.stack_id.expect("its stack came")];
        let frames = &world.stacks[put_in.stack_id.expect("each has one") as usize - 1];
        assert_eq!(stack.len(), frames.len());
        for (depth, (id, &frame)) in stack.iter().zip(frames).enumerate() {
            // The instruction itself, and the calls that lead there.
            assert_eq!(rows.locations[id], offset(frame) - u64::from(depth != 0));
        }
    }
    assert_eq!(rows.named, rows.locations.len(), "each is named once");
}
