//! `recording.json`: the format's version and the run.

use std::{
    ffi::OsStr,
    io::{self, ErrorKind, Read as _, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{FORMAT, RecordingError, files::ignore_missing, sum::Sum};
use fault_trace_base::folder::Folder;
use fault_trace_model::Run;
use fault_trace_text::json;

pub(super) const NAME: &str = "recording.json";
pub(super) const TEMPORARY_NAME: &str = "recording.json.tmp";

/// Bound of the file's size. One with totals of 65,536 processes and as many threads takes 40 MB.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "fault_trace.format")]
    format: u32,
    run: &'a Run,
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Version {
    #[serde(rename = "fault_trace.format")]
    format: u32,
}

#[derive(Deserialize)]
struct Read {
    run: Run,
}

/// Bound of the sum of all numbers of a run but for the wall clock: 73 years, in ns. Whoever adds some of them up
/// need not expect that a sum overflows.
const MAX_SUM: u128 = 1 << 61;

#[derive(Deserialize)]
struct Sums {
    run: Sum,
}

/// Writes or replaces the file in one step and syncs it.
pub(super) fn write(recording: &Folder, run: &Run) -> Result<(), RecordingError> {
    let temporary = recording.path().join(TEMPORARY_NAME);
    let failed = || RecordingError::io("write", &temporary);
    let manifest = Written {
        format: FORMAT,
        run,
    };
    let mut text = Vec::new();
    json::write(&mut text, &manifest).map_err(|error| failed()(error.into()))?;
    text.push(b'\n');
    // What an earlier write that failed has left behind.
    ignore_missing(recording.remove_file(OsStr::new(TEMPORARY_NAME))).map_err(failed())?;
    let mut file = recording
        .create_file(OsStr::new(TEMPORARY_NAME))
        .map_err(RecordingError::io("create", &temporary))?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(failed())?;
    recording
        .rename(OsStr::new(TEMPORARY_NAME), OsStr::new(NAME))
        .map_err(RecordingError::io("replace", &recording.path().join(NAME)))
}

/// Whether a path, of a file or a folder to be made, lies in a recording, or is one. Links are followed.
pub fn is_within(path: &Path) -> bool {
    leads_into(path, LINKS_MAX)
}

/// Bound: links that lead to one another, as in the kernel (include/linux/namei.h:MAXSYMLINKS (v6.12)).
const LINKS_MAX: u32 = 40;

fn leads_into(path: &Path, links: u32) -> bool {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // What is there already may be a link that leads elsewhere, to what is not there yet.
    if links > 0
        && let Ok(target) = std::fs::read_link(path)
        && !path.exists()
    {
        return leads_into(&parent.join(target), links - 1);
    }
    let found = path.canonicalize().or_else(|_| parent.canonicalize());
    found.is_ok_and(|found| {
        let mut folders = found.ancestors().filter(|path| path.is_dir());
        folders.any(|path| Folder::open(path).is_ok_and(|folder| is_present(&folder)))
    })
}

/// Whether the directory has a `recording.json` of this program, of whatever version.
pub(super) fn is_present(recording: &Folder) -> bool {
    text(recording).is_ok_and(|text| serde_json::from_slice::<Version>(&text).is_ok())
}

/// Reads the run.
pub(super) fn read(recording: &Folder) -> Result<Run, RecordingError> {
    let path = recording.path().join(NAME);
    let text = match text(recording) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(RecordingError::NotARecording {
                path: recording.path().to_owned(),
                reason: format!("there is no {NAME} in it; give the directory that `record` wrote"),
            });
        }
        Err(error) => return Err(RecordingError::io("read", &path)(error)),
    };
    let damaged = |error: serde_json::Error| RecordingError::Description {
        path: path.clone(),
        reason: error.to_string(),
    };
    let Version { format } = serde_json::from_slice(&text).map_err(damaged)?;
    if format > FORMAT {
        return Err(RecordingError::Newer {
            path: recording.path().to_owned(),
            format,
        });
    }
    let Read { run } = serde_json::from_slice(&text).map_err(damaged)?;
    let Sums { run: sum } = serde_json::from_slice(&text).map_err(damaged)?;
    if sum.0 > MAX_SUM {
        return Err(RecordingError::Description {
            path,
            reason: "it holds numbers that no run counts".to_owned(),
        });
    }
    Ok(run)
}

/// The file's text, if it is a regular file of a size that makes sense.
fn text(recording: &Folder) -> io::Result<Vec<u8>> {
    let file = recording.open_file(OsStr::new(NAME))?;
    let too_large = |bytes| {
        io::Error::other(format!(
            "it has {bytes} bytes, more than any that record writes ({MAX_BYTES})"
        ))
    };
    let bytes = file.metadata()?.len();
    if bytes > MAX_BYTES {
        return Err(too_large(bytes));
    }
    // It may grow meanwhile.
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FORMAT_KEY;

    #[test]
    fn the_version_has_the_same_key_as_in_the_segments() {
        let text = format!("{{\"{FORMAT_KEY}\":7}}");
        let Version { format } = serde_json::from_str(&text).expect("has the key");
        assert_eq!(format, 7);
    }
}
