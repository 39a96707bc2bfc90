//! The list of functions that a just-in-time compiler writes for profilers: lines of
//! `START SIZE NAME`, the numbers hexadecimal.

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
    sync::Arc,
};

/// The functions, as of the last line about each address.
#[derive(Debug, Default)]
pub(super) struct PerfMap {
    /// By start address; they do not overlap.
    functions: BTreeMap<u64, Function>,
}

#[derive(Clone, Debug)]
struct Function {
    end: u64,
    /// Where the function began: a later one may have taken the first part of its memory.
    start: u64,
    name: Arc<str>,
}

/// A list that is longer is read to here: about a million functions.
const MAX_BYTES: u64 = 64 << 20;

impl PerfMap {
    /// Reads a list. A line of another form is skipped: the last may be half written.
    ///
    /// # Errors
    /// What reading gives.
    pub(super) fn read(list: impl BufRead) -> io::Result<Self> {
        let mut map = Self::default();
        let mut list = list.take(MAX_BYTES);
        let mut line = Vec::new();
        while list.read_until(b'\n', &mut line)? != 0 {
            let text = String::from_utf8_lossy(&line);
            if let Some((start, end, name)) = function(text.trim_end()) {
                map.insert(start, end, name);
            }
            line.clear();
        }
        Ok(map)
    }

    /// The name of the function at `address`, and how far into it that is.
    pub(super) fn find(&self, address: u64) -> Option<(Arc<str>, u64)> {
        let (_, function) = self.functions.range(..=address).next_back()?;
        (address < function.end).then(|| (Arc::clone(&function.name), address - function.start))
    }

    /// Memory is used again when code is thrown away: the later line wins.
    fn insert(&mut self, start: u64, end: u64, name: &str) {
        if let Some((_, before)) = self.functions.range_mut(..start).next_back()
            && before.end > start
        {
            let rest = Function {
                end: before.end,
                ..before.clone()
            };
            before.end = start;
            if rest.end > end {
                self.functions.insert(end, rest);
            }
        }
        let covered: Vec<u64> = self
            .functions
            .range(start..end)
            .map(|(&at, _)| at)
            .collect();
        for at in covered {
            if let Some(old) = self.functions.remove(&at)
                && old.end > end
            {
                self.functions.insert(end, old);
            }
        }
        let name = name.into();
        self.functions.insert(start, Function { end, start, name });
    }
}

fn function(line: &str) -> Option<(u64, u64, &str)> {
    let mut fields = line.splitn(3, ' ');
    let mut hex = || {
        let digits = fields.next()?;
        u64::from_str_radix(digits.trim_start_matches("0x"), 16).ok()
    };
    let (start, size) = (hex()?, hex()?);
    let name = fields.next()?.trim();
    let end = start.checked_add(size)?;
    (size > 0 && !name.is_empty()).then_some((start, end, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names_at(list: &str, addresses: &[u64]) -> Vec<Option<(String, u64)>> {
        let map = PerfMap::read(list.as_bytes()).expect("reads");
        let find = |&address| {
            map.find(address)
                .map(|(name, into)| (name.to_string(), into))
        };
        addresses.iter().map(find).collect()
    }

    fn at(name: &str, into: u64) -> Option<(String, u64)> {
        Some((name.to_owned(), into))
    }

    #[test]
    fn a_function_is_found_from_its_first_to_its_last_byte() {
        let list = "1000 20 LazyCompile:~run file.js:1:2\n2000 10 py::f:/a b.py\n";
        assert_eq!(
            names_at(list, &[0xfff, 0x1000, 0x101f, 0x1020, 0x200f]),
            [
                None,
                at("LazyCompile:~run file.js:1:2", 0),
                at("LazyCompile:~run file.js:1:2", 0x1f),
                None,
                at("py::f:/a b.py", 0xf),
            ]
        );
    }

    #[test]
    fn lines_of_another_form_are_skipped() {
        let list = "\nzz 10 bad\n1000\n1000 10\n0x1000 0x10 good\nffffffffffffffff 2 past\n2000 0 no\n3000 1";
        assert_eq!(
            names_at(list, &[0x1000, 0x2000, 0x3000, u64::MAX]),
            [at("good", 0), None, None, None]
        );
    }

    #[test]
    fn memory_used_again_has_the_name_of_its_last_use() {
        let list = "1000 100 old\n1010 10 new\n";
        assert_eq!(
            names_at(list, &[0x100f, 0x1010, 0x101f, 0x1020, 0x10ff, 0x1100]),
            [
                at("old", 0xf),
                at("new", 0),
                at("new", 0xf),
                at("old", 0x20),
                at("old", 0xff),
                None
            ]
        );
    }

    proptest! {
        #[test]
        fn the_last_line_about_an_address_names_it(lines in prop::collection::vec((0u64..64, 1u64..32), 0..40)) {
            let list: String = lines
                .iter()
                .enumerate()
                .map(|(name, (start, size))| format!("{start:x} {size:x} {name}\n"))
                .collect();
            let map = PerfMap::read(list.as_bytes()).expect("reads");
            for address in 0..100 {
                let last = lines
                    .iter()
                    .enumerate()
                    .rev()
                    .find(|(_, (start, size))| (*start..start + size).contains(&address))
                    .map(|(name, (start, _))| (Arc::from(name.to_string()), address - start));
                prop_assert_eq!(map.find(address), last);
            }
        }
    }
}
