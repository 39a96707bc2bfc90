//! Many tracers at once, each with a command of its own.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Output},
};

use nix::libc;
use tempfile::tempdir;

use crate::{
    accounting::assert_kernel_agrees,
    support::{Report, fault_trace, is_root, jsonl, known_path, run, wait_until},
};

use super::{harm_path, leftovers::Leftovers};

const TRACERS: usize = 40;
/// Faults of fresh memory that the first command takes beside those of its start; each takes more than
/// the one before.
const PAGES: usize = 500;
/// Far more than one needs, and far less than would show on the machine.
const RSS_KIB_MAX: i64 = 512 << 10;

struct Member {
    child: Child,
    pages: usize,
    folder: PathBuf,
    is_recording: bool,
}

impl Member {
    fn start(index: usize, folder: &Path) -> Self {
        let folder = folder.join(index.to_string());
        fs::create_dir(&folder).expect("made");
        let file = |name| File::create(folder.join(name)).expect("made");
        let pages = PAGES + 10 * index;
        let is_recording = index % 2 == 1;
        let mut command = fault_trace();
        match is_recording {
            true => command.arg("record").arg("-o").arg(folder.join("r.ftrace")),
            false => command.arg("stat"),
        };
        command.args(["--format", "json", "--"]).arg(known_path());
        command.arg("run").arg(harm_path());
        command.args([&format!("touch:{pages}"), "orphans:3"]);
        command.stdout(file("out")).stderr(file("err"));
        Self {
            child: command.spawn().expect("it starts"),
            pages,
            folder,
            is_recording,
        }
    }

    /// Waits for its end; how it ended, and its largest memory in KiB.
    fn ended(&self) -> (ExitStatus, i64) {
        let pid = self.child.id().cast_signed();
        let mut status = 0;
        // SAFETY: plain data: all zeroes are a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        wait_until("every tracer ends", || {
            // SAFETY: plain data, which wait4 fills in.
            let found = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
            assert!(found >= 0, "{}", std::io::Error::last_os_error());
            found == pid
        });
        (ExitStatus::from_raw(status), usage.ru_maxrss)
    }

    fn output(&self, status: ExitStatus) -> Output {
        let read = |name| fs::read(self.folder.join(name)).expect("ours");
        Output {
            status,
            stdout: read("out"),
            stderr: read("err"),
        }
    }

    fn check(&self) {
        let (status, rss_kib) = self.ended();
        let output = self.output(status);
        let report = Report::of(&output);
        report.assert_nothing_unexplained();
        assert_kernel_agrees(&report, &output);
        assert_eq!(report.accounting("open"), 0);
        // The three children touch five pages each.
        let fresh = report.class("anon-alloc");
        assert!(fresh >= (self.pages + 3 * 5) as i64, "{report:#?}");
        assert!(rss_kib < RSS_KIB_MAX, "{rss_kib} KiB");
        if self.is_recording {
            let recording = self.folder.join("r.ftrace");
            assert_eq!(
                jsonl(&recording).len() as i64,
                report.accounting("recorded")
            );
            let path = recording.to_str().expect("text");
            let output = run(["report", "--format", "json", path]);
            assert_eq!(Report::of(&output).0["complete"], true);
        }
    }
}

#[test]
fn forty_tracers_at_once_are_each_exact() {
    if !is_root() {
        return;
    }
    let before = Leftovers::now();
    let folder = tempdir().expect("a folder");
    let members: Vec<Member> = (0..TRACERS)
        .map(|index| Member::start(index, folder.path()))
        .collect();
    for member in &members {
        member.check();
    }
    before.assert_none_since();
}
