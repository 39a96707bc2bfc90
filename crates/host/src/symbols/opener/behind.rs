//! Opening the file behind a mapping, and no other.
//!
//! Every candidate is looked at (`O_PATH`) before it is opened: opening a device or a FIFO by mistake
//! would act on it. The kernel's own link comes first; it works for deleted files, too.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::{
        fd::{AsFd, AsRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::{FileStat, Mode, SFlag, fstat, major, minor},
};

use crate::proc::Proc;
use fault_trace_model::mapping::Device;

/// How far a candidate's name can be trusted to lead to the right file.
#[derive(Clone, Copy)]
enum Found {
    /// Within the process's own view of the file systems.
    AsTheProcess,
    /// Within ours, where the same inode number may be another file's.
    AsWe,
}

/// A mapping of a file in a process.
pub(super) struct Mapped {
    pub(super) pid: u32,
    /// From the first address to the one beyond the last.
    pub(super) range: (u64, u64),
    /// As the kernel gives it.
    pub(super) path: Vec<u8>,
    pub(super) device: Device,
    pub(super) inode: u64,
}

/// Opens the file behind a mapping; `None` when it cannot be had.
pub(super) fn open_behind(proc: &Proc, backing: &Mapped) -> Option<File> {
    let (pid, (start, end)) = (backing.pid, backing.range);
    let links = proc.path(&format!("{pid}/map_files"));
    let exact = links.join(format!("{start:x}-{end:x}"));
    let path = Path::new(OsStr::from_bytes(&backing.path));
    look(&exact)
        .filter(|found| is_behind(found, backing, Found::AsTheProcess))
        .or_else(|| {
            look_inside(&proc.path(&format!("{pid}/root")), path)
                .filter(|found| is_behind(found, backing, Found::AsTheProcess))
        })
        .or_else(|| look(path).filter(|found| is_behind(found, backing, Found::AsWe)))
        // The mapping was split or joined since it was made.
        .or_else(|| overlapping(&links, backing))
        .and_then(|found| reopen(proc, &found))
}

/// Opens the regular file at `path`, whichever it is.
pub(super) fn open_regular(proc: &Proc, path: &Path) -> Option<File> {
    let found = look(path)?;
    is_regular(&fstat(found.as_fd()).ok()?).then(|| reopen(proc, &found))?
}

/// Opens the regular file `name` of a directory without following a link; with its owner.
pub(super) fn open_owned(proc: &Proc, directory: &impl AsFd, name: &str) -> Option<(File, u32)> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let found = nix::fcntl::openat(directory, name, flags, Mode::empty()).ok()?;
    let stat = fstat(found.as_fd()).ok()?;
    is_regular(&stat).then(|| reopen(proc, &found).map(|file| (file, stat.st_uid)))?
}

/// A directory as the process sees it.
pub(super) fn directory_inside(root: &Path, path: &Path) -> Option<OwnedFd> {
    look_inside(root, path).filter(|found| {
        fstat(found.as_fd()).is_ok_and(|stat| {
            SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
        })
    })
}

fn look(path: &Path) -> Option<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()
}

/// Looks up `path` with `root` as its root, so that links cannot lead out of a container.
fn look_inside(root: &Path, path: &Path) -> Option<OwnedFd> {
    let root = look(root)?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(root, path, how).ok()
}

/// The open file for reading what was only looked at.
fn reopen(proc: &Proc, found: &OwnedFd) -> Option<File> {
    let link = proc.path(&format!("self/fd/{}", found.as_raw_fd()));
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    open(&link, flags, Mode::empty()).ok().map(File::from)
}

/// A mapping of the process as it is now that overlaps the one asked for.
fn overlapping(links: &Path, backing: &Mapped) -> Option<OwnedFd> {
    fs::read_dir(links)
        .ok()?
        .filter_map(Result::ok)
        .filter(|link| {
            link.file_name()
                .to_str()
                .and_then(bounds)
                .is_some_and(|(start, end)| start < backing.range.1 && backing.range.0 < end)
        })
        .filter_map(|link| look(&link.path()))
        .find(|found| is_behind(found, backing, Found::AsTheProcess))
}

fn bounds(name: &str) -> Option<(u64, u64)> {
    let (start, end) = name.split_once('-')?;
    let hex = |digits| u64::from_str_radix(digits, 16).ok();
    Some((hex(start)?, hex(end)?))
}

/// File systems that stack or have subvolumes (overlayfs, btrfs) show a device of their own, with
/// major number 0, in place of the one the kernel tells of the mapping.
fn is_behind(found: &OwnedFd, backing: &Mapped, how: Found) -> bool {
    let Ok(stat) = fstat(found.as_fd()) else {
        return false;
    };
    let device = device(&stat);
    let same_device = device == Some(backing.device);
    let own_device = device.is_some_and(|device| device.major == 0);
    is_regular(&stat)
        && stat.st_ino == backing.inode
        && (same_device || own_device && matches!(how, Found::AsTheProcess))
}

fn is_regular(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
}

fn device(stat: &FileStat) -> Option<Device> {
    Some(Device {
        major: u32::try_from(major(stat.st_dev)).ok()?,
        minor: u32::try_from(minor(stat.st_dev)).ok()?,
    })
}
