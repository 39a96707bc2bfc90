//! `-o FILE`: a new or plain file becomes what was written once that is whole; anything else (a pipe, a
//! device, what a link leads to, another's file) is written through.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::Path,
};

use anyhow::bail;
use nix::unistd::geteuid;

use crate::{
    folder::{FILE_MODE, FileId, Folder},
    recording::{self, Recording},
};

/// When the output is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// When it is whole.
    AtTheEnd,
    /// As far as it goes, again and again.
    Meanwhile,
}

/// A file that output goes to.
#[derive(Debug)]
pub(crate) enum OutputFile {
    /// Written beside the file that it is to replace.
    Beside(Beside),
    /// Written as it is; a regular file is emptied by the first write.
    Through { file: File, is_to_empty: bool },
}

/// A temporary file, removed unless it has become the file that it is for.
#[derive(Debug)]
pub(crate) struct Beside {
    folder: Folder,
    name: OsString,
    temporary: OsString,
    file: File,
    is_done: bool,
}

impl OutputFile {
    /// Opens the file for writing, and leaves what it holds as it is until there is something to write.
    pub(crate) fn open(path: &Path, wanted: Wanted) -> io::Result<Self> {
        if let Some(file) = of_descriptor(path) {
            let file = file?;
            return Ok(Self::Through {
                file,
                is_to_empty: false,
            });
        }
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && wanted == Wanted::AtTheEnd => {
                let (folder, name) = Folder::around(path)?;
                Beside::create(folder, name, None).map(Self::Beside)
            }
            Ok(found) if wanted == Wanted::AtTheEnd && is_plain(&found) => {
                let (folder, name) = Folder::around(path)?;
                let replaced = Beside::create(folder, name, Some(found.permissions()));
                match replaced {
                    // The file may be written, its folder may not.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => through(path),
                    replaced => replaced.map(Self::Beside),
                }
            }
            _ => through(path),
        }
    }

    /// Gives a file that was written beside the name it is for.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Beside(beside) => beside.finish(),
            Self::Through { mut file, .. } => file.flush(),
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(beside) => beside.file.write(bytes),
            Self::Through { file, is_to_empty } => {
                if std::mem::take(is_to_empty) {
                    file.set_len(0)?;
                }
                file.write(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(beside) => beside.file.flush(),
            Self::Through { file, .. } => file.flush(),
        }
    }
}

impl Beside {
    fn create(folder: Folder, name: OsString, like: Option<Permissions>) -> io::Result<Self> {
        let (temporary, file) = temporary(&folder, &name)?;
        let beside = Self {
            folder,
            name,
            temporary,
            file,
            is_done: false,
        };
        if let Some(permissions) = like {
            beside.file.set_permissions(permissions)?;
        }
        Ok(beside)
    }

    fn finish(mut self) -> io::Result<()> {
        self.folder.rename(&self.temporary, &self.name)?;
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_done {
            // Nobody waits for it; that it stays would be no further error.
            let _ = self.folder.remove_file(&self.temporary);
        }
    }
}

/// Replaces a file in a folder by one of this text.
pub(crate) fn replace(folder: &Folder, name: &str, text: &[u8]) -> io::Result<()> {
    let mut beside = Beside::create(folder.again()?, name.into(), None)?;
    beside.file.write_all(text)?;
    beside.finish()
}

/// Refuses to write onto a part of a recording, under whatever name, or into one.
pub(crate) fn refuse_parts(path: &Path, recordings: &[&Recording]) -> anyhow::Result<()> {
    let refused = || {
        format!(
            "{} is part of a recording: it is left alone, choose another place with -o",
            path.display()
        )
    };
    if recording::is_within(path) {
        bail!(refused());
    }
    // A name elsewhere, of the same file.
    if let Ok(found) = fs::metadata(path)
        && found.is_file()
        && found.nlink() > 1
    {
        let file = FileId::from(&found);
        for recording in recordings {
            if recording.has(file)? {
                bail!(refused());
            }
        }
    }
    Ok(())
}

/// A file that can be replaced by another without anybody's noticing.
fn is_plain(found: &fs::Metadata) -> bool {
    found.is_file() && found.nlink() == 1 && found.uid() == geteuid().as_raw()
}

fn through(path: &Path) -> io::Result<OutputFile> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE.bits())
        .open(path)?;
    let is_to_empty = file.metadata()?.is_file();
    Ok(OutputFile::Through { file, is_to_empty })
}

/// A descriptor of this process, where the path names one: opening it by its name again would ask for
/// the user's rights on what root may have opened, as a pipe.
fn of_descriptor(path: &Path) -> Option<io::Result<File>> {
    let number = match path.to_str()? {
        "/dev/stdout" => 1,
        "/dev/stderr" => 2,
        path => ["/dev/fd/", "/proc/self/fd/"]
            .into_iter()
            .find_map(|folder| path.strip_prefix(folder)?.parse().ok())
            .filter(|number| (0..i32::MAX).contains(number))?,
    };
    // SAFETY: it is only duplicated; if it is not open, that fails.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    Some(descriptor.as_fd().try_clone_to_owned().map(File::from))
}

/// A new file beside `name`.
fn temporary(folder: &Folder, name: &OsStr) -> io::Result<(OsString, File)> {
    const ATTEMPTS: u32 = 100;
    let mut attempts = (0..ATTEMPTS).map(|attempt| {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let file = folder.create_file(&temporary)?;
        Ok((temporary, file))
    });
    let taken = |made: &io::Result<_>| !matches!(made, Err(error) if error.kind() == ErrorKind::AlreadyExists);
    let made = attempts.find(taken);
    made.unwrap_or_else(|| Err(ErrorKind::AlreadyExists.into()))
}
