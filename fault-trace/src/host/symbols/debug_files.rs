//! Files of debug information, which distributions ship apart from the programs.
//!
//! Only a file with the same build id is taken, wherever it lies.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use blazesym::helper::read_elf_build_id;
use object::{Object as _, ReadCache};

use super::{behind::open_regular, elf::fd_path, resolver::Options};
use crate::model::code::{BuildId, CodeFile};

/// Where distributions install them.
pub(super) const DEFAULT_DIRECTORIES: [&str; 1] = ["/usr/lib/debug"];

/// The debug information of a file; `image` is the file itself, if it is here.
pub(super) fn find(
    code: &CodeFile,
    build_id: &BuildId,
    image: Option<&File>,
    options: &Options,
) -> Option<File> {
    candidates(&options.debug_directories, code, build_id, image)
        .iter()
        .filter_map(|path| open_regular(&options.proc, path))
        .find(|file| has_build_id(file, build_id))
}

/// Whether the file, or one of debug information, is of this build. Reads the section headers: the
/// program headers of debug information are those of the program, with other offsets.
pub(super) fn has_build_id(file: &File, build_id: &BuildId) -> bool {
    read_elf_build_id(&fd_path(file))
        .is_ok_and(|found| found.is_some_and(|found| *found == *build_id.bytes()))
}

fn candidates(
    directories: &[PathBuf],
    code: &CodeFile,
    build_id: &BuildId,
    image: Option<&File>,
) -> Vec<PathBuf> {
    let digits = build_id.to_string();
    let (first, rest) = digits.split_at(2);
    let by_id = format!(".build-id/{first}/{rest}.debug");
    let path = Path::new(OsStr::from_bytes(&code.path));
    let inside = path.strip_prefix("/").unwrap_or(path);
    let folder = path.parent().unwrap_or(path);
    let inside_folder = inside.parent().unwrap_or(inside);
    let mut named = inside.as_os_str().to_owned();
    named.push(".debug");

    let mut found: Vec<PathBuf> = directories.iter().map(|dir| dir.join(&by_id)).collect();
    if let Some(link) = image.and_then(debug_link) {
        found.extend([folder.join(&link), folder.join(".debug").join(&link)]);
        found.extend(
            directories
                .iter()
                .map(|dir| dir.join(inside_folder).join(&link)),
        );
    }
    found.extend(directories.iter().map(|dir| dir.join(&named)));
    found.extend(directories.iter().map(|dir| dir.join(inside)));
    found
}

/// The name of the debug file that the program itself tells (`.gnu_debuglink`): never a path.
fn debug_link(image: &File) -> Option<PathBuf> {
    let data = ReadCache::new(image);
    let file = object::File::parse(&data).ok()?;
    let (name, _checksum) = file.gnu_debuglink().ok()??;
    let name = Path::new(OsStr::from_bytes(name));
    (name.components().count() == 1).then(|| name.to_owned())
}
