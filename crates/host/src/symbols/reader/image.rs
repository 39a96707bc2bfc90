//! What an ELF file's headers tell: which build it is, which address each of its bytes is for, and where
//! its debug information is said to be.

use std::fs::File;

use object::{
    Endianness, FileKind, Object as _, ReadCache, ReadRef,
    elf::{FileHeader32, FileHeader64, PF_X, PT_LOAD, PT_NOTE},
    read::elf::{FileHeader, ProgramHeader as _},
};

use crate::symbols::protocol::{Headers, Segment};

/// A file may claim any size for its notes; no linker writes this much.
const MAX_NOTES_BYTES: u64 = 1 << 16;
/// Bound: parts that are mapped; linkers make five.
const MAX_SEGMENTS: usize = 256;
/// Bound: bytes of a build id; the longest in use have 32.
const MAX_BUILD_ID_BYTES: usize = 64;
/// Bound: bytes of a file's name (`NAME_MAX`, include/uapi/linux/limits.h).
const MAX_FILE_NAME_BYTES: usize = 255;

/// The headers of a file; `None` when it is not an ELF file.
pub(in crate::symbols) fn headers(file: &File) -> Option<Headers> {
    let data = ReadCache::new(file);
    let mut headers = match FileKind::parse(&data).ok()? {
        FileKind::Elf64 => parse::<FileHeader64<Endianness>>(&data),
        FileKind::Elf32 => parse::<FileHeader32<Endianness>>(&data),
        _ => None,
    }?;
    if let Ok(elf) = object::File::parse(&data) {
        headers.section_build_id = elf.build_id().ok().flatten().and_then(identity);
        let link = elf.gnu_debuglink().ok().flatten();
        headers.debug_link = link.and_then(|(name, _checksum)| plain(name));
        let shared = elf.gnu_debugaltlink().ok().flatten();
        headers.shared_debug = shared.and_then(|(path, build_id)| {
            let name = path.rsplit(|&byte| byte == b'/').next()?;
            Some((plain(name)?, identity(build_id)?))
        });
    }
    Some(headers)
}

fn parse<'data, Header: FileHeader<Endian = Endianness>>(
    data: impl ReadRef<'data>,
) -> Option<Headers> {
    let header = Header::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let mut headers = Headers::default();
    for segment in header.program_headers(endian, data).ok()? {
        let (offset_bytes, size_bytes) = segment.file_range(endian);
        match segment.p_type(endian) {
            PT_LOAD if headers.segments.len() < MAX_SEGMENTS => headers.segments.push(Segment {
                offset_bytes,
                size_bytes,
                address: segment.p_vaddr(endian).into(),
                executable: segment.p_flags(endian).contains(PF_X),
            }),
            PT_NOTE if headers.build_id.is_none() && size_bytes <= MAX_NOTES_BYTES => {
                headers.build_id = build_id(endian, segment, data);
            }
            _ => {}
        }
    }
    Some(headers)
}

fn build_id<'data, Program: object::read::elf::ProgramHeader<Endian = Endianness>>(
    endian: Endianness,
    segment: &Program,
    data: impl ReadRef<'data>,
) -> Option<Vec<u8>> {
    let mut notes = segment.notes(endian, data).ok()??;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == object::elf::ELF_NOTE_GNU
            && note.n_type(endian) == object::elf::NT_GNU_BUILD_ID
        {
            return identity(note.desc());
        }
    }
    None
}

fn identity(bytes: &[u8]) -> Option<Vec<u8>> {
    (1..=MAX_BUILD_ID_BYTES)
        .contains(&bytes.len())
        .then(|| bytes.to_vec())
}

/// A file's name that leads nowhere else.
fn plain(name: &[u8]) -> Option<Vec<u8>> {
    let is_plain = !name.contains(&b'/') && !name.contains(&0) && name != b"." && name != b"..";
    (is_plain && (1..=MAX_FILE_NAME_BYTES).contains(&name.len())).then(|| name.to_vec())
}
