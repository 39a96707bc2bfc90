//! The names of a recording's files.

use std::{
    ffi::{OsStr, OsString},
    io::ErrorKind,
    path::PathBuf,
};

use super::RecordingError;
use fault_trace_base::folder::Folder;

/// Ends the name of a file that is not whole.
const TEMPORARY: &str = ".tmp";

/// `name` while it is being written.
pub(super) fn temporary(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}

/// The name of a table's segment.
pub(super) fn segment(number: u32) -> String {
    format!("part-{number:05}.parquet")
}

/// A table's segments by number, and the temporary files beside them.
#[derive(Default)]
pub(super) struct SegmentFiles {
    pub(super) finished: Vec<(u32, OsString)>,
    pub(super) unfinished: Vec<PathBuf>,
}

/// Lists a table's folder. Other files are ignored.
pub(super) fn list(folder: &Folder) -> Result<SegmentFiles, RecordingError> {
    let mut files = SegmentFiles::default();
    let names = folder
        .names()
        .map_err(RecordingError::io("list", folder.path()))?;
    for name in names {
        if name.as_encoded_bytes().ends_with(TEMPORARY.as_bytes()) {
            files.unfinished.push(folder.path().join(name));
        } else if let Some(number) = segment_number(&name) {
            files.finished.push((number, name));
        }
    }
    files.finished.sort_unstable();
    files.unfinished.sort_unstable();
    Ok(files)
}

/// Whether a table's folder may hold such a name, and nobody else's file is likely to have it.
pub(super) fn is_segment(name: &OsStr) -> bool {
    let Some(text) = name.to_str() else {
        return false;
    };
    let finished = text.strip_suffix(TEMPORARY).unwrap_or(text);
    segment_number(OsStr::new(finished)).is_some_and(|number| segment(number) == finished)
}

fn segment_number(name: &OsStr) -> Option<u32> {
    let digits = name
        .to_str()?
        .strip_prefix("part-")?
        .strip_suffix(".parquet")?;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse().ok()).flatten()
}

/// No error where there is nothing to remove.
pub(super) fn ignore_missing(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_written_are_known() {
        for name in [
            "part-00000.parquet",
            "part-00007.parquet.tmp",
            "part-123456.parquet",
        ] {
            assert!(is_segment(OsStr::new(name)), "{name}");
        }
        for name in [
            "notes.txt",
            "part-1.parquet",
            "part-+0001.parquet",
            "part-.parquet",
            "part-00000.parquet.tmp.tmp",
            "part-00000.parquet~",
            ".tmp",
        ] {
            assert!(!is_segment(OsStr::new(name)), "{name}");
        }
    }
}
