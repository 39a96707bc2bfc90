//! The limit on open files: raised for this process, and put back for what it launches.

use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// What a run with a hundred CPUs needs: two perf events for each, and a descriptor for each program,
/// map and attached hook.
const PLENTY: rlim_t = 1024;

/// The soft and the hard limit at the start.
static ORIGINAL: OnceLock<(rlim_t, rlim_t)> = OnceLock::new();

/// Raises the soft limit to the hard one, and both where they are low and this process may.
pub fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let _ = ORIGINAL.set((soft, hard));
    let raised = hard < PLENTY && setrlimit(Resource::RLIMIT_NOFILE, PLENTY, PLENTY).is_ok();
    if !raised && soft < hard {
        // It stays as it is then, and an error that follows from it names it.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Returns the soft and the hard limit that this process was started with, if it has raised them.
#[must_use]
pub fn original_open_files() -> Option<(rlim_t, rlim_t)> {
    ORIGINAL.get().copied()
}

/// Returns how many files this process may have open.
#[must_use]
pub fn open_files() -> Option<rlim_t> {
    getrlimit(Resource::RLIMIT_NOFILE)
        .ok()
        .map(|(soft, _)| soft)
}
