use proptest::prelude::*;

use super::*;
use fault_trace_model::mapping::Kind;

const LOST: u32 = 2;
const COMM: u32 = 3;
const EXIT: u32 = 4;
const FORK: u32 = 7;
const SAMPLE: u32 = 9;
const MMAP2: u32 = 10;
const MISC_COMM_EXEC: u16 = 1 << 13;

/// A record as the kernel lays it out, with the trailer of task 5/6 at time 77.
fn record(kind: u32, misc: u16, body: &[&[u8]]) -> Vec<u8> {
    let trailer = [
        &5_u32.to_ne_bytes()[..],
        &6_u32.to_ne_bytes(),
        &77_u64.to_ne_bytes(),
    ]
    .concat();
    let body = [body.concat(), trailer].concat();
    let size = u16::try_from(HEADER_BYTES + body.len()).expect("short");
    let header = [
        &kind.to_ne_bytes()[..],
        &misc.to_ne_bytes(),
        &size.to_ne_bytes(),
    ]
    .concat();
    [header, body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn longs(longs: &[u64]) -> Vec<u8> {
    longs.iter().flat_map(|long| long.to_ne_bytes()).collect()
}

/// `MMAP2` of process 5 at 0x1000, 0x3000 long, from page 2 of inode 9 on device 8:1.
fn mmap2(protection: u32, flags: u32, name: &[u8]) -> Vec<u8> {
    let body: [&[u8]; 7] = [
        &words(&[5, 6]),
        &longs(&[0x1000, 0x3000, 0x2000]),
        &words(&[8, 1]),
        &longs(&[9, 1234]),
        &words(&[protection, flags]),
        name,
        &vec![0; 8 - name.len() % 8],
    ];
    record(MMAP2, 0, &body)
}

fn decode(bytes: &[u8]) -> Result<SpaceEvent, SidebandError> {
    Decoder::new(Devices::default()).decode(bytes)
}

fn change(bytes: &[u8]) -> SpaceChange {
    let event = decode(bytes).expect("decodes");
    assert_eq!(event.time_ns, 77);
    event.change
}

#[test]
fn a_file_mapping_is_told_in_full() {
    let SpaceChange::Mapped { pid, mapping } = change(&mmap2(5, 2, b"/lib/a\xff b")) else {
        panic!("a mapping");
    };
    assert_eq!(pid, 5);
    assert_eq!((mapping.start, mapping.end), (0x1000, 0x4000));
    assert_eq!(mapping.offset_bytes, 0x2000);
    assert_eq!(mapping.protection, Protection::from_bits(5));
    assert!(!mapping.shared);
    let Kind::File(backing) = mapping.kind else {
        panic!("a file");
    };
    assert_eq!(&*backing.path, b"/lib/a\xff b");
    assert_eq!(
        (backing.device, backing.inode),
        (Device { major: 8, minor: 1 }, 9)
    );
}

#[test]
fn anonymous_memory_has_no_offset_and_flags_tell_huge_pages() {
    let SpaceChange::Mapped { mapping, .. } = change(&mmap2(3, 2, b"//anon")) else {
        panic!("a mapping");
    };
    assert_eq!((mapping.kind, mapping.offset_bytes), (Kind::Anonymous, 0));
    let SpaceChange::Mapped { mapping, .. } = change(&mmap2(3, 0x4_0001, b"/memfd:h (deleted)"))
    else {
        panic!("a mapping");
    };
    assert!(mapping.shared && matches!(mapping.kind, Kind::Hugetlb(_)));
}

#[test]
fn names_forks_exits_and_losses_are_told() {
    let task = words(&[5, 1, 6, 2]);
    let time = longs(&[70]);
    let comm: [&[u8]; 2] = [&words(&[5, 6]), b"sh\0\0\0\0\0\0"];
    for (bytes, expected) in [
        (
            record(COMM, MISC_COMM_EXEC, &comm),
            SpaceChange::Named {
                pid: 5,
                tid: 6,
                comm: b"sh".to_vec(),
                exec: true,
            },
        ),
        (
            record(COMM, 0, &comm),
            SpaceChange::Named {
                pid: 5,
                tid: 6,
                comm: b"sh".to_vec(),
                exec: false,
            },
        ),
        (
            record(FORK, 0, &[&task, &time]),
            SpaceChange::Forked {
                pid: 5,
                tid: 6,
                parent_pid: 1,
            },
        ),
        (
            record(EXIT, 0, &[&task, &time]),
            SpaceChange::Exited { pid: 5, tid: 6 },
        ),
        (
            record(LOST, 0, &[&longs(&[1, 42])]),
            SpaceChange::Lost { records: 42 },
        ),
    ] {
        assert_eq!(change(&bytes), expected);
    }
}

#[test]
fn what_cannot_be_right_is_refused() {
    let good = mmap2(3, 2, b"//anon");
    let kind = MMAP2;
    for (bytes, error) in [
        (vec![], SidebandError::Truncated { kind: 0, length: 0 }),
        (
            good[..good.len() - 1].to_vec(),
            SidebandError::Truncated {
                kind,
                length: good.len() - 1,
            },
        ),
        (
            record(kind, 0, &[]),
            SidebandError::Truncated { kind, length: 24 },
        ),
        (
            record(SAMPLE, 0, &[&[0; 64]]),
            SidebandError::UnknownKind(SAMPLE),
        ),
        (
            record(kind, MISC_BUILD_ID, &[&[255; 64]]),
            SidebandError::UnknownKind(kind),
        ),
        (
            record(
                kind,
                0,
                &[&words(&[5, 6]), &longs(&[u64::MAX, 2]), &[0; 48]],
            ),
            SidebandError::BadRange {
                start: u64::MAX,
                length_bytes: 2,
            },
        ),
    ] {
        assert_eq!(decode(&bytes), Err(error));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(kind in 0..25_u32, misc: u16, size: u16, body: Vec<u8>) {
        let mut bytes = [&kind.to_ne_bytes()[..], &misc.to_ne_bytes(), &size.to_ne_bytes()].concat();
        bytes.extend(body);
        let _ = decode(&bytes);
        let size = bytes.len().min(u16::MAX.into()) as u16;
        bytes[6..8].copy_from_slice(&size.to_ne_bytes());
        let _ = decode(&bytes);
    }

    #[test]
    fn every_truncation_is_refused(name: Vec<u8>, kept in 0.0..1.0_f64) {
        let bytes = mmap2(3, 2, &name);
        let kept = (bytes.len() as f64 * kept) as usize;
        let refused = matches!(decode(&bytes[..kept]), Err(SidebandError::Truncated { .. }));
        prop_assert!(refused);
    }
}
