//! The folder that a recording is written into: made or cleared, and taken back if nothing came of it.

use std::{
    ffi::{OsStr, OsString},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    RecordingError,
    files::{self, ignore_missing},
    manifest,
    schema::TABLES,
};
use fault_trace_base::folder::{Folder, Kind};

/// A recording's folder, and the folder it was made in.
#[derive(Debug)]
pub struct Place {
    around: Folder,
    name: OsString,
    folder: Folder,
}

/// Where a recording is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whereabouts {
    /// Where it was asked for.
    AsNamed,
    /// Its folder was renamed meanwhile, to this where /proc tells; the name is nobody's or another's now.
    Moved(Option<PathBuf>),
    /// Its folder was removed.
    Removed,
}

impl Place {
    /// Makes the folder of a recording and those of its tables, empty all of them. With `overwrite` a
    /// recording that has the name is removed first, but nothing else is.
    pub(super) fn create(path: &Path, overwrite: bool) -> Result<Self, RecordingError> {
        let failed = || RecordingError::io("create", path);
        if path.parent().is_some_and(manifest::is_within) {
            return Err(RecordingError::WithinRecording {
                path: path.to_owned(),
            });
        }
        let (around, name) = Folder::around(path).map_err(failed())?;
        let (folder, is_new) = match around.make_folder(&name) {
            Ok(folder) => (folder, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let folder = open_overwritable(&around, &name, path, overwrite)?;
                folder
                    .restrict()
                    .map_err(RecordingError::io("restrict", path))?;
                clear(&folder)?;
                (folder, false)
            }
            Err(error) => return Err(failed()(error)),
        };
        // Messages name the path as it was given.
        let place = Self {
            around,
            name,
            folder,
        };
        for table in TABLES {
            let made = place.folder.make_folder(OsStr::new(table));
            if let Err(error) = made {
                if is_new {
                    place.discard();
                }
                return Err(RecordingError::io("create", &path.join(table))(error));
            }
        }
        Ok(place)
    }

    pub(super) const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Opens the folder of a table.
    pub(super) fn table(&self, table: &str) -> Result<Folder, RecordingError> {
        let opened = self.folder.folder(OsStr::new(table));
        opened.map_err(RecordingError::io("open", &self.folder.path().join(table)))
    }

    /// Removes the recording again, of which nothing is worth keeping. What others have put into it
    /// stays, and so does its folder then; that this may fail is no further error.
    pub fn discard(&self) {
        let _ = clear(&self.folder);
        let is_ours = || {
            let (_, named) = self.around.look(&self.name).ok()?;
            Some(named == self.folder.identity().ok()?)
        };
        if is_ours() == Some(true) {
            let _ = self.around.remove_folder(&self.name);
        }
    }

    /// Tells where the recording is by now.
    #[must_use]
    pub fn whereabouts(&self) -> Whereabouts {
        let named = self.around.look(&self.name).map(|(_, named)| named);
        match (named, self.folder.identity()) {
            (Ok(named), Ok(ours)) if named == ours => Whereabouts::AsNamed,
            _ if self.folder.is_removed() => Whereabouts::Removed,
            _ => Whereabouts::Moved(self.folder.path_now()),
        }
    }
}

/// Opens what has the name already, if it is clearly a recording with nothing else in it, or what is left of
/// one whose tracer was killed before it wrote the description.
fn open_overwritable(
    around: &Folder,
    name: &OsStr,
    path: &Path,
    overwrite: bool,
) -> Result<Folder, RecordingError> {
    let refuse = |reason: String| RecordingError::NotARecording {
        path: path.to_owned(),
        reason: format!("{reason}; it is left alone, choose another name"),
    };
    let failed = || RecordingError::io("open", path);
    if around.look(name).map_err(failed())?.0 != Kind::Folder {
        return Err(refuse("it is not a directory".to_owned()));
    }
    let folder = around.folder(name).map_err(failed())?;
    let is_described = kind(&folder, OsStr::new(manifest::NAME))?.is_some();
    if is_described && !manifest::is_present(&folder) {
        return Err(refuse(format!("it has no valid {}", manifest::NAME)));
    }
    if let Some(foreign) = foreign(&folder)? {
        return Err(refuse(if is_described {
            format!("it also holds {}", foreign.display())
        } else {
            format!("it has no {} but {}", manifest::NAME, foreign.display())
        }));
    }
    if !overwrite {
        return Err(RecordingError::Exists {
            path: path.to_owned(),
        });
    }
    Ok(folder)
}

/// Something in a recording that is none of its files; the first that is found, by its path in it.
fn foreign(recording: &Folder) -> Result<Option<PathBuf>, RecordingError> {
    let own = [manifest::NAME, manifest::TEMPORARY_NAME];
    for name in names(recording)? {
        let kind = kind(recording, &name)?;
        let is_own = if TABLES.iter().any(|table| name == *table) {
            kind == Some(Kind::Folder)
        } else {
            own.iter().any(|own| name == *own) && kind != Some(Kind::Folder)
        };
        if !is_own && kind.is_some() {
            return Ok(Some(name.into()));
        }
    }
    for table in TABLES {
        let Some(folder) = open_table(recording, table)? else {
            continue;
        };
        for name in names(&folder)? {
            let kind = kind(&folder, &name)?;
            if kind == Some(Kind::Folder) || (kind.is_some() && !files::is_segment(&name)) {
                return Ok(Some(Path::new(table).join(name)));
            }
        }
    }
    Ok(None)
}

/// Removes the files of a recording; `recording.json` goes last, so that half a clearing can be repeated.
/// A table's folder stays if it is not empty then.
fn clear(recording: &Folder) -> Result<(), RecordingError> {
    for table in TABLES {
        let Some(folder) = open_table(recording, table)? else {
            continue;
        };
        for name in names(&folder)? {
            if files::is_segment(&name) {
                remove(&folder, &name)?;
            }
        }
        ignore_missing(recording.remove_folder(OsStr::new(table)))
            .map_err(RecordingError::io("remove", folder.path()))?;
    }
    remove(recording, OsStr::new(manifest::TEMPORARY_NAME))?;
    remove(recording, OsStr::new(manifest::NAME))
}

fn open_table(recording: &Folder, table: &str) -> Result<Option<Folder>, RecordingError> {
    match recording.folder(OsStr::new(table)) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RecordingError::io("open", &recording.path().join(table))(
            error,
        )),
    }
}

fn names(folder: &Folder) -> Result<Vec<OsString>, RecordingError> {
    let names = folder.names();
    names.map_err(RecordingError::io("list", folder.path()))
}

/// `None` if it is gone by now.
fn kind(folder: &Folder, name: &OsStr) -> Result<Option<Kind>, RecordingError> {
    match folder.look(name) {
        Ok((kind, _)) => Ok(Some(kind)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RecordingError::io("read", &folder.path().join(name))(error)),
    }
}

fn remove(folder: &Folder, name: &OsStr) -> Result<(), RecordingError> {
    ignore_missing(folder.remove_file(name))
        .map_err(RecordingError::io("remove", &folder.path().join(name)))
}
