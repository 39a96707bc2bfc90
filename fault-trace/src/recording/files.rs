//! The names and permissions of a recording's files, and the directory's making and clearing.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{RecordingError, manifest, schema::TABLES};

/// Ends the name of a file that is not whole.
const TEMPORARY: &str = "tmp";

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// `path` while it is being written.
pub(super) fn temporary(path: &Path) -> PathBuf {
    path.with_added_extension(TEMPORARY)
}

/// The name of a table's segment.
pub(super) fn segment(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("part-{number:05}.parquet"))
}

/// A table's segments by number, and the temporary files beside them.
#[derive(Default)]
pub(super) struct SegmentFiles {
    pub(super) finished: Vec<(u32, PathBuf)>,
    pub(super) unfinished: Vec<PathBuf>,
}

/// Lists a table's folder; a missing one holds nothing. Other files are ignored.
pub(super) fn list(folder: &Path) -> Result<SegmentFiles, RecordingError> {
    let failed = || RecordingError::io("list", folder);
    let mut files = SegmentFiles::default();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(failed()(error)),
    };
    for entry in entries {
        let path = entry.map_err(failed())?.path();
        if path.extension().is_some_and(|end| end == TEMPORARY) {
            files.unfinished.push(path);
        } else if let Some(number) = segment_number(&path) {
            files.finished.push((number, path));
        }
    }
    files.finished.sort();
    files.unfinished.sort();
    Ok(files)
}

fn segment_number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("part-")?
        .strip_suffix(".parquet")?
        .parse()
        .ok()
}

/// Creates a file for its owner alone; it must not exist.
pub(super) fn create_file(path: &Path) -> Result<File, RecordingError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(RecordingError::io("create", path))
}

/// Makes sure that a file or the names in a directory survive a power failure.
pub(super) fn sync(path: &Path) -> Result<(), RecordingError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(RecordingError::io("sync", path))
}

/// Creates the empty directory of a recording and the folders of its tables.
pub(super) fn create_directory(path: &Path, overwrite: bool) -> Result<(), RecordingError> {
    match make_directory(path) {
        Err(RecordingError::Io { cause, .. }) if cause.kind() == ErrorKind::AlreadyExists => {
            check_overwritable(path, overwrite)?;
            clear(path)?;
            fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))
                .map_err(RecordingError::io("restrict", path))?;
        }
        made => made?,
    }
    TABLES
        .iter()
        .try_for_each(|table| make_directory(&path.join(table)))
}

fn make_directory(path: &Path) -> Result<(), RecordingError> {
    DirBuilder::new()
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(RecordingError::io("create", path))
}

/// Only what is clearly a recording, with nothing else in it, may be overwritten.
fn check_overwritable(path: &Path, overwrite: bool) -> Result<(), RecordingError> {
    let refuse = |reason: String| RecordingError::NotARecording {
        path: path.to_owned(),
        reason: format!("{reason}; it is left alone, choose another name"),
    };
    if !path.is_dir() {
        return Err(refuse("it is not a directory".to_owned()));
    }
    if !manifest::is_present(path) {
        return Err(refuse(format!("it has no valid {}", manifest::NAME)));
    }
    let failed = || RecordingError::io("list", path);
    for entry in fs::read_dir(path).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        let own = [&manifest::NAME, &manifest::TEMPORARY_NAME];
        if !own.into_iter().chain(&TABLES).any(|own| name == *own) {
            let name = name.display();
            return Err(refuse(format!("it also holds {name}")));
        }
    }
    if !overwrite {
        return Err(RecordingError::Exists {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Empties a recording; `recording.json` goes last, so that half a clearing can be repeated.
fn clear(path: &Path) -> Result<(), RecordingError> {
    for table in TABLES {
        let folder = path.join(table);
        ignore_missing(fs::remove_dir_all(&folder))
            .map_err(RecordingError::io("remove", &folder))?;
    }
    for name in [manifest::TEMPORARY_NAME, manifest::NAME] {
        let file = path.join(name);
        ignore_missing(fs::remove_file(&file)).map_err(RecordingError::io("remove", &file))?;
    }
    Ok(())
}

fn ignore_missing(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
