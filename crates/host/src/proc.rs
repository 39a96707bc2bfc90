//! Processes, threads and their fault counters, from /proc.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use procfs::{
    FromBufRead, FromRead, VmStat,
    process::{Stat, Status},
};

use fault_trace_model::totals::KernelCounts;

/// What there is to know of a process before it is traced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    pub parent_pid: u32,
    /// Ticks from the boot to its start: an id that comes again has another one.
    pub started_ticks: u64,
    /// It waits for its parent to take its status, or is being removed.
    pub has_exited: bool,
    pub is_kernel_thread: bool,
}

/// `PF_EXITING` (include/linux/sched.h).
const EXITING: u32 = 4;

/// What /proc/PID/task/TID/stat says of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thread {
    pub counts: KernelCounts,
    /// It exits, or has exited and waits for its status to be taken.
    pub is_exiting: bool,
}

/// A mounted proc file system.
#[derive(Clone, Debug)]
pub struct Proc {
    root: PathBuf,
}

impl Default for Proc {
    fn default() -> Self {
        Self::new("/proc")
    }
}

impl Proc {
    /// The one mounted at `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether the process exists; a thread's id that is not its process's does not count.
    #[must_use]
    pub fn has_process(&self, pid: u32) -> bool {
        self.process_of(pid).is_ok_and(|process| process == pid)
    }

    /// What /proc/PID/stat says of a process.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn process(&self, pid: u32) -> io::Result<Process> {
        /// `PF_KTHREAD` (include/linux/sched.h).
        const KERNEL_THREAD: u32 = 0x0020_0000;
        let stat = read_stat(&self.root.join(format!("{pid}/stat")))?;
        Ok(Process {
            parent_pid: stat.ppid.cast_unsigned(),
            started_ticks: stat.starttime,
            // The main thread may have exited alone.
            has_exited: matches!(stat.state, 'Z' | 'X') && stat.num_threads <= 1,
            is_kernel_thread: stat.flags & KERNEL_THREAD != 0,
        })
    }

    /// Whether a thread lives; one that only waits for its status to be taken does not.
    #[must_use]
    pub fn has_thread(&self, tid: u32) -> bool {
        let stat = read_stat(&self.root.join(format!("{tid}/stat")));
        stat.is_ok_and(|stat| !matches!(stat.state, 'Z' | 'X'))
    }

    /// The process a thread belongs to.
    ///
    /// # Errors
    /// If there is no such thread.
    pub fn process_of(&self, tid: u32) -> io::Result<u32> {
        let path = self.root.join(format!("{tid}/status"));
        let status = Status::from_buf_read(io::BufReader::new(File::open(&path)?))
            .map_err(|error| invalid(&path, &error))?;
        Ok(status.tgid.cast_unsigned())
    }

    /// Every process, ascending.
    ///
    /// # Errors
    /// If the file system cannot be listed.
    pub fn processes(&self) -> io::Result<Vec<u32>> {
        numbers(&self.root)
    }

    /// The threads of a process, ascending.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn threads(&self, pid: u32) -> io::Result<Vec<u32>> {
        numbers(&self.root.join(format!("{pid}/task")))
    }

    /// The name of a process's main thread, raw bytes.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn comm(&self, pid: u32) -> io::Result<Vec<u8>> {
        let mut comm = fs::read(self.root.join(format!("{pid}/comm")))?;
        comm.pop_if(|&mut last| last == b'\n');
        Ok(comm)
    }

    /// A file below the root.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The mappings of a process, to be read at once.
    ///
    /// # Errors
    /// If there is no such process, or it may not be looked into.
    pub fn open_maps(&self, pid: u32) -> io::Result<io::BufReader<File>> {
        File::open(self.path(&format!("{pid}/maps"))).map(io::BufReader::new)
    }

    /// The kernel's fault counts of a process, its exited threads included.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn counts(&self, pid: u32) -> io::Result<KernelCounts> {
        let stat = read_stat(&self.root.join(format!("{pid}/stat")))?;
        Ok(counts(&stat))
    }

    /// The fault counters of every thread of `pids`, by (pid, tid); processes that are gone have none.
    #[must_use]
    pub fn snapshot(&self, pids: &[u32]) -> BTreeMap<(u32, u32), Thread> {
        let mut threads = BTreeMap::new();
        for &pid in pids {
            for tid in self.threads(pid).unwrap_or_default() {
                let path = self.root.join(format!("{pid}/task/{tid}/stat"));
                if let Ok(stat) = read_stat(&path) {
                    let thread = Thread {
                        counts: counts(&stat),
                        is_exiting: stat.flags & EXITING != 0,
                    };
                    threads.insert((pid, tid), thread);
                }
            }
        }
        threads
    }

    /// The machine's fault counters since boot, of /proc/vmstat.
    ///
    /// # Errors
    /// If the file cannot be read or has no such counters.
    pub fn vmstat(&self) -> io::Result<KernelCounts> {
        let path = self.root.join("vmstat");
        let counters = self.read_vmstat()?;
        let counter = |name| {
            let value = counters.get(name).and_then(|&value| value.try_into().ok());
            value.ok_or_else(|| invalid(&path, &format_args!("it has no {name}")))
        };
        let (all, major): (u64, u64) = (counter("pgfault")?, counter("pgmajfault")?);
        Ok(KernelCounts {
            minor: all.saturating_sub(major),
            major,
        })
    }

    /// The machine's NUMA hint faults since boot; `None` where the kernel does not balance.
    #[must_use]
    pub fn numa_hint_faults(&self) -> Option<u64> {
        let counters = self.read_vmstat().ok()?;
        u64::try_from(*counters.get("numa_hint_faults")?).ok()
    }

    fn read_vmstat(&self) -> io::Result<HashMap<String, i64>> {
        let path = self.root.join("vmstat");
        let VmStat(counters) = VmStat::from_buf_read(io::BufReader::new(File::open(&path)?))
            .map_err(|error| invalid(&path, &error))?;
        Ok(counters)
    }
}

