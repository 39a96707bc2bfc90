//! NUMA hint faults, which leave no trace of their own unless they move a page: the machine's counter
//! tells whether there were any.

use super::proc::Proc;

/// Watches `numa_hint_faults` of /proc/vmstat, batch by batch of faults.
#[derive(Debug)]
pub struct NumaHints {
    proc: Proc,
    last: Option<u64>,
    /// Whether it moved up to this batch; `None` until somebody asks.
    moved: Option<bool>,
}

impl NumaHints {
    /// Faults from now on are watched.
    #[must_use]
    pub fn new(proc: Proc) -> Self {
        let last = proc.numa_hint_faults();
        Self {
            proc,
            last,
            moved: None,
        }
    }

    /// The faults that are asked about next may be later than those before.
    pub const fn next_batch(&mut self) {
        self.moved = None;
    }

    /// Whether any fault of this batch can have been a NUMA hint. The counter is read at most once a
    /// batch, and only if somebody asks.
    pub fn moved(&mut self) -> bool {
        if let Some(moved) = self.moved {
            return moved;
        }
        let now = self.proc.numa_hint_faults();
        let moved = now != self.last;
        self.last = now;
        self.moved = Some(moved);
        moved
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_moved_counter_casts_doubt_on_one_batch() {
        let root = tempfile::tempdir().expect("temporary directory");
        let write = |count: u64| {
            let text = format!("pgfault 7\nnuma_hint_faults {count}\n");
            fs::write(root.path().join("vmstat"), text).expect("write");
        };
        write(3);
        let mut hints = NumaHints::new(Proc::new(root.path()));
        assert!(!hints.moved());
        write(4);
        assert!(!hints.moved(), "the batch was judged before");
        hints.next_batch();
        assert!(hints.moved());
        hints.next_batch();
        assert!(!hints.moved());
    }

    #[test]
    fn a_kernel_without_numa_balancing_has_no_hints() {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::write(root.path().join("vmstat"), "pgfault 7\n").expect("write");
        assert!(!NumaHints::new(Proc::new(root.path())).moved());
    }
}
