//! Gathers what the checks need to know about the running system.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use fault_trace_common::{Hook, Hooks, hooks::Attach};
use nix::sys::utsname::uname;
use procfs::{FromBufRead, process::Status};

use fault_trace_model::support::Features;

use super::{
    btf,
    checks::{Facts, Mounted},
    features,
    kernel::{Lockdown, uses_five_levels},
    privileges::Privileges,
    regions::Layout,
    roots::Roots,
};

/// The facts, where the kernel placed its regions, which was found out on the way, and what the
/// machine has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct System {
    pub facts: Facts,
    pub layout: Layout,
    pub features: Features,
}

impl System {
    /// Gathers everything; what cannot be read is unknown. Most of the time goes into the kernel's
    /// type information, and into its symbols where tracefs is not mounted.
    #[must_use]
    pub fn read(roots: &Roots) -> Self {
        let cpuinfo = first_cpu(&roots.proc);
        let layout = Layout::read(
            &roots.proc.join("kcore"),
            &roots.proc.join("kallsyms"),
            uses_five_levels(&cpuinfo),
        );
        let vmlinux = roots.sys.join("kernel/btf/vmlinux");
        let (task_offsets, prototypes) = btf::read(&vmlinux);
        let events = events(&roots.sys);
        let machine = uname().map(|name| name.machine().to_string_lossy().into_owned());
        let facts = Facts {
            proc: mounted(&roots.proc),
            // Every kernel has this one.
            has_sys: roots.sys.join("kernel").exists(),
            machine: machine.unwrap_or_default(),
            kernel_release: text(&roots.proc.join("sys/kernel/osrelease")).unwrap_or_default(),
            has_btf: vmlinux.exists(),
            task_offsets,
            prototypes,
            privileges: privileges(&roots.proc),
            lockdown: text(&roots.sys.join("kernel/security/lockdown"))
                .and_then(|text| Lockdown::parse(&text)),
            has_tracefs: events.is_some(),
            tracepoints: events.map_or_else(
                || listed_symbols(&roots.proc.join("kallsyms")),
                |events| Some(listed_events(&events)),
            ),
            regions: layout.source,
        };
        Self {
            facts,
            layout,
            features: features::read(roots, &cpuinfo),
        }
    }
}

fn mounted(proc: &Path) -> Mounted {
    if proc.join("self/status").exists() {
        Mounted::Whole
    } else if proc.join("stat").exists() {
        Mounted::OfOthers
    } else {
        Mounted::Absent
    }
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim_end().to_owned())
}

/// What `cpuinfo` says of the first CPU; all CPUs are alike.
fn first_cpu(proc: &Path) -> String {
    let mut first = String::new();
    // Reading on would make the kernel ask every CPU for its frequency. What cannot be read is empty.
    let _ = File::open(proc.join("cpuinfo"))
        .and_then(|file| file.take(16 << 10).read_to_string(&mut first));
    first
}

fn privileges(proc: &Path) -> Privileges {
    let status = File::open(proc.join("self/status"))
        .ok()
        .and_then(|file| Status::from_buf_read(BufReader::new(file)).ok());
    let setting = |name: &str| text(&proc.join("sys/kernel").join(name))?.parse().ok();
    let namespace = |name: &str| fs::read_link(proc.join("self/ns").join(name)).ok();
    Privileges {
        capabilities: status.map(|status| status.capeff),
        is_in_first_user_namespace: namespace("user").map(|link| link == Path::new(FIRST_USER)),
        is_in_first_pid_namespace: namespace("pid").map(|link| link == Path::new(FIRST_PID)),
        perf_event_paranoid: setting("perf_event_paranoid"),
        kptr_restrict: setting("kptr_restrict"),
    }
}

// The first namespaces have fixed numbers (include/linux/proc_ns.h).
const FIRST_PID: &str = "pid:[4026531836]";
const FIRST_USER: &str = "user:[4026531837]";

/// The directory of events in tracefs, if it can be looked into.
fn events(sys: &Path) -> Option<PathBuf> {
    ["kernel/tracing/events", "kernel/debug/tracing/events"]
        .map(|path| sys.join(path))
        .into_iter()
        .find(|path| fs::read_dir(path).is_ok())
}

fn raw_tracepoints() -> impl Iterator<Item = (Hook, &'static str, &'static str)> {
    Hook::ALL.into_iter().filter_map(|hook| {
        let info = hook.info();
        match info.attach {
            Attach::RawTracepoint { category } => Some((hook, category, info.name)),
            Attach::Software => None,
        }
    })
}

fn listed_events(events: &Path) -> Hooks {
    raw_tracepoints()
        .filter(|(_, category, name)| events.join(category).join(name).exists())
        .fold(Hooks::default(), |hooks, (hook, ..)| hooks.with(hook))
}

/// The tracepoints that have symbols; `None` if there is no symbol of any tracepoint.
fn listed_symbols(kallsyms: &Path) -> Option<Hooks> {
    let found = symbols_of_hooks(BufReader::new(File::open(kallsyms).ok()?)).ok()?;
    (found != Hooks::default()).then_some(found)
}

