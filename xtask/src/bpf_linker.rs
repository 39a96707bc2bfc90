//! bpf-linker, built against the LLVM of the pinned toolchain: another LLVM could not read the
//! bitcode that rustc writes.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    command::{self, say},
    toolchain::Toolchain,
};

pub(crate) const VERSION: &str = "0.13.0";

const STAMP: &str = "stamp";

/// The folder of a bpf-linker that fits the toolchain and starts.
pub(crate) fn find(tools: &Path, toolchain: &Toolchain) -> Option<PathBuf> {
    let home = home(tools);
    let stamp = fs::read_to_string(home.join(STAMP)).ok()?;
    let bin = home.join("bin");
    (stamp == stamp_of(toolchain) && starts(&bin.join("bpf-linker"))).then_some(bin)
}

/// Builds it; the caller holds the setup lock.
pub(crate) fn install(tools: &Path, toolchain: &Toolchain) -> Result<PathBuf> {
    say(&format!(
        "building bpf-linker {VERSION} for LLVM {} (once, about a minute) ...",
        toolchain.llvm_major
    ));
    let home = home(tools);
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| format!("cannot remove {}", home.display()))?;
    }
    let llvm = link_llvm(&home, &toolchain.sysroot)?;
    let target = home.join("target");
    cargo_install(&home, &llvm, &target, toolchain)?;
    let bin = home.join("bin");
    if !starts(&bin.join("bpf-linker")) {
        bail!(
            "the bpf-linker that was just built does not start: {}",
            bin.display()
        );
    }
    // Some 300 MB that nobody needs again.
    let _ = fs::remove_dir_all(target);
    // Last: a build that was interrupted has no stamp.
    let stamp = home.join(STAMP);
    fs::write(&stamp, stamp_of(toolchain))
        .with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(bin)
}

fn cargo_install(home: &Path, llvm: &Path, target: &Path, toolchain: &Toolchain) -> Result<()> {
    let rpath = toolchain.sysroot.join("lib");
    let mut cargo = toolchain.tool("cargo");
    cargo
        .args(["install", "bpf-linker", "--version", VERSION])
        .args(["--quiet", "--locked", "--force", "--no-track"])
        .args(["--no-default-features", "--features"])
        .arg(llvm_feature(toolchain.llvm_major))
        .arg("--root")
        .arg(home)
        .arg("--target-dir")
        .arg(target)
        .env("LLVM_PREFIX", llvm)
        // LLVM does the work, and comes compiled.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env_remove("RUSTFLAGS")
        // Encoded, so that spaces in the path are safe.
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!("-Clink-arg=-Wl,-rpath,{}", rpath.display()),
        );
    command::run(&mut cargo).with_context(|| {
        format!(
            "cannot build bpf-linker {VERSION} (cargo says why above): its source is downloaded \
             once, so check the network, then `cargo xtask setup` again"
        )
    })
}

/// rustup ships `libLLVM.so.23.1-rust-1.99.1-stable`; bpf-linker wants PREFIX/lib/libLLVM.so.
fn link_llvm(home: &Path, sysroot: &Path) -> Result<PathBuf> {
    let lib = sysroot.join("lib");
    let library = fs::read_dir(&lib)
        .with_context(|| format!("cannot read {}", lib.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| is_llvm(&name.to_string_lossy()))
        })
        .with_context(|| format!("no libLLVM.so.*-rust-* in {}", lib.display()))?;
    let prefix = home.join("llvm");
    fs::create_dir_all(prefix.join("lib"))
        .and_then(|()| symlink(&library, prefix.join("lib/libLLVM.so")))
        .with_context(|| format!("cannot link LLVM into {}", prefix.display()))?;
    Ok(prefix)
}

fn is_llvm(file_name: &str) -> bool {
    file_name.starts_with("libLLVM.so.") && file_name.contains("-rust-")
}

fn llvm_feature(major: u32) -> String {
    format!("llvm-{major}")
}

fn starts(binary: &Path) -> bool {
    command::stdout(Command::new(binary).arg("--version"))
        .is_ok_and(|version| version.trim() == format!("bpf-linker {VERSION}"))
}

fn home(tools: &Path) -> PathBuf {
    tools.join(format!("bpf-linker-{VERSION}"))
}

/// What the binary depends on.
fn stamp_of(toolchain: &Toolchain) -> String {
    format!("{}\n{}\n", toolchain.rustc, toolchain.sysroot.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feature_follows_the_toolchains_llvm() {
        assert_eq!(llvm_feature(23), "llvm-23");
    }

    #[test]
    fn only_the_toolchains_own_library_is_linked() {
        assert!(is_llvm("libLLVM.so.23.1-rust-1.99.1-stable"));
        // A linker script, not a library.
        assert!(!is_llvm("libLLVM-23-rust-1.99.1-stable.so"));
        assert!(!is_llvm("librustc_driver-7ed0375ae352bd75.so"));
    }
}
