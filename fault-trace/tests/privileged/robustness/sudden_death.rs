//! The tracer killed at any moment, over and over: the recording can be read, what it traced goes on,
//! nothing stays in the kernel, and the next run is as good as any.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
};
use tempfile::{TempDir, tempdir};

use crate::support::{Known, Report, Tracer, is_root, known_path, run, text, wait_until};

use super::leftovers::Leftovers;

/// How often, unless `FAULT_TRACE_KILLS` tells.
const KILLS: u32 = 40;
/// A run is longer: the moment lies anywhere in it, ms after something that is waited for.
const MOMENTS_MS: std::ops::Range<u64> = 0..900;
/// A moment just after something that takes a few milliseconds began.
const CLOSE_MS: std::ops::Range<u64> = 0..30;
const STATUS: i32 = 7;

/// What is waited for before the random time.
#[derive(Clone, Copy, Debug)]
enum After {
    Start,
    /// The recording's folder is being filled.
    Folder,
    /// The command has ended, and the rest is written.
    Command,
}

struct Attempt {
    folder: TempDir,
    recording: PathBuf,
}

impl Attempt {
    fn new() -> Self {
        let folder = tempdir().expect("a folder");
        Self {
            recording: folder.path().join("r.ftrace"),
            folder,
        }
    }

    fn path(&self) -> &str {
        self.recording.to_str().expect("text")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that tells its process id and its end, and takes about half a second.
    fn script(&self) -> String {
        format!(
            "echo $$ >{pid}; for i in 1 2 3 4 5 6 7 8; do {known} touch:2000; sleep 0.02; done; \
             echo >{done}; exit {STATUS}",
            pid = self.file("pid").display(),
            known = known_path().display(),
            done = self.file("done").display(),
        )
    }

    /// Kills the tracer at a moment. Whether it had ended by itself: then nothing is to be found out.
    fn kill(&self, tracer: Tracer, after: After, moment: Duration) -> bool {
        match after {
            After::Start => {}
            After::Folder => wait_until("the recording begins", || self.recording.exists()),
            After::Command => wait_until("the command ends", || self.file("done").exists()),
        }
        thread::sleep(moment);
        tracer.signal(Signal::SIGKILL);
        tracer.output().status.code().is_some()
    }

    /// Whether the recording was begun: before the first fault, all of its first file is there at once.
    fn has_begun(&self) -> bool {
        self.recording.join("recording.json").exists()
    }

    /// A recording that was begun can be read, and says that it is not whole.
    fn check_recording(&self, has_ended: bool) {
        if !self.has_begun() {
            assert!(!has_ended);
            return self.check_empty();
        }
        let what = format!("{:?}", contents(&self.recording));
        let report = run(["report", "--format", "json", self.path()]);
        assert!(report.status.success(), "{what}: {report:?}");
        let report = Report::of(&report);
        // It may have been killed between its last file and its end.
        if has_ended || report.0["complete"] == true {
            assert_eq!(report.0["complete"], true);
            report.assert_nothing_unexplained();
        } else {
            let shown = run(["report", self.path()]);
            assert!(shown.status.success(), "{what}: {shown:?}");
            assert!(text(&shown.stdout).contains("incomplete"), "{shown:?}");
        }
        let export = run(["export", "--to", "jsonl", self.path()]);
        assert!(export.status.success(), "{what}: {export:?}");
        for line in text(&export.stdout).lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
        }
    }

    /// Of one that was not begun there is nothing to lose, and that is said.
    fn check_empty(&self) {
        let files = contents(&self.recording);
        let is_first = |file: &PathBuf| file.ends_with("recording.json.tmp");
        assert!(files.iter().all(is_first), "{files:?}");
        if self.recording.exists() {
            let report = run(["report", self.path()]);
            assert_eq!(report.status.code(), Some(1), "{report:?}");
            let said = text(&report.stderr);
            assert!(said.contains("no recording.json"), "{said}");
        }
    }

    /// The next run is as good as any, also in the place of the broken recording.
    fn check_next(&self) {
        if self.recording.exists() && !self.has_begun() {
            // It might be somebody else's folder, which `record` leaves alone.
            fs::remove_dir_all(&self.recording).expect("ours");
        }
        let known = known_path();
        let known = known.to_str().expect("text");
        let start = [
            "record",
            "--overwrite",
            "--format",
            "json",
            "-o",
            self.path(),
        ];
        let report = Report::of_run(&[&start[..], &["--", known, "touch:300"]].concat());
        report.assert_nothing_unexplained();
        assert!(report.class("anon-alloc") >= 300);
    }
}

