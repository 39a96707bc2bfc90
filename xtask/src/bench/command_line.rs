//! The command lines of the workloads in a setting.

use super::{setting::Setting, workload::Workload};

impl Workload {
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
