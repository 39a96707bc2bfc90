//! What is traced: the program `touch` of the test lab in one of its forms.

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
}
