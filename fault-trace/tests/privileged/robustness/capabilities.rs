//! Without a capability a run is complete, or is refused with the capability's name and the remedy.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::support::{Report, fault_trace, has, is_root, jsonl, text};

use super::user;

/// What a tracer may need, each of which root can do without: another one is enough.
const CAPABILITIES: [&str; 8] = [
    "bpf",
    "perfmon",
    "sys_admin",
    "sys_ptrace",
    "syslog",
    "ipc_lock",
    "dac_override",
    "setpcap",
];

/// Those that the documentation tells to give to the program.
const DOCUMENTED: [&str; 4] = ["bpf", "perfmon", "sys_ptrace", "syslog"];

/// Who runs the program, and with which capabilities.
struct Runner {
    /// Arguments of setpriv.
    options: Vec<String>,
    /// The user behind sudo.
    sudo: Option<nix::unistd::User>,
}

impl Runner {
    /// Root without one capability.
    fn root_without(capability: &str) -> Self {
        Self::root(&format!("-{capability}"))
    }

    /// Root with these and no others.
    fn root_with(capabilities: &[&str]) -> Self {
        Self::root(&only(capabilities))
    }

    fn root(bounds: &str) -> Self {
        Self {
            options: vec![
                format!("--bounding-set={bounds}"),
                "--inh-caps=-all".to_owned(),
            ],
            sudo: None,
        }
    }

    /// A user with these and no others, as with file capabilities.
    fn user_with(user: &nix::unistd::User, capabilities: &[&str]) -> Self {
        let only = only(capabilities);
        Self {
            options: vec![
                format!("--reuid={}", user.uid),
                format!("--regid={}", user.gid),
                "--clear-groups".to_owned(),
                format!("--inh-caps={only}"),
                format!("--ambient-caps={only}"),
                format!("--bounding-set={only}"),
            ],
            sudo: None,
        }
    }

    fn behind_sudo(self, user: &nix::unistd::User) -> Self {
        Self {
            sudo: Some(user.clone()),
            ..self
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        let base = fault_trace();
        for (name, value) in base.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(user) = &self.sudo {
            command
                .env("SUDO_UID", user.uid.to_string())
                .env("SUDO_GID", user.gid.to_string())
                .env("SUDO_USER", &user.name);
        }
        command.args(&self.options).arg(program);
        command
    }

    /// Whether a process has this capability then, as the kernel tells.
    fn has(&self, capability: u32) -> bool {
        let output = self
            .command(Path::new("/bin/cat"))
            .arg("/proc/self/status")
            .output()
            .expect("setpriv runs");
        let status = text(&output.stdout);
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let bits = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        bits.expect("a mask") >> capability & 1 == 1
    }
}

/// As setpriv wants to have it.
fn only(capabilities: &[&str]) -> String {
    let kept = capabilities
        .iter()
        .map(|capability| format!(",+{capability}"));
    format!("-all{}", kept.collect::<String>())
}

/// How both commands ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Complete,
    Refused,
}

/// Runs `record`, which needs everything that the others need, and `stat` as well where it is to be refused;
/// how they end, and what they say.
fn outcome(runner: &Runner) -> (Outcome, String) {
    let folder = user::shared_folder();
    let program = user::copy(Path::new(env!("CARGO_BIN_EXE_fault-trace")), folder.path());
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let run = |arguments: &[&str]| {
        let mut command = runner.command(&program);
        command
            .args(arguments)
            .args(["--format", "json", "--", "true"]);
        command
            .current_dir(folder.path())
            .output()
            .expect("it starts")
    };
    let record = run(&["record", "-o", path]);
    let (how, said) = judge(&record);
    match how {
        Outcome::Complete => {
            let rows = jsonl(&recording).len() as i64;
            assert_eq!(rows, Report::of(&record).accounting("recorded"));
        }
        Outcome::Refused => {
            assert_eq!(judge(&run(&["stat"])).0, how);
            let left: Vec<_> = fs::read_dir(folder.path())
                .expect("ours")
                .flatten()
                .collect();
            assert_eq!(left.len(), 1, "only the program: {left:?}");
        }
    }
    (how, said)
}

