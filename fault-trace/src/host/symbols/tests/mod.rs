//! Real programs, compiled and run here, against `addr2line`, `nm` and /proc/kallsyms.

mod kernel;
