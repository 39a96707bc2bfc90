//! From the bytes of the ring buffer to records. Pure; anything unknown is counted, never guessed.

use bytemuck::pod_read_unaligned;
use fault_trace_common::{
    Class, Confidence, ErrorCode, Evidence,
    phase::Spent,
    wire::{
        COMM_LEN, FaultRecord, KIND_FAULT, KIND_PHASES, KIND_STACK, KIND_STACK_COPY,
        KIND_STACKED_FAULT, KIND_TASK, LATENCY_UNKNOWN, PhasesRecord, RecordHeader,
        STACK_COPY_BYTES, STACK_COPY_HEADER_BYTES, STACK_FRAMES, STACK_HEADER_BYTES,
        StackedFaultRecord, TASK_EXITED, TASK_FORKED, TASK_MOVED, TASK_RENAMED, TASK_SEEN,
        TaskRecord, WIDE, Wide, comm_bytes,
    },
};

use fault_trace_model::{Fault, TaskChange, TaskEvent};

/// What a ring-buffer record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    Fault(Fault, StackIds),
    Task(TaskEvent),
    Stack(RawStack),
    StackCopy(StackCopy),
    Phases(RawPhases),
}

/// The phases of the fault that this thread began then, which comes right behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawPhases {
    pub tid: u32,
    /// ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    pub spent_ns: Spent,
}

/// The stacks of a fault: ids of [`RawStack`]s that came before; 0 for none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct StackIds {
    pub user: u64,
    pub kernel: u64,
}

/// The top of a user stack and the registers that belong to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackCopy {
    pub id: u64,
    pub ip: u64,
    pub sp: u64,
    pub bp: u64,
    /// From `sp` upwards.
    pub bytes: Vec<u8>,
}

/// A stack as addresses, which mean something in its process only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawStack {
    pub id: u64,
    /// Innermost first; all but the first are return addresses.
    pub frames: Vec<u64>,
}

/// Why a record could not be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("a record of kind {kind} has only {length} bytes")]
    Truncated { kind: u16, length: usize },
    #[error("a record of {length} bytes has no header")]
    NoHeader { length: usize },
    #[error("unknown kind of record {0}")]
    UnknownKind(u16),
    #[error("unknown kind of task record {0}")]
    UnknownTaskChange(u8),
}

const WIDE_FAULT: u16 = KIND_FAULT | WIDE;
const WIDE_STACKED_FAULT: u16 = KIND_STACKED_FAULT | WIDE;

/// Decodes one ring-buffer record. Trailing bytes (alignment) are ignored.
///
/// # Errors
/// A record that is too short or of an unknown kind; the caller counts it.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let length = bytes.len();
    let header: RecordHeader = read(bytes).ok_or(DecodeError::NoHeader { length })?;
    let kind = header.kind;
    let truncated = DecodeError::Truncated { kind, length };
    match kind {
        KIND_FAULT => {
            let record = read(bytes).ok_or(truncated)?;
            Ok(Record::Fault(fault(record), StackIds::default()))
        }
        KIND_STACKED_FAULT => {
            let (fault, ids) = stacked(read(bytes).ok_or(truncated)?);
            Ok(Record::Fault(fault, ids))
        }
        WIDE_FAULT => {
            let Wide {
                record,
                evidence_more,
            } = read_wide(bytes).ok_or(truncated)?;
            let mut fault = fault(record);
            fault.evidence.more = evidence_more;
            Ok(Record::Fault(fault, StackIds::default()))
        }
        WIDE_STACKED_FAULT => {
            let Wide {
                record,
                evidence_more,
            } = read_wide(bytes).ok_or(truncated)?;
            let (mut fault, ids) = stacked(record);
            fault.evidence.more = evidence_more;
            Ok(Record::Fault(fault, ids))
        }
        KIND_TASK => task(&read(bytes).ok_or(truncated)?).map(Record::Task),
        KIND_PHASES => {
            let record: PhasesRecord = read(bytes).ok_or(truncated)?;
            Ok(Record::Phases(RawPhases {
                tid: record.tid,
                time_ns: record.time_ns,
                spent_ns: record.spent_ns,
            }))
        }
        KIND_STACK_COPY => stack_copy(bytes).map(Record::StackCopy).ok_or(truncated),
        KIND_STACK => stack(bytes).map(Record::Stack).ok_or(truncated),
        _ => Err(DecodeError::UnknownKind(kind)),
    }
}

