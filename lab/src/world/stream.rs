//! The records of the faults, and of the stacks that they refer to.

use std::{cell::Cell, rc::Rc};

use fault_trace::{model::Fault, pipeline::Records};
use fault_trace_common::wire::{
    FaultRecord, KIND_FAULT, KIND_STACK, KIND_STACKED_FAULT, RecordHeader, StackedFaultRecord,
};

use super::World;

/// Faults that come between two drains: 5 ms at full speed.
pub(super) const FAULTS_A_DRAIN: u64 = 1 << 12;

/// Records as the eBPF programs send them.
pub(super) struct Stream {
    faults: Rc<[Fault]>,
    stacks: Rc<[Vec<u64>]>,
    /// By id less one.
    sent_stacks: Vec<bool>,
    /// Faults in all, up to the last mark, and sent.
    all: u64,
    marked: u64,
    sent: u64,
    clock: Rc<Cell<u64>>,
    bytes: Vec<u8>,
}

impl Stream {
    pub(super) fn new(world: &World, faults: u64, clock: &Rc<Cell<u64>>) -> Self {
        Self {
            faults: Rc::clone(&world.faults),
            stacks: Rc::clone(&world.stacks),
            sent_stacks: vec![false; world.stacks.len()],
            all: faults,
            marked: 0,
            sent: 0,
            clock: Rc::clone(clock),
            bytes: Vec::new(),
        }
    }

    /// Sends everything.
    pub(super) fn all(mut self, mut sink: impl FnMut(&[u8])) {
        while self.sent < self.all {
            self.mark();
            self.records((), usize::MAX, &mut sink);
        }
    }

    /// The fault of that number: the same again and again, at later times.
    fn fault(&self, number: u64) -> Fault {
        let count = self.faults.len() as u64;
        let fault = self.faults[(number % count) as usize];
        let first_ns = self.faults[0].time_ns;
        let last_ns = self.faults[self.faults.len() - 1].time_ns;
        let later_ns = number / count * (last_ns - first_ns + 1_000);
        Fault {
            time_ns: fault.time_ns + later_ns,
            ..fault
        }
    }

    /// Sends the stack of that id, if it was not sent yet.
    fn stack(&mut self, id: u32, cpu: u16, sink: &mut impl FnMut(&[u8])) -> bool {
        let at = id as usize - 1;
        if std::mem::replace(&mut self.sent_stacks[at], true) {
            return false;
        }
        let frames = &self.stacks[at];
        self.bytes.clear();
        let header = header(KIND_STACK, cpu);
        self.bytes.extend_from_slice(bytemuck::bytes_of(&header));
        let words = [u64::from(id), frames.len() as u64];
        self.bytes.extend_from_slice(bytemuck::cast_slice(&words));
        self.bytes.extend_from_slice(bytemuck::cast_slice(frames));
        sink(&self.bytes);
        true
    }
}

impl Records for Stream {
    type Mark = ();

    fn mark(&mut self) {
        self.marked = self.all.min(self.sent + FAULTS_A_DRAIN);
        if let Some(last) = self.marked.checked_sub(1) {
            let fault = self.fault(last);
            // It has ended.
            let ended_ns = fault.time_ns + fault.latency_ns.unwrap_or(0);
            self.clock.set(self.clock.get().max(ended_ns));
        }
    }

    fn records(&mut self, (): (), limit: usize, mut sink: impl FnMut(&[u8])) -> usize {
        let mut count = 0;
        while self.sent < self.marked && count < limit {
            let fault = self.fault(self.sent);
            if let Some(id) = fault.stack_id
                && self.stack(id, fault.cpu, &mut sink)
            {
                count += 1;
                continue;
            }
            self.sent += 1;
            count += 1;
            let record = fault_record(&fault);
            match fault.stack_id {
                None => sink(bytemuck::bytes_of(&record)),
                Some(id) => sink(bytemuck::bytes_of(&StackedFaultRecord {
                    fault: FaultRecord {
                        header: RecordHeader {
                            kind: KIND_STACKED_FAULT,
                            ..record.header
                        },
                        ..record
                    },
                    user_stack: id.into(),
                    kernel_stack: 0,
                })),
            }
        }
        count
    }
}

const fn header(kind: u16, cpu: u16) -> RecordHeader {
    RecordHeader {
        kind,
        cpu,
        class: 0,
        confidence: 0,
        around_pages: 0,
    }
}

/// A fault as the eBPF programs send it.
pub fn fault_record(fault: &Fault) -> FaultRecord {
    FaultRecord {
        header: RecordHeader {
            class: fault.class as u8,
            confidence: fault.confidence as u8,
            around_pages: u16::try_from(fault.around_pages).unwrap_or(0),
            ..header(KIND_FAULT, fault.cpu)
        },
        time_ns: fault.time_ns,
        latency_ns: fault.latency_ns.unwrap_or(0),
        address: fault.address,
        ip: fault.ip,
        evidence: fault.evidence.word,
        error_code: fault.error_code.0,
        pid: fault.pid,
        tid: fault.tid,
        pages: fault.pages,
    }
}
