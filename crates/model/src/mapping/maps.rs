//! /proc/PID/maps: a process's mappings at one moment.

use std::io::{self, BufRead};

use super::{Device, Devices, Kind, Mapping, Names, Protection, Source};

/// Why the mappings of a process could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    #[error("the mappings of the process could not be read (did it exit?): {0}")]
    Read(#[from] io::Error),
    #[error("line {line} of the process's mappings is not understood: {text:?}; please report it")]
    Line { line: usize, text: String },
}

/// Reads /proc/PID/maps, in its order: by address. Names may hold any byte.
///
/// # Errors
/// What reading gives, or the first line that is not a mapping.
pub fn parse_maps(
    mut maps: impl BufRead,
    devices: &Devices,
    names: &mut Names,
) -> Result<Vec<Mapping>, MapsError> {
    let mut mappings = Vec::new();
    let mut text = Vec::new();
    while maps.read_until(b'\n', &mut text)? != 0 {
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        mappings.push(
            mapping(line, devices, names).ok_or_else(|| MapsError::Line {
                line: mappings.len() + 1,
                text: String::from_utf8_lossy(line).into_owned(),
            })?,
        );
        text.clear();
    }
    Ok(mappings)
}

/// `START-END PROT OFFSET MAJOR:MINOR INODE   NAME`, the name padded and last.
fn mapping(line: &[u8], devices: &Devices, names: &mut Names) -> Option<Mapping> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let mut field = || {
        fields
            .next()
            .and_then(|field| std::str::from_utf8(field).ok())
    };
    let (start, end) = field()?.split_once('-')?;
    let flags = field()?.as_bytes();
    let offset = field()?;
    let (major, minor) = field()?.split_once(':')?;
    let inode = field()?.parse().ok()?;
    let name = fields.next().unwrap_or_default();
    let name = unescape(name.trim_ascii_start());
    let (start, end) = (hex(start)?, hex(end)?);
    let &[read, write, execute, sharing, ..] = flags else {
        return None;
    };
    let shared = sharing == b's';
    let source = Source {
        name: &name,
        device: Device {
            major: u32::from_str_radix(major, 16).ok()?,
            minor: u32::from_str_radix(minor, 16).ok()?,
        },
        inode,
        shared,
        hugetlb: false,
    };
    let kind = source.kind(devices, names);
    Some(Mapping {
        start,
        end: (start < end).then_some(end)?,
        offset_bytes: kind.offset_bytes(hex(offset)?),
        protection: Protection {
            read: read == b'r',
            write: write == b'w',
            execute: execute == b'x',
        },
        shared,
        kind,
    })
}

impl Kind {
    /// The offset in the file; the kernel gives memory without a file an offset, too.
    pub fn offset_bytes(&self, told_bytes: u64) -> u64 {
        if self.backing().is_some() {
            told_bytes
        } else {
            0
        }
    }
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

/// The kernel writes a newline in a name as `\012` (`show_map_vma`, fs/proc/task_mmu.c) and nothing
/// else, so a backslash stands for itself.
fn unescape(name: &[u8]) -> Vec<u8> {
    const NEWLINE: &[u8] = b"\\012";
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(NEWLINE) {
            plain.push(b'\n');
            rest = after;
        } else {
            plain.push(byte);
            rest = after;
        }
    }
    plain
}
