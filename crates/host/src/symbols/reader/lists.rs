//! The lists of compiled functions that were read already.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader},
    os::unix::fs::MetadataExt as _,
};

use super::perf_map::PerfMap;
use fault_trace_model::code::{Frame, Resolution, Unresolved};

/// By process. A list that grew since is read again.
#[derive(Debug, Default)]
pub(super) struct Lists(HashMap<u32, List>);

#[derive(Debug)]
struct List {
    /// Inode and size of the file when it was read.
    version: (u64, u64),
    functions: PerfMap,
}

/// Lists that are kept: a big one takes 100 MB.
const MAX_LISTS: usize = 1;

impl Lists {
    /// The names at these addresses of the process, as many, by its list.
    pub(super) fn resolve(&mut self, pid: u32, file: File, addresses: &[u64]) -> Vec<Resolution> {
        match self.list(pid, file) {
            Ok(list) => addresses
                .iter()
                .map(|&at| list.functions.resolve(at))
                .collect(),
            Err(_) => vec![Err(Unresolved::NoPerfMap); addresses.len()],
        }
    }

    fn list(&mut self, pid: u32, file: File) -> io::Result<&List> {
        let metadata = file.metadata()?;
        let version = (metadata.ino(), metadata.size());
        if self.0.get(&pid).is_none_or(|list| list.version != version) {
            // The old ones go first: two big ones would not fit.
            self.0.remove(&pid);
            if self.0.len() >= MAX_LISTS {
                self.0.clear();
            }
            let functions = PerfMap::read(BufReader::new(file))?;
            self.0.insert(pid, List { version, functions });
        }
        self.0
            .get(&pid)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl PerfMap {
    fn resolve(&self, address: u64) -> Resolution {
        let (function, offset_bytes) = self.find(address).ok_or(Unresolved::NotInPerfMap)?;
        Ok([Frame {
            function,
            offset_bytes,
            source: None,
            inlined: false,
        }]
        .into())
    }
}
