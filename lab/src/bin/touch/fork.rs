//! A forked child writes to PAGES pages that it shares with its parent: ns per fault (the copy of a
//! page), and ns per page for all the rest, from the fork to the end of the child.

use std::{
    io,
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use fault_trace::host::touch::{FreshPages, PAGE_BYTES};
use nix::{
    sys::{
        mman::{MapFlags, ProtFlags, mmap_anonymous},
        wait::waitpid,
    },
    unistd::{ForkResult, fork},
};

use super::{
    clock::{ns_per, ns_since},
    rounds::Rounds,
};

pub(crate) fn run(pages: NonZeroUsize, rounds: Rounds) -> io::Result<()> {
    let memory = FreshPages::map(pages)?;
    (0..pages.get()).for_each(|page| memory.touch(page));
    let answer = shared()?;
    rounds.print(|| {
        let began = Instant::now();
        // SAFETY: there is one thread, and the child does nothing but write to memory and end.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let ns = ns_per(pages.get(), |page| memory.touch(page));
                answer.store(ns.to_bits(), Ordering::Release);
                // SAFETY: ends the child at once, without the parent's output still in the buffers.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => waitpid(child, None)?,
        };
        let write_ns = f64::from_bits(answer.load(Ordering::Acquire));
        Ok([write_ns, ns_since(began) / pages.get() as f64 - write_ns])
    })
}

/// A number that parent and child share, for as long as the program runs.
fn shared() -> nix::Result<&'static AtomicU64> {
    let bytes = const { NonZeroUsize::new(PAGE_BYTES).expect("not zero") };
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, at an address that the kernel picks.
    let memory = unsafe { mmap_anonymous(None, bytes, access, MapFlags::MAP_SHARED) }?;
    // SAFETY: zeroes are a number, a page is aligned for it, and it is never unmapped.
    Ok(unsafe { memory.cast().as_ref() })
}
