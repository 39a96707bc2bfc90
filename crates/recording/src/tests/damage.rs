//! Files that are broken, cut or made by somebody else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{fault, place, run, task};
use crate::{FORMAT, Recording, RecordingError, RecordingWriter};

/// A recording with three segments of 50 faults.
fn three_segments() -> (TempDir, PathBuf) {
    let (directory, path) = place();
    let mut writer = RecordingWriter::create(&path, false, &run(150)).expect("creates");
    for segment in 0..3 {
        for n in 0..50 {
            writer.push_fault(&fault(50 * segment + n)).expect("pushes");
        }
        writer.push_task(task(&[0xff, b'x'])).expect("pushes");
        writer.roll().expect("rolls");
    }
    writer.finish(&run(150)).expect("finishes");
    (directory, path)
}

fn second(path: &Path) -> PathBuf {
    path.join("faults/part-00001.parquet")
}

/// Reads whatever can be read.
fn rows_and_errors(path: &Path) -> (usize, usize) {
    let recording = Recording::open(path).expect("opens");
    let (rows, errors): (Vec<_>, Vec<_>) = recording.faults().partition(Result::is_ok);
    (rows.len(), errors.len() + recording.damage().len())
}

#[test]
fn a_truncated_segment_is_reported_and_the_others_are_read() {
    let (_directory, path) = three_segments();
    let whole = fs::read(second(&path)).expect("reads");
    for length in (0..whole.len()).step_by(97) {
        fs::write(second(&path), &whole[..length]).expect("writes");
        assert_eq!(rows_and_errors(&path), (100, 1), "{length} bytes");
    }
    let recording = Recording::open(&path).expect("opens");
    assert_eq!(
        recording.completeness.notes(),
        ["50 of 150 recorded faults are not in the readable segments"]
    );
    let [damaged] = &*recording.damage() else {
        panic!("one: {recording:?}");
    };
    let text = damaged.to_string();
    assert!(text.contains("part-00001.parquet is damaged"), "{text}");
    assert_eq!(damaged.rows, None, "its end is gone");
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let (_directory, path) = three_segments();
    fs::remove_file(second(&path)).expect("removes");
    let recording = Recording::open(&path).expect("opens");
    let completeness = &recording.completeness;
    assert_eq!((completeness.missing, completeness.fault_rows), (1, 100));
    assert!(!recording.is_whole());
}

#[test]
fn a_damaged_page_is_an_error_among_rows() {
    let (_directory, path) = three_segments();
    let mut bytes = fs::read(second(&path)).expect("reads");
    bytes[4..300].fill(0xa5);
    fs::write(second(&path), bytes).expect("writes");
    assert_eq!(rows_and_errors(&path), (100, 1));
    let recording = Recording::open(&path).expect("opens");
    let mut errors = recording.faults().filter_map(Result::err);
    assert_eq!(errors.next().expect("one").rows, Some(50));
}

#[test]
fn a_segment_of_another_table_is_refused_by_its_columns() {
    let (_directory, path) = three_segments();
    fs::copy(path.join("tasks/part-00000.parquet"), second(&path)).expect("copies");
    let recording = Recording::open(&path).expect("opens");
    let errors: Vec<String> = recording
        .faults()
        .filter_map(|fault| fault.err().map(|error| error.to_string()))
        .collect();
    assert!(
        matches!(errors.as_slice(), [error] if error.contains("column address")),
        "{errors:?}"
    );
}

#[test]
fn a_newer_recording_says_so() {
    let (_directory, path) = three_segments();
    let manifest = path.join("recording.json");
    let text = fs::read_to_string(&manifest).expect("reads");
    let newer = text.replace("\"fault_trace.format\":1", "\"fault_trace.format\":2");
    fs::write(&manifest, newer).expect("writes");
    let error = Recording::open(&path).expect_err("is newer");
    assert!(matches!(error, RecordingError::Newer { format, .. } if format == FORMAT + 1));
    assert!(error.to_string().contains("update fault-trace"), "{error}");
}

#[test]
fn a_damaged_description_is_named() {
    let (_directory, path) = three_segments();
    fs::write(path.join("recording.json"), "{").expect("writes");
    let error = Recording::open(&path).expect_err("is damaged").to_string();
    assert!(error.contains("recording.json is damaged"), "{error}");
}

#[test]
fn what_is_no_recording_is_told_from_what_is_not_there() {
    let (directory, path) = place();
    let missing = Recording::open(&path).expect_err("is missing").to_string();
    assert!(missing.contains("No such file"), "{missing}");
    let other = Recording::open(directory.path())
        .expect_err("is empty")
        .to_string();
    assert!(other.contains("is not a recording"), "{other}");
}

#[test]
fn random_bytes_never_panic() {
    let (_directory, path) = three_segments();
    proptest!(|(bytes in prop::collection::vec(any::<u8>(), 0..2000), framed: bool)| {
        let mut bytes = bytes;
        if framed {
            let length = (bytes.len() as u32).to_le_bytes();
            bytes = [b"PAR1".as_slice(), &bytes, &length, b"PAR1"].concat();
        }
        fs::write(second(&path), bytes).expect("writes");
        prop_assert_eq!(rows_and_errors(&path), (100, 1));
    });
}

#[test]
fn flipped_bits_never_panic_nor_cost_other_segments() {
    let (_directory, path) = three_segments();
    let whole = fs::read(second(&path)).expect("reads");
    let flips = prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..8);
    proptest!(ProptestConfig::with_cases(500), |(flips in flips)| {
        let mut bytes = whole.clone();
        for (index, mask) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= mask;
        }
        fs::write(second(&path), bytes).expect("writes");
        let (rows, _) = rows_and_errors(&path);
        prop_assert!(rows >= 100);
    });
}
