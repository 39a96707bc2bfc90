//! Output to what `-o` names: a file, a folder, or standard output where nothing is named.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::Context as _;

use super::file::{OutputFile, Wanted, replace};
use crate::{export::Files, folder::Folder};

/// Whether a path names a folder: one that is there, or by its end.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Writes files into a folder, which is made if it is not there.
pub(crate) fn to_folder(folder: &Path, files: Files) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let opened =
        Folder::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    for (name, text) in files {
        replace(&opened, &name, text.as_bytes())
            .with_context(|| format!("cannot write {}", folder.join(&name).display()))?;
    }
    Ok(())
}

/// Writes to the file, or else to standard output.
pub(crate) fn to_output(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match path {
        None => write(&mut Named {
            out: io::stdout().lock(),
            name: "to standard output".to_owned(),
        }),
        Some(path) => {
            let name = path.display().to_string();
            let failed = || format!("cannot write {}", path.display());
            let out = OutputFile::open(path, Wanted::AtTheEnd).with_context(failed)?;
            let mut named = Named { out, name };
            write(&mut named)?;
            named.out.finish().with_context(failed)
        }
    }
}

/// A destination whose own errors tell its name; what goes wrong while reading is none of its.
struct Named<W> {
    out: W,
    name: String,
}

impl<W: Write> Named<W> {
    fn named(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", self.name))
    }
}

impl<W: Write> Write for Named<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().map_err(|error| self.named(error))
    }
}
