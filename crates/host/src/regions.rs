//! Where the running kernel placed its regions, from the program headers of /proc/kcore.
//!
//! KASLR moves the direct map, vmalloc and vmemmap (`kernel_randomize_memory`, arch/x86/mm/kaslr.c).
//! /proc/kcore describes each with a segment (`kclist_add`, fs/proc/kcore.c). Without that file the
//! layout is known only where KASLR is off.

use std::{
    fs::File,
    io::{self, BufRead as _},
    ops,
    os::unix::fs::FileExt,
    path::Path,
};

use fault_trace_common::{Regions, region::Range};

/// Kernel memory as an ELF core file.
pub const KCORE: &str = "/proc/kcore";

/// The layout and how it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    pub regions: Regions,
    pub source: Source,
}

/// How the layout is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// From /proc/kcore.
    Read,
    /// KASLR moved nothing: it is the documented layout.
    NotMoved,
    /// Not at all: kernel addresses outside the text belong to no region.
    Unknown,
}

/// The layout of five-level page tables without KASLR.
const FIVE_LEVELS: Regions = Regions {
    user_end: 0x00ff_ffff_ffff_f000,
    direct_map: Range {
        start: 0xff11_0000_0000_0000,
        end: 0xff91_0000_0000_0000,
    },
    vmalloc: Range {
        start: 0xffa0_0000_0000_0000,
        end: 0xffd2_0000_0000_0000,
    },
    vmemmap: Range {
        start: 0xffd4_0000_0000_0000,
        end: 0xffd6_0000_0000_0000,
    },
    kernel_text: Regions::DEFAULT.kernel_text,
};

/// No kernel address of four-level page tables is lower.
const FOUR_LEVELS_START: u64 = 0xffff_8000_0000_0000;

/// Regions start at multiples of what a page-upper-directory entry maps.
const REGION_ALIGNMENT: u64 = 1 << 30;

/// The vmalloc area has 32 TiB or 12,800 TiB, less with some debugging options; a segment of
/// vmemmap has 1/64 of the memory it describes.
const VMALLOC_LEAST_BYTES: u64 = 4 << 40;

/// Where the kernel's text begins unless KASLR moves it (`__START_KERNEL`, with the default
/// CONFIG_PHYSICAL_START).
const TEXT_UNMOVED: u64 = 0xffff_ffff_8100_0000;

impl Layout {
    /// Reads the layout from `kcore`, usually [`KCORE`]; where that fails, tells from the symbols in
    /// `kallsyms` whether KASLR moved anything.
    /// `five_levels` says whether the kernel uses five-level page tables (the CPU flag `la57`).
    #[must_use]
    pub fn read(kcore: &Path, kallsyms: &Path, five_levels: bool) -> Self {
        let regions = headers(kcore)
            .ok()
            .and_then(|headers| from_segments(&segments(&headers)?));
        if let Some(regions) = regions {
            return Self {
                regions,
                source: Source::Read,
            };
        }
        let unmoved = if five_levels {
            FIVE_LEVELS
        } else {
            Regions::DEFAULT
        };
        // KASLR moves the text and the other regions together, or nothing (kaslr_enabled()).
        if text_start(kallsyms) == Some(TEXT_UNMOVED) {
            return Self {
                regions: unmoved,
                source: Source::NotMoved,
            };
        }
        Self {
            regions: Regions {
                direct_map: Range::default(),
                vmalloc: Range::default(),
                vmemmap: Range::default(),
                ..unmoved
            },
            source: Source::Unknown,
        }
    }
}

/// The address of `_text`; without privileges the kernel shows none.
fn text_start(kallsyms: &Path) -> Option<u64> {
    let lines = io::BufReader::new(File::open(kallsyms).ok()?).lines();
    lines.map_while(Result::ok).find_map(|line| {
        let address = line.strip_suffix(" T _text")?;
        u64::from_str_radix(address, 16).ok()
    })
}

