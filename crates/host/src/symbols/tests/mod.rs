//! Real programs, compiled and run here, against `addr2line`, `nm` and /proc/kallsyms.

mod debug_files;
mod files;
mod kernel;
mod lab;
mod limits;
mod live;
mod mismatch;
mod modules;
mod mutations;
mod perf_maps;
mod programs;
mod unwind;
