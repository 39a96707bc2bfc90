use proptest::prelude::*;

use super::*;

fn devices() -> Devices {
    let device = |minor| Device { major: 0, minor };
    Devices {
        shared_memory: [device(0x1b)].into(),
        hugetlb: [device(0x11)].into(),
    }
}

fn parse(maps: &[u8]) -> Vec<Mapping> {
    parse_maps(maps, &devices(), &mut Names::default()).expect("parses")
}

fn only(line: &[u8]) -> Mapping {
    let mut mappings = parse(line);
    assert_eq!(mappings.len(), 1);
    mappings.remove(0)
}

#[test]
fn a_file_mapping_has_its_identity_and_offset() {
    let mapping = only(
        b"7f5cc3f9e000-7f5cc40f4000 r-xp 00026000 fe:00 326279                     /usr/lib/libc.so.6\n",
    );
    let backing = Backing {
        path: Arc::from(&b"/usr/lib/libc.so.6"[..]),
        device: Device {
            major: 0xfe,
            minor: 0,
        },
        inode: 326_279,
        deleted: false,
    };
    assert_eq!(
        mapping,
        Mapping {
            start: 0x7f5c_c3f9_e000,
            end: 0x7f5c_c40f_4000,
            offset_bytes: 0x26000,
            protection: Protection::from_bits(5),
            shared: false,
            kind: Kind::File(backing),
        }
    );
    assert_eq!(mapping.file_offset_bytes(0x7f5c_c3f9_f234), Some(0x27234));
    assert_eq!(mapping.file_offset_bytes(0x7f5c_c40f_4000), None);
}

/// What a name on a line with these flags and this device is.
fn kind_of(flags: &str, device: &str, inode: u64, name: &[u8]) -> Kind {
    let mut line = format!("1000-2000 {flags} 00000000 {device} {inode}    ").into_bytes();
    line.extend_from_slice(name);
    only(&line).kind
}

#[test]
fn names_and_devices_tell_what_it_is() {
    fn is(kind: &Kind) -> &'static str {
        match kind {
            Kind::Anonymous => "anonymous",
            Kind::Named(_) => "named",
            Kind::Heap => "heap",
            Kind::Stack => "stack",
            Kind::File(_) => "file",
            Kind::SharedMemory(_) => "shared-memory",
            Kind::Hugetlb(_) => "hugetlb",
            Kind::Device(_) => "device",
            Kind::Special(_) => "special",
        }
    }
    for (flags, device, inode, name, expected) in [
        ("rw-p", "00:00", 0, &b""[..], "anonymous"),
        ("rw-p", "00:00", 0, b"//anon", "anonymous"),
        ("rw-p", "00:00", 0, b"[anon:mine]", "named"),
        ("rw-s", "00:01", 7, b"[anon_shmem:mine]", "shared-memory"),
        ("rw-p", "00:00", 0, b"[heap]", "heap"),
        ("rw-p", "00:00", 0, b"[stack]", "stack"),
        ("r--p", "00:00", 0, b"[vvar_vclock]", "special"),
        ("--xp", "00:00", 0, b"[vsyscall]", "special"),
        ("rw-p", "00:06", 4, b"/dev/zero", "anonymous"),
        ("rw-s", "00:01", 9, b"/dev/zero (deleted)", "shared-memory"),
        (
            "rw-s",
            "00:01",
            0,
            b"/SYSV00000000 (deleted)",
            "shared-memory",
        ),
        (
            "rw-p",
            "00:01",
            8,
            b"/memfd:me mo (deleted)",
            "shared-memory",
        ),
        ("rw-s", "00:11", 8, b"/memfd:hh (deleted)", "hugetlb"),
        ("rw-p", "00:12", 8, b"/anon_hugepage (deleted)", "hugetlb"),
        ("rw-s", "00:1b", 2, b"/run/x", "shared-memory"),
        ("rw-s", "00:06", 2, b"/dev/kvm", "device"),
        ("rw-s", "00:0e", 2, b"anon_inode:[perf_event]", "device"),
        ("r--p", "fe:00", 2, b"/home/[heap]", "file"),
    ] {
        let kind = kind_of(flags, device, inode, name);
        assert_eq!(is(&kind), expected, "{}", String::from_utf8_lossy(name));
    }
}