/// The ELF header and the program headers.
fn headers(kcore: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(kcore)?;
    let mut bytes = vec![0; ELF_HEADER_BYTES];
    file.read_exact_at(&mut bytes, 0)?;
    let table = table(&bytes).ok_or(io::ErrorKind::InvalidData)?;
    bytes.resize(table.end, 0);
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

const ELF_HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
const PT_LOAD: u64 = 1;

/// Where the program headers of a 64-bit little-endian ELF file lie in it.
fn table(header: &[u8]) -> Option<ops::Range<usize>> {
    let is_elf64 = header.starts_with(b"\x7fELF\x02\x01");
    let start = usize::try_from(number(header, 32, 8)?).ok()?;
    let size = usize::try_from(number(header, 54, 2)?).ok()?;
    let count = usize::try_from(number(header, 56, 2)?).ok()?;
    // The kernel puts them right after the header; anything else is not its file.
    let is_usual = start <= 4096 && size == PROGRAM_HEADER_BYTES;
    (is_elf64 && is_usual).then(|| start..start + size * count)
}

/// The unsigned little-endian number of `length` bytes at `start`.
fn number(bytes: &[u8], start: usize, length: usize) -> Option<u64> {
    let mut number = [0; 8];
    let field = bytes.get(start..)?.get(..length)?;
    number.get_mut(..length)?.copy_from_slice(field);
    Some(u64::from_le_bytes(number))
}

/// A segment of kernel memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Segment {
    start: u64,
    bytes: u64,
    /// The physical address; memory and the kernel image have one.
    physical: Option<u64>,
}

impl Segment {
    const fn end(self) -> u64 {
        self.start.saturating_add(self.bytes)
    }
}

/// The loadable segments; `None` if the file is cut short or no such ELF file.
fn segments(file: &[u8]) -> Option<Vec<Segment>> {
    let (headers, _) = file.get(table(file)?)?.as_chunks::<PROGRAM_HEADER_BYTES>();
    let mut segments = Vec::with_capacity(headers.len());
    for header in headers {
        if number(header, 0, 4)? == PT_LOAD {
            segments.push(Segment {
                start: number(header, 16, 8)?,
                physical: Some(number(header, 24, 8)?).filter(|&physical| physical != u64::MAX),
                bytes: number(header, 40, 8)?,
            });
        }
    }
    Some(segments)
}

