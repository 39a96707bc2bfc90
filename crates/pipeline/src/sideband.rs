//! From the bytes of perf's sideband records to what happened to the address spaces. Pure.
//!
//! What Linux 6.18 was seen to report (and, from its source, what other kernels do):
//!
//! | call | record |
//! |---|---|
//! | `mmap`, `shmat`, `MAP_FIXED` | `MMAP2` with the VMA as merged with its neighbours |
//! | `mprotect` | `MMAP2` with each VMA it leaves, merged or split, in its new protection |
//! | growing `brk` | `MMAP2` with the whole heap; the first one of a process is named `//anon`, later ones `[heap]` |
//! | growth of the stack | `MMAP2` with the whole stack, between START and END of the fault |
//! | `exec` | `COMM` with its exec bit, then `MMAP2` of `[stack]`, segments, `[vdso]`, `[vvar]` |
//! | `fork`, `clone` | `FORK` on the parent's CPU before the child runs, and nothing for what it inherits |
//! | `munmap`, shrinking `brk` | none |
//! | `mremap` | none, neither for the old place nor for the new |
//! | `madvise` (guards, too), `mlock`, naming memory | none |
//!
//! The flags hold `MAP_SHARED` or `MAP_PRIVATE`, `MAP_HUGETLB` for huge-page files, `MAP_LOCKED`;
//! never `MAP_ANONYMOUS` or `MAP_GROWSDOWN`. The protection is the VMA's and so has no `PROT_GROWSDOWN`
//! either (`perf_event_mmap_event`, kernel/events/core.c). Pids are those of the reader's pid
//! namespace.

use linux_perf_event_reader::{
    BranchSampleFormat, Endianness, EventRecord, Mmap2FileId, Mmap2Record, RawData, RawEventRecord,
    ReadFormat, RecordIdParseInfo, RecordParseInfo, RecordType, SampleFormat,
};

use fault_trace_model::{
    mapping::{Device, Devices, Mapping, Names, Protection, Source},
    space_event::{SpaceChange, SpaceEvent},
};

/// Why a record could not be decoded; the caller counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SidebandError {
    #[error("a sideband record of kind {kind} is truncated at {length} bytes")]
    Truncated { kind: u32, length: usize },
    #[error("a sideband record of kind {0} was not asked for")]
    UnknownKind(u32),
    #[error("a sideband record maps the impossible range {start:#x} + {length_bytes:#x}")]
    BadRange { start: u64, length_bytes: u64 },
}

/// The length of a record's header: kind, misc, size.
pub const HEADER_BYTES: usize = 8;
/// `PERF_RECORD_MISC_MMAP_BUILD_ID`: a build id instead of device and inode. It is never asked for.
const MISC_BUILD_ID: u16 = 1 << 14;
/// What each record ends with (`sample_id_all`): the ids of the task, then the time.
const TRAILER: SampleFormat = SampleFormat::TID.union(SampleFormat::TIME);
/// `sample_type` of the events whose records are decoded here.
pub const SAMPLE_TYPE: u64 = TRAILER.bits();
const LAYOUT: RecordParseInfo = RecordParseInfo {
    endian: if cfg!(target_endian = "big") {
        Endianness::BigEndian
    } else {
        Endianness::LittleEndian
    },
    sample_format: TRAILER,
    branch_sample_format: BranchSampleFormat::empty(),
    read_format: ReadFormat::empty(),
    common_data_offset_from_end: Some(16),
    sample_regs_user: 0,
    user_regs_count: 0,
    sample_regs_intr: 0,
    intr_regs_count: 0,
    id_parse_info: RecordIdParseInfo {
        nonsample_record_id_offset_from_end: None,
        sample_record_id_offset_from_start: None,
    },
    nonsample_record_time_offset_from_end: Some(8),
    sample_record_time_offset_from_start: Some(8),
};
const MAP_SHARED: u32 = 1;
const MAP_HUGETLB: u32 = 0x4_0000;

/// The kind, the misc bits and the whole length in bytes that a record's header gives.
#[must_use]
pub fn header(bytes: [u8; HEADER_BYTES]) -> (u32, u16, usize) {
    let [k0, k1, k2, k3, m0, m1, s0, s1] = bytes;
    (
        u32::from_ne_bytes([k0, k1, k2, k3]),
        u16::from_ne_bytes([m0, m1]),
        u16::from_ne_bytes([s0, s1]).into(),
    )
}

