//! What the host must have, and what is built for the guests.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    artifact, command,
    setup::Build,
    workspace::{LAB_PACKAGE, MAIN_PACKAGE, PRIVILEGED_TEST},
};

/// What is booted besides the kernel.
pub(super) struct Programs {
    pub(super) busybox: PathBuf,
    pub(super) fault_trace: PathBuf,
    pub(super) workloads: PathBuf,
    pub(super) privileged: PathBuf,
    pub(super) floor: PathBuf,
    pub(super) touch: PathBuf,
    pub(super) known: PathBuf,
}

/// Program and Debian package of what the host must have.
const NEEDED: [(&str, &str); 7] = [
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("xz", "xz-utils"),
    ("mke2fs", "e2fsprogs"),
    ("ldd", "libc-bin"),
];

pub(super) fn need() -> Result<()> {
    let missing: Vec<&str> = NEEDED
        .into_iter()
        .filter(|(program, _)| {
            command::find(program).is_none()
                && !command::is_executable(&Path::new("/sbin").join(program))
        })
        .map(|(_, package)| package)
        .collect();
    anyhow::ensure!(
        missing.is_empty(),
        "guests need more programs: `apt install {}`",
        missing.join(" ")
    );
    Ok(())
}

/// Emulated, unoptimised programs would take most of the time; their dependencies are optimised.
const SETTINGS: [&str; 8] = [
    "--config",
    "profile.dev.package.fault-trace.opt-level=1",
    "--config",
    "profile.dev.package.fault-trace.debug=false",
    "--config",
    "profile.dev.package.lab.opt-level=1",
    "--config",
    "profile.dev.package.lab.debug=false",
];

impl Programs {
    pub(super) fn build(build: &Build) -> Result<Self> {
        let cargo = |subcommand: &str, package: &str, target: &[&str]| {
            let mut cargo = build.cargo(subcommand);
            cargo.args(["--locked", "--package", package]);
            cargo.args(target).args(SETTINGS);
            cargo
        };
        let binary = &mut cargo("build", MAIN_PACKAGE, &["--bin", MAIN_PACKAGE]);
        let lab = |name: &str| {
            let build = &mut cargo("build", LAB_PACKAGE, &["--bin", name]);
            Ok::<_, anyhow::Error>(artifact::build(build, "bin", name)?.path)
        };
        let test = &["--no-run", "--test", PRIVILEGED_TEST];
        let test = &mut cargo("test", MAIN_PACKAGE, test);
        Ok(Self {
            busybox: command::find("busybox").context("`busybox` is missing")?,
            privileged: artifact::build(test, "test", PRIVILEGED_TEST)?.path,
            workloads: lab("workloads")?,
            floor: lab("floor")?,
            touch: lab("touch")?,
            known: lab("known")?,
            fault_trace: artifact::build(binary, "bin", MAIN_PACKAGE)?.path,
        })
    }
}
