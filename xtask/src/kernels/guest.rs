//! What a guest does, as a shell script, and what it then says, as steps.

use super::{series::Series, versions::Version};

/// The oldest series that fault-trace supports.
const OLDEST: Series = of(Version::OLDEST);

const fn of(version: Version) -> Series {
    Series {
        major: version.major,
        minor: version.minor,
    }
}

/// Commands whose faults are reconciled with the kernel's counters.
pub(super) const COMMANDS: [(&str, &str); 5] = [
    ("ls", "busybox sh -c 'busybox ls -lR /bin >/dev/null'"),
    (
        "children",
        "busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do busybox true; done'",
    ),
    ("threads", "workloads threads"),
    ("gup-populate", "workloads gup-populate"),
    ("kernel-efault", "workloads kernel-efault"),
];

/// The shell function that makes a step of a command.
pub(super) const STEP: &str = "\
step() {
    name=$1
    shift
    echo \"@begin $name\"
    \"$@\" 2>&1
    status=$?
    echo
    echo \"@end $status\"
}
cd /root
";

pub(super) const DOCTOR: &str = "doctor";
pub(super) const REFUSED: &str = "refused";
pub(super) const RECORD: &str = "record";
pub(super) const RECORDING: &str = "recording";
pub(super) const REPORT: &str = "report";
/// The recording itself.
pub(super) const ARCHIVE: &str = "archive";
pub(super) const RECORDING_NAME: &str = "hooks.ftrace";
const CAPTURE: &str = "capture";
/// Tests of known faults, as far as their counts do not depend on the CPU: what is counted, recorded,
/// filtered and lost.
const CAPTURE_TESTS: [&str; 14] = [
    "bad_access::a_fault_that",
    "bad_access::a_process",
    "bad_access::a_segmentation",
    "bad_access::what_follows",
    "counts::two_tracers",
    "counts::a_run_without",
    "degradation::",
    "exit_path::",
    "filters::a_class",
    "filters::a_least",
    "filters::a_sample",
    "leaving::",
    "names::",
    "overflow::",
];
/// The same for kernels where fresh memory can be proven to be that.
const EXACT_TESTS: [&str; 2] = ["counts::every_fresh_page", "counts::stat_counts"];
const EXACT: Series = of(Version::RSS_STAT_UNBATCHED);
/// CPUs that come and go: nobody misses those of a guest. With one CPU, the tests say that they are skipped.
const HOTPLUG: &str = "hotplug";
pub(super) const SCENARIOS: &str = "scenarios";
pub(super) const PROOF: &str = "proof";
/// What a file system may have its own way with.
const ON_FILE_SYSTEMS: &str =
    "file-read,file-cached-shared,file-cached-write,cow-file,write-notify";
pub(super) const RECONCILE: &str = "reconcile ";

pub(super) fn is_supported(series: Series) -> bool {
    series >= OLDEST
}

/// The script for a kernel: what it must refuse, or all that it must get right. `scenarios` are those to
/// prove, with commas between; empty for all. `file_systems` are mounted.
pub(super) fn script(series: Series, scenarios: &str, file_systems: &[&str]) -> String {
    let mut script = STEP.to_owned();
    let mut step = |name: &str, command: &str| {
        script += &format!("step '{name}' {command}\n");
    };
    step(DOCTOR, "fault-trace doctor --json");
    if !is_supported(series) {
        step(REFUSED, "fault-trace stat -- busybox true");
        return script;
    }
    step(RECORD, "fault-trace record -o hooks.ftrace -- busybox true");
    step(RECORDING, "busybox cat hooks.ftrace/recording.json");
    step(REPORT, "fault-trace report --format json hooks.ftrace");
    step(
        ARCHIVE,
        "busybox sh -c 'busybox tar c hooks.ftrace | busybox base64'",
    );
    for (name, command) in COMMANDS {
        let name = format!("{RECONCILE}{name}");
        step(
            &name,
            &format!("fault-trace stat --format json -- {command}"),
        );
    }
    let mut capture = CAPTURE_TESTS.to_vec();
    if series >= EXACT {
        capture.extend(EXACT_TESTS);
    }
    let capture = capture.join(" ");
    step(CAPTURE, &format!("privileged --test-threads=1 {capture}"));
    let hotplug = "privileged --test-threads=1 robustness::hotplug::";
    step(
        HOTPLUG,
        &format!("busybox env FAULT_TRACE_HOTPLUG=1 {hotplug}"),
    );
    step(SCENARIOS, "workloads list");
    let selection = match scenarios {
        "" => String::new(),
        names => format!("busybox env FAULT_TRACE_SCENARIOS={names} "),
    };
    let proof = "privileged --test-threads=1 proof::";
    step(PROOF, &format!("{selection}{proof}"));
    for name in file_systems {
        let place = format!("FAULT_TRACE_DIR=/mnt/{name}");
        let selection = format!("FAULT_TRACE_SCENARIOS={ON_FILE_SYSTEMS}");
        let command = format!("busybox env {place} {selection} {proof}");
        step(&format!("{PROOF} {name}"), &command);
    }
    script
}

/// One command of the script: what it wrote and how it ended.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) output: String,
    /// None: the guest did not live to see the end.
    pub(super) status: Option<i32>,
}

/// The steps in what came over the second serial port.
pub(super) fn steps(result: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in result.lines() {
        if let Some(name) = line.strip_prefix("@begin ") {
            steps.push(Step {
                name: name.to_owned(),
                output: String::new(),
                status: None,
            });
        } else if let Some(step) = steps.last_mut() {
            match line.strip_prefix("@end ").map(str::parse) {
                Some(Ok(status)) => step.status = Some(status),
                _ if step.status.is_none() => step.output += &format!("{line}\n"),
                _ => {}
            }
        }
    }
    steps
}

/// Whether the guest came to the end of its script.
pub(super) fn is_complete(result: &str) -> bool {
    result.lines().any(|line| line.starts_with("@status "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(text: &str) -> Series {
        Series::parse(text).expect("a series")
    }

    #[test]
    fn an_old_kernel_is_only_asked_to_refuse() {
        let refusing = script(series("5.10"), "", &[]);
        assert!(refusing.contains(&format!("step '{REFUSED}' ")));
        assert!(!refusing.contains(PROOF));
        assert!(script(series("5.15"), "", &[]).contains(PROOF));
    }

    #[test]
    fn scenarios_can_be_chosen() {
        let script = |scenarios| script(series("6.12"), scenarios, &[]);
        assert!(script("a,b").contains("FAULT_TRACE_SCENARIOS=a,b privileged"));
        assert!(!script("").contains("FAULT_TRACE_SCENARIOS"));
    }

    #[test]
    fn each_file_system_is_a_proof_of_its_own() {
        let script = script(series("6.12"), "", &["xfs"]);
        assert!(script.contains("step 'proof xfs' busybox env FAULT_TRACE_DIR=/mnt/xfs "));
    }

    #[test]
    fn steps_are_told_apart() {
        let result = "@begin a\none\n@two\n\n@end 0\nstray\n@begin b\npart";
        let found = steps(result);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].output.as_str(), found[0].status),
            ("one\n@two\n\n", Some(0))
        );
        assert_eq!(
            (found[1].output.as_str(), found[1].status),
            ("part\n", None)
        );
        assert!(!is_complete(result));
        assert!(is_complete("@begin a\n@end 1\n\n@status 0\n"));
    }
}