fn read<T: bytemuck::Pod>(bytes: &[u8]) -> Option<T> {
    bytes.get(..size_of::<T>()).map(pod_read_unaligned)
}

/// Reads a record and the second word of evidence behind it.
fn read_wide<R: bytemuck::Pod>(bytes: &[u8]) -> Option<Wide<R>> {
    Some(Wide {
        record: read(bytes)?,
        evidence_more: read(bytes.get(size_of::<R>()..)?)?,
    })
}

fn stacked(record: StackedFaultRecord) -> (Fault, StackIds) {
    let ids = StackIds {
        user: record.user_stack,
        kernel: record.kernel_stack,
    };
    (fault(record.fault), ids)
}

fn fault(record: FaultRecord) -> Fault {
    Fault {
        time_ns: record.time_ns,
        latency_ns: (record.latency_ns != LATENCY_UNKNOWN).then_some(record.latency_ns),
        address: record.address,
        ip: record.ip,
        evidence: Evidence {
            word: record.evidence,
            more: 0,
        },
        error_code: ErrorCode(record.error_code),
        pid: record.pid,
        tid: record.tid,
        cpu: record.header.cpu,
        pages: record.pages,
        class: Class::from_number(record.header.class).unwrap_or(Class::Unknown),
        confidence: if record.header.confidence == Confidence::Exact as u8 {
            Confidence::Exact
        } else {
            Confidence::Inferred
        },
        around_pages: record.header.around_pages.into(),
        ..Fault::BLANK
    }
}

/// The record's length is the number of its frames: it is cut at the last.
fn stack(bytes: &[u8]) -> Option<RawStack> {
    let words: [u64; 2] = read(bytes.get(size_of::<RecordHeader>()..)?)?;
    let [id, length] = words;
    let length = usize::try_from(length)
        .ok()
        .filter(|&length| length <= STACK_FRAMES)?;
    let frames = bytes
        .get(STACK_HEADER_BYTES..)?
        .get(..length * size_of::<u64>())?;
    Some(RawStack {
        id,
        frames: frames
            .as_chunks()
            .0
            .iter()
            .map(|frame| u64::from_ne_bytes(*frame))
            .collect(),
    })
}

fn stack_copy(bytes: &[u8]) -> Option<StackCopy> {
    let words: [u64; 5] = read(bytes.get(size_of::<RecordHeader>()..)?)?;
    let [id, ip, sp, bp, length] = words;
    let length = usize::try_from(length)
        .ok()
        .filter(|&length| length <= STACK_COPY_BYTES)?;
    let bytes = bytes.get(STACK_COPY_HEADER_BYTES..)?.get(..length)?;
    Some(StackCopy {
        id,
        ip,
        sp,
        bp,
        bytes: bytes.to_vec(),
    })
}

fn task(record: &TaskRecord) -> Result<TaskEvent, DecodeError> {
    let change = match record.header.class {
        TASK_SEEN => TaskChange::Seen,
        TASK_RENAMED => TaskChange::Renamed,
        TASK_FORKED => TaskChange::Forked {
            parent_pid: record.parent_pid,
        },
        TASK_EXITED => TaskChange::Exited,
        TASK_MOVED => TaskChange::Moved,
        other => return Err(DecodeError::UnknownTaskChange(other)),
    };
    Ok(TaskEvent {
        time_ns: record.time_ns,
        pid: record.pid,
        tid: record.tid,
        comm: comm(&record.comm),
        change,
        // 0 is no cgroup's: the kernel was built without them.
        cgroup_id: (record.cgroup_id != 0).then_some(record.cgroup_id),
    })
}

