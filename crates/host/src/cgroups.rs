//! Control groups of version 2: from a path to the kernel's id, and back.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Component, Path, PathBuf},
};

use super::proc::Proc;

/// A cgroup that can be traced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cgroup {
    /// The inode number of its folder.
    pub id: u64,
    /// How far below the root of the hierarchy it is.
    pub level: u32,
    /// Below the root of the hierarchy, beginning with `/`.
    pub path: PathBuf,
}

/// Why a cgroup cannot be traced.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error(
        "there is no cgroup hierarchy of version 2 here; \
         mount one: mount -t cgroup2 none /sys/fs/cgroup"
    )]
    NoHierarchy,
    #[error(
        "{} is a cgroup of version 1, which eBPF cannot tell threads by; give the one of version 2 \
         that holds the same processes (below {}), or trace them with --pid",
        .path.display(), .mount.display()
    )]
    VersionOne { path: PathBuf, mount: PathBuf },
    #[error(
        "there is no cgroup {}: give a path below {}, as in the line `0::/PATH` of /proc/PID/cgroup",
        .path.display(), .mount.display()
    )]
    NoSuch { path: PathBuf, mount: PathBuf },
    #[error(
        "the hierarchy at {} begins at a cgroup namespace, so depths in it mean nothing to the \
         kernel; run in the host's namespace: nsenter -t 1 -C fault-trace …",
        .mount.display()
    )]
    Namespace { mount: PathBuf },
    #[error("cannot read the cgroup {}", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The hierarchy of version 2.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    mount: PathBuf,
    /// Mounts of version 1.
    old: Vec<PathBuf>,
}

impl Hierarchy {
    /// Finds where the hierarchy is mounted.
    ///
    /// # Errors
    /// [`CgroupError::NoHierarchy`], or the mounts cannot be read.
    pub fn find(proc: &Proc) -> Result<Self, CgroupError> {
        let path = proc.path("self/mountinfo");
        let text = fs::read(&path).map_err(|source| CgroupError::Io { path, source })?;
        let (mut mount, mut old) = (None, Vec::new());
        for (kind, place) in text.split(|&byte| byte == b'\n').filter_map(mount_of) {
            match kind {
                b"cgroup2" => mount = mount.or(Some(place)),
                b"cgroup" => old.push(place),
                _ => {}
            }
        }
        let mount = mount.ok_or(CgroupError::NoHierarchy)?;
        Ok(Self { mount, old })
    }

    /// The cgroup at `path`: a folder of the file system, or a path below the hierarchy's root.
    ///
    /// # Errors
    /// It is none, or one of version 1.
    pub fn resolve(&self, path: &Path) -> Result<Cgroup, CgroupError> {
        // Only the root of the real hierarchy lacks this file.
        if self.mount.join("cgroup.type").exists() {
            let mount = self.mount.clone();
            return Err(CgroupError::Namespace { mount });
        }
        let wrong = |path: &Path| CgroupError::NoSuch {
            path: path.to_owned(),
            mount: self.mount.clone(),
        };
        let below = match path.strip_prefix(&self.mount) {
            Ok(below) => below,
            Err(_) if self.old.iter().any(|old| path.starts_with(old)) => {
                return Err(CgroupError::VersionOne {
                    path: path.to_owned(),
                    mount: self.mount.clone(),
                });
            }
            Err(_) => path.strip_prefix("/").unwrap_or(path),
        };
        let names = || below.components();
        if names().any(|name| !matches!(name, Component::Normal(_))) {
            return Err(wrong(path));
        }
        let folder = self.mount.join(below);
        if !folder.join("cgroup.procs").exists() {
            return Err(wrong(path));
        }
        let failed = |source| CgroupError::Io {
            path: folder.clone(),
            source,
        };
        Ok(Cgroup {
            id: fs::metadata(&folder).map_err(failed)?.ino(),
            level: u32::try_from(names().count()).map_err(|_| wrong(path))?,
            path: Path::new("/").join(below),
        })
    }

    /// The path of the cgroup `id`, in which the process `pid` was seen: raw bytes, beginning with
    /// `/`; `None` if it is gone.
    #[must_use]
    pub fn path_of(&self, proc: &Proc, id: u64, pid: u32) -> Option<Vec<u8>> {
        let path = proc.path(&format!("{pid}/cgroup"));
        let text = fs::read(path).unwrap_or_default();
        let mut lines = text.split(|&byte| byte == b'\n');
        let below = lines.find_map(|line| line.strip_prefix(b"0::/"));
        let has_id = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.ino() == id);
        if let Some(below) = below {
            let below = Path::new(std::ffi::OsStr::from_bytes(below));
            if has_id(&self.mount.join(below)) {
                return Some(Path::new("/").join(below).as_os_str().as_bytes().to_vec());
            }
        }
        // The process has moved on, or is gone.
        let folder = find(&self.mount, &has_id, &mut FOLDERS_MAX.clone())?;
        let below = folder.strip_prefix(&self.mount).ok()?;
        Some(Path::new("/").join(below).as_os_str().as_bytes().to_vec())
    }
}