/// Decodes the records of events opened as `capture::sideband` does: `sample_id_all`, with the ids of
/// the task and the time.
#[derive(Debug)]
pub struct Decoder {
    devices: Devices,
    names: Names,
}

impl Decoder {
    /// A decoder that knows which devices are shared memory and huge pages.
    #[must_use]
    pub fn new(devices: Devices) -> Self {
        Self {
            devices,
            names: Names::default(),
        }
    }

    /// Decodes one whole record, header and all.
    ///
    /// # Errors
    /// A record that is cut off, of a kind not asked for, or with an impossible range.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<SpaceEvent, SidebandError> {
        let length = bytes.len();
        let Some((head, rest)) = bytes.split_first_chunk() else {
            return Err(SidebandError::Truncated { kind: 0, length });
        };
        let (kind, misc, size) = header(*head);
        let truncated = SidebandError::Truncated { kind, length };
        let body = size
            .checked_sub(HEADER_BYTES)
            .and_then(|size| rest.get(..size))
            .ok_or(truncated)?;
        let record_type = RecordType(kind);
        let wanted = matches!(
            record_type,
            RecordType::MMAP2
                | RecordType::COMM
                | RecordType::FORK
                | RecordType::EXIT
                | RecordType::LOST
        );
        // The reader panics at a build id that is too long.
        let has_build_id = record_type == RecordType::MMAP2 && misc & MISC_BUILD_ID != 0;
        if !wanted || has_build_id {
            return Err(SidebandError::UnknownKind(kind));
        }
        let raw = RawEventRecord::new(record_type, misc, RawData::Single(body), LAYOUT);
        let time_ns = raw.timestamp().ok_or(truncated)?;
        let change = match raw.parse().map_err(|_| truncated)? {
            EventRecord::Mmap2(record) => self.mapped(&record)?,
            EventRecord::Comm(record) => SpaceChange::Named {
                pid: record.pid.cast_unsigned(),
                tid: record.tid.cast_unsigned(),
                comm: record.name.as_slice().into_owned(),
                exec: record.is_execve,
            },
            EventRecord::Fork(record) => SpaceChange::Forked {
                pid: record.pid.cast_unsigned(),
                tid: record.tid.cast_unsigned(),
                parent_pid: record.ppid.cast_unsigned(),
            },
            EventRecord::Exit(record) => SpaceChange::Exited {
                pid: record.pid.cast_unsigned(),
                tid: record.tid.cast_unsigned(),
            },
            EventRecord::Lost(record) => SpaceChange::Lost {
                records: record.count,
            },
            _ => return Err(SidebandError::UnknownKind(kind)),
        };
        Ok(SpaceEvent { time_ns, change })
    }

    fn mapped(&mut self, record: &Mmap2Record<'_>) -> Result<SpaceChange, SidebandError> {
        let (start, length_bytes) = (record.address, record.length);
        let end = start
            .checked_add(length_bytes)
            .filter(|end| *end > start)
            .ok_or(SidebandError::BadRange {
                start,
                length_bytes,
            })?;
        let (device, inode) = match &record.file_id {
            Mmap2FileId::InodeAndVersion(file) => {
                let (major, minor) = (file.major, file.minor);
                (Device { major, minor }, file.inode)
            }
            Mmap2FileId::BuildId(_) => Default::default(),
        };
        let shared = record.flags & MAP_SHARED != 0;
        let source = Source {
            name: &record.path.as_slice(),
            device,
            inode,
            shared,
            hugetlb: record.flags & MAP_HUGETLB != 0,
        };
        let kind = source.kind(&self.devices, &mut self.names);
        Ok(SpaceChange::Mapped {
            pid: record.pid.cast_unsigned(),
            mapping: Mapping {
                start,
                end,
                offset_bytes: kind.offset_bytes(record.page_offset),
                protection: Protection::from_bits(record.protection),
                shared,
                kind,
            },
        })
    }
}

#[cfg(test)]
mod tests;
