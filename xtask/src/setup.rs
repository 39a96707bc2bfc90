//! Task `setup`: brings the pinned Rust and bpf-linker. Every other task starts with it; when
//! all is there it is quick and says nothing.

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    bpf_linker,
    command::{find, say},
    environment,
    toolchain::{self, Toolchain},
    workspace::Workspace,
};

pub(crate) fn task() -> Result<ExitCode> {
    let build = Build::prepare()?;
    say(&format!(
        "{} and bpf-linker {} are ready",
        build.toolchain.rustc,
        bpf_linker::VERSION
    ));
    Ok(ExitCode::SUCCESS)
}

/// Everything it takes to build fault-trace.
pub(crate) struct Build {
    pub(crate) workspace: Workspace,
    toolchain: Toolchain,
    linker_bin: PathBuf,
}

impl Build {
    pub(crate) fn prepare() -> Result<Self> {
        let toolchain = toolchain()?;
        need_c_compiler()?;
        let workspace = Workspace::read(&toolchain)?;
        let tools = workspace.target_dir.join("tools");
        let linker_bin = match bpf_linker::find(&tools, &toolchain) {
            Some(bin) => bin,
            None => {
                let _lock = lock()?;
                // Somebody else may have built it while we waited.
                match bpf_linker::find(&tools, &toolchain) {
                    Some(bin) => bin,
                    None => bpf_linker::install(&tools, &toolchain)?,
                }
            }
        };
        Ok(Self {
            workspace,
            toolchain,
            linker_bin,
        })
    }

    /// The pinned cargo, in the workspace, with bpf-linker in PATH.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let path = environment::path_with(&[&self.linker_bin, self.toolchain.rustup_bin()]);
        let mut cargo = self.toolchain.tool("cargo");
        cargo
            .arg(subcommand)
            .current_dir(&self.workspace.root)
            // A relative one was meant from where the user is.
            .env("CARGO_TARGET_DIR", &self.workspace.target_dir)
            .env("PATH", path);
        cargo
    }
}

/// The pinned toolchain, installed when it is missing.
pub(crate) fn toolchain() -> Result<Toolchain> {
    let rustup = toolchain::find_rustup()?;
    Toolchain::find(&rustup).or_else(|_| {
        let _lock = lock()?;
        Toolchain::find(&rustup).or_else(|_| Toolchain::install(&rustup))
    })
}

/// Held until dropped: two tasks at once must not install the same thing. The lock is on our
/// own folder because the target folder may not exist yet.
fn lock() -> Result<File> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = File::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
    if file.try_lock().is_err() {
        say("waiting for another xtask to finish its setup ...");
        file.lock()
            .with_context(|| format!("cannot lock {}", dir.display()))?;
    }
    Ok(file)
}

/// Rust links with it, and zstd is written in C.
fn need_c_compiler() -> Result<()> {
    if find("cc").is_none() && env::var_os("CC").is_none() {
        bail!(
            "`cc`, the C compiler, is missing: `apt install gcc libc6-dev` \
             (`dnf install gcc`, `pacman -S gcc`)"
        );
    }
    Ok(())
}
