//! Damaging ELF files on purpose.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// Bytes of an entry of a symbol table.
const SYMBOL_BYTES: usize = 24;
/// Bytes of a section header.
const HEADER_BYTES: usize = 64;
const SHT_SYMTAB: u64 = 2;
const SHF_COMPRESSED: u64 = 0x800;

/// A 64-bit file in memory.
pub(super) struct Elf(Vec<u8>);

impl Elf {
    pub(super) fn read(path: &Path) -> Self {
        Self(fs::read(path).expect("reads"))
    }

    fn number(&self, at: usize, bytes: usize) -> u64 {
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(&self.0[at..at + bytes]);
        u64::from_le_bytes(number)
    }

    fn put(&mut self, at: usize, number: u64, bytes: usize) {
        self.0[at..at + bytes].copy_from_slice(&number.to_le_bytes()[..bytes]);
    }

    fn place(&self, at: usize) -> usize {
        usize::try_from(self.number(at, 8)).expect("fits")
    }

    /// Where the headers of the sections are.
    fn headers(&self) -> Vec<usize> {
        let (table, count) = (self.place(0x28), self.number(0x3c, 2));
        (0..usize::try_from(count).expect("few"))
            .map(|nth| table + nth * HEADER_BYTES)
            .collect()
    }

    fn section(&self, name: &str) -> usize {
        let headers = self.headers();
        let names = self.number(0x3e, 2);
        let names = self.place(headers[usize::try_from(names).expect("few")] + 24);
        let named = |header: &&usize| {
            let at = names + usize::try_from(self.number(**header, 4)).expect("small");
            self.0[at..].starts_with(name.as_bytes()) && self.0[at + name.len()] == 0
        };
        *headers.iter().find(named).expect("has the section")
    }

    fn symbol_table(&self) -> usize {
        let headers = self.headers();
        let is_table = |header: &&usize| self.number(**header + 4, 4) == SHT_SYMTAB;
        *headers.iter().find(is_table).expect("is not stripped")
    }

    fn symbols(&self) -> Vec<u8> {
        let header = self.symbol_table();
        let (offset, size) = (self.place(header + 24), self.place(header + 32));
        self.0[offset..offset + size].to_vec()
    }

    /// A compressed section that claims to be so large.
    pub(super) fn claim(mut self, section: &str, bytes: u64) -> Self {
        let header = self.section(section);
        let flags = self.number(header + 8, 8) | SHF_COMPRESSED;
        self.put(header + 8, flags, 8);
        let at = self.place(header + 24);
        self.put(at, 1, 4);
        self.put(at + 4, 0, 4);
        self.put(at + 8, bytes, 8);
        self.put(at + 16, 1, 8);
        self
    }

    /// With a section that unpacks to so many bytes, zeros behind what it has, and takes few itself.
    pub(super) fn unpacking(mut self, section: &str, bytes: u64) -> Self {
        const ZSTD: u64 = 2;
        let header = self.section(section);
        let (offset, size) = (self.place(header + 24), self.place(header + 32));
        let own = self.0[offset..offset + size].to_vec();
        let zeros = io::repeat(0).take(bytes - own.len() as u64);
        let packed = zstd::encode_all(own.chain(zeros), 1).expect("packs");
        let flags = self.number(header + 8, 8) | SHF_COMPRESSED;
        self.put(header + 8, flags, 8);
        self.put(header + 24, self.0.len() as u64, 8);
        self.put(header + 32, 24 + packed.len() as u64, 8);
        for number in [ZSTD, bytes, 1] {
            self.0.extend(number.to_le_bytes());
        }
        self.0.extend(packed);
        self
    }

    pub(super) fn write(&self, path: &Path) {
        fs::write(path, &self.0).expect("writes");
    }

    /// With a symbol table of so many symbols, nearly all of it a hole.
    pub(super) fn write_sparse(mut self, path: &Path, count: u64) {
        const AT: u64 = 1 << 20;
        let symbols = self.symbols();
        let header = self.symbol_table();
        let size = count * SYMBOL_BYTES as u64;
        self.put(header + 24, AT, 8);
        self.put(header + 32, size, 8);
        self.put(header + 44, 1, 4);
        let mut file = File::create(path).expect("creates");
        file.write_all(&self.0).expect("writes");
        file.seek(SeekFrom::Start(AT)).expect("seeks");
        file.write_all(&symbols).expect("writes");
        file.set_len(AT + size).expect("grows");
    }

    /// With so many more symbols, like the one at `address`.
    pub(super) fn write_with_symbols(mut self, path: &Path, address: u64, count: u64) {
        let mut symbols = self.symbols();
        let like = symbols
            .chunks(SYMBOL_BYTES)
            .find(|symbol| symbol[8..16] == address.to_le_bytes())
            .expect("is a symbol")
            .to_vec();
        for nth in 0..count {
            symbols.extend_from_slice(&like[..8]);
            symbols.extend_from_slice(&(0x20_0000 + nth * 7919 % (1 << 24)).to_le_bytes());
            symbols.extend_from_slice(&5_u64.to_le_bytes());
        }
        let header = self.symbol_table();
        self.put(header + 24, self.0.len() as u64, 8);
        self.put(header + 32, symbols.len() as u64, 8);
        self.put(header + 44, 1, 4);
        self.0.extend(symbols);
        self.write(path);
    }
}