/// Folders that are looked at for one id: a large machine has some thousands.
const FOLDERS_MAX: u32 = 20_000;

fn find(folder: &Path, is_it: &impl Fn(&Path) -> bool, left: &mut u32) -> Option<PathBuf> {
    *left = left.checked_sub(1)?;
    if is_it(folder) {
        return Some(folder.to_owned());
    }
    let entries = fs::read_dir(folder).ok()?.flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .map(|entry| entry.path())
        .find_map(|below| find(&below, is_it, left))
}

/// Type and place of a mount, by a line `id parent M:m root PLACE options… - TYPE …` of mountinfo.
fn mount_of(line: &[u8]) -> Option<(&[u8], PathBuf)> {
    let mut fields = line.split(u8::is_ascii_whitespace);
    let place = fields.nth(4)?;
    fields.find(|field| *field == b"-")?;
    let kind = fields.next()?;
    Some((
        kind,
        Path::new(std::ffi::OsStr::from_bytes(place)).to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with both versions mounted, as folders.
    fn machine() -> (tempfile::TempDir, Proc, PathBuf) {
        let folder = tempfile::tempdir().expect("temporary directory");
        let (proc, mount) = (folder.path().join("proc"), folder.path().join("unified"));
        let old = folder.path().join("memory");
        for made in [
            &proc.join("self"),
            &proc.join("7"),
            &mount.join("a/b"),
            &old,
        ] {
            fs::create_dir_all(made).expect("creates");
        }
        for cgroup in [mount.clone(), mount.join("a"), mount.join("a/b")] {
            fs::write(cgroup.join("cgroup.procs"), "").expect("writes");
        }
        let line = |place: &Path, kind: &str| {
            format!(
                "30 23 0:26 / {} rw,relatime shared:9 - {kind} none rw\n",
                place.display()
            )
        };
        let mountinfo = line(&old, "cgroup") + &line(&mount, "cgroup2");
        fs::write(proc.join("self/mountinfo"), mountinfo).expect("writes");
        (folder, Proc::new(proc), mount)
    }

    #[test]
    fn a_cgroup_is_found_by_folder_and_by_path() {
        let (_folder, proc, mount) = machine();
        let hierarchy = Hierarchy::find(&proc).expect("finds");
        let expected = Cgroup {
            id: fs::metadata(mount.join("a/b")).expect("is there").ino(),
            level: 2,
            path: "/a/b".into(),
        };
        for path in [mount.join("a/b"), "/a/b".into(), "a/b".into()] {
            assert_eq!(hierarchy.resolve(&path).expect("resolves"), expected);
        }
        assert_eq!(hierarchy.resolve(&mount).expect("resolves").level, 0);
    }

    #[test]
    fn what_is_no_cgroup_of_version_2_is_explained() {
        let (folder, proc, mount) = machine();
        let hierarchy = Hierarchy::find(&proc).expect("finds");
        let error = |path: &Path| hierarchy.resolve(path).expect_err("fails").to_string();
        assert!(error(&folder.path().join("memory/x")).contains("version 1"));
        assert!(error(Path::new("/nowhere")).contains("there is no cgroup /nowhere"));
        assert!(error(Path::new("a/../a")).contains("there is no cgroup"));
        fs::write(mount.join("cgroup.type"), "domain").expect("writes");
        assert!(error(Path::new("/a")).contains("namespace"));
    }

    #[test]
    fn an_id_is_found_by_its_process_or_by_looking_around() {
        let (_folder, proc, mount) = machine();
        let hierarchy = Hierarchy::find(&proc).expect("finds");
        let id = fs::metadata(mount.join("a/b")).expect("is there").ino();
        fs::write(proc.path("7/cgroup"), "4:memory:/x\n0::/a/b\n").expect("writes");
        let path = Some(b"/a/b".to_vec());
        assert_eq!(hierarchy.path_of(&proc, id, 7), path);
        // No such process any more.
        assert_eq!(hierarchy.path_of(&proc, id, 8), path);
        assert_eq!(hierarchy.path_of(&proc, 1, 8), None);
    }
}
