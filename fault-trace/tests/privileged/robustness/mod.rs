//! Whatever happens to the tracer, or is done to it by what it traces: it ends in order, counts exactly,
//! and leaves nothing behind. The judges are the kernel (wait4, /proc, bpftool) and the files.

mod capabilities;
mod crowd;
mod harm;
mod hotplug;
mod leftovers;
mod stopped;
mod sudden_death;
mod user;

use std::path::PathBuf;

use crate::support::lab;

/// The program that does what harms a tracer.
fn harm_path() -> PathBuf {
    lab("harm")
}
