//! Transparent huge pages: whether reading fresh memory can map the huge zero page.

use std::{fs, path::Path};

const FOLDER: &str = "kernel/mm/transparent_hugepage";

/// Whether the kernel under `sys`, usually /sys, may map it (`do_huge_pmd_anonymous_page`,
/// mm/huge_memory.c).
#[must_use]
pub fn zero_page_in_use(sys: &Path) -> bool {
    let folder = sys.join(FOLDER);
    let setting = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let allows = |text: &str| !text.is_empty() && !text.contains("[never]");
    // From 6.8 on each size has a setting of its own, which mostly inherits the common one.
    let size = setting("hugepages-2048kB/enabled");
    let enabled = if size.is_empty() || size.contains("[inherit]") {
        allows(&setting("enabled"))
    } else {
        allows(&size)
    };
    enabled && setting("use_zero_page").trim() == "1"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sys(files: &[(&str, &str)]) -> bool {
        let root = tempfile::tempdir().expect("temporary directory");
        for (name, text) in files {
            let path = root.path().join(FOLDER).join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("create");
            fs::write(path, text).expect("write");
        }
        zero_page_in_use(root.path())
    }

    #[test]
    fn it_takes_huge_pages_and_the_zero_page() {
        let madvise = ("enabled", "always [madvise] never\n");
        let never = ("enabled", "always madvise [never]\n");
        let zero = ("use_zero_page", "1\n");
        let inherit = (
            "hugepages-2048kB/enabled",
            "always [inherit] madvise never\n",
        );
        let size_never = (
            "hugepages-2048kB/enabled",
            "always inherit madvise [never]\n",
        );
        assert!(sys(&[madvise, zero]));
        assert!(sys(&[madvise, zero, inherit]));
        assert!(!sys(&[madvise, zero, size_never]));
        assert!(!sys(&[never, zero]));
        assert!(!sys(&[madvise, ("use_zero_page", "0\n")]));
        assert!(!sys(&[]), "a kernel without huge pages");
    }
}
