//! Processes by what they descend from.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use super::proc::Proc;

/// The living descendants of `roots`, which are not among them, ascending; without `except` and what
/// descends from it. An orphan descends from whoever took it in.
///
/// # Errors
/// If the file system cannot be listed.
pub fn descendants(proc: &Proc, roots: &[u32], except: u32) -> io::Result<Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in proc.processes()? {
        if let Ok(process) = proc.process(pid)
            && !process.has_exited
        {
            children.entry(process.parent_pid).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut waiting = roots.to_vec();
    while let Some(parent) = waiting.pop() {
        for &pid in children.get(&parent).into_iter().flatten() {
            if pid != except && !roots.contains(&pid) && found.insert(pid) {
                waiting.push(pid);
            }
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A made-up proc file system of processes with their parents; a name that is all brackets.
    fn family(members: &[(u32, u32, char)]) -> (TempDir, Proc) {
        let folder = TempDir::new().expect("temporary directory");
        for (pid, parent, state) in members {
            let path = folder.path().join(pid.to_string());
            fs::create_dir(&path).expect("directory");
            let stat = format!(
                "{pid} ()) (R 1) {state} {parent} 1 1 0 -1 4194304 0 0 0 0 1 2 3 4 20 0 1 0 9000 0 0 \
                 1 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0\n"
            );
            fs::write(path.join("stat"), stat).expect("file");
        }
        let proc = Proc::new(folder.path());
        (folder, proc)
    }

    #[test]
    fn children_of_children_descend_and_the_dead_do_not() {
        let (_folder, proc) = family(&[
            (1, 0, 'S'),
            (10, 1, 'S'),
            (11, 10, 'R'),
            (12, 11, 'S'),
            (13, 10, 'Z'),
            (20, 1, 'S'),
        ]);
        let of = |roots: &[u32]| descendants(&proc, roots, 0).expect("reads");
        assert_eq!(of(&[10]), [11, 12]);
        assert_eq!(of(&[10, 11]), [12]);
        assert_eq!(of(&[20]), [0; 0]);
        assert_eq!(of(&[1]), [10, 11, 12, 20]);
    }

    #[test]
    fn what_is_left_out_takes_its_descendants_with_it() {
        let (_folder, proc) = family(&[(10, 1, 'S'), (11, 10, 'S'), (12, 11, 'S'), (13, 10, 'S')]);
        assert_eq!(descendants(&proc, &[10], 11).expect("reads"), [13]);
    }
}
