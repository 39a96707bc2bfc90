//! Names in files, whoever mapped them.

use std::{path::Path, process::Command, sync::Arc};

use super::lab::Resolver;
use super::programs::{Folder, NESTED, addr2line, code_file, run, symbol};
use crate::symbols::{Detail, Options};
use fault_trace_model::code::{CodeFile, CodePlace, Frame, Resolution, Unresolved};

/// The places at these addresses of the file.
pub(super) fn places(file: &Arc<CodeFile>, addresses: &[u64]) -> Vec<CodePlace> {
    let place = |&address| CodePlace::File {
        file: Arc::clone(file),
        offset_bytes: 0,
        elf_address: Some(address),
    };
    addresses.iter().map(place).collect()
}

pub(super) fn resolve(program: &Path, addresses: &[u64], options: &Options) -> Vec<Resolution> {
    let file = code_file(program);
    Resolver::new(options.clone()).resolve(&places(&file, addresses), None)
}

/// The one function, and how far into it; inlining left out.
pub(super) fn function(resolution: &Resolution) -> Result<(String, u64), Unresolved> {
    let frames = resolution.as_ref().map_err(|reason| *reason)?;
    let frame = frames.last().expect("never empty");
    Ok((frame.function.to_string(), frame.offset_bytes))
}

pub(super) fn named(name: &str, offset_bytes: u64) -> Result<(String, u64), Unresolved> {
    Ok((name.to_owned(), offset_bytes))
}

/// As `addr2line` writes it, where it tells a line.
fn described(frame: &Frame) -> (String, Option<String>) {
    let line = frame.source.as_ref();
    let line = line.map(|line| format!("{}:{}", line.file, line.line));
    (frame.function.to_string(), line)
}

fn agrees_with_addr2line(flags: &[&str]) {
    let folder = Folder::new();
    let program = folder.compile("program", NESTED, flags);
    let mut inlined = 0;
    for name in ["slow", "outer", "main"] {
        let (start, size) = symbol(&program, name);
        let addresses: Vec<u64> = (start..start + size).collect();
        let found = resolve(&program, &addresses, &Options::default());
        for (address, found) in addresses.into_iter().zip(found) {
            let frames = found.expect("resolves");
            let expected: Vec<_> = addr2line(&program, address);
            let described: Vec<_> = frames.iter().map(described).collect();
            assert_eq!(described, expected, "{address:#x} {flags:?}");
            let (last, inner) = frames.split_last().expect("never empty");
            assert_eq!(
                (&*last.function, last.offset_bytes),
                (name, address - start)
            );
            assert!(!last.inlined && inner.iter().all(|frame| frame.inlined));
            inlined += inner.len();
        }
    }
    assert!(inlined > 0, "nothing was inlined");
}

#[test]
fn every_byte_of_a_program_is_named_as_addr2line_names_it() {
    agrees_with_addr2line(&["-O2", "-g"]);
    agrees_with_addr2line(&["-O2", "-g", "-no-pie", "-gdwarf-4"]);
    agrees_with_addr2line(&["-O1", "-g", "-gz"]);
}

#[test]
fn a_function_in_two_pieces_has_one_name_and_its_lines() {
    const SPLIT: &str = r#"
        volatile int sink;
        __attribute__((cold, noinline)) void rare(int x) { sink = x; }
        __attribute__((noinline)) int split(int x) {
            if (x > 1000) {
                sink = x * 3;
                rare(x);
            }
            return x + sink;
        }
        int main(int n, char **v) { return split(n); }
    "#;
    let folder = Folder::new();
    let program = folder.compile("program", SPLIT, &["-O2", "-g"]);
    for piece in ["split", "split.cold"] {
        let (start, size) = symbol(&program, piece);
        let addresses: Vec<u64> = (start..start + size).collect();
        let found = resolve(&program, &addresses, &Options::default());
        for (address, found) in addresses.into_iter().zip(found) {
            let frames = found.expect("resolves");
            let described: Vec<_> = frames.iter().map(described).collect();
            assert_eq!(
                described,
                addr2line(&program, address),
                "{address:#x} {piece}"
            );
            assert_eq!(frames[0].offset_bytes, address - start);
        }
    }
}

