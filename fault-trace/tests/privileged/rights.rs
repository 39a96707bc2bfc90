//! Behind sudo: what the tracer still may, and to whom what it writes belongs.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::Signal,
};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::{
    Report, Tracer, fault_trace, has, is_root, jsonl, known_path, run, text, wait_until,
};

/// A user that is everywhere.
const NOBODY: u32 = 65_534;

/// The program as sudo starts it for nobody.
fn for_nobody() -> Command {
    let mut command = fault_trace();
    command.envs([("SUDO_UID", "65534"), ("SUDO_GID", "65534")]);
    command
}

fn done(command: &mut Command) -> Output {
    command.output().expect("fault-trace starts")
}

/// A folder of nobody's.
fn nobodys() -> TempDir {
    let folder = tempdir().expect("a folder");
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("ours to give");
    folder
}

/// Every file in a folder, the folder included.
fn all_in(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("lists") {
            found.extend(all_in(&entry.expect("an entry").path()));
        }
    }
    found
}

fn line<'a>(status: &'a str, key: &str) -> Vec<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.expect("a line").split_whitespace().collect()
}

#[test]
fn the_tracer_keeps_few_capabilities_and_its_user_can_do_nothing_to_it() {
    if !is_root() {
        return;
    }
    let script = "cat /proc/$PPID/status
        kill -TERM $PPID 2>/dev/null && echo may-signal
        cat /proc/$PPID/environ >/dev/null 2>&1 && echo may-look-inside
        cat /proc/$PPID/maps >/dev/null 2>&1 && echo may-see-addresses
        exit 5";
    let output = done(for_nobody().args(["stat", "--", "sh", "-c", script]));
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let status = text(&output.stdout);
    assert!(!status.contains("\nmay-"), "{status}");
    assert_eq!(line(status, "Uid:"), ["0", "65534", "0", "65534"]);
    assert_eq!(line(status, "Gid:"), ["0", "65534", "0", "65534"]);
    assert_eq!(line(status, "Groups:"), ["65534"]);
    assert_eq!(line(status, "NoNewPrivs:"), ["1"]);
    // BPF, PERFMON, SYSLOG, SYS_PTRACE, IPC_LOCK, KILL.
    let kept = [39, 38, 34, 19, 14, 5].map(|bit| 1_u64 << bit);
    let kept = format!("{:016x}", kept.into_iter().sum::<u64>());
    for (set, expected) in [
        ("CapEff:", &*kept),
        ("CapPrm:", &kept),
        ("CapBnd:", "0000000000000000"),
        ("CapInh:", "0000000000000000"),
        ("CapAmb:", "0000000000000000"),
    ] {
        assert_eq!(line(status, set), [expected], "{set}");
    }
}

#[test]
fn what_is_written_is_the_users_alone_under_any_umask() {
    if !is_root() {
        return;
    }
    for umask in ["000", "022", "777"] {
        let folder = nobodys();
        let with_umask = |arguments: &[&str]| {
            let mut command = Command::new("sh");
            command
                .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
                .arg(env!("CARGO_BIN_EXE_fault-trace"))
                .args(arguments)
                .envs([("SUDO_UID", "65534"), ("SUDO_GID", "65534")])
                .current_dir(folder.path());
            let output = done(&mut command);
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            output
        };
        let shown = with_umask(&["record", "-o", "r.ftrace", "--", "sh", "-c", "umask"]);
        assert!(
            text(&shown.stdout).starts_with(&format!("0{umask}\n")),
            "the command has its own: {shown:?}"
        );
        with_umask(&["stat", "-o", "stat.txt", "--", "true"]);
        with_umask(&["export", "r.ftrace", "--to", "csv", "-o", "faults.csv"]);
        with_umask(&["export", "r.ftrace", "--to", "hgrm", "-o", "hgrm/"]);
        with_umask(&["diff", "r.ftrace", "r.ftrace", "-o", "diff.txt"]);
        let written = all_in(folder.path());
        assert!(written.len() > 20, "{written:?}");
        for path in &written[1..] {
            let found = fs::symlink_metadata(path).expect("is there");
            let mode = found.permissions().mode() & 0o7777;
            let expected = if found.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(
                (found.uid(), found.gid(), mode),
                (NOBODY, NOBODY, expected),
                "{umask}: {}",
                path.display()
            );
        }
    }
}