const fn counts(stat: &Stat) -> KernelCounts {
    KernelCounts {
        minor: stat.minflt,
        major: stat.majflt,
    }
}

fn read_stat(path: &Path) -> io::Result<Stat> {
    Stat::from_read(File::open(path)?).map_err(|error| invalid(path, &error))
}

fn invalid(path: &Path, problem: &dyn std::fmt::Display) -> io::Error {
    let message = format!("cannot read {}: {problem}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// The entries of a directory whose names are numbers, ascending.
fn numbers(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        if let Some(number) = entry?.file_name().to_str().and_then(|n| n.parse().ok()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use std::process;

    use tempfile::TempDir;

    use super::*;

    /// A made-up proc file system.
    struct Fixture(TempDir);

    impl Fixture {
        fn new() -> Self {
            Self(TempDir::new().expect("temporary directory"))
        }

        fn proc(&self) -> Proc {
            Proc::new(self.0.path())
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("parent")).expect("directory");
            fs::write(path, text).expect("file");
        }

        fn thread(&self, pid: u32, tid: u32, comm: &str, ppid: u32, minor_major: (u64, u64)) {
            let (minor, major) = minor_major;
            let head = format!("{tid} ({comm}) S {ppid} 1 1 0 -1 4194304 {minor} 70 {major} 71 ");
            let stat = head + "1 2 3 4 20 0 1 0 9000 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0\n";
            self.write(&format!("{pid}/task/{tid}/stat"), &stat);
            if pid == tid {
                self.write(&format!("{pid}/stat"), &stat);
            }
        }
    }

    fn minor_major(minor: u64, major: u64) -> KernelCounts {
        KernelCounts { minor, major }
    }

    #[test]
    fn counters_survive_any_name() {
        let names = [
            "sh",
            "a b",
            "x) S 1 (y",
            "two\nlines",
            "",
            ")",
            "\u{1b}[31m",
        ];
        for (pid, name) in (10..).zip(names) {
            let fixture = Fixture::new();
            fixture.thread(pid, pid, name, 1, (123, 4));
            fixture.thread(pid, pid + 50, name, 1, (5, 0));
            let snapshot = fixture.proc().snapshot(&[pid]);
            assert_eq!(snapshot.len(), 2, "{name:?}");
            assert_eq!(snapshot[&(pid, pid)].counts, minor_major(123, 4));
            assert_eq!(snapshot[&(pid, pid + 50)].counts, minor_major(5, 0));
        }
    }

    #[test]
    fn a_process_that_is_gone_has_no_threads() {
        let fixture = Fixture::new();
        assert!(fixture.proc().snapshot(&[7]).is_empty());
        assert!(fixture.proc().threads(7).is_err());
        assert!(!fixture.proc().has_process(7));
    }

    #[test]
    fn a_name_keeps_its_own_line_feeds() {
        let fixture = Fixture::new();
        fixture.write("4/comm", "two\nlines\n\n");
        assert_eq!(fixture.proc().comm(4).expect("comm"), b"two\nlines\n");
    }

    #[test]
    fn the_machines_minor_faults_are_those_not_major() {
        let fixture = Fixture::new();
        fixture.write("vmstat", "nr_free_pages 5\npgfault 1000\npgmajfault 40\n");
        assert_eq!(
            fixture.proc().vmstat().expect("vmstat"),
            minor_major(960, 40)
        );
        fixture.write("vmstat", "pgfault 1000\n");
        let error = fixture.proc().vmstat().expect_err("no major faults");
        assert!(error.to_string().contains("pgmajfault"), "{error}");
    }

    #[test]
    fn this_process_is_in_the_real_one() {
        let (proc, pid) = (Proc::default(), process::id());
        assert!(proc.has_process(pid));
        let tid = nix::unistd::gettid().as_raw().cast_unsigned();
        assert_ne!(tid, pid, "tests run on threads of their own");
        assert!(!proc.has_process(tid));
        assert_eq!(proc.process_of(tid).expect("process"), pid);
        assert!(proc.threads(pid).expect("threads").contains(&tid));
        assert!(proc.vmstat().expect("vmstat").minor > 0);
        assert!(!proc.comm(pid).expect("comm").is_empty());
    }

    #[test]
    fn a_touched_page_is_a_fault_between_two_snapshots() {
        let (proc, pid) = (Proc::default(), process::id());
        let key = (pid, nix::unistd::gettid().as_raw().cast_unsigned());
        let before = proc.snapshot(&[pid]);
        // More than the allocator ever keeps for reuse: the page is a new one.
        let mut memory = vec![0_u8; 64 << 20];
        *std::hint::black_box(&mut memory[0]) = 1;
        let after = proc.snapshot(&[pid]);
        let counted = after[&key].counts.minor - before[&key].counts.minor;
        assert!(counted >= 1, "{counted}");
    }
}
