//! Reading the ring buffer. Space is given back to the kernel for many records at once: it reads the
//! position for each record that it reserves, and would wait for that cache line each time.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::{AsFd as _, BorrowedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};

use aya::maps::{Map, MapData};
use nix::{
    sys::mman::{MapFlags, ProtFlags, mmap, munmap},
    unistd::{SysconfVar, sysconf},
};

use super::CaptureError;
use crate::pipeline::Records;

/// What the kernel puts before each record: its length with two flags, and something of its own.
const HEADER_BYTES: usize = 8;
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
/// Space is given back at least so often.
const GIVE_BACK_BYTES: usize = 64 << 10;

/// The reading end of the ring buffer. The eBPF side never wakes the reader: call [`Records::records`]
/// on a timer.
pub struct Ring {
    /// Keeps the ring buffer alive.
    _map: MapData,
    /// Where this side has read up to: the first word of the first page.
    consumer: Mapping,
    /// Where the kernel has reserved up to, a page, and the data, twice in a row.
    producer: Mapping,
    page_bytes: usize,
    data_bytes: usize,
    position: usize,
}

/// A moment: the records that were reserved before it.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

// SAFETY: the mappings belong to this value alone, and nothing in them is bound to a thread.
unsafe impl Send for Ring {}

impl Ring {
    pub(super) fn new(map: Map) -> Result<Self, CaptureError> {
        const NAME: &str = "EVENTS";
        let failed = |source| CaptureError::Map { name: NAME, source };
        let missing = CaptureError::Missing {
            kind: "ring buffer",
            name: NAME,
        };
        let Map::RingBuf(map) = map else {
            return Err(missing);
        };
        let data_bytes = map.info().map_err(failed)?.max_entries() as usize;
        Self::map(map, data_bytes).map_err(|source| CaptureError::Ring {
            bytes: data_bytes,
            source,
        })
    }

    fn map(map: MapData, data_bytes: usize) -> io::Result<Self> {
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE)?
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or(io::ErrorKind::Unsupported)?;
        let fd = map.fd().as_fd();
        let writable = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let consumer = Mapping::new(fd, page_bytes, 0, writable)?;
        let bytes = page_bytes + 2 * data_bytes;
        let producer = Mapping::new(fd, bytes, page_bytes, ProtFlags::PROT_READ)?;
        let position = consumer.word().load(Ordering::Acquire);
        Ok(Self {
            _map: map,
            consumer,
            producer,
            page_bytes,
            data_bytes,
            position,
        })
    }

    fn give_back(&self) {
        self.consumer.word().store(self.position, Ordering::Release);
    }

    fn length_at(&self, position: usize) -> &AtomicU32 {
        let at = self.at(position);
        // SAFETY: within the mapping, aligned as every record is, and written atomically by the kernel.
        unsafe { AtomicU32::from_ptr(at.cast().as_ptr()) }
    }

    fn record(&self, position: usize, length: usize) -> &[u8] {
        let length = length.min(self.data_bytes);
        // SAFETY: the data are mapped twice in a row, so that no record is cut at their end. The kernel
        // has committed it, and does not write there before it is given back.
        unsafe { std::slice::from_raw_parts(self.at(position).as_ptr(), length) }
    }

    fn at(&self, position: usize) -> NonNull<u8> {
        // The size is a power of two.
        let offset = self.page_bytes + (position & (self.data_bytes - 1));
        // SAFETY: less than the page and the data once.
        unsafe { self.producer.start.add(offset) }
    }
}

impl Records for Ring {
    type Mark = Mark;

    fn mark(&mut self) -> Mark {
        Mark(self.producer.word().load(Ordering::Acquire))
    }

    fn records(&mut self, until: Mark, limit: usize, mut sink: impl FnMut(&[u8])) -> usize {
        let mut given_back = self.position;
        let mut count = 0;
        while count < limit && self.position != until.0 {
            let head = self.length_at(self.position).load(Ordering::Acquire);
            if head & BUSY != 0 {
                break;
            }
            let length = (head & !DISCARDED) as usize;
            if head & DISCARDED == 0 {
                sink(self.record(self.position + HEADER_BYTES, length));
                count += 1;
            }
            self.position += (HEADER_BYTES + length).next_multiple_of(8);
            if self.position.wrapping_sub(given_back) >= GIVE_BACK_BYTES {
                self.give_back();
                given_back = self.position;
            }
        }
        self.give_back();
        count
    }
}

/// A part of the ring buffer in memory.
struct Mapping {
    start: NonNull<u8>,
    bytes: NonZeroUsize,
}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, bytes: usize, offset: usize, prot: ProtFlags) -> io::Result<Self> {
        let bytes = NonZeroUsize::new(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        let offset = i64::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let start = unsafe { mmap(None, bytes, prot, MapFlags::MAP_SHARED, fd, offset)? };
        Ok(Self {
            start: start.cast(),
            bytes,
        })
    }

    /// The position that its first page begins with.
    fn word(&self) -> &AtomicUsize {
        // SAFETY: page-aligned, at least a page long, and written atomically on either side.
        unsafe { AtomicUsize::from_ptr(self.start.cast().as_ptr()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped, and no reference into it is left. A failure would leave the
        // mapping to the end of the process.
        let _ = unsafe { munmap(self.start.cast(), self.bytes.get()) };
    }
}
