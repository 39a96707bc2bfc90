//! What is traced: the program `touch` of the test lab in one of its forms.

use super::setting::Setting;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Workload {
    /// Hardly more than starting a program: what a tracer takes for itself, without faults.
    Nothing,
    Anonymous,
    /// A thread on every CPU, the tracer's included.
    Threads,
    File,
    Fork,
    Processes,
    Innocent,
}

impl Workload {
    pub(super) const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Anonymous,
        Self::Threads,
        Self::File,
        Self::Fork,
        Self::Processes,
        Self::Innocent,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Anonymous => "anon",
            Self::Threads => "anon-threads",
            Self::File => "file",
            Self::Fork => "fork",
            Self::Processes => "processes",
            Self::Innocent => "innocent",
        }
    }

    pub(super) const fn heading(self) -> &'static str {
        match self {
            Self::Nothing => "a program that ends at once",
            Self::Anonymous => "one thread touches fresh anonymous pages",
            Self::Threads => "a thread on every CPU touches fresh anonymous pages",
            Self::File => "one thread reads a cached file through a mapping",
            Self::Fork => "a forked child writes to its parent's pages",
            Self::Processes => "many short processes",
            Self::Innocent => "hardly any fault: system calls, context switches, forks",
        }
    }

    /// What each number of a round is the ns of; the first is what counts.
    pub(super) const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Nothing | Self::Anonymous | Self::Threads | Self::File => &["fault", "unmap"],
            Self::Fork => &["fault", "rest/page"],
            Self::Processes => &["fault", "process"],
            Self::Innocent => &["turn", "read", "syscall", "switch", "fork"],
        }
    }

    /// Whether it is about faults, and not about being left alone.
    pub(super) const fn is_faulting(self) -> bool {
        !matches!(self, Self::Nothing | Self::Innocent)
    }

    /// The command line.
    pub(super) fn line(self, setting: &Setting) -> Vec<String> {
        let (pages, rounds) = match self {
            Self::Nothing => (1, 1),
            // A process takes as long as hundreds of faults.
            Self::Processes => (setting.pages, setting.inner_rounds.div_ceil(4)),
            _ => (setting.pages, setting.inner_rounds),
        };
        let mut line = self.pinned(&setting.cpu.to_string());
        line.push(setting.programs.touch.to_string_lossy().into_owned());
        line.extend([pages.to_string(), rounds.to_string()]);
        match self {
            Self::Nothing | Self::Anonymous => {}
            Self::Threads => line.push(setting.cpus.to_string()),
            Self::File => line.push("file".to_owned()),
            Self::Fork => line.push("fork".to_owned()),
            Self::Processes => line.push("processes".to_owned()),
            Self::Innocent => line.push("innocent".to_owned()),
        }
        line
    }

    /// A tracer's command line, off the workload's CPU. A workload that runs everywhere leaves the
    /// tracer no CPU of its own.
    pub(super) fn tracer(self, tracer: &[String], setting: &Setting) -> Vec<String> {
        let mut line = self.pinned(&setting.other_cpus);
        line.extend_from_slice(tracer);
        line
    }

    fn pinned(self, cpus: &str) -> Vec<String> {
        match self {
            Self::Threads => Vec::new(),
            _ => ["taskset", "-c", cpus].map(str::to_owned).into(),
        }
    }
}