#[test]
fn a_folder_put_in_the_recordings_place_is_left_alone() {
    if !is_root() {
        return;
    }
    let folder = nobodys();
    let victim = tempdir().expect("a folder");
    fs::set_permissions(victim.path(), Permissions::from_mode(0o755)).expect("ours");
    fs::create_dir(victim.path().join("sub")).expect("made");
    let secret = victim.path().join("sub/shadow");
    fs::write(&secret, "secret").expect("written");
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("ours");
    let script = format!(
        "mv run.ftrace gone
         for t in faults tasks mappings locations symbols stacks cgroups; do mkdir -p run.ftrace/$t; done
         ln -s {0} run.ftrace/x; ln -s {0}/sub/shadow run.ftrace/recording.json.tmp
         ln -s {0}/sub run.ftrace/faults/part-00000.parquet.tmp",
        victim.path().display()
    );
    let before = all_in(victim.path());
    let mut command = for_nobody();
    command
        .args(["record", "-o", "run.ftrace", "--", "sh", "-c", &script])
        .current_dir(folder.path());
    let output = done(&mut command);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(all_in(victim.path()), before);
    for path in before {
        assert_eq!(fs::metadata(&path).expect("is there").uid(), 0, "{path:?}");
    }
    assert_eq!(fs::read(&secret).expect("reads"), b"secret");
    // It went on where the folder went, and says so.
    let gone = folder.path().join("gone");
    let message = text(&output.stderr);
    assert!(
        message.contains(&format!("recorded in {}", gone.display()))
            && message.contains("run.ftrace was renamed or replaced"),
        "{message}"
    );
    let report = Report::of_run(&["report", "--format", "json", gone.to_str().expect("text")]);
    assert_eq!(report.0["complete"], true);
    assert_eq!(report.0["notes"], Value::Array(Vec::new()), "it is whole");
    let in_place = all_in(&folder.path().join("run.ftrace"));
    assert_eq!(in_place.len(), 8 + 3, "{in_place:?}");
}

#[test]
fn a_recording_that_is_removed_meanwhile_costs_the_recording_and_not_the_totals() {
    if !is_root() {
        return;
    }
    let folder = nobodys();
    let mut command = for_nobody();
    command
        .args(["record", "-o", "r.ftrace", "--", "rm", "-r", "r.ftrace"])
        .current_dir(folder.path());
    let output = done(&mut command);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("fault time"), "{output:?}");
    let message = text(&output.stderr);
    assert!(
        message.contains("r.ftrace") && message.contains("was removed"),
        "{message}"
    );
    assert_eq!(all_in(folder.path()).len(), 1);
}

