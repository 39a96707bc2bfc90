//! What functions took together with all they called.

use rustc_hash::FxHashMap;

use super::{groups, keys::Keys, value::Inclusive};
use crate::{Tables, slots::Slots};
use fault_trace_model::{Fault, attribution::LocationKind};

/// Faults by stack and faulting function; resolved when all are counted, so that a stack's frames are
/// looked up once.
#[derive(Debug, Default)]
pub(super) struct Callers {
    slots: Slots<StackKey>,
    sums: Vec<(StackKey, Inclusive)>,
}

/// A stack and a function.
type StackKey = (u32, u32);

impl Callers {
    /// Adds a fault in the function of that number.
    pub(super) fn fault(&mut self, fault: &Fault, function: u32) {
        let mut key = (fault.stack_id.unwrap_or(0), function);
        let slot = self.slots.of(key, groups::CAPACITY).or_else(|| {
            // Without room for its stack it counts for its own function alone.
            key.0 = 0;
            self.slots.of(key, usize::MAX)
        });
        let Some(slot) = slot else { return };
        if slot == self.sums.len() {
            self.sums.push((key, Inclusive::default()));
        }
        add(&mut self.sums[slot].1, 1, fault.latency_ns.unwrap_or(0));
    }

    /// The sums by the functions' numbers. A function that calls itself counts once.
    pub(super) fn by_function<'a>(
        &self,
        tables: &'a Tables,
        keys: &mut Keys<'a>,
    ) -> FxHashMap<u32, Inclusive> {
        let mut sums: FxHashMap<u32, Inclusive> = FxHashMap::default();
        let mut of_location: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        let mut functions = Vec::new();
        for &((stack_id, own), ref sum) in &self.sums {
            functions.clear();
            functions.push(own);
            for &location_id in tables.stack_of(stack_id).unwrap_or_default() {
                let of_location = of_location.entry(location_id).or_insert_with(|| {
                    // Where nothing is mapped there is no function: the stack went astray.
                    let frames = tables.frames(location_id);
                    let frames = frames.filter(|frame| frame.kind != LocationKind::Unknown);
                    frames.map(|frame| keys.function(frame)).collect()
                });
                functions.extend_from_slice(of_location);
            }
            functions.sort_unstable();
            functions.dedup();
            for &function in &functions {
                add(sums.entry(function).or_default(), sum.count, sum.time_ns);
            }
        }
        sums
    }
}

fn add(sum: &mut Inclusive, count: u64, time_ns: u64) {
    sum.count += count;
    sum.time_ns = sum.time_ns.saturating_add(time_ns);
}
