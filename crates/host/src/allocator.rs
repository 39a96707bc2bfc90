//! The allocator of this process.

/// Memory that is freed stays with the process up to this much, bytes.
const KEPT: i32 = 256 << 20;
/// Allocations up to this share the heap: as large as glibc allows (`HEAP_MAX_SIZE / 2` in malloc/arena.c).
const SHARED: i32 = 32 << 20;

/// Keeps what is freed for what is allocated next. Otherwise every segment of a recording gives its
/// memory back and faults it in again: those faults cost the reader time, and with `-a` they are
/// recorded, too.
pub fn keep_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: changes two numbers of the allocator, which locks itself.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, SHARED);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use nix::sys::resource::{UsageWho, getrusage};

    use super::*;

    fn faults() -> i64 {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("a thread has usage");
        usage.minor_page_faults()
    }

    #[test]
    fn memory_that_was_freed_is_not_faulted_in_again() {
        const BYTES: usize = 24 << 20;
        keep_freed();
        let block = || vec![1_u8; 1 << 20];
        let touch = || drop::<Vec<_>>((0..BYTES >> 20).map(|_| block()).collect());
        touch();
        let before = faults();
        for _ in 0..10 {
            touch();
        }
        let again = faults() - before;
        assert!(again < (BYTES / 4096) as i64, "{again}");
    }
}