#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    if !is_root() {
        return;
    }
    let folder = nobodys();
    let in_folder = |arguments: &[&str]| {
        let mut command = for_nobody();
        done(command.args(arguments).current_dir(folder.path()))
    };
    let output = in_folder(&["record", "-o", "r.ftrace", "--", "no-such-command"]);
    assert_eq!(output.status.code(), Some(127), "{output:?}");
    assert_eq!(all_in(folder.path()).len(), 1, "{output:?}");
    // A folder in which nobody may write; and one that holds something already.
    let output = in_folder(&["record", "-o", "/r.ftrace", "--", "true"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text(&output.stderr).contains("Permission denied"),
        "{output:?}"
    );
    fs::create_dir(folder.path().join("r.ftrace")).expect("made");
    fs::write(folder.path().join("r.ftrace/thesis.txt"), "years").expect("written");
    let output = in_folder(&["record", "--overwrite", "-o", "r.ftrace", "--", "true"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(all_in(folder.path()).len(), 3, "{output:?}");
}

#[test]
fn overwriting_removes_nothing_where_anything_is_somebody_elses() {
    if !is_root() {
        return;
    }
    let folder = nobodys();
    let record = || {
        let mut command = for_nobody();
        command.args(["record", "--overwrite", "-o", "r.ftrace", "--", "true"]);
        done(command.current_dir(folder.path()))
    };
    assert!(record().status.success());
    assert!(record().status.success());
    let recording = folder.path().join("r.ftrace");
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    fs::write(elsewhere.join("part-00000.parquet"), "mine").expect("written");
    for (name, link) in [("faults/notes.txt", None), ("stacks", Some(&elsewhere))] {
        let path = recording.join(name);
        match link {
            None => fs::write(&path, "precious").expect("written"),
            Some(target) => {
                fs::remove_dir_all(&path).expect("removed");
                symlink(target, &path).expect("linked");
            }
        }
        let before = all_in(folder.path());
        let output = record();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let message = text(&output.stderr);
        assert!(
            message.contains(&format!("it also holds {name}")) && message.contains("left alone"),
            "{message}"
        );
        assert_eq!(all_in(folder.path()), before);
        if link.is_none() {
            fs::remove_file(&path).expect("removed");
        }
    }
    let kept = fs::read(elsewhere.join("part-00000.parquet")).expect("reads");
    assert_eq!(kept, b"mine");
}

#[test]
fn a_user_reads_roots_recording_with_sudo_and_exports_it_to_files_of_the_users() {
    if !is_root() {
        return;
    }
    let folder = nobodys();
    let recording = folder.path().join("roots.ftrace");
    let path = recording.to_str().expect("text");
    let output = run(["record", "-o", path, "--", "true"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::metadata(&recording).expect("is there").uid(), 0);
    let exported = folder.path().join("x.jsonl");
    let exported_path = exported.to_str().expect("text");
    let output = done(for_nobody().args(["export", path, "--to", "jsonl", "-o", exported_path]));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::metadata(&exported).expect("is there").uid(), NOBODY);
    // But what the user may not write is not written.
    let output = done(for_nobody().args(["export", path, "--to", "jsonl", "-o", "/x.jsonl"]));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!Path::new("/x.jsonl").exists());
}

#[test]
fn a_file_that_the_user_may_not_write_is_named_whatever_it_is() {
    if !is_root() {
        return;
    }
    let folder = nobodys();
    let secret = folder.path().join("secret");
    fs::write(&secret, "secret").expect("writes");
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("restricts");
    let (hard, soft) = (folder.path().join("hard"), folder.path().join("soft"));
    fs::hard_link(&secret, &hard).expect("links");
    symlink(&secret, &soft).expect("links");
    for path in [&secret, &hard, &soft] {
        let output = done(
            for_nobody()
                .arg("stat")
                .arg("-o")
                .arg(path)
                .args(["--", "true"]),
        );
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let message = text(&output.stderr);
        let expected = format!("cannot write {}: Permission denied", path.display());
        assert!(message.contains(&expected), "{message}");
    }
    assert_eq!(fs::read(&secret).expect("reads"), b"secret");
}

#[test]
fn mappings_of_another_users_process_are_known_without_roots_ids() {
    if !is_root() {
        return;
    }
    // What it forks inherits mappings that are older than the tracing.
    let mut shell = Command::new("sh")
        .args(["-c", "while :; do (:); sleep 0.02; done"])
        .stdin(Stdio::null())
        .spawn()
        .expect("starts");
    let is_shell = |maps: String| maps.contains("sh") && !maps.contains("privileged");
    let maps = format!("/proc/{}/maps", shell.id());
    wait_until("the shell runs", || {
        fs::read_to_string(&maps).is_ok_and(is_shell)
    });
    let folder = nobodys();
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let pid = shell.id().to_string();
    let output = done(for_nobody().args([
        "record",
        "--duration",
        "500ms",
        "--format",
        "json",
        "-o",
        path,
        "-p",
        &pid,
    ]));
    shell.kill().expect("ours");
    shell.wait().expect("ours");
    Report::of(&output).assert_nothing_unexplained();
    let faults = jsonl(&recording);
    assert!(faults.len() > 50, "{}", faults.len());
    let unknown = faults.iter().filter(|fault| fault["mapping"].is_null());
    assert_eq!(unknown.count(), 0);
}

#[test]
fn a_command_that_became_another_user_is_still_told_to_end() {
    if !is_root() || !has("setpriv") {
        return;
    }
    let folder = tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
    let ready = folder.path().join("ready");
    let script = format!(": > {}; exec sleep 1000", ready.display());
    let other = ["setpriv", "--reuid", "65534", "--clear-groups"];
    let command = ["stat", "--format", "json", "--"];
    let tracer = Tracer::attached([&command[..], &other, &["sh", "-c", &script]].concat());
    wait_until("the command is at rest", || ready.exists());
    tracer.signal(Signal::SIGTERM);
    let output = tracer.output();
    assert_eq!(output.status.code(), Some(143), "{output:?}");
}

#[test]
fn calibration_and_a_command_that_outlives_the_run_work_with_what_is_kept() {
    if !is_root() {
        return;
    }
    let output = done(for_nobody().args(["stat", "--calibrate", "--format", "json", "--", "true"]));
    let report = Report::of(&output);
    assert!(report.number("/calibration/untraced_ns/median") > 0);
    let folder = nobodys();
    let done_file = folder.path().join("done");
    let script = format!("exec >&- 2>&-; sleep 0.4; : > {}", done_file.display());
    let arguments = ["stat", "--duration", "100ms", "--", "sh", "-c", &script];
    let output = done(for_nobody().args(arguments));
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stderr).contains("goes on"), "{output:?}");
    wait_until("the command goes on", || done_file.exists());
}

