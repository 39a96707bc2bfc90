//! A folder by its descriptor. Whatever becomes of its name, what is done here is done in the folder that
//! was opened, and no link in it is followed.
//!
//! Of the libraries for this, nix is the one that the program has already; only single names below a
//! descriptor are needed, so that cap-std's resolution of paths would have nothing to do.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, ErrorKind},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat, renameat},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat},
    unistd::{UnlinkatFlags, fsync, geteuid, unlinkat},
};

/// Permissions of folders: addresses defeat ASLR.
const FOLDER_MODE: Mode = Mode::S_IRWXU;
/// Permissions of files.
pub const FILE_MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    descriptor: OwnedFd,
    /// The name it was opened by, for messages alone.
    path: PathBuf,
}

/// Device and inode: what a name leads to, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Returns the identity of an open file.
    ///
    /// # Errors
    /// The file system does not tell.
    pub fn of(file: impl std::os::fd::AsFd) -> io::Result<Self> {
        Ok(Self::from(&fstat(file)?))
    }
}

impl From<&std::fs::Metadata> for FileId {
    fn from(found: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;

        Self {
            device: found.dev(),
            inode: found.ino(),
        }
    }
}

impl From<&FileStat> for FileId {
    fn from(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

/// The kinds of files that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    File,
    Folder,
    Other,
}

impl Kind {
    fn of(stat: &FileStat) -> Self {
        match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Self::File,
            SFlag::S_IFDIR => Self::Folder,
            _ => Self::Other,
        }
    }
}

/// How every folder is opened, but for links, which its user may give by name.
const FOLDER_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

impl Folder {
    /// Opens a folder by a path, which may lead through links.
    ///
    /// # Errors
    /// There is none, or it may not be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let named = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        Ok(Self {
            descriptor: open(named, FOLDER_FLAGS, Mode::empty())?,
            path: path.to_owned(),
        })
    }

    /// Opens the folder that `path` lies in, and tells the last name of `path`.
    ///
    /// # Errors
    /// There is no such folder, or `path` does not end with a name.
    pub fn around(path: &Path) -> io::Result<(Self, OsString)> {
        let name = path.file_name().ok_or_else(|| {
            io::Error::new(ErrorKind::InvalidInput, "the path does not end with a name")
        })?;
        Ok((
            Self::open(path.parent().unwrap_or(Path::new("")))?,
            name.to_owned(),
        ))
    }

    /// Opens a folder in this one; a link is refused.
    ///
    /// # Errors
    /// There is none of that name, or it may not be read.
    pub fn folder(&self, name: &OsStr) -> io::Result<Self> {
        let flags = FOLDER_FLAGS | OFlag::O_NOFOLLOW;
        let descriptor = self.told(openat(&self.descriptor, name, flags, Mode::empty()))?;
        Ok(Self {
            descriptor,
            path: self.path.join(name),
        })
    }

    /// Makes a folder for its owner alone, and opens it.
    ///
    /// # Errors
    /// The name is taken, or nothing may be made here. Another folder may have come in its place before
    /// it was opened; that is an error unless it is as good: empty and ours.
    pub fn make_folder(&self, name: &OsStr) -> io::Result<Self> {
        self.told(mkdirat(&self.descriptor, name, FOLDER_MODE))?;
        let made = self.folder(name)?;
        if fstat(&made.descriptor)?.st_uid != geteuid().as_raw() || !made.names()?.is_empty() {
            return Err(io::Error::other("it was replaced while it was made"));
        }
        made.restrict()?;
        Ok(made)
    }

    /// Makes the folder its owner's alone, whatever the umask was.
    ///
    /// # Errors
    /// It is another's.
    pub fn restrict(&self) -> io::Result<()> {
        Ok(fchmod(&self.descriptor, FOLDER_MODE)?)
    }

    /// Creates a file for its owner alone; the name must be free.
    ///
    /// # Errors
    /// It is taken, or nothing may be made here.
    pub fn create_file(&self, name: &OsStr) -> io::Result<File> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = self.told(openat(&self.descriptor, name, flags, FILE_MODE))?;
        fchmod(&file, FILE_MODE)?;
        Ok(File::from(file))
    }

    /// Opens a regular file to read. Nothing waits for the other end of a pipe, and no device is touched.
    ///
    /// # Errors
    /// There is none, it is a link or of another kind, or it may not be read.
    pub fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlag::O_RDONLY
            | OFlag::O_NONBLOCK
            | OFlag::O_NOCTTY
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC;
        let not_regular = || io::Error::new(ErrorKind::InvalidInput, "it is not a regular file");
        let file = match openat(&self.descriptor, name, flags, Mode::empty()) {
            // A link, a socket, a device without a driver.
            Err(Errno::ELOOP | Errno::ENXIO | Errno::ENODEV) => return Err(not_regular()),
            opened => self.told(opened)?,
        };
        match Kind::of(&fstat(&file)?) {
            Kind::File => Ok(File::from(file)),
            Kind::Folder | Kind::Other => Err(not_regular()),
        }
    }

    /// Gives a file another name, whose former file goes.
    ///
    /// # Errors
    /// There is no such file, or nothing may be changed here.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.told(renameat(&self.descriptor, from, &self.descriptor, to))
    }

    /// Removes a name that is no folder's; what a link leads to stays.
    ///
    /// # Errors
    /// There is none, or nothing may be changed here.
    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        let remove = UnlinkatFlags::NoRemoveDir;
        Ok(unlinkat(&self.descriptor, name, remove)?)
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// It is not empty or no folder, or nothing may be changed here.
    pub fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        let remove = UnlinkatFlags::RemoveDir;
        Ok(unlinkat(&self.descriptor, name, remove)?)
    }

    /// Tells what a name stands for, a link for itself.
    ///
    /// # Errors
    /// Nothing has the name.
    pub fn look(&self, name: &OsStr) -> io::Result<(Kind, FileId)> {
        let stat = fstatat(&self.descriptor, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        Ok((Kind::of(&stat), FileId::from(&stat)))
    }

    /// Lists the names in the folder, in no order.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        // A descriptor of its own: reading moves it.
        let mut folder = Dir::openat(&self.descriptor, ".", FOLDER_FLAGS, Mode::empty())?;
        let mut names = Vec::new();
        for entry in folder.iter() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    /// Makes sure that the names in the folder survive a power failure.
    ///
    /// # Errors
    /// The disk does not take them.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.descriptor)?)
    }

    /// The folder itself, by whatever name.
    ///
    /// # Errors
    /// The file system does not tell.
    pub fn identity(&self) -> io::Result<FileId> {
        FileId::of(&self.descriptor)
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path that leads to it now, as the kernel tells; `None` if it was removed.
    #[must_use]
    pub fn path_now(&self) -> Option<PathBuf> {
        if self.is_removed() {
            return None;
        }
        let link = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        std::fs::read_link(link).ok()
    }

    /// Opens the same folder once more.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self {
            descriptor: self.descriptor.as_fd().try_clone_to_owned()?,
            path: self.path.clone(),
        })
    }

    /// Whether no name leads to it any more.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        fstat(&self.descriptor).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Says where nothing can be found because the folder itself is gone.
    fn told<T>(&self, done: nix::Result<T>) -> io::Result<T> {
        done.map_err(|error| match error {
            Errno::ENOENT if self.is_removed() => io::Error::other(gone(&self.path)),
            error => error.into(),
        })
    }
}

