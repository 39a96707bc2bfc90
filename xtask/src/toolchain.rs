//! The pinned Rust. There is no rust-toolchain.toml: it would break plain `cargo` wherever
//! rustup may not install by itself.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    command::{self, find, is_executable, say},
    environment,
};

/// The one place that names the Rust version. fault-trace/build.rs learns it from
/// RUSTUP_TOOLCHAIN, which `rustup run` sets.
pub(crate) const VERSION: &str = "1.99.1";

/// Beyond the minimal profile, with a file that shows that it is there.
const COMPONENTS: &[(&str, &str)] = &[
    ("rust-src", "lib/rustlib/src/rust/library/Cargo.lock"),
    ("clippy", "bin/cargo-clippy"),
    ("rustfmt", "bin/cargo-fmt"),
];

/// An installed, complete toolchain.
pub(crate) struct Toolchain {
    rustup: PathBuf,
    pub(crate) sysroot: PathBuf,
    /// Exact compiler, e.g. `rustc 1.99.1 (58cf8f9c3 2026-10-13)`.
    pub(crate) rustc: String,
    pub(crate) llvm_major: u32,
}

impl Toolchain {
    /// Finds the toolchain; fails when it or a component is missing.
    pub(crate) fn find(rustup: &Path) -> Result<Self> {
        let print = |args: &[&str]| command::stdout(in_toolchain(rustup, "rustc").args(args));
        let version = print(&["-vV"])?;
        let sysroot = PathBuf::from(print(&["--print", "sysroot"])?.trim_end());
        if let Some((component, _)) = COMPONENTS
            .iter()
            .find(|(_, file)| !sysroot.join(file).exists())
        {
            bail!("component {component} is missing");
        }
        Ok(Self {
            rustup: rustup.to_owned(),
            sysroot,
            rustc: version.lines().next().unwrap_or_default().to_owned(),
            llvm_major: llvm_major(&version)?,
        })
    }

    /// Installs the toolchain, or what is missing of it.
    pub(crate) fn install(rustup: &Path) -> Result<Self> {
        say(&format!("installing Rust {VERSION} ..."));
        let mut install = Command::new(rustup);
        environment::clean(&mut install);
        install
            .args(["--quiet", "toolchain", "install", VERSION])
            .args(["--profile", "minimal", "--no-self-update"])
            // rustup shows backtraces even for a missing network.
            .env("RUST_BACKTRACE", "0")
            // It repeats the version there.
            .stdout(Stdio::null());
        for (component, _) in COMPONENTS {
            install.args(["--component", component]);
        }
        command::run(&mut install).with_context(|| {
            format!(
                "cannot install Rust {VERSION}: it is downloaded once, so check the network, \
                 then `cargo xtask setup` again"
            )
        })?;
        Self::find(rustup).with_context(|| {
            format!(
                "Rust {VERSION} is installed but does not work: \
                 `rustup toolchain uninstall {VERSION}`, then `cargo xtask setup` again"
            )
        })
    }

    /// A tool of this toolchain: `rustup run VERSION cargo`.
    pub(crate) fn tool(&self, program: &str) -> Command {
        in_toolchain(&self.rustup, program)
    }

    /// rustup's folder: aya-build looks `rustup` up in PATH.
    pub(crate) fn rustup_bin(&self) -> &Path {
        self.rustup.parent().unwrap_or(Path::new("/"))
    }
}

fn in_toolchain(rustup: &Path, program: &str) -> Command {
    let mut command = Command::new(rustup);
    environment::clean(&mut command);
    command.args(["run", VERSION, program]);
    command
}

/// In PATH, or where rustup's installer puts it (a shell that was not restarted since).
pub(crate) fn find_rustup() -> Result<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")));
    find("rustup")
        .or_else(|| cargo_home.map(|dir| dir.join("bin/rustup")))
        .filter(|file| is_executable(file))
        .with_context(|| {
            format!(
                "rustup is missing: it brings Rust {VERSION}; get it from https://rustup.rs \
                 or from your distribution (`apt install rustup`)"
            )
        })
}

/// The LLVM that the compiler comes with: bpf-linker must use the same.
fn llvm_major(rustc_verbose_version: &str) -> Result<u32> {
    rustc_verbose_version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .and_then(|version| version.split('.').next()?.parse().ok())
        .with_context(|| format!("no LLVM version in `rustc -vV`: {rustc_verbose_version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_major_is_read_from_rustc() {
        let version = "rustc 1.99.1 (58cf8f9c3 2026-10-13)\nhost: x\nLLVM version: 23.1.1\n";
        assert_eq!(llvm_major(version).expect("has a version"), 23);
        assert!(llvm_major("rustc 1.99.1\n").is_err());
        assert!(llvm_major("LLVM version: unknown\n").is_err());
    }
}
