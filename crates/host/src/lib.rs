//! The impure edge beside eBPF: /proc, /sys, processes. Paths are injected, so that everything but
//! launching is tested on files made for it.

#![deny(clippy::print_stderr, clippy::print_stdout)]

pub mod allocator;
pub mod btf;
pub mod cgroups;
pub mod checks;
pub mod cpu_time;
pub mod devices;
pub mod doctor;
pub mod family;
mod features;
pub mod hotplug;
pub mod huge;
pub mod kernel;
pub mod launch;
pub mod limits;
pub mod machine;
pub mod memory;
pub mod perf_events;
pub mod privileges;
pub mod proc;
pub mod regions;
pub mod rights;
pub mod roots;
pub mod signals;
pub mod symbols;
pub mod touch;
pub mod users;