/// The name in a kernel `comm`.
#[must_use]
pub fn comm(raw: &[u8; COMM_LEN]) -> Vec<u8> {
    comm_bytes(raw).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn task_record() -> TaskRecord {
        TaskRecord {
            header: RecordHeader {
                kind: KIND_TASK,
                cpu: 1,
                class: TASK_FORKED,
                confidence: 0,
                around_pages: 0,
            },
            time_ns: 5,
            pid: 6,
            tid: 7,
            parent_pid: 8,
            padding: 0,
            cgroup_id: 9,
            comm: *b"ls\0garbage\0\0\0\0\0\0",
        }
    }

    fn fault_record(kind: u16) -> FaultRecord {
        FaultRecord {
            header: RecordHeader {
                kind,
                cpu: 1,
                class: Class::AnonAlloc as u8,
                confidence: Confidence::Exact as u8,
                around_pages: 0,
            },
            time_ns: 5,
            latency_ns: 6,
            address: 7,
            ip: 8,
            evidence: 9,
            error_code: 10,
            pid: 11,
            tid: 12,
            pages: 13,
        }
    }

    #[test]
    fn the_second_word_of_evidence_follows_a_wide_record_with_or_without_stacks() {
        let more: u64 = 1 << 63 | 1;
        let evidence = |word, more| Evidence { word, more };
        let mut bytes = bytemuck::bytes_of(&fault_record(WIDE_FAULT)).to_vec();
        assert_eq!(size_of::<Wide<FaultRecord>>(), bytes.len() + 8);
        bytes.extend(more.to_ne_bytes());
        let Ok(Record::Fault(fault, StackIds { user: 0, kernel: 0 })) = decode(&bytes) else {
            panic!("no fault: {:?}", decode(&bytes));
        };
        assert_eq!((fault.evidence, fault.pages), (evidence(9, more), 13));
        assert!(decode(&bytes[..bytes.len() - 1]).is_err(), "it is cut off");

        let stacked = StackedFaultRecord {
            fault: fault_record(WIDE_STACKED_FAULT),
            user_stack: 14,
            kernel_stack: 15,
        };
        let mut bytes = bytemuck::bytes_of(&stacked).to_vec();
        bytes.extend(more.to_ne_bytes());
        let ids = StackIds {
            user: 14,
            kernel: 15,
        };
        assert_eq!(decode(&bytes), Ok(Record::Fault(fault, ids)));

        let narrow = decode(bytemuck::bytes_of(&fault_record(KIND_FAULT)));
        let Ok(Record::Fault(fault, _)) = narrow else {
            panic!("no fault: {narrow:?}");
        };
        assert_eq!(fault.evidence, evidence(9, 0));
    }

    #[test]
    fn a_name_ends_at_its_nul() {
        let event = decode(bytemuck::bytes_of(&task_record()));
        assert_eq!(
            event,
            Ok(Record::Task(TaskEvent {
                time_ns: 5,
                pid: 6,
                tid: 7,
                comm: b"ls".to_vec(),
                change: TaskChange::Forked { parent_pid: 8 },
                cgroup_id: Some(9),
            }))
        );
    }

    #[test]
    fn a_truncated_record_is_refused_at_every_length() {
        let record = task_record();
        let bytes = bytemuck::bytes_of(&record);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_stack_has_as_many_frames_as_it_says() {
        let header = RecordHeader {
            kind: KIND_STACK,
            cpu: 0,
            class: 0,
            confidence: 0,
            around_pages: 0,
        };
        let words = [77_u64, 2, 0x1000, 0x2000, 0x3000];
        let bytes = [bytemuck::bytes_of(&header), bytemuck::cast_slice(&words)].concat();
        let frames = vec![0x1000, 0x2000];
        assert_eq!(
            decode(&bytes),
            Ok(Record::Stack(RawStack { id: 77, frames }))
        );
        let shortest = STACK_HEADER_BYTES + 2 * 8;
        for length in 0..shortest {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_copy_of_a_stack_has_as_many_bytes_as_it_says() {
        let header = RecordHeader {
            kind: KIND_STACK_COPY,
            cpu: 0,
            class: 0,
            confidence: 0,
            around_pages: 0,
        };
        let words = [7_u64, 1, 2, 3, 4, 0x0807_0605_0403_0201];
        let bytes = [bytemuck::bytes_of(&header), bytemuck::cast_slice(&words)].concat();
        let copy = StackCopy {
            id: 7,
            ip: 1,
            sp: 2,
            bp: 3,
            bytes: vec![1, 2, 3, 4],
        };
        assert_eq!(decode(&bytes), Ok(Record::StackCopy(copy)));
        for length in 0..STACK_COPY_HEADER_BYTES + 4 {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn no_fault_record_panics(mut bytes in prop::collection::vec(any::<u8>(), 64)) {
            bytes[..2].copy_from_slice(&KIND_FAULT.to_ne_bytes());
            prop_assert!(matches!(decode(&bytes), Ok(Record::Fault(..))));
        }
    }
}