fn judge(output: &Output) -> (Outcome, String) {
    let said = text(&output.stderr).to_owned();
    assert!(!said.contains("panicked"), "{said}");
    match output.status.code() {
        Some(0) => {
            let report = Report::of(output);
            report.assert_nothing_unexplained();
            assert_eq!(report.accounting("open"), 0);
            (Outcome::Complete, report.0["notes"].to_string())
        }
        Some(3) => {
            assert!(output.stdout.is_empty(), "{output:?}");
            (Outcome::Refused, said)
        }
        _ => panic!("neither complete nor refused: {output:?}"),
    }
}

/// Refused with the names of what is missing, and one remedy.
fn assert_refused(runner: &Runner, missing: &[&str]) {
    let (how, said) = outcome(runner);
    assert_eq!(how, Outcome::Refused, "{said}");
    for name in missing {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert_eq!(said.matches("setcap ").count(), 1, "one remedy: {said}");
}

/// Complete, and what is missing is said.
fn assert_complete(runner: &Runner, missing: &[&str]) {
    let (how, said) = outcome(runner);
    assert_eq!(how, Outcome::Complete, "{said}");
    for name in missing {
        assert!(said.contains(name), "{name}: {said}");
    }
}

fn can_drop() -> bool {
    is_root() && has("setpriv")
}

#[test]
fn root_needs_no_single_capability() {
    if !can_drop() {
        return;
    }
    // The number of CAP_SYSLOG: that it is missing is not only believed.
    assert!(!Runner::root_without("syslog").has(34));
    for capability in CAPABILITIES {
        let runner = Runner::root_without(capability);
        let (how, said) = outcome(&runner);
        assert_eq!(how, Outcome::Complete, "{capability}: {said}");
    }
}

#[test]
fn root_without_what_bpf_needs_is_refused_with_the_remedy() {
    if !can_drop() {
        return;
    }
    let both = ["CAP_BPF", "CAP_PERFMON"];
    assert_refused(&Runner::root_with(&[]), &both);
    assert_refused(&Runner::root_with(&["bpf", "sys_ptrace", "syslog"]), &both);
    assert_refused(
        &Runner::root_with(&["perfmon", "sys_ptrace", "syslog"]),
        &both,
    );
    assert_complete(&Runner::root_with(&["bpf", "perfmon"]), &["CAP_SYS_PTRACE"]);
    assert_complete(&Runner::root_with(&["sys_admin"]), &["CAP_SYS_PTRACE"]);
}

#[test]
fn a_user_with_the_documented_capabilities_traces_and_misses_each_by_name() {
    let Some(user) = can_drop().then(user::find).flatten() else {
        return;
    };
    let with = |capabilities: &[&str]| Runner::user_with(&user, capabilities);
    // The number of CAP_BPF.
    assert!(with(&DOCUMENTED).has(39) && !with(&["perfmon"]).has(39));
    assert_complete(&with(&DOCUMENTED), &[]);
    assert_refused(&with(&["perfmon", "sys_ptrace", "syslog"]), &["CAP_BPF"]);
    assert_refused(&with(&["bpf", "sys_ptrace", "syslog"]), &["CAP_PERFMON"]);
    assert_complete(&with(&["bpf", "perfmon", "syslog"]), &["CAP_SYS_PTRACE"]);
    assert_complete(
        &with(&["bpf", "perfmon", "sys_ptrace"]),
        &["kernel symbols"],
    );
}

#[test]
fn behind_sudo_a_capability_that_changing_users_needs_is_named() {
    let Some(user) = can_drop().then(user::find).flatten() else {
        return;
    };
    for capability in ["kill", "dac_override", "setpcap"] {
        let runner = Runner::root_without(capability).behind_sudo(&user);
        assert_complete(&runner, &[]);
    }
    for capability in ["setuid", "setgid"] {
        let runner = Runner::root_without(capability).behind_sudo(&user);
        let (how, said) = outcome(&runner);
        assert_eq!(how, Outcome::Refused, "{said}");
        assert!(
            said.contains("CAP_SETUID") && said.contains(&user.name),
            "{said}"
        );
    }
}
