//! What names are wanted, and where they may come from.

use std::path::PathBuf;

use crate::proc::Proc;

/// How much to find out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Detail {
    /// The functions that symbol tables name.
    Functions,
    /// Inlined functions and source lines, too, which debug information tells.
    #[default]
    Lines,
}

/// Where to look and what for.
#[derive(Clone, Debug)]
pub struct Options {
    pub detail: Detail,
    /// Folders of debug information, the first the first asked. They may also hold copies of another
    /// machine's programs.
    pub debug_directories: Vec<PathBuf>,
    /// Whether the places are of this machine since it started: only then do its kernel and its vdso
    /// name them.
    pub this_boot: bool,
    pub proc: Proc,
}

/// Where distributions install debug information.
const DEFAULT_DIRECTORIES: [&str; 1] = ["/usr/lib/debug"];

impl Default for Options {
    fn default() -> Self {
        Self {
            detail: Detail::default(),
            debug_directories: DEFAULT_DIRECTORIES.map(PathBuf::from).to_vec(),
            this_boot: true,
            proc: Proc::default(),
        }
    }
}
