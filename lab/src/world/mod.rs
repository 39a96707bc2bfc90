//! A made-up machine whose faults come as the kernel sends them: bytes of the ring buffer and of the
//! sideband, and answers about what is mapped and what code is called.

mod machine;
mod sideband;
mod stream;

pub use stream::fault_record;

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    rc::Rc,
};

use fault_trace::{
    model::{Batch, Event, Fault, attribution::MappingRow},
    pipeline::{Coverage, Ending, Followed, Pace, Pipeline, Settings, Source},
};
use fault_trace_common::{Hooks, wire::ALL_CLASSES};

use crate::synthetic::Shape;
use machine::MadeUpMachine;
use sideband::MadeUpSideband;
use stream::Stream;

/// What is so on the machine whatever happens, made once.
pub struct World {
    /// Faults as they are before they are sent; when all have come they come again.
    pub faults: Rc<[Fault]>,
    /// The frames of each stack, by the id that those faults have, less one.
    pub stacks: Rc<[Vec<u64>]>,
    /// What is mapped, by the id that those faults have, less one.
    pub mappings: Rc<[MappingRow]>,
    pids: Vec<u32>,
}

/// Faults before the first comes again.
const DISTINCT: u64 = 1 << 18;

impl World {
    pub fn new(shape: Shape) -> Self {
        let mut addresses = HashMap::new();
        let mut mappings = Vec::new();
        let mut stacks = vec![Vec::new(); shape.stacks as usize];
        for row in shape.rows() {
            match row {
                Event::Location(row) => _ = addresses.insert(row.id, row.address),
                Event::Mapping(row) => mappings.push(row),
                Event::Stack(row) => {
                    stacks[row.stack_id as usize - 1].push(addresses[&row.location_id]);
                }
                _ => {}
            }
        }
        let pids: HashSet<u32> = mappings.iter().map(|mapping| mapping.pid).collect();
        let mut pids = Vec::from_iter(pids);
        pids.sort_unstable();
        Self {
            faults: shape
                .with_faults(DISTINCT.min(shape.faults))
                .faults()
                .collect(),
            stacks: stacks.into(),
            mappings: mappings.into(),
            pids,
        }
    }

    /// Sends this many faults through a pipeline, from the first snapshot to the last name. `sink` gets
    /// each batch.
    pub fn run(&self, faults: u64, mut sink: impl FnMut(&mut Batch)) {
        let clock = Rc::new(Cell::new(1));
        let source = Source {
            records: Stream::new(self, faults, &clock),
            sideband: MadeUpSideband::new(self, &clock),
        };
        let machine = MadeUpMachine::new(self, &clock);
        let settings = Settings {
            hooks: Hooks::ALL,
            wanted: ALL_CLASSES,
            names_live: false,
        };
        let followed = Followed {
            coverage: Coverage::everyone(),
            pids: self.pids.clone(),
        };
        let mut pipeline = Pipeline::open(source, machine, settings, followed);
        let mut take = |batch: &mut Batch| {
            sink(batch);
            batch.clear();
        };
        // Each drains what came since the last; the last finds nothing.
        for _ in 0..=faults.div_ceil(stream::FAULTS_A_DRAIN) {
            let drained: Result<(), ()> = pipeline.drain(&Pace::default(), |batch| {
                take(batch);
                Ok(())
            });
            drained.expect("nothing fails");
            pipeline.look();
        }
        while pipeline.conclude(None) != Ending::Done {
            take(pipeline.batch_mut());
        }
        take(pipeline.batch_mut());
    }

    /// Makes the same records, and hands them to nobody.
    pub fn make_records(&self, faults: u64, sink: impl FnMut(&[u8])) {
        Stream::new(self, faults, &Rc::new(Cell::new(1))).all(sink);
    }
}
