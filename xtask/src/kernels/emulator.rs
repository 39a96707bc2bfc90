//! Which QEMU to use: the system's where it is new enough, else Debian's backport, unpacked into a
//! folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::apt::Apt;
use crate::command::{self, say};

const PROGRAM: &str = "qemu-system-x86_64";
/// Older ones break guests with more than one CPU while probes are switched on and off.
const SEVERAL_CPUS: u32 = 10;
/// The libraries come with the system's own QEMU.
const PACKAGES: [&str; 4] = [
    "qemu-system-x86/bookworm-backports",
    "qemu-system-common/bookworm-backports",
    "qemu-system-data/bookworm-backports",
    "seabios/bookworm",
];

#[derive(Clone, Debug)]
pub(super) struct Emulator {
    program: PathBuf,
    /// Where the firmware lies, for one that is not installed.
    firmware: Vec<PathBuf>,
    /// How many CPUs a guest can have.
    pub(super) cpus: u32,
}

impl Emulator {
    /// Without a new one, the system's serves, with one CPU a guest, and that is said.
    pub(super) fn prepare(apt: &Apt, folder: &Path) -> Result<Self> {
        let installed = Self {
            program: command::find(PROGRAM).with_context(|| format!("`{PROGRAM}` is missing"))?,
            firmware: Vec::new(),
            cpus: 1,
        };
        if installed.version()? >= SEVERAL_CPUS {
            return Ok(Self {
                cpus: 2,
                ..installed
            });
        }
        Self::unpack(apt, &folder.join("emulator")).or_else(|error| {
            say(&format!(
                "WARNING: no QEMU {SEVERAL_CPUS} to be had, guests get one CPU and one node: {error:#}"
            ));
            Ok(installed)
        })
    }

    fn unpack(apt: &Apt, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        for package in apt.download(&PACKAGES)? {
            command::run(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder))?;
        }
        let share = folder.join("usr/share");
        let unpacked = Self {
            program: folder.join("usr/bin").join(PROGRAM),
            firmware: ["qemu", "seabios"].map(|name| share.join(name)).to_vec(),
            cpus: 2,
        };
        let version = unpacked.version()?;
        ensure!(version >= SEVERAL_CPUS, "it is {version}");
        Ok(unpacked)
    }

    /// The first number.
    fn version(&self) -> Result<u32> {
        let text = command::stdout(Command::new(&self.program).arg("--version"))?;
        parse_version(&text).with_context(|| format!("no version in {text:?}"))
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for folder in &self.firmware {
            command.arg("-L").arg(folder);
        }
        command
    }
}

fn parse_version(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("version ")?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_first_number() {
        let text = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright (c)\n";
        assert_eq!(parse_version(text), Some(10));
        assert_eq!(parse_version("QEMU"), None);
    }
}
