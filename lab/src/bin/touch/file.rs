//! Reads a file through a mapping, all of it in the page cache: ns per fault, and ns per fault to unmap
//! what it has mapped. The kernel maps up to 16 cached pages around a fault; a round is PAGES / 4 faults.

use std::{fs::File, hint, io, num::NonZeroUsize, ptr::NonNull, time::Instant};

use fault_trace::host::touch::PAGE_BYTES;
use nix::sys::{
    mman::{MapFlags, ProtFlags, mmap, munmap},
    resource::UsageWho,
};

use super::{
    clock::{Usage, ns_since},
    rounds::Rounds,
};

/// What the kernel maps around a fault by default.
const AROUND_BYTES: usize = 16 * PAGE_BYTES;

pub(crate) fn run(pages: NonZeroUsize, rounds: Rounds) -> io::Result<()> {
    let bytes = pages.div_ceil(const { NonZeroUsize::new(4).expect("not zero") });
    let bytes = bytes.saturating_mul(const { NonZeroUsize::new(AROUND_BYTES).expect("not zero") });
    let mut file = tempfile::tempfile()?;
    // What was written is in the cache.
    io::copy(
        &mut io::Read::take(io::repeat(1), bytes.get() as u64),
        &mut file,
    )?;
    rounds.print(|| round(&file, bytes))
}

fn round(file: &File, bytes: NonZeroUsize) -> io::Result<[f64; 2]> {
    // SAFETY: a new mapping, at an address that the kernel picks.
    let memory: NonNull<u8> = unsafe {
        mmap(
            None,
            bytes,
            ProtFlags::PROT_READ,
            MapFlags::MAP_SHARED,
            file,
            0,
        )
    }?
    .cast();
    let before = Usage::of(UsageWho::RUSAGE_SELF)?.faults;
    let began = Instant::now();
    for offset in (0..bytes.get()).step_by(AROUND_BYTES) {
        // SAFETY: within the mapping, and the file is as long and nobody else's.
        hint::black_box(unsafe { memory.add(offset).read_volatile() });
    }
    let read_ns = ns_since(began);
    let faults = Usage::of(UsageWho::RUSAGE_SELF)?.faults - before;
    let began = Instant::now();
    // SAFETY: nothing refers to the mapping any more.
    unsafe { munmap(memory.cast(), bytes.get()) }?;
    let faults = faults.max(1) as f64;
    Ok([read_ns / faults, ns_since(began) / faults])
}
