//! The target in words.

use std::{ffi::OsString, path::Path};

use super::Target;

impl Target {
    /// The command that is launched; empty for any other target.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        match self {
            Self::Launch(command) => command
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// What is traced, as recordings and reports say it.
    #[must_use]
    pub fn describe(&self) -> String {
        let list = |ids: &[u32]| {
            ids.iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self {
            Self::Launch(_) => "command".to_owned(),
            Self::Processes(pids) => format!("pid {}", list(pids)),
            Self::Threads(tids) => format!("tid {}", list(tids)),
            Self::Cgroup(path) => format!("cgroup {}", path.display()),
            Self::User(user) => format!("user {user}"),
            Self::Comm(comm) => format!("comm {comm}"),
            Self::All => "all".to_owned(),
        }
    }

    /// What is traced, as part of the name of a file.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        let end = |path: &Path, otherwise: &str| match path.file_name() {
            Some(name) => name.to_owned(),
            None => otherwise.into(),
        };
        match self {
            Self::Launch(command) => command.first().map_or("command".into(), |program| {
                end(Path::new(program), "command")
            }),
            Self::Processes(pids) => format!("pid-{}", pids.first().unwrap_or(&0)).into(),
            Self::Threads(tids) => format!("tid-{}", tids.first().unwrap_or(&0)).into(),
            Self::Cgroup(path) => end(path, "cgroup"),
            Self::User(user) => format!("user-{user}").into(),
            // A name may hold what separates folders.
            Self::Comm(comm) => comm.replace('/', "-").into(),
            Self::All => "all".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_the_target_without_separators() {
        let launch = |words: &[&str]| Target::Launch(words.iter().map(Into::into).collect());
        for (target, name) in [
            (launch(&["/usr/bin/git", "fsck"]), "git"),
            (launch(&["/"]), "command"),
            (Target::Processes(vec![7, 8]), "pid-7"),
            (Target::Threads(vec![9]), "tid-9"),
            (Target::Cgroup("/sys/fs/cgroup/web".into()), "web"),
            (Target::Cgroup("/".into()), "cgroup"),
            (Target::User("me".to_owned()), "user-me"),
            (Target::Comm("kworker/0:1".to_owned()), "kworker-0:1"),
            (Target::All, "all"),
        ] {
            assert_eq!(target.file_name(), name, "{target:?}");
        }
    }
}
