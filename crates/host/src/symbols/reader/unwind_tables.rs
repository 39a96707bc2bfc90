//! How to get from each instruction of a file to its caller: the tables that compilers write for
//! exceptions, read once a file.

use std::{fs::File, ops::Range};

use framehop::{
    Error, ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder as _,
    x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64},
};
use object::{Object, ObjectSection, ReadCache};

use super::stack_copy::StackCopy;

/// The tables of one file; by default none, and then callers are found through frame pointers, if the
/// code keeps them. The file is taken to be loaded at the addresses that it gives itself, so
/// that one copy serves every process.
#[derive(Default)]
pub(super) struct Tables {
    unwinder: UnwinderX86_64<Vec<u8>>,
    /// Rules of the addresses seen last.
    cache: CacheX86_64,
    size_bytes: u64,
}

/// A section that claims more is not read; those of browsers have 20 MB.
const MAX_SECTION_BYTES: u64 = 64 << 20;

impl Tables {
    /// `None` when the file has no tables.
    pub(super) fn read(file: &File) -> Option<Self> {
        let data = ReadCache::new(file);
        let elf = object::File::parse(&data).ok().filter(Object::is_64)?;
        let addresses = |name| elf.section_by_name(name).map(|found| addresses(&found));
        let bytes = |name| {
            let section = elf.section_by_name(name)?;
            let read = section.size() <= MAX_SECTION_BYTES;
            read.then(|| section.data().ok())
                .flatten()
                .map(<[u8]>::to_vec)
        };
        let eh_frame = bytes(".eh_frame")?;
        let eh_frame_hdr = bytes(".eh_frame_hdr");
        let size = eh_frame.len() + eh_frame_hdr.as_ref().map_or(0, Vec::len);
        let sections = ExplicitModuleSectionInfo {
            text_svma: addresses(".text"),
            got_svma: addresses(".got"),
            eh_frame_svma: addresses(".eh_frame"),
            eh_frame: Some(eh_frame),
            eh_frame_hdr_svma: addresses(".eh_frame_hdr"),
            eh_frame_hdr,
            ..ExplicitModuleSectionInfo::default()
        };
        // Offsets in the tables have 32 bits.
        let whole = 0..u64::from(u32::MAX);
        let mut tables = Self {
            size_bytes: size as u64,
            ..Self::default()
        };
        tables
            .unwinder
            .add_module(Module::new(String::new(), whole, 0, sections));
        Some(tables)
    }

    pub(super) const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// From a frame to the address that it returns to, and the registers of the caller. `Ok(None)` at
    /// the thread's first function.
    pub(super) fn caller(
        &mut self,
        address: FrameAddress,
        registers: &mut UnwindRegsX86_64,
        stack: StackCopy<'_>,
    ) -> Result<Option<u64>, Error> {
        let mut read = |from| stack.word(from).ok_or(());
        self.unwinder
            .unwind_frame(address, registers, &mut self.cache, &mut read)
    }
}

fn addresses<'data>(section: &impl ObjectSection<'data>) -> Range<u64> {
    section.address()..section.address().saturating_add(section.size())
}
