//! Giving up rights: what is written is written as the user, and only the capabilities that are still
//! needed are kept.
//!
//! Behind sudo the effective ids become the user's, so that files are made, found and refused as for the
//! user. While tracing the real and the saved user id stay root's: with them the user's processes, the traced ones
//! among them, can neither signal the tracer nor attach to it (kernel/signal.c:kill_ok_by_cred,
//! kernel/ptrace.c:__ptrace_may_access (v6.12)).

use caps::{CapSet, Capability, CapsHashSet};
use nix::{
    sys::{
        prctl,
        stat::{Mode, umask},
    },
    unistd::{Gid, Uid, getresgid, getresuid, setgroups, setresgid, setresuid},
};

use super::{
    perf_events,
    users::{Identity, UnknownUser},
};

/// What is still to be done, which decides on the capabilities that are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// Tracing, with the programs loaded and attached.
    Trace {
        /// Whether the target was launched by this process.
        launched: bool,
    },
    /// Reading recordings.
    Read,
}

/// Rights could not be given up; nothing should be written then.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    #[error(transparent)]
    Unknown(#[from] UnknownUser),
    #[error(
        "cannot act as {user}, the user behind sudo: {source}; \
         run it from a root shell without SUDO_UID to run it as root"
    )]
    User { user: String, source: nix::Error },
    #[error("cannot give up capabilities: {0}")]
    Capabilities(caps::errors::CapsError),
    #[error("cannot give up privileges: {0}")]
    NoNewPrivileges(nix::Error),
}

impl From<caps::errors::CapsError> for RightsError {
    fn from(error: caps::errors::CapsError) -> Self {
        Self::Capabilities(error)
    }
}

/// Gives up all rights that `task` does not need, for good. What was launched before keeps its own.
///
/// Capabilities belong to threads: this is to be called while there is only one. Calling it again changes
/// nothing.
///
/// # Errors
/// The user behind sudo is unknown, or the kernel refuses.
pub fn give_up(task: Task) -> Result<(), RightsError> {
    let user = Identity::behind_sudo()?;
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    limit_bounds()?;
    // Before the ids change, which takes the effective capabilities.
    let for_events = matches!(task, Task::Trace { .. }) && perf_events::need_sys_admin()?;
    if let Some(user) = &user {
        act_as(user, task).map_err(|source| RightsError::User {
            user: user.name.clone(),
            source,
        })?;
    }
    let permitted = caps::read(None, CapSet::Permitted)?;
    let as_root = user.is_none() && Uid::effective().is_root();
    keep(&needed(task, as_root, for_events, &permitted), &permitted)?;
    prctl::set_no_new_privs().map_err(RightsError::NoNewPrivileges)?;
    // What is in memory (addresses of other processes) is nothing for a core file of the user's.
    prctl::set_dumpable(false).map_err(RightsError::NoNewPrivileges)
}

/// The capabilities for a task; each was found to be needed by running without it (SECURITY.md).
/// `for_events`: perf events need the wide capability here.
fn needed(task: Task, as_root: bool, for_events: bool, permitted: &CapsHashSet) -> CapsHashSet {
    let mut needed = CapsHashSet::new();
    match task {
        Task::Trace { launched } => {
            needed.extend([
                // Reading the totals out of maps; attaching on CPUs that come online; calibrating.
                Capability::CAP_BPF,
                Capability::CAP_PERFMON,
                // /proc/PID/maps of other users' processes.
                Capability::CAP_SYS_PTRACE,
                // Addresses in /proc/kallsyms.
                Capability::CAP_SYSLOG,
                // perf's rings on CPUs that come online: beyond the limit on locked memory.
                Capability::CAP_IPC_LOCK,
            ]);
            if launched {
                // The command may have become another user.
                needed.insert(Capability::CAP_KILL);
            }
            let narrow = [Capability::CAP_BPF, Capability::CAP_PERFMON];
            if for_events || !narrow.iter().all(|narrow| permitted.contains(narrow)) {
                // It stands for both (include/linux/capability.h:bpf_capable, perfmon_capable (v6.12)).
                needed.insert(Capability::CAP_SYS_ADMIN);
            }
        }
        Task::Read => {
            // A recording made from a root shell, given to sudo.
            needed.insert(Capability::CAP_DAC_READ_SEARCH);
        }
    }
    if as_root {
        // Root without sudo writes where it likes.
        needed.extend([
            Capability::CAP_DAC_OVERRIDE,
            Capability::CAP_DAC_READ_SEARCH,
        ]);
    }
    needed
}

/// Takes the ids and groups of the user; `setresuid` sets the ids of all threads (nptl(7)). While tracing the
/// real and the saved ids stay root's.
fn act_as(user: &Identity, task: Task) -> nix::Result<()> {
    let (groups, group) = (getresgid()?, Gid::from_raw(user.gid));
    let (users, id) = (getresuid()?, Uid::from_raw(user.uid));
    if users.effective == id && groups.effective == group {
        return Ok(());
    }
    let wanted: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&wanted)?;
    match task {
        Task::Trace { .. } => {
            setresgid(groups.real, group, groups.saved)?;
            setresuid(users.real, id, users.saved)
        }
        Task::Read => {
            // Otherwise the permitted capabilities go with root's last id.
            prctl::set_keepcaps(true)?;
            setresgid(group, group, group)?;
            setresuid(id, id, id)
        }
    }
}

/// Empties the sets out of which an executed program could take capabilities. Without CAP_SETPCAP the
/// bounding set cannot be emptied; `no_new_privs` does as much.
fn limit_bounds() -> Result<(), RightsError> {
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding)?;
    }
    Ok(())
}

/// Makes `needed` the permitted and the effective set, as far as they are permitted now.
fn keep(needed: &CapsHashSet, permitted: &CapsHashSet) -> Result<(), RightsError> {
    let kept = permitted.intersection(needed).copied().collect();
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_overrides_permissions_is_kept_for_a_user_who_traces() {
        for launched in [false, true] {
            let kept = needed(Task::Trace { launched }, false, false, &caps::all());
            for dangerous in [
                Capability::CAP_DAC_OVERRIDE,
                Capability::CAP_DAC_READ_SEARCH,
                Capability::CAP_CHOWN,
                Capability::CAP_FOWNER,
                Capability::CAP_SETUID,
                Capability::CAP_SETGID,
                Capability::CAP_SETPCAP,
                Capability::CAP_SYS_ADMIN,
                Capability::CAP_SYS_MODULE,
                Capability::CAP_SYS_RAWIO,
            ] {
                assert!(!kept.contains(&dangerous), "{dangerous}");
            }
            assert_eq!(kept.contains(&Capability::CAP_KILL), launched);
        }
    }

    #[test]
    fn the_wide_capability_is_kept_only_where_no_narrow_one_will_do() {
        let all = caps::all();
        for narrow in [Capability::CAP_BPF, Capability::CAP_PERFMON] {
            let permitted = all.iter().copied().filter(|held| *held != narrow).collect();
            let kept = needed(Task::Trace { launched: false }, false, false, &permitted);
            assert!(kept.contains(&Capability::CAP_SYS_ADMIN), "{narrow}");
        }
        let kept = needed(Task::Trace { launched: false }, false, true, &all);
        assert!(kept.contains(&Capability::CAP_SYS_ADMIN), "for events");
    }

    #[test]
    fn reading_needs_nothing_but_to_read() {
        let kept = needed(Task::Read, false, false, &caps::all());
        assert_eq!(kept, CapsHashSet::from([Capability::CAP_DAC_READ_SEARCH]));
    }
}
