//! What an ELF file's headers tell: which build it is, and which address each of its bytes is for.
//!
//! A few small reads, so that it can be done when a file is first seen; nothing is mapped.

use std::fs::File;

use object::{
    Endianness, FileKind, ReadCache, ReadRef,
    elf::{FileHeader32, FileHeader64, PF_X, PT_LOAD, PT_NOTE},
    read::elf::{FileHeader, ProgramHeader as _},
};

use crate::model::code::BuildId;

/// The headers of one file.
#[derive(Debug, Default)]
pub(super) struct Image {
    pub(super) build_id: Option<BuildId>,
    segments: Vec<Segment>,
}

/// A part of the file that the loader maps.
#[derive(Debug)]
struct Segment {
    offset_bytes: u64,
    size_bytes: u64,
    address: u64,
    executable: bool,
}

/// A file may claim any size for its notes; no linker writes this much.
const MAX_NOTES_BYTES: u64 = 1 << 16;

impl Image {
    /// `None` when it is not an ELF file.
    pub(super) fn read(file: &File) -> Option<Self> {
        let data = ReadCache::new(file);
        match FileKind::parse(&data).ok()? {
            FileKind::Elf64 => Self::parse::<FileHeader64<Endianness>>(&data),
            FileKind::Elf32 => Self::parse::<FileHeader32<Endianness>>(&data),
            _ => None,
        }
    }

    fn parse<'data, Header: FileHeader<Endian = Endianness>>(
        data: impl ReadRef<'data>,
    ) -> Option<Self> {
        let header = Header::parse(data).ok()?;
        let endian = header.endian().ok()?;
        let mut image = Self::default();
        for segment in header.program_headers(endian, data).ok()? {
            let (offset_bytes, size_bytes) = segment.file_range(endian);
            match segment.p_type(endian) {
                PT_LOAD => image.segments.push(Segment {
                    offset_bytes,
                    size_bytes,
                    address: segment.p_vaddr(endian).into(),
                    executable: segment.p_flags(endian).contains(PF_X),
                }),
                PT_NOTE if image.build_id.is_none() && size_bytes <= MAX_NOTES_BYTES => {
                    image.build_id = build_id(endian, segment, data);
                }
                _ => {}
            }
        }
        Some(image)
    }

    /// The address that the file gives the byte at this offset. Code first: linkers let a page of
    /// the file belong to two segments.
    pub(super) fn elf_address(&self, offset_bytes: u64) -> Option<u64> {
        let address = |segment: &Segment| {
            let into = offset_bytes.checked_sub(segment.offset_bytes)?;
            (into < segment.size_bytes).then(|| segment.address.wrapping_add(into))
        };
        let (code, data): (Vec<_>, Vec<_>) =
            self.segments.iter().partition(|segment| segment.executable);
        code.into_iter().chain(data).find_map(address)
    }
}

fn build_id<'data, Program: object::read::elf::ProgramHeader<Endian = Endianness>>(
    endian: Endianness,
    segment: &Program,
    data: impl ReadRef<'data>,
) -> Option<BuildId> {
    let mut notes = segment.notes(endian, data).ok()??;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == object::elf::ELF_NOTE_GNU
            && note.n_type(endian) == object::elf::NT_GNU_BUILD_ID
        {
            return BuildId::new(note.desc());
        }
    }
    None
}
