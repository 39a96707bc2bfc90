//! `cargo run` started us: what it and rustup put into the environment must not reach the
//! pinned toolchain, which would then not be used, or would rebuild what is fresh.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

const LEAKS: &[&str] = &[
    "CARGO",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTDOC",
    "CARGO_CRATE_NAME",
    "CARGO_BIN_NAME",
    "CARGO_PRIMARY_PACKAGE",
    "OUT_DIR",
    "RUSTC",
    // On, it would switch the host crates to their unstable variants.
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTUP_TOOLCHAIN",
    "RUSTUP_TOOLCHAIN_SOURCE",
    "RUST_RECURSION_COUNT",
];

/// What is not listed is the user's (CARGO_HOME, CARGO_TARGET_DIR, CARGO_NET_*, RUSTFLAGS...).
fn leaks(name: &str) -> bool {
    LEAKS.contains(&name) || name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_")
}

/// Takes the outer toolchain's variables away from a command.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(leaks) {
            command.env_remove(name);
        }
    }
    if let Some(path) = env::var_os(LIBRARY_PATH) {
        match without_outer_libraries(&path, &outer_folders()) {
            Some(path) => command.env(LIBRARY_PATH, path),
            None => command.env_remove(LIBRARY_PATH),
        };
    }
}

/// The folders that cargo prepends libraries of: the target folder and the toolchain.
fn outer_folders() -> Vec<PathBuf> {
    let target = env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.to_owned()));
    let toolchain = env::var_os("CARGO")
        .map(PathBuf::from)
        .and_then(|cargo| Some(cargo.parent()?.parent()?.join("lib")));
    target.into_iter().chain(toolchain).collect()
}

fn without_outer_libraries(path: &OsStr, outer: &[PathBuf]) -> Option<OsString> {
    let kept: Vec<PathBuf> = env::split_paths(path)
        .filter(|dir| !outer.iter().any(|folder| dir.starts_with(folder)))
        .filter(|dir| *dir != Path::new(""))
        .collect();
    if kept.is_empty() {
        return None;
    }
    env::join_paths(kept).ok()
}

/// PATH with folders put in front.
pub(crate) fn path_with(first: &[&Path]) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = first
        .iter()
        .map(|dir| dir.to_path_buf())
        .chain(env::split_paths(&path));
    // Only fails for a folder with a colon in its name: no PATH can hold that.
    env::join_paths(all).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_cargo_leaks_and_the_users_settings_do_not() {
        for name in [
            "CARGO",
            "CARGO_PKG_NAME",
            "CARGO_MANIFEST_DIR",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(leaks(name), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_NET_OFFLINE",
            "RUSTFLAGS",
        ] {
            assert!(!leaks(name), "{name}");
        }
    }

    #[test]
    fn only_the_outer_libraries_are_dropped() {
        let outer = [PathBuf::from("/t/debug"), PathBuf::from("/r/stable/lib")];
        let path = OsStr::new("/t/debug:/t/debug/deps:/r/stable/lib/rustlib/lib:/opt/lib");
        assert_eq!(
            without_outer_libraries(path, &outer),
            Some("/opt/lib".into())
        );
        assert_eq!(
            without_outer_libraries(OsStr::new("/t/debug"), &outer),
            None
        );
    }
}
