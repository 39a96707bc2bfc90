//! What the machine and the build of its kernel have, as far as classes of faults depend on it.

use std::{fs, path::Path};

use super::{kernel::has_cpu_flag, roots::Roots};
use fault_trace_model::support::{Feature, Features};

/// Looks each feature up. `cpuinfo` is about the first CPU; all CPUs are alike.
pub(super) fn read(roots: &Roots, cpuinfo: &str) -> Features {
    let proc = |path: &str| roots.proc.join(path).exists();
    let contains = |path: &Path, word: &str| {
        // Not all of it is text.
        fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(word))
    };
    let found = [
        (Feature::ProtectionKeys, has_cpu_flag(cpuinfo, "ospke")),
        (Feature::ShadowStack, has_cpu_flag(cpuinfo, "user_shstk")),
        (Feature::Sgx, has_cpu_flag(cpuinfo, "sgx")),
        (
            Feature::Vsyscall,
            contains(&roots.proc.join("self/maps"), "[vsyscall]"),
        ),
        (
            Feature::MemoryFailure,
            contains(&roots.proc.join("meminfo"), "HardwareCorrupted:"),
        ),
        (Feature::NumaBalancing, proc("sys/kernel/numa_balancing")),
        (
            Feature::Migration,
            contains(&roots.proc.join("vmstat"), "pgmigrate_success"),
        ),
        (
            Feature::HugePages,
            roots.sys.join("kernel/mm/transparent_hugepage").exists(),
        ),
        (Feature::Hugetlb, proc("sys/vm/nr_hugepages")),
        (Feature::Swap, proc("swaps")),
        (
            Feature::Userfaultfd,
            proc("sys/vm/unprivileged_userfaultfd"),
        ),
    ];
    let has = found.into_iter().filter(|(_, found)| *found);
    Features(has.map(|(feature, _)| feature).collect())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn each_feature_has_its_file_or_flag() {
        let root = TempDir::new().expect("temporary directory");
        let roots = Roots {
            proc: root.path().join("proc"),
            sys: root.path().join("sys"),
        };
        assert_eq!(read(&roots, "flags\t: fpu\n"), Features::default());
        for (path, text) in [
            (
                "proc/self/maps",
                "ffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]\n",
            ),
            ("proc/meminfo", "HardwareCorrupted:     0 kB\n"),
            ("proc/vmstat", "pgmigrate_success 0\n"),
            ("proc/sys/kernel/numa_balancing", "0\n"),
            ("proc/sys/vm/nr_hugepages", "0\n"),
            ("proc/sys/vm/unprivileged_userfaultfd", "0\n"),
            ("proc/swaps", "\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("parent")).expect("directory");
            fs::write(path, text).expect("file");
        }
        let Features(found) = read(&roots, "flags\t\t: fpu ospke user_shstk sgx\n");
        assert_eq!(found.len(), 11, "{found:?}");
    }
}
