//! The ring that one CPU's perf event writes, shared with the kernel.

use std::{
    num::NonZeroUsize,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use nix::{
    errno::Errno,
    sys::mman::{MapFlags, ProtFlags, mmap, munmap},
    unistd::{SysconfVar, sysconf},
};
use perf_event_open_sys::bindings::perf_event_mmap_page;

use super::OpenError;
use crate::pipeline::sideband::{HEADER_BYTES, header};

/// A ring is not made smaller than this for want of memory that may be locked.
const SMALLEST_BYTES: usize = 16 << 10;

/// An open perf event and its mapped ring.
#[derive(Debug)]
pub(super) struct Ring {
    event: OwnedFd,
    cpu: u32,
    /// One page of positions, then the data.
    control: NonNull<perf_event_mmap_page>,
    mapped_bytes: NonZeroUsize,
    data: NonNull<u8>,
    data_bytes: usize,
    /// One record, made contiguous.
    record: Vec<u8>,
}

// SAFETY: the mapping belongs to this value alone, and nothing in it is bound to a thread.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps a ring of at least `ring_bytes` for an open event; a smaller one if no more may be locked.
    pub(super) fn new(event: OwnedFd, cpu: u32, ring_bytes: usize) -> Result<Self, OpenError> {
        let mut bytes = ring_bytes;
        let mapped = loop {
            match Self::map(&event, bytes) {
                // Beyond kernel.perf_event_mlock_kb, without CAP_IPC_LOCK.
                Err(Errno::EPERM) if bytes > SMALLEST_BYTES => bytes /= 2,
                mapped => break mapped,
            }
        };
        let (control, mapped_bytes, data_bytes) = mapped.map_err(|source| OpenError::Ring {
            cpu,
            bytes: ring_bytes,
            source: source.into(),
        })?;
        // SAFETY: the mapping is its first page longer than the data.
        let data = unsafe { control.cast::<u8>().add(mapped_bytes.get() - data_bytes) };
        Ok(Self {
            event,
            cpu,
            control,
            mapped_bytes,
            data,
            data_bytes,
            record: Vec::new(),
        })
    }

    /// The mapping, its length in bytes, and how many of them at its end are data.
    fn map(
        event: &OwnedFd,
        ring_bytes: usize,
    ) -> Result<(NonNull<perf_event_mmap_page>, NonZeroUsize, usize), Errno> {
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE)?
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or(Errno::ENOSYS)?;
        let data_bytes = ring_bytes
            .max(page_bytes)
            .checked_next_power_of_two()
            .ok_or(Errno::EINVAL)?;
        let mapped_bytes = data_bytes
            .checked_add(page_bytes)
            .and_then(NonZeroUsize::new)
            .ok_or(Errno::EINVAL)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let start = unsafe {
            mmap(
                None,
                mapped_bytes,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                event,
                0,
            )?
        };
        Ok((start.cast(), mapped_bytes, data_bytes))
    }

    pub(super) const fn cpu(&self) -> u32 {
        self.cpu
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Hands on every record there is and gives the space back to the kernel.
    pub(super) fn drain(&mut self, mut sink: impl FnMut(&[u8])) {
        let head = self.head().load(Ordering::Acquire);
        // Only this side writes the tail.
        let mut tail = self.tail().load(Ordering::Relaxed);
        while let Some(length) = self.record_at(tail, head) {
            sink(&self.record);
            tail += length;
        }
        // Whatever is left is no record: nothing behind it can be told apart any more.
        if tail != head {
            self.record.clear();
            sink(&self.record);
        }
        // Releases the records only after they were copied.
        self.tail().store(head, Ordering::Release);
    }

    /// Copies the record at `tail` into `self.record`; its length in bytes, `None` at the end or if
    /// its header cannot be right.
    fn record_at(&mut self, tail: u64, head: u64) -> Option<u64> {
        let available = usize::try_from(head.wrapping_sub(tail)).ok()?;
        if available < HEADER_BYTES || available > self.data_bytes {
            return None;
        }
        self.copy(tail, HEADER_BYTES);
        let (_, _, length) = header(*self.record.first_chunk()?);
        if length < HEADER_BYTES || length > available {
            return None;
        }
        self.copy(tail, length);
        Some(length as u64)
    }

    /// Copies `length` bytes from `position` on into `self.record`, around the end of the ring.
    /// `length` is at most what lies between the tail and the head, so at most the whole ring.
    fn copy(&mut self, position: u64, length: usize) {
        // A power of two, so the mask is the remainder.
        let start = (position & (self.data_bytes as u64 - 1)) as usize;
        let until_end = length.min(self.data_bytes - start);
        self.record.clear();
        for (offset, bytes) in [(start, until_end), (0, length - until_end)] {
            // SAFETY: `offset + bytes` is at most `data_bytes`. The kernel writes only beyond the
            // head, which was loaded with acquire order, until the tail is stored.
            let part = unsafe {
                std::slice::from_raw_parts(self.data.as_ptr().add(offset).cast_const(), bytes)
            };
            self.record.extend_from_slice(part);
        }
    }

    fn head(&self) -> &AtomicU64 {
        // SAFETY: the field is aligned, lives as long as `self`, and is shared with the kernel alone,
        // which writes it atomically.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.control.as_ptr()).data_head) }
    }

    fn tail(&self) -> &AtomicU64 {
        // SAFETY: as for the head; the kernel only reads it.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.control.as_ptr()).data_tail) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: exactly what `map` mapped, and no reference into it is left. A failure would leave
        // the mapping to the end of the process.
        let _ = unsafe { munmap(self.control.cast(), self.mapped_bytes.get()) };
    }
}
