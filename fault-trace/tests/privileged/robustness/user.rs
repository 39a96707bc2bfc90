//! A user whom nothing else on the machine runs as.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nix::unistd::User;
use tempfile::{TempDir, tempdir};

use crate::support::skip;

/// Every system has it, and nobody logs in as it.
const NAME: &str = "games";

/// The user, unless the machine has no such user; said if not.
pub(super) fn find() -> Option<User> {
    let user = User::from_name(NAME).ok().flatten();
    if user.is_none() {
        skip(&format!("there is no user {NAME}"));
    }
    user
}

/// A folder where everybody may write.
pub(super) fn shared_folder() -> TempDir {
    let folder = tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
    folder
}

/// A copy of a program that everybody may run.
pub(super) fn copy(program: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join(program.file_name().expect("a file"));
    fs::copy(program, &copy).expect("copied");
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("ours");
    copy
}
