//! Work on foreign data that may panic in a library: caught, and without a word.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

thread_local! {
    /// How many calls of [`guarded`] this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs `work` and catches its panic, about which the panic hook says nothing. What `work` shares with
/// the rest must be of no use after a panic.
///
/// # Errors
/// The panic's payload.
pub fn guarded<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    DEPTH.set(DEPTH.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    outcome
}

/// Returns whether a panic of this thread would be caught by [`guarded`].
#[must_use]
pub fn is_guarded() -> bool {
    // A thread that is being torn down has no variables left, and no guard.
    DEPTH.try_with(Cell::get).unwrap_or(0) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_and_the_guard_ends_with_it() {
        assert!(!is_guarded());
        let outcome = guarded(|| {
            assert!(is_guarded());
            let inner = guarded(|| panic!("inner"));
            assert!(inner.is_err() && is_guarded());
            panic!("outer")
        });
        let payload = outcome.map(|(): ()| ()).expect_err("it panicked");
        assert_eq!(payload.downcast_ref(), Some(&"outer"));
        assert!(!is_guarded());
        assert_eq!(guarded(|| 7).ok(), Some(7));
    }
}
