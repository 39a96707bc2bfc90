//! `recording.json`: the format's version and the run.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{FORMAT, RecordingError, files};
use crate::model::Run;

pub(super) const NAME: &str = "recording.json";
pub(super) const TEMPORARY_NAME: &str = "recording.json.tmp";

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

/// Writes or replaces the file in one step and syncs it.
pub(super) fn write(recording: &Path, run: &Run) -> Result<(), RecordingError> {
    let path = recording.join(NAME);
    let temporary = files::temporary(&path);
    let failed = || RecordingError::io("write", &temporary);
    let manifest = Written {
        format: FORMAT,
        run,
    };
    let mut text = serde_json::to_vec(&manifest).map_err(|error| failed()(error.into()))?;
    text.push(b'\n');
    // What an earlier write that failed has left behind.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed()(error)),
        _ => {}
    }
    let mut file = files::create_file(&temporary)?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(failed())?;
    fs::rename(&temporary, &path).map_err(RecordingError::io("replace", &path))
}

/// Whether the directory has a `recording.json` of this program, of whatever version.
pub(super) fn is_present(recording: &Path) -> bool {
    fs::read(recording.join(NAME))
        .is_ok_and(|text| serde_json::from_slice::<Version>(&text).is_ok())
}

/// Reads the run.
pub(super) fn read(recording: &Path) -> Result<Run, RecordingError> {
    let path = recording.join(NAME);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
                && recording.exists() =>
        {
            return Err(RecordingError::NotARecording {
                path: recording.to_owned(),
                reason: format!("there is no {NAME} in it; give the directory that `record` wrote"),
            });
        }
        Err(error) => return Err(RecordingError::io("read", &path)(error)),
    };
    let damaged = |error: serde_json::Error| RecordingError::damaged(&path, error);
    let Version { format } = serde_json::from_slice(&text).map_err(damaged)?;
    if format > FORMAT {
        return Err(RecordingError::Newer {
            path: recording.to_owned(),
            format,
        });
    }
    let Read { run } = serde_json::from_slice(&text).map_err(damaged)?;
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::FORMAT_KEY;

    #[test]
    fn the_version_has_the_same_key_as_in_the_segments() {
        let text = format!("{{\"{FORMAT_KEY}\":7}}");
        let Version { format } = serde_json::from_str(&text).expect("has the key");
        assert_eq!(format, 7);
    }
}