/// `__tracepoint_NAME` is data, which only kernels with CONFIG_KALLSYMS_ALL list;
/// `__traceiter_NAME` is a function of the same tracepoint (since Linux 5.10).
fn symbols_of_hooks(mut kallsyms: impl BufRead) -> io::Result<Hooks> {
    let mut hooks = Hooks::default();
    let mut line = String::new();
    while kallsyms.read_line(&mut line)? != 0 {
        let symbol = line.split_whitespace().nth(2).unwrap_or_default();
        let name = symbol
            .strip_prefix("__traceiter_")
            .or_else(|| symbol.strip_prefix("__tracepoint_"));
        if let Some(name) = name {
            let hook = raw_tracepoints().find(|&(.., known)| known == name);
            hooks = hook.map_or(hooks, |(hook, ..)| hooks.with(hook));
        }
        line.clear();
    }
    Ok(hooks)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::{checks::evaluate, regions::Source};

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        fs::write(path, text).expect("file");
    }

    fn roots(root: &Path) -> Roots {
        Roots {
            proc: root.join("proc"),
            sys: root.join("sys"),
        }
    }

    const KALLSYMS: &str = "\
        0000000000000000 T __pfx___traceiter_page_fault_user\n\
        0000000000000000 T __traceiter_page_fault_user\n\
        0000000000000000 T __traceiter_page_fault_user_not_ours\n\
        0000000000000000 D __tracepoint_mm_page_alloc\n\
        0000000000000000 t nf_hook\t[nf_tables]\n\
        cut short";

    #[test]
    fn tracepoints_are_known_by_their_symbols() {
        let hooks = symbols_of_hooks(KALLSYMS.as_bytes()).expect("symbols");
        let expected = Hooks::default()
            .with(Hook::PageFaultUser)
            .with(Hook::PageAlloc);
        assert_eq!(hooks, expected);
    }

    #[test]
    fn tracefs_is_preferred_to_symbols() {
        let root = TempDir::new().expect("temporary directory");
        write(root.path(), "proc/kallsyms", KALLSYMS);
        let facts = System::read(&roots(root.path())).facts;
        assert!(!facts.has_tracefs);
        assert!(facts.tracepoints.expect("listed").has(Hook::PageAlloc));

        write(
            root.path(),
            "sys/kernel/debug/tracing/events/kmem/rss_stat/id",
            "1\n",
        );
        let facts = System::read(&roots(root.path())).facts;
        assert!(facts.has_tracefs);
        assert_eq!(
            facts.tracepoints,
            Some(Hooks::default().with(Hook::RssStat))
        );
    }

    #[test]
    fn symbols_without_tracepoints_tell_nothing() {
        let root = TempDir::new().expect("temporary directory");
        write(root.path(), "proc/kallsyms", "ffffffff81000000 T _text\n");
        assert_eq!(System::read(&roots(root.path())).facts.tracepoints, None);
    }

    #[test]
    fn settings_are_read_from_their_files() {
        let root = TempDir::new().expect("temporary directory");
        write(
            root.path(),
            "proc/sys/kernel/osrelease",
            "5.15.0-91-generic\n",
        );
        write(root.path(), "proc/sys/kernel/perf_event_paranoid", "4\n");
        write(root.path(), "proc/sys/kernel/kptr_restrict", "1\n");
        write(
            root.path(),
            "proc/cpuinfo",
            "processor\t: 0\nflags\t: fpu la57\n",
        );
        let lockdown = "none [integrity] confidentiality\n";
        write(root.path(), "sys/kernel/security/lockdown", lockdown);
        write(root.path(), "sys/kernel/btf/vmlinux", "");
        let System { facts, layout, .. } = System::read(&roots(root.path()));
        assert_eq!(facts.kernel_release, "5.15.0-91-generic");
        assert_eq!(facts.privileges.perf_event_paranoid, Some(4));
        assert_eq!(facts.privileges.kptr_restrict, Some(1));
        assert_eq!(facts.privileges.capabilities, None);
        assert_eq!(facts.lockdown, Some(Lockdown::Integrity));
        assert!(facts.has_btf);
        assert_eq!(facts.regions, Source::Unknown);
        assert_eq!(layout.regions.user_end, (1 << 56) - 4096);
    }

    #[test]
    fn an_empty_system_is_unknown() {
        let root = TempDir::new().expect("temporary directory");
        let facts = System::read(&roots(root.path())).facts;
        assert_eq!(facts.privileges, Privileges::default());
        assert_eq!((facts.lockdown, facts.tracepoints), (None, None));
        assert!(!facts.has_btf);
    }

    #[test]
    fn the_running_system_is_examined() {
        let facts = System::read(&Roots::default()).facts;
        assert!(!facts.kernel_release.is_empty());
        assert!(!facts.machine.is_empty());
        assert!(facts.privileges.capabilities.is_some());
        assert!(evaluate(&facts).0.len() > Hook::ALL.len());
    }
}
