//! Kernel packages, through an apt of our own: its sources, lists and cache lie in our folder, the
//! system's are not touched, and signatures are checked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::series::{Kernel, kernels};
use crate::command::{self, say};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const MIRROR: &str = "http://deb.debian.org/debian";
/// 5.10; 6.1; QEMU 10; 6.12; from 6.16 on.
const SUITES: [&str; 5] = [
    "bullseye",
    "bookworm",
    "bookworm-backports",
    "trixie",
    "trixie-backports",
];

pub(super) struct Apt {
    configuration: PathBuf,
    packages: PathBuf,
}

impl Apt {
    /// Lays out the folder.
    pub(super) fn prepare(folder: &Path) -> Result<Self> {
        let home = folder.join("apt");
        let packages = folder.join("packages");
        for folder in ["lists/partial", "cache/archives/partial", "none"] {
            let folder = home.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::create_dir_all(&packages)
            .with_context(|| format!("cannot make {}", packages.display()))?;
        let configuration = home.join("apt.conf");
        for (file, text) in [
            (home.join("status"), String::new()),
            (home.join("sources.list"), sources()),
            (configuration.clone(), settings(&home)),
        ] {
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(Self {
            configuration,
            packages,
        })
    }

    /// Asks the archive which kernels there are, oldest first.
    pub(super) fn kernels(&self) -> Result<Vec<Kernel>> {
        if let Err(error) = command::stdout(self.tool("apt-get").args(["update", "--quiet=2"])) {
            say(&format!("the lists of packages are old: {error:#}"));
        }
        let names = command::stdout(self.tool("apt-cache").args(["pkgnames", "linux-"]))?;
        let names: Vec<&str> = names.lines().collect();
        ensure!(!names.is_empty(), "no list of packages");
        Ok(kernels(&names))
    }

    /// Downloads what is not there yet, and returns the files. A package is `NAME` or `NAME/SUITE`.
    pub(super) fn download(&self, packages: &[impl AsRef<str>]) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for package in packages {
            let package = package.as_ref();
            let file = match self.cached(package)? {
                Some(file) => file,
                None => {
                    let mut download = self.tool("apt-get");
                    download.args(["download", "--quiet=2", package]);
                    command::stdout(download.current_dir(&self.packages))?;
                    self.cached(package)?
                        .with_context(|| format!("apt did not download {package}"))?
                }
            };
            files.push(file);
        }
        Ok(files)
    }

    /// The file of a package: `NAME_VERSION_amd64.deb`.
    fn cached(&self, package: &str) -> Result<Option<PathBuf>> {
        let name = package.split('/').next().unwrap_or(package);
        let prefix = format!("{name}_");
        let files = fs::read_dir(&self.packages)?.collect::<std::io::Result<Vec<_>>>()?;
        Ok(files
            .iter()
            .find(|file| file.file_name().to_string_lossy().starts_with(&prefix))
            .map(fs::DirEntry::path))
    }

    fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.configuration);
        command
    }
}

fn sources() -> String {
    SUITES
        .map(|suite| format!("deb [arch=amd64 signed-by={KEYRING}] {MIRROR} {suite} main\n"))
        .concat()
}

fn settings(home: &Path) -> String {
    let folder = |name: &str| home.join(name).display().to_string();
    let mut text = String::new();
    for (key, value) in [
        ("Dir::Etc::sourcelist", folder("sources.list")),
        ("Dir::Etc::sourceparts", folder("none")),
        ("Dir::Etc::parts", folder("none")),
        ("Dir::State::Lists", folder("lists")),
        ("Dir::State::status", folder("status")),
        ("Dir::Cache", folder("cache")),
        ("APT::Architecture", "amd64".to_owned()),
        // root's apt would give up its rights and then not reach our folder.
        ("APT::Sandbox::User", "root".to_owned()),
        ("Acquire::Languages", "none".to_owned()),
    ] {
        text += &format!("{key} \"{value}\";\n");
    }
    text
}
