//! The memory that the control groups of this process still allow.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::proc::Proc;

/// The tightest limit on the memory of this process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Room {
    /// The folder of the control group that sets it.
    pub cgroup: PathBuf,
    pub limit_bytes: u64,
    /// What is left of it; the caches of files that the kernel can drop count as free.
    pub free_bytes: u64,
}

/// The names of a hierarchy's files.
struct Files {
    limit: &'static str,
    usage: &'static str,
    droppable: &'static str,
}

const VERSION_ONE: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    droppable: "total_inactive_file",
};
const VERSION_TWO: Files = Files {
    limit: "memory.max",
    usage: "memory.current",
    droppable: "inactive_file",
};

impl Room {
    /// Finds the control group, of this process or above it, that leaves the least; `None` if no limit
    /// is known.
    #[must_use]
    pub fn find(proc: &Proc) -> Option<Self> {
        let groups = fs::read_to_string(proc.path("self/cgroup")).ok()?;
        let mounts = fs::read_to_string(proc.path("self/mountinfo")).ok()?;
        let rooms = groups.lines().filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let files = match controllers {
                "" => VERSION_TWO,
                _ if has(controllers, "memory") => VERSION_ONE,
                _ => return None,
            };
            let (mount, folder) = mounts
                .lines()
                .find_map(|mount| folder(mount, controllers, path))?;
            tightest(&mount, &folder, &files)
        });
        rooms.min_by_key(|room| room.free_bytes)
    }
}

fn has(list: &str, word: &str) -> bool {
    list.split(',').any(|one| one == word)
}

/// Where a hierarchy is mounted, and the folder of `path` in it, if this line of mountinfo is of that
/// hierarchy (`proc_pid_mountinfo(5)`).
fn folder(mount: &str, controllers: &str, path: &str) -> Option<(PathBuf, PathBuf)> {
    let (place, kind) = mount.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, PathBuf::from(place.next()?));
    let mut kind = kind.split(' ');
    let fits = match kind.next()? {
        "cgroup2" => controllers.is_empty(),
        "cgroup" => !controllers.is_empty() && has(kind.nth(1)?, "memory"),
        _ => false,
    };
    let below = Path::new(path).strip_prefix(root).ok()?;
    fits.then(|| (point.clone(), point.join(below)))
}

/// The limit that leaves the least, from `folder` up to `mount`.
fn tightest(mount: &Path, folder: &Path, files: &Files) -> Option<Room> {
    let above = folder
        .ancestors()
        .take_while(|folder| folder.starts_with(mount));
    above
        .filter_map(|cgroup| room(cgroup, files))
        .min_by_key(|room| room.free_bytes)
}

fn room(cgroup: &Path, files: &Files) -> Option<Room> {
    /// What version 1 shows for no limit, to the page.
    const UNLIMITED: u64 = 1 << 62;
    let read = |name: &str| fs::read_to_string(cgroup.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let limit_bytes = number(files.limit).filter(|&limit| limit < UNLIMITED)?;
    let used = number(files.usage)?;
    let statistics = read("memory.stat").unwrap_or_default();
    let droppable = statistics.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == files.droppable).then(|| value.parse().ok())?
    });
    let held = used.saturating_sub(droppable.unwrap_or(0));
    Some(Room {
        cgroup: cgroup.to_owned(),
        limit_bytes,
        free_bytes: limit_bytes.saturating_sub(held),
    })
}

#[cfg(test)]
mod tests {
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        fs::write(path, text).expect("file");
    }

    /// A /proc whose process is in `groups`, with hierarchies mounted in `v1` and `v2`.
    fn machine(groups: &str) -> (TempDir, Proc) {
        let folder = tempdir().expect("a folder");
        let root = folder.path();
        write(root, "proc/self/cgroup", groups);
        let mounts = format!(
            "20 1 0:1 / / rw - ext4 /dev/x rw\n\
             30 20 0:2 / {0}/v1 rw - cgroup cgroup rw,memory\n\
             31 20 0:3 / {0}/cpu rw - cgroup cgroup rw,cpu\n\
             32 20 0:4 / {0}/v2 rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
            root.display()
        );
        write(root, "proc/self/mountinfo", &mounts);
        let proc = Proc::new(root.join("proc"));
        (folder, proc)
    }

    #[test]
    fn the_tightest_limit_is_that_of_an_ancestor() {
        let (folder, proc) = machine("0::/a/b\n");
        let root = folder.path();
        for (cgroup, max, current) in [
            ("a", "1000", "900"),
            ("a/b", "500", "100"),
            ("", "max", "5"),
        ] {
            write(root, &format!("v2/{cgroup}/memory.max"), max);
            write(root, &format!("v2/{cgroup}/memory.current"), current);
        }
        write(root, "v2/a/memory.stat", "anon 7\ninactive_file 20\n");
        let expected = Room {
            cgroup: root.join("v2/a"),
            limit_bytes: 1000,
            free_bytes: 120,
        };
        assert_eq!(Room::find(&proc), Some(expected));
    }

    #[test]
    fn version_one_has_a_hierarchy_of_its_own() {
        let (folder, proc) = machine("4:memory:/a\n3:cpu:/a\n0::/\n");
        let root = folder.path();
        write(root, "v1/a/memory.limit_in_bytes", "1000\n");
        write(root, "v1/a/memory.usage_in_bytes", "400\n");
        write(
            root,
            "v1/a/memory.stat",
            "inactive_file 1\ntotal_inactive_file 100\n",
        );
        write(root, "v1/memory.limit_in_bytes", "9223372036854771712\n");
        write(root, "v1/memory.usage_in_bytes", "400\n");
        let room = Room::find(&proc).expect("a limit");
        assert_eq!(room.cgroup, root.join("v1/a"));
        assert_eq!((room.limit_bytes, room.free_bytes), (1000, 700));
    }

    #[test]
    fn without_a_limit_nothing_is_known() {
        let (_folder, proc) = machine("0::/a\n");
        assert_eq!(Room::find(&proc), None);
        assert_eq!(Room::find(&Proc::new("/nonexistent")), None);
    }
}
