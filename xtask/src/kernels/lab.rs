//! Booting one kernel after the other with the same programs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    disks::Disk,
    emulator::Emulator,
    image,
    programs::Programs,
    qemu::{Guest, Purpose},
    series::Kernel,
};
use crate::command::{self, say};

/// What every guest gets.
pub(super) struct Lab {
    pub(super) folder: PathBuf,
    pub(super) programs: Programs,
    pub(super) emulator: Emulator,
    pub(super) purpose: Purpose,
    pub(super) disks: Vec<Disk>,
}

impl Lab {
    /// Unpacks the kernel and boots it with a script; returns what that wrote.
    pub(super) fn boot(
        &self,
        kernel: &Kernel,
        packages: &[PathBuf],
        script: &str,
    ) -> Result<String> {
        let folder = self.folder.join(&kernel.release);
        let unpacked = folder.join("kernel");
        fs::create_dir_all(&unpacked)?;
        for package in packages {
            command::run(
                Command::new("dpkg-deb")
                    .arg("-x")
                    .arg(package)
                    .arg(&unpacked),
            )?;
        }
        let guest = Guest {
            purpose: self.purpose,
            emulator: &self.emulator,
            disks: &self.disks,
            kernel: boot_image(&unpacked, &kernel.release)?,
            image: image::build(&self.programs, &unpacked, script, &folder)?,
            folder,
        };
        say(&format!("booting {} ...", kernel.release));
        guest.run()
    }
}

fn boot_image(unpacked: &Path, release: &str) -> Result<PathBuf> {
    [
        format!("boot/vmlinuz-{release}"),
        format!("usr/lib/modules/{release}/vmlinuz"),
    ]
    .map(|path| unpacked.join(path))
    .into_iter()
    .find(|path| path.exists())
    .with_context(|| format!("the packages of {release} hold no vmlinuz"))
}
