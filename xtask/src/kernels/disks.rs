//! Disks with other file systems than the root's, for guests to fault files in from.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::apt::Apt;
use crate::command::{self, say};

/// File system, the package that makes it, and the libraries that a system may lack.
const FILE_SYSTEMS: [(&str, &[&str]); 2] = [
    (
        "xfs",
        &[
            "xfsprogs/bookworm",
            "libinih1/bookworm",
            "liburcu8/bookworm",
        ],
    ),
    ("btrfs", &["btrfs-progs/bookworm"]),
];
const BYTES: u64 = 512 << 20;

/// An empty file system in a file; the disk's serial number is its type.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) file_system: &'static str,
    pub(super) image: PathBuf,
}

/// Makes those that can be made; says which cannot.
pub(super) fn prepare(apt: &Apt, folder: &Path) -> Vec<Disk> {
    let folder = folder.join("disks");
    let make = |(file_system, packages): (&'static str, &[&str])| {
        make(apt, &folder, file_system, packages)
            .map_err(|error| {
                say(&format!(
                    "WARNING: {file_system} SKIPPED, nothing is proven there: {error:#}"
                ));
            })
            .ok()
    };
    FILE_SYSTEMS.into_iter().filter_map(make).collect()
}

fn make(apt: &Apt, folder: &Path, file_system: &'static str, packages: &[&str]) -> Result<Disk> {
    let image = folder.join(format!("{file_system}.img"));
    let tools = folder.join("tools");
    fs::create_dir_all(&tools)?;
    for package in apt.download(packages)? {
        command::run(Command::new("dpkg-deb").arg("-x").arg(package).arg(&tools))?;
    }
    let file = File::create(&image).with_context(|| format!("cannot make {}", image.display()))?;
    file.set_len(BYTES)?;
    let mut mkfs = Command::new(tools.join(format!("sbin/mkfs.{file_system}")));
    mkfs.env("LD_LIBRARY_PATH", tools.join("usr/lib/x86_64-linux-gnu"));
    command::stdout(mkfs.arg("-f").arg(&image))?;
    Ok(Disk { file_system, image })
}