fn contents(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => contents(&path),
            path => vec![path],
        })
        .collect()
}

/// While it exists, this process waits for whatever the killed tracers leave behind.
struct Subreaper;

impl Subreaper {
    fn new() -> Self {
        Self::set(1);
        Self
    }

    fn set(value: libc::c_ulong) {
        // SAFETY: a flag of this process.
        let failed = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, value) };
        assert_eq!(failed, 0, "{}", Errno::last());
    }

    /// Waits until there are no children left; how each of them ended.
    fn reap(&self) -> BTreeMap<i32, WaitStatus> {
        let mut ended = BTreeMap::new();
        wait_until("everything ends that the tracer left behind", || {
            loop {
                match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::StillAlive) => return false,
                    Ok(status) => {
                        let pid = status.pid().expect("it has ended");
                        ended.insert(pid.as_raw(), status);
                    }
                    Err(Errno::ECHILD) => return true,
                    Err(Errno::EINTR) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        ended
    }
}

impl Drop for Subreaper {
    fn drop(&mut self) {
        Self::set(0);
    }
}

/// A launched command ends as it would have; one that was not let go never ran.
fn of_a_launched_command(attempt: &Attempt, after: After, moment: Duration) -> bool {
    let subreaper = Subreaper::new();
    let script = attempt.script();
    let tracer = Tracer::start(["record", "-o", attempt.path(), "--", "sh", "-c", &script]);
    let has_ended = attempt.kill(tracer, after, moment);
    let ended = subreaper.reap();
    if let Ok(pid) = fs::read_to_string(attempt.file("pid")) {
        assert!(attempt.file("done").exists(), "it goes on to its end");
        let pid = pid.trim_end().parse().expect("a number");
        // Without a status, the tracer had still waited for it.
        if let Some(status) = ended.get(&pid) {
            assert_eq!(
                *status,
                WaitStatus::Exited(nix::unistd::Pid::from_raw(pid), STATUS)
            );
        }
    }
    has_ended
}

/// A process that runs already goes on.
fn of_a_running_process(attempt: &Attempt, after: After, moment: Duration) -> bool {
    let mut known = Known::waiting(&["wait", "touch:20000", "forks:50:20", "wait"]);
    let pid = known.pid().to_string();
    let tracer = Tracer::start(["record", "-o", attempt.path(), "-p", &pid]);
    known.go_on();
    known.until("ready");
    let after = match after {
        After::Command => After::Folder,
        other => other,
    };
    let has_ended = attempt.kill(tracer, after, moment);
    assert!(known.is_alive());
    known.finish();
    has_ended
}

#[test]
fn killed_at_any_moment_it_harms_nobody() {
    if !is_root() {
        return;
    }
    let kills = env::var("FAULT_TRACE_KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let seed = env::var("FAULT_TRACE_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut random = fastrand::Rng::with_seed(seed);
    let before = Leftovers::now();
    let mut begun = 0;
    for kill in 0..kills {
        let after = [After::Start, After::Folder, After::Start, After::Command][kill as usize % 4];
        let range = match after {
            After::Start => MOMENTS_MS,
            After::Folder if random.bool() => MOMENTS_MS,
            After::Folder | After::Command => CLOSE_MS,
        };
        let moment = Duration::from_millis(random.u64(range));
        // Shown when it fails.
        eprintln!("seed {seed}, kill {kill}: {moment:?} after {after:?}");
        let attempt = Attempt::new();
        let has_ended = match kill % 3 {
            2 => of_a_running_process(&attempt, after, moment),
            _ => of_a_launched_command(&attempt, after, moment),
        };
        begun += u32::from(attempt.has_begun());
        attempt.check_recording(has_ended);
        if kill % 10 == 9 {
            attempt.check_next();
        }
    }
    before.assert_none_since();
    // A busy machine starts so slowly that a time after the start is too soon; the end of the command is not.
    assert!(begun >= kills / 4, "{begun} recordings");
}