/// The regions; `None` unless both vmalloc and the direct map are there.
fn from_segments(segments: &[Segment]) -> Option<Regions> {
    let image = Regions::DEFAULT.kernel_text;
    let unbacked = |segment: &&Segment| segment.physical.is_none() && segment.start < image.start;
    let vmalloc = segments
        .iter()
        .filter(unbacked)
        .max_by_key(|segment| segment.bytes)
        .filter(|segment| segment.bytes >= VMALLOC_LEAST_BYTES)?;
    let direct_map = segments
        .iter()
        .filter(|segment| segment.start < vmalloc.start)
        .filter_map(|segment| {
            let start = segment.start.checked_sub(segment.physical?)?;
            Some((start, segment.end()))
        })
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    let vmemmap = segments
        .iter()
        .filter(unbacked)
        .filter(|segment| segment.start >= vmalloc.end())
        .map(|segment| (segment.start & !(REGION_ALIGNMENT - 1), segment.end()))
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let text = segments
        .iter()
        .find(|segment| segment.physical.is_some() && image.contains(segment.start))
        .map(|segment| (segment.start, segment.end()));
    let range = |(start, end)| Range { start, end };
    Some(Regions {
        user_end: if direct_map.0 < FOUR_LEVELS_START {
            FIVE_LEVELS.user_end
        } else {
            Regions::DEFAULT.user_end
        },
        direct_map: range(direct_map),
        vmalloc: range((vmalloc.start, vmalloc.end())),
        vmemmap: vmemmap.map(range).unwrap_or_default(),
        kernel_text: text.map_or(image, range),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use fault_trace_common::Region;

    use super::*;

    /// A core file with a note and `segments` of (start, bytes, physical address).
    fn core_file(segments: &[(u64, u64, u64)]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(ELF_HEADER_BYTES, 0);
        file[32] = 64;
        file[54] = 56;
        file[56] = u8::try_from(segments.len() + 1).expect("few segments");
        file.push(4);
        file.resize(ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES, 0);
        for &(start, bytes, physical) in segments {
            for field in [PT_LOAD, 0, start, physical, bytes, bytes, 4096] {
                file.extend(field.to_le_bytes());
            }
        }
        file
    }

    const UNBACKED: u64 = u64::MAX;

    /// Four levels, moved by KASLR: 3 GiB below and 5 GiB above the PCI hole.
    fn four_levels() -> Vec<u8> {
        core_file(&[
            (0xffff_ffff_a120_0000, 0x2c0_0000, 0x6120_0000),
            (0xffff_b2c0_c000_0000, (32 << 40) - 1, UNBACKED),
            (0xffff_ffff_c000_0000, 0x3f00_0000, UNBACKED),
            (0xffff_9d51_0000_1000, 0x9_e000, 0x1000),
            (0xffff_f0a4_c400_0000, 0x300_0000, UNBACKED),
            (0xffff_9d51_0010_0000, 0xbff0_0000, 0x10_0000),
            (0xffff_9d52_0000_0000, 0x1_4000_0000, 0x1_0000_0000),
            (0xffff_f0a4_c800_0000, 0x500_0000, UNBACKED),
            (0xffff_ffff_ff60_0000, 0x1000, UNBACKED),
        ])
    }

    #[test]
    fn kaslr_is_undone() {
        let regions = from_segments(&segments(&four_levels()).expect("whole")).expect("regions");
        assert_eq!(regions.user_end, Regions::DEFAULT.user_end);
        for (address, region) in [
            (0xffff_9d51_0000_0000, Region::DirectMap),
            (0xffff_9d53_3fff_ffff, Region::DirectMap),
            (0xffff_9d53_4000_0000, Region::KernelOther),
            (0xffff_b2c0_c000_0000, Region::Vmalloc),
            (0xffff_d2c0_bfff_fffe, Region::Vmalloc),
            (0xffff_f0a4_c000_0000, Region::Vmemmap),
            (0xffff_f0a4_c8ff_ffff, Region::Vmemmap),
            (0xffff_ffff_a120_0000, Region::KernelText),
            (0xffff_ffff_c000_0000, Region::KernelOther),
            (0xffff_ffff_ff60_0000, Region::Vsyscall),
        ] {
            assert_eq!(regions.of(address), region, "{address:#x}");
        }
    }

    #[test]
    fn five_levels_are_recognised_by_the_direct_map() {
        let file = core_file(&[
            (0xff2d_1000_0000_1000, 0x8000_0000, 0x1000),
            (0xff7a_2000_0000_0000, (12_800 << 40) - 1, UNBACKED),
        ]);
        let regions = from_segments(&segments(&file).expect("whole")).expect("regions");
        assert_eq!(regions.user_end, (1 << 56) - 4096);
        assert_eq!(regions.of(0xff2d_1000_0000_0000), Region::DirectMap);
        assert_eq!(regions.of(0xff7a_2000_0000_0000), Region::Vmalloc);
        assert_eq!(regions.vmemmap, Range::default());
    }

    #[test]
    fn a_truncated_file_gives_nothing() {
        let file = four_levels();
        for length in 0..file.len() {
            assert_eq!(segments(&file[..length]), None, "{length}");
        }
    }

    #[test]
    fn without_vmalloc_or_memory_there_are_no_regions() {
        let memory = (0xffff_9d51_0000_1000, 0x9_e000, 0x1000);
        let vmalloc = (0xffff_b2c0_c000_0000, (32 << 40) - 1, UNBACKED);
        for file in [core_file(&[memory]), core_file(&[vmalloc])] {
            assert_eq!(from_segments(&segments(&file).expect("whole")), None);
        }
    }

    #[test]
    fn a_file_is_read_as_its_bytes_are() {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        file.write_all(&four_levels()).expect("write");
        let missing = Path::new("/nonexistent/kallsyms");
        let layout = Layout::read(file.path(), missing, false);
        assert_eq!(layout.source, Source::Read);
        assert_eq!(layout.regions.vmalloc.start, 0xffff_b2c0_c000_0000);
    }

    fn with_symbols(text: &str, five_levels: bool) -> Layout {
        let mut symbols = tempfile::NamedTempFile::new().expect("temporary file");
        symbols.write_all(text.as_bytes()).expect("write");
        let missing = Path::new("/nonexistent/kcore");
        Layout::read(missing, symbols.path(), five_levels)
    }

    #[test]
    fn without_kaslr_the_layout_is_the_documented_one() {
        let text = "ffffffff81000000 T _stext\nffffffff81000000 T _text\n";
        for (five_levels, regions) in [(false, Regions::DEFAULT), (true, FIVE_LEVELS)] {
            let layout = with_symbols(text, five_levels);
            assert_eq!((layout.regions, layout.source), (regions, Source::NotMoved));
        }
    }

    #[test]
    fn moved_regions_that_nothing_tells_of_hold_no_address() {
        for text in [
            "ffffffff9a000000 T _text\n",
            "0000000000000000 T _text\n",
            "",
        ] {
            let layout = with_symbols(text, false);
            assert_eq!(layout.source, Source::Unknown);
            let region = layout.regions.of(Regions::DEFAULT.vmalloc.start);
            assert_eq!(region, Region::KernelOther);
        }
    }
}
