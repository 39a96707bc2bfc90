//! Tests that trace: they need root and run one at a time.

mod proof;
mod sideband;

use nix::unistd::geteuid;

/// Whether the test can run; says loudly if not.
fn is_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("SKIPPED, NOTHING WAS TESTED: tracing needs root");
    }
    root
}
