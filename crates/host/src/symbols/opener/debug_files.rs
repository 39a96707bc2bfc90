//! Where files of debug information may lie, which distributions ship apart from the programs.
//!
//! Only a file with the same build id is taken, wherever it lies. Of what a program says only a plain
//! file name is used, never a path.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// The debug information of the program at `path`, most likely place first.
pub(super) fn candidates(
    directories: &[PathBuf],
    path: &[u8],
    build_id: &[u8],
    debug_link: Option<&[u8]>,
) -> Vec<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path));
    let inside = path.strip_prefix("/").unwrap_or(path);
    let folder = path.parent().unwrap_or(path);
    let inside_folder = inside.parent().unwrap_or(inside);
    let mut named = inside.as_os_str().to_owned();
    named.push(".debug");

    let mut found = by_build_id(directories, build_id);
    if let Some(link) = debug_link {
        let link = Path::new(OsStr::from_bytes(link));
        found.extend([folder.join(link), folder.join(".debug").join(link)]);
        found.extend(
            directories
                .iter()
                .map(|dir| dir.join(inside_folder).join(link)),
        );
    }
    found.extend(directories.iter().map(|dir| dir.join(&named)));
    found.extend(directories.iter().map(|dir| dir.join(inside)));
    found
}

/// What several files of debug information share, of that name and build id.
pub(super) fn shared_candidates(
    directories: &[PathBuf],
    name: &[u8],
    build_id: &[u8],
) -> Vec<PathBuf> {
    let name = Path::new(OsStr::from_bytes(name));
    let mut found = by_build_id(directories, build_id);
    found.extend(directories.iter().map(|dir| dir.join(".dwz").join(name)));
    found
}

fn by_build_id(directories: &[PathBuf], build_id: &[u8]) -> Vec<PathBuf> {
    let digits: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let Some((first, rest)) = digits.split_at_checked(2) else {
        return Vec::new();
    };
    let name = format!(".build-id/{first}/{rest}.debug");
    directories.iter().map(|dir| dir.join(&name)).collect()
}