#[test]
fn odd_file_names_survive() {
    for (written, name, deleted) in [
        (&b"/a b  c"[..], &b"/a b  c"[..], false),
        (b"/two\\012lines", b"/two\nlines", false),
        (b"/back\\slash", b"/back\\slash", false),
        (b"/\xff\xfe (deleted)", b"/\xff\xfe", true),
        (b"/x (deleted) (deleted)", b"/x (deleted)", true),
    ] {
        let kind = kind_of("r--p", "fe:00", 1, written);
        let backing = kind.backing().expect("a file");
        assert_eq!((&*backing.path, backing.deleted), (name, deleted));
    }
}

#[test]
fn a_line_that_is_no_mapping_is_named() {
    for line in [
        &b"hello"[..],
        b"2000-1000 r--p 0 0:0 0",
        b"1000-2000 r- 0 0:0 0",
        b"1000-2000 r--p 0 0 0",
    ] {
        let maps = [b"1000-2000 r--p 00000000 00:00 0 \n", line].concat();
        let error = parse_maps(&maps[..], &devices(), &mut Names::default());
        assert!(
            matches!(error, Err(MapsError::Line { line: 2, .. })),
            "{error:?}"
        );
    }
}

#[test]
fn both_sources_agree_on_what_they_name_differently() {
    let anonymous = only(b"1000-2000 rw-p 00000000 00:00 0 ");
    let named = only(b"0-9000 rw-p 00000000 00:00 0    [anon:mine]");
    let guard = only(b"1000-2000 ---p 00000000 00:00 0 ");
    assert!(anonymous.agrees_with(&named));
    assert!(!anonymous.agrees_with(&guard));
    let file = only(b"1000-2000 r--p 00001000 fe:00 5    /a");
    let whole = only(b"0-3000 r--p 00000000 fe:00 5    /a (deleted)");
    let shifted = only(b"0-3000 r--p 00001000 fe:00 5    /a");
    let other = only(b"1000-2000 r--p 00001000 fe:00 6    /a");
    assert!(file.agrees_with(&whole));
    assert!(!file.agrees_with(&shifted));
    assert!(!file.agrees_with(&other));
    assert!(!file.agrees_with(&anonymous));
}

#[test]
fn whatever_is_accessible_can_be_read() {
    let write_only = Protection::from_bits(2);
    assert!(write_only.allows(Access::Read) && write_only.allows(Access::Write));
    assert!(!write_only.allows(Access::Exec));
    assert!(!Protection::from_bits(1).allows(Access::Write));
    assert!(!Protection::default().allows(Access::Read));
}

#[test]
fn a_name_is_kept_once_and_the_table_is_bounded() {
    let mut names = Names::default();
    let first = names.get(b"/a");
    assert!(Arc::ptr_eq(&first, &names.get(b"/a")));
    for number in 0..40_000_u32 {
        let _ = names.get(&number.to_le_bytes());
    }
    assert!(!Arc::ptr_eq(&first, &names.get(b"/a")), "started anew");
}

proptest! {
    #[test]
    fn any_bytes_parse_or_are_refused(bytes: Vec<u8>) {
        let _ = parse_maps(&bytes[..], &devices(), &mut Names::default());
    }

    #[test]
    fn any_name_but_a_newline_survives(tail in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut name = b"/x".to_vec();
        name.extend(tail.into_iter().filter(|byte| !matches!(byte, b'\n' | b'\\')));
        name.push(b'y');
        let kind = kind_of("r--p", "fe:00", 1, &name);
        prop_assert_eq!(&*kind.backing().expect("a file").path, &name[..]);
    }
}