/// A file system of its own, gone with this.
struct Tmpfs(TempDir);

impl Tmpfs {
    fn new(bytes: u32) -> Self {
        let place = tempdir().expect("a folder");
        let options = format!("size={bytes},mode=0777");
        let kind = Some("tmpfs");
        mount(kind, place.path(), kind, MsFlags::empty(), Some(&*options)).expect("mounts");
        Self(place)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        for _ in 0..100 {
            if umount2(self.0.path(), MntFlags::empty()).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_full_disk_costs_what_is_written_and_not_the_totals() {
    if !is_root() {
        return;
    }
    let known = known_path();
    let known = known.to_str().expect("text");
    let disk = Tmpfs::new(160 << 10);
    let recording = disk.0.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let mut record = for_nobody();
    record.args(["record", "-g", "-o", path, "--", known, "touch:60000"]);
    let output = done(&mut record);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("fault time"), "{output:?}");
    let message = text(&output.stderr);
    assert!(
        message.contains(path) && message.contains("No space left on device"),
        "{message}"
    );
    let report = Report::of_run(&["report", "--format", "json", path]);
    assert_eq!(report.0["complete"], false);

    // No room for anything: nothing but the totals, on standard output.
    fs::write(disk.0.path().join("filler"), vec![0; 200 << 10]).expect_err("is full");
    let totals = disk.0.path().join("stat.json");
    for place in [totals.to_str().expect("text"), "/dev/full"] {
        let arguments = ["stat", "--format", "json", "-o", place, "--", "true"];
        let output = done(for_nobody().args(arguments));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        Report::printed(&output).assert_nothing_unexplained();
        let message = text(&output.stderr);
        assert!(
            message.contains(place) && message.contains("No space left on device"),
            "{message}"
        );
    }
    assert!(!totals.exists(), "nothing half");
}

#[test]
fn a_limit_on_file_sizes_is_named_and_the_totals_are_shown() {
    if !is_root() {
        return;
    }
    let folder = nobodys();
    let known = known_path();
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 64; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_fault-trace"))
        .args(["record", "-o", "r.ftrace", "--"])
        .args([known.to_str().expect("text"), "touch:60000"])
        .envs([("SUDO_UID", "65534"), ("SUDO_GID", "65534")])
        .current_dir(folder.path())
        .output()
        .expect("starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("fault time"), "{output:?}");
    let message = text(&output.stderr);
    assert!(
        message.contains("r.ftrace/faults/part-00000.parquet") && message.contains("ulimit -f"),
        "{message}"
    );
}
