//! Faults in the program itself, so that only its scenarios fault while they are measured.

use std::{fs, ops::Range, sync::OnceLock};

use crate::memory::{PAGE, keep, read};

struct Known {
    range: Range<usize>,
    writable: bool,
    of_a_file: bool,
}

static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();

/// Faults in every mapping the program has. Call it first, before a scenario maps anything.
pub(crate) fn up() -> anyhow::Result<()> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    KNOWN.get_or_init(|| maps.lines().filter_map(parse).collect());
    again();
    known_mappings()
        .filter(|known| known.of_a_file)
        .for_each(|known| keep(known.range.start, known.range.len()));
    Ok(())
}

/// The same for a forked child: file pages are not inherited, and private ones are to be copied.
/// Only while the process has a single thread.
pub(crate) fn again() {
    read_again();
    for address in known(|known| known.writable) {
        let pointer = std::ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: mapped writable, and no other thread can change the byte in between.
        unsafe { pointer.write_volatile(pointer.read_volatile()) };
    }
}

/// The same with reads only, which other threads may be there for.
pub(crate) fn read_again() {
    known(|_| true).for_each(read);
}

/// The pages of the known mappings that are wanted. The loader never gives them back.
fn known(wanted: impl Fn(&Known) -> bool) -> impl Iterator<Item = usize> {
    known_mappings()
        .filter(move |known| wanted(known))
        .flat_map(|known| known.range.clone().step_by(PAGE))
}

fn known_mappings() -> impl Iterator<Item = &'static Known> {
    KNOWN.get().into_iter().flatten()
}

/// Faults in the part of the calling thread's stack that a scenario uses.
#[inline(never)]
pub(crate) fn stack() {
    std::hint::black_box(&mut [1u8; 48 << 10]);
}

/// A line of /proc/PID/maps.
fn parse(line: &str) -> Option<Known> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let name = fields.nth(3).unwrap_or_default();
    let special = name.starts_with("[v");
    let hexadecimal = |text| usize::from_str_radix(text, 16).ok();
    (permissions.starts_with('r') && !special).then_some(Known {
        range: hexadecimal(start)?..hexadecimal(end)?,
        writable: permissions[1..].starts_with('w'),
        of_a_file: name.starts_with('/'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_readable_mappings_are_touched() {
        let line = "7f00000-7f02000 rw-p 00001000 fe:00 325843   /usr/lib/libc.so.6";
        let known = parse(line).expect("readable");
        assert_eq!(known.range, 0x7f0_0000..0x7f0_2000);
        assert!(known.writable && known.of_a_file);
        let stack = "7ff000-800000 rw-p 00000000 00:00 0   [stack]";
        assert!(!parse(stack).expect("readable").of_a_file);
        assert!(parse("1000-2000 ---p 00000000 00:00 0").is_none());
        assert!(parse("1000-2000 r--p 00000000 00:00 0 [vvar]").is_none());
    }
}
