//! The rights that opening takes, and no more.

use caps::{CapSet, Capability, CapsHashSet};
use nix::{sys::prctl, unistd::geteuid};

/// `/proc/PID/root` and `/proc/PID/map_files` of anybody's process, any file, and what takes the rights
/// of the reader away. `CAP_CHECKPOINT_RESTORE` is what `map_files` asks for since Linux 5.9, and
/// `CAP_SYS_ADMIN` before (`fs/proc/base.c:proc_map_files_get_link`).
const NEEDED: [Capability; 7] = [
    Capability::CAP_SYS_PTRACE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_CHECKPOINT_RESTORE,
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_KILL,
];

/// Drops every other right for good. What cannot be dropped was not there.
pub(super) fn keep_needed() {
    let mut keep: CapsHashSet = NEEDED.into_iter().collect();
    if !caps::runtime::procfs_all_supported(None)
        .is_ok_and(|known| known.contains(&Capability::CAP_CHECKPOINT_RESTORE))
    {
        keep.insert(Capability::CAP_SYS_ADMIN);
    }
    let bounded = caps::read(None, CapSet::Bounding).unwrap_or_default();
    for dropped in bounded.difference(&keep) {
        let _ = caps::drop(None, CapSet::Bounding, *dropped);
    }
    let _ = caps::clear(None, CapSet::Ambient);
    let _ = caps::clear(None, CapSet::Inheritable);
    let permitted = caps::read(None, CapSet::Permitted).unwrap_or_default();
    let kept: CapsHashSet = permitted.intersection(&keep).copied().collect();
    let _ = caps::set(None, CapSet::Effective, &kept);
    let _ = caps::set(None, CapSet::Permitted, &kept);
    let _ = prctl::set_no_new_privs();
    if geteuid().is_root() {
        let _ = prctl::set_dumpable(false);
    }
}