/// Says that a folder of this path is gone; that of a bare file name has an empty one.
fn gone(path: &Path) -> String {
    if path.as_os_str().is_empty() || path == Path::new(".") {
        return "the current folder was removed".to_owned();
    }
    format!("{} was removed meanwhile", path.display())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Write as _,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn what_is_done_is_done_in_the_folder_that_was_opened() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("ours");
        let (around, last) = Folder::around(&path).expect("opens");
        let ours = around.make_folder(&last).expect("makes");
        let other = place.path().join("other");
        fs::create_dir(&other).expect("makes");
        fs::rename(&path, place.path().join("moved")).expect("renames");
        symlink(&other, &path).expect("links");
        let mut file = ours.create_file(name("x")).expect("creates");
        file.write_all(b"1").expect("writes");
        assert!(place.path().join("moved/x").exists());
        assert_eq!(fs::read_dir(&other).expect("reads").count(), 0);
        assert_eq!(
            ours.path_now().as_deref(),
            Some(&*place.path().join("moved"))
        );
        assert_ne!(
            around.look(&last).expect("looks").1,
            ours.identity().expect("has one")
        );
        assert!(around.folder(&last).is_err(), "it is a link");
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_blocks() {
        let place = tempfile::tempdir().expect("a folder");
        nix::unistd::mkfifo(&place.path().join("pipe"), FILE_MODE).expect("makes");
        symlink("/dev/zero", place.path().join("zero")).expect("links");
        symlink("plain", place.path().join("link")).expect("links");
        fs::create_dir(place.path().join("folder")).expect("makes");
        fs::write(place.path().join("plain"), "1").expect("writes");
        let _socket = std::os::unix::net::UnixListener::bind(place.path().join("socket"));
        let folder = Folder::open(place.path()).expect("opens");
        for other in ["pipe", "zero", "link", "folder", "socket"] {
            let error = folder.open_file(name(other)).expect_err(other);
            assert_eq!(error.to_string(), "it is not a regular file", "{other}");
        }
        folder.open_file(name("plain")).expect("opens");
    }

    #[test]
    fn nobody_else_may_read_whatever_the_umask() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(place.path()).expect("opens");
        let made = folder.make_folder(name("made")).expect("makes");
        made.create_file(name("file")).expect("creates");
        let mode = |path: &str| {
            let found = fs::metadata(place.path().join(path)).expect("is there");
            found.permissions().mode() & 0o7777
        };
        assert_eq!((mode("made"), mode("made/file")), (0o700, 0o600));
    }

    #[test]
    fn a_folder_that_is_gone_is_named() {
        let place = tempfile::tempdir().expect("a folder");
        let around = Folder::open(place.path()).expect("opens");
        let gone = around.make_folder(name("gone")).expect("makes");
        around.remove_folder(name("gone")).expect("removes");
        let error = gone
            .create_file(name("x"))
            .expect_err("is gone")
            .to_string();
        assert!(error.ends_with("gone was removed meanwhile"), "{error}");
        assert_eq!(gone.path_now(), None);
    }

    #[test]
    fn a_current_folder_that_is_gone_has_no_name_to_be_told_by() {
        for path in ["", "."] {
            assert_eq!(
                super::gone(Path::new(path)),
                "the current folder was removed"
            );
        }
    }
}
