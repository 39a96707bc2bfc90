//! Places of the kernel's file systems, which tests replace by folders of their own.

use std::path::PathBuf;

/// Where the system's own file systems are mounted.
#[derive(Clone, Debug)]
pub struct Roots {
    pub proc: PathBuf,
    pub sys: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
        }
    }
}
