//! The running kernel and machine: version, identity, CPUs, clocks, security settings.

use std::{fs, io, path::Path};

use nix::{
    sys::utsname::uname,
    unistd::{SysconfVar, sysconf},
};

use fault_trace_model::run::{ClockBase, Host};

/// The kernel's list of online CPUs.
pub const CPUS_ONLINE: &str = "/sys/devices/system/cpu/online";

/// The lockdown mode (`kernel_lockdown(7)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lockdown {
    None,
    Integrity,
    Confidentiality,
}

impl Lockdown {
    /// The mode in brackets, as in `none [integrity] confidentiality`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('[')?.1.split_once(']')?.0 {
            "none" => Some(Self::None),
            "integrity" => Some(Self::Integrity),
            "confidentiality" => Some(Self::Confidentiality),
            _ => None,
        }
    }
}

/// The numbers in a list such as `0-3,8`, ascending as given; `None` if it is not one.
#[must_use]
pub fn parse_cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        // No kernel is built for more; a longer list is nonsense.
        if first > last || last >= 1 << 16 {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// The CPUs that are online, from `path`, usually [`CPUS_ONLINE`].
///
/// # Errors
/// If the file cannot be read or is not a list of CPUs.
pub fn online_cpus(path: &Path) -> io::Result<Vec<u32>> {
    parse_cpu_list(&fs::read_to_string(path)?).ok_or_else(|| {
        let message = format!("{} is not a list of CPUs", path.display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// Whether the kernel uses five-level page tables: it hides the flag `la57` where it does not
/// (`early_identify_cpu`, arch/x86/kernel/cpu/common.c).
#[must_use]
pub fn uses_five_levels(cpuinfo: &str) -> bool {
    has_cpu_flag(cpuinfo, "la57")
}

/// Whether the first CPU in `cpuinfo` has a flag.
pub(super) fn has_cpu_flag(cpuinfo: &str, flag: &str) -> bool {
    cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("flags")?.split_once(':'))
        .is_some_and(|(_, flags)| flags.split_whitespace().any(|one| one == flag))
}

/// Where this run is made.
///
/// # Errors
/// If the kernel does not say its name or its CPUs.
pub fn host() -> io::Result<Host> {
    let name = uname()?;
    let cpus = online_cpus(Path::new(CPUS_ONLINE))?;
    let page_size = sysconf(SysconfVar::PAGE_SIZE)?.unwrap_or(4096);
    Ok(Host {
        name: name.nodename().to_string_lossy().into_owned(),
        kernel_release: name.release().to_string_lossy().into_owned(),
        machine: name.machine().to_string_lossy().into_owned(),
        cpus_online: u32::try_from(cpus.len()).unwrap_or(u32::MAX),
        page_size_bytes: u64::try_from(page_size).unwrap_or(4096),
    })
}

/// Now, ns of CLOCK_MONOTONIC.
#[must_use]
pub fn monotonic_ns() -> u64 {
    u64::try_from(clock_ns(libc::CLOCK_MONOTONIC)).unwrap_or(0)
}

/// This moment on both clocks, to within the time three readings of a clock take.
#[must_use]
pub fn clock_base() -> ClockBase {
    let before_ns = monotonic_ns();
    let unix_ns = clock_ns(libc::CLOCK_REALTIME);
    ClockBase {
        monotonic_ns: before_ns.midpoint(monotonic_ns()),
        unix_ns,
    }
}

fn clock_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing; these two clocks always exist.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec.saturating_mul(1_000_000_000) + time.tv_nsec
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_model::version::Version;

    #[test]
    fn the_lockdown_mode_is_the_one_in_brackets() {
        let parse = Lockdown::parse;
        assert_eq!(
            parse("[none] integrity confidentiality\n"),
            Some(Lockdown::None)
        );
        assert_eq!(
            parse("none [integrity] confidentiality"),
            Some(Lockdown::Integrity)
        );
        assert_eq!(
            parse("none integrity [confidentiality]"),
            Some(Lockdown::Confidentiality)
        );
        assert_eq!(parse("none integrity"), None);
    }

    #[test]
    fn cpu_lists_have_ranges_and_single_numbers() {
        assert_eq!(parse_cpu_list("0\n"), Some(vec![0]));
        assert_eq!(
            parse_cpu_list("0-3,8,10-11"),
            Some(vec![0, 1, 2, 3, 8, 10, 11])
        );
        for nonsense in ["", "3-1", "0,", "a", "0-4294967295"] {
            assert_eq!(parse_cpu_list(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn five_levels_are_known_by_the_flag_in_use() {
        assert!(uses_five_levels(
            "processor\t: 0\nflags\t\t: fpu la57 vme\n"
        ));
        assert!(!uses_five_levels("model name : la57\nflags\t\t: fpu vme\n"));
    }

    #[test]
    fn this_host_is_described() {
        let host = host().expect("host");
        assert!(Version::parse(&host.kernel_release).is_some());
        assert!(host.cpus_online >= 1);
        assert!(host.page_size_bytes.is_power_of_two());
    }

    #[test]
    fn both_clocks_tell_the_same_moment() {
        let base = clock_base();
        let later = clock_base();
        assert!(later.monotonic_ns >= base.monotonic_ns);
        assert!(base.monotonic_ns >= 1);
        assert!(base.unix_ns > 1_600_000_000 * 1_000_000_000);
    }
}
