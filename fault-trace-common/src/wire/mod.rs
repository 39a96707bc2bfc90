//! The layout of what crosses from the eBPF programs to user space: ring-buffer records, map
//! values and read-only globals. Padding is explicit, which deriving `Pod` sees to; numbers, no enums and
//! no bools.

mod config;
mod map;
mod record;

pub use config::*;
pub use map::*;
pub use record::*;

const _: () = {
    use core::mem::{offset_of, size_of};

    use crate::{
        evidence::Evidence,
        histogram::BUCKETS,
        ledger::{FaultCounters, Ledger},
        open::{DEPTH, OpenFault, OpenFaults},
        phase::{Phases, Spent},
    };

    assert!(size_of::<RecordHeader>() == 8);
    assert!(size_of::<FaultRecord>() == 64);
    assert!(offset_of!(FaultRecord, error_code) == 48);
    assert!(size_of::<StackedFaultRecord>() == 80);
    assert!(offset_of!(StackRecord, frames) == STACK_HEADER_BYTES);
    assert!(size_of::<StackRecord>() == STACK_HEADER_BYTES + 8 * (STACK_FRAMES + 1));
    assert!(offset_of!(StackCopyRecord, bytes) == STACK_COPY_HEADER_BYTES);
    assert!(size_of::<StackCopyRecord>() == STACK_COPY_HEADER_BYTES + STACK_COPY_BYTES);
    assert!(size_of::<TaskRecord>() == 56);
    assert!(offset_of!(TaskRecord, comm) == 40);
    assert!(size_of::<Counts>() == 23 * 8);
    assert!(size_of::<ThreadStats>() == 224);
    assert!(size_of::<ProcessStats>() == size_of::<Counts>() + COMM_LEN);
    assert!((size_of::<ClassStats>() - 8 * BUCKETS).is_multiple_of(64));
    assert!(size_of::<PhasesRecord>() == 24 + size_of::<Spent>());
    assert!(size_of::<Phases>() == size_of::<Spent>() + 8 + 2 * 4);
    assert!(size_of::<OpenFault>() == 5 * 8 + size_of::<Evidence>() + 4 * 4 + size_of::<Phases>());
    assert!(size_of::<OpenFaults>() == DEPTH * size_of::<OpenFault>() + 2 * 4);
    let books = size_of::<Ledger>() + size_of::<FaultCounters>();
    assert!(size_of::<Ledger>() == size_of::<FaultCounters>() + size_of::<Evidence>() + 2 * 4);
    assert!(
        size_of::<TaskState>()
            == size_of::<OpenFaults>() + size_of::<Evidence>() + books + 5 * 8 + 10 * 4
    );
};
