//! The ring that one CPU's perf event writes, shared with the kernel.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use nix::{
    sys::mman::{MapFlags, ProtFlags, mmap, munmap},
    unistd::{SysconfVar, sysconf},
};
use perf_event_open_sys::bindings::{PERF_FLAG_FD_CLOEXEC, perf_event_attr, perf_event_mmap_page};

use super::OpenError;
use crate::sideband::{HEADER_BYTES, header};

/// An open perf event and its mapped ring.
#[derive(Debug)]
pub(super) struct Ring {
    event: OwnedFd,
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
    /// Opens the event on one CPU, for all processes, and maps at least `ring_bytes` of ring.
    pub(super) fn open(
        mut attr: perf_event_attr,
        cpu: u32,
        ring_bytes: usize,
    ) -> Result<Self, OpenError> {
        let event_error = |source| OpenError::Event { cpu, source };
        let on_cpu = libc::c_int::try_from(cpu)
            .map_err(|error| event_error(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        // SAFETY: `attr` is a whole perf_event_attr that says its own size; it outlives the call.
        let event = unsafe {
            perf_event_open_sys::perf_event_open(
                &raw mut attr,
                -1,
                on_cpu,
                -1,
                PERF_FLAG_FD_CLOEXEC.into(),
            )
        };
        if event < 0 {
            return Err(event_error(io::Error::last_os_error()));
        }
        // SAFETY: the kernel just gave this descriptor, and nobody else has it.
        let event = unsafe { OwnedFd::from_raw_fd(event) };
        Self::map(event, ring_bytes).map_err(|source| OpenError::Ring {
            cpu,
            bytes: ring_bytes,
            source,
        })
    }

    fn map(event: OwnedFd, ring_bytes: usize) -> io::Result<Self> {
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE)?
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or(io::ErrorKind::Unsupported)?;
        let data_bytes = ring_bytes
            .max(page_bytes)
            .checked_next_power_of_two()
            .ok_or(io::ErrorKind::InvalidInput)?;
        let mapped_bytes = data_bytes
            .checked_add(page_bytes)
            .and_then(NonZeroUsize::new)
            .ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let start = unsafe {
            mmap(
                None,
                mapped_bytes,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                &event,
                0,
            )?
        };
        // SAFETY: the mapping is `page_bytes` longer than the data.
        let data = unsafe { start.cast::<u8>().add(page_bytes) };
        Ok(Self {
            event,
            control: start.cast(),
            mapped_bytes,
            data,
            data_bytes,
            record: Vec::new(),
        })
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