#[test]
fn without_lines_only_symbols_are_told() {
    let folder = Folder::new();
    let program = folder.compile("program", NESTED, &["-O2", "-g"]);
    let (start, size) = symbol(&program, "outer");
    let options = Options {
        detail: Detail::Functions,
        ..Options::default()
    };
    for found in resolve(&program, &[start, start + size - 1], &options) {
        let frames = found.expect("resolves");
        let [
            Frame {
                source: None,
                inlined: false,
                ..
            },
        ] = &*frames
        else {
            panic!("one function without a line: {frames:?}");
        };
    }
}

#[test]
fn an_offset_in_the_file_is_enough() {
    let folder = Folder::new();
    // A page between code and data moves addresses away from offsets.
    let program = folder.compile("program", NESTED, &["-O2", "-no-pie"]);
    let (address, _) = symbol(&program, "outer");
    let file = code_file(&program);
    let place = CodePlace::File {
        file,
        // Linked to 0x400000 without gaps up to the code.
        offset_bytes: address - 0x40_0000 + 2,
        elf_address: None,
    };
    let found = Resolver::new(Options::default()).resolve(&[place], None);
    assert_eq!(function(&found[0]), named("outer", 2));
}

#[test]
fn a_stripped_program_names_nothing() {
    let folder = Folder::new();
    let program = folder.compile("program", NESTED, &["-O2"]);
    let (address, _) = symbol(&program, "outer");
    run(Command::new("strip").arg(&program));
    let found = resolve(&program, &[address], &Options::default());
    assert_eq!(found, [Err(Unresolved::NoSymbols)]);
}

#[test]
fn an_exported_function_does_not_lend_its_name_to_the_next() {
    let folder = Folder::new();
    let library = folder.compile("library.so", NESTED, &["-O2", "-shared", "-fPIC"]);
    let (outer, size) = symbol(&library, "outer");
    let (slow, _) = symbol(&library, "slow");
    run(Command::new("strip").arg(&library));
    let found = resolve(
        &library,
        &[outer, outer + size - 1, slow],
        &Options::default(),
    );
    assert_eq!(function(&found[0]), named("outer", 0));
    assert_eq!(function(&found[1]), named("outer", size - 1));
    assert_eq!(found[2], Err(Unresolved::NoSymbols));
}

#[test]
fn a_symbol_without_a_size_ends_with_its_section() {
    const ASSEMBLY: &str = r#"
        __asm__(".section one.part,\"ax\"\n.globl bare\nbare: nop\nnop\nnop\n");
        __asm__(".section two.part,\"ax\"\nnop\nnop\nnop\nnop\n.text\n");
        int main(void) { return 0; }
    "#;
    let folder = Folder::new();
    let program = folder.compile("program", ASSEMBLY, &["-O2"]);
    let list = run(Command::new("readelf").arg("-SW").arg(&program));
    let start = |section: &str| {
        let line = list.lines().find(|line| line.contains(section));
        let address = line.and_then(|line| line.split(']').nth(1)?.split_whitespace().nth(2));
        u64::from_str_radix(address.expect("listed"), 16).expect("hexadecimal")
    };
    let (one, two) = (start("one.part"), start("two.part"));
    assert!(two > one && two - one < 64, "nothing lies between them");
    let found = resolve(&program, &[one + 2, two + 1], &Options::default());
    assert_eq!(function(&found[0]), named("bare", 2));
    assert_eq!(function(&found[1]), Err(Unresolved::NoSymbolHere));
}

#[test]
fn mangled_names_are_shown_as_they_were_written() {
    const MANGLED: &str = r#"
        int a(void) __asm__("_ZN4core3fmt5write17h0123456789abcdefE");
        int b(void) __asm__("_RNvCs1234_7mycrate3foo");
        int c(int x) __asm__("_ZN3one3twoEi");
        __attribute__((noinline)) int a(void) { return 1; }
        __attribute__((noinline)) int b(void) { return 2; }
        __attribute__((noinline)) int c(int x) { return x; }
        int main(void) { return a() + b() + c(3); }
    "#;
    let folder = Folder::new();
    let program = folder.compile("program", MANGLED, &["-O1"]);
    let mangled = [
        "_ZN4core3fmt5write17h0123456789abcdefE",
        "_RNvCs1234_7mycrate3foo",
        "_ZN3one3twoEi",
    ];
    let addresses = mangled.map(|name| symbol(&program, name).0);
    let found = resolve(&program, &addresses, &Options::default());
    let names: Vec<_> = found.iter().map(function).collect();
    let expected = ["core::fmt::write", "mycrate::foo", "one::two(int)"];
    assert_eq!(names, expected.map(|name| named(name, 0)));
}
