//! Launching real processes. A binary of its own, because the launcher waits for every child of the
//! process that it runs in; one test at a time for the same reason.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use fault_trace::{
    host::{
        launch::{Children, Exited, LaunchError, launch},
        proc::Proc,
        users::Identity,
    },
    model::{run::KernelSource, totals::KernelCounts},
};
use nix::sys::signal::Signal;
use tempfile::TempDir;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn words(command: &[&str]) -> Vec<OsString> {
    command.iter().map(OsString::from).collect()
}

fn start(command: &[&str]) -> Result<Children, LaunchError> {
    launch(&words(command), None)?.release()
}

/// Waits until nothing is left; gives what was reaped.
fn finish(children: &mut Children) -> Vec<Exited> {
    let mut exited = Vec::new();
    loop {
        let state = children.reap_all().expect("reap");
        exited.extend(state.exited);
        if !state.has_children {
            return exited;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn run(command: &[&str]) -> Children {
    let mut children = start(command).expect("launch");
    finish(&mut children);
    children
}

fn status(command: &[&str]) -> i32 {
    run(command).exit_status().expect("exited")
}

fn failure(command: &[&str]) -> LaunchError {
    start(command).expect_err("cannot be executed")
}

#[test]
fn the_exit_status_is_a_shells() {
    let _guard = alone();
    assert_eq!(status(&["true"]), 0);
    assert_eq!(status(&["sh", "-c", "exit 3"]), 3);
    assert_eq!(status(&["sh", "-c", "kill -9 $$"]), 137);
    assert_eq!(status(&["sh", "-c", "kill -PIPE $$"]), 141);
}

#[test]
fn a_command_that_cannot_be_executed_is_reported_as_by_a_shell() {
    let _guard = alone();
    let directory = TempDir::new().expect("directory");
    let plain = directory.path().join("plain");
    fs::write(&plain, "echo never").expect("file");
    let plain = plain.to_str().expect("text");
    let below = format!("{plain}/below");
    for (program, status) in [
        ("no-such-command-anywhere", 127),
        ("/no/such/file", 127),
        ("", 127),
        (plain, 126),
        ("/tmp", 126),
        (&below, 126),
    ] {
        let error = failure(&[program]);
        assert_eq!(error.exit_status(), status, "{error}");
        assert!(error.to_string().contains(program), "{error}");
    }
    assert!(matches!(launch(&[], None), Err(LaunchError::NoCommand)));
    let nul = launch(&words(&["a\0b"]), None).expect_err("a NUL byte");
    assert_eq!(nul.exit_status(), 1);
}

#[test]
fn a_script_without_an_interpreter_line_is_the_shells() {
    let _guard = alone();
    let directory = TempDir::new().expect("directory");
    let script = directory.path().join("script");
    fs::write(&script, "exit $1\n").expect("file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("permissions");
    assert_eq!(status(&[script.to_str().expect("text"), "44"]), 44);
}

#[test]
fn nothing_runs_before_the_release() {
    let _guard = alone();
    let directory = TempDir::new().expect("directory");
    let file = directory.path().join("ran");
    let command = ["touch", file.to_str().expect("text")];
    let blocked = launch(&words(&command), None).expect("launch");
    thread::sleep(Duration::from_millis(50));
    assert!(!file.exists());
    let pid = blocked.pid();
    let mut children = blocked.release().expect("release");
    assert_eq!(children.pid(), pid);
    finish(&mut children);
    assert!(file.exists());
}

#[test]
fn a_command_that_is_never_released_never_runs() {
    let _guard = alone();
    let directory = TempDir::new().expect("directory");
    let file = directory.path().join("ran");
    let command = ["touch", file.to_str().expect("text")];
    let blocked = launch(&words(&command), None).expect("launch");
    let pid = blocked.pid();
    drop(blocked);
    assert!(!file.exists());
    assert!(!Proc::default().has_process(pid), "not even as a zombie");
}

#[test]
fn a_blocked_child_takes_no_faults() {
    let _guard = alone();
    for _ in 0..20 {
        let blocked = launch(&words(&["true"]), None).expect("launch");
        let baseline = blocked.baseline();
        assert!(baseline.counts.minor > 0);
        thread::sleep(Duration::from_millis(5));
        let later = Proc::default().counts(blocked.pid()).expect("counts");
        assert_eq!(later, baseline.counts);
    }
}

#[test]
fn a_child_killed_while_blocked_gives_its_status() {
    let _guard = alone();
    let blocked = launch(&words(&["true"]), None).expect("launch");
    let pid = nix::unistd::Pid::from_raw(blocked.pid().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGKILL).expect("kill");
    let mut children = blocked.release().expect("release");
    finish(&mut children);
    assert_eq!(children.exit_status(), Some(137));
}

#[test]
fn signals_reach_the_command_as_if_from_a_shell() {
    let _guard = alone();
    let directory = TempDir::new().expect("directory");
    let file = directory.path().join("signals");
    let script = format!("grep '^Sig[BI]' /proc/self/status > {}", file.display());
    assert_eq!(status(&["sh", "-c", &script]), 0);
    let text = fs::read_to_string(file).expect("signals");
    let bits: Vec<u64> = text
        .lines()
        .filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok())
        .collect();
    let pipe = 1 << (libc::SIGPIPE - 1);
    assert_eq!(bits.len(), 2, "{text}");
    assert_eq!(bits[0], 0, "none is blocked");
    assert_eq!(bits[1] & pipe, 0, "a closed pipe ends the command");
}

#[test]
fn a_signal_is_forwarded() {
    let _guard = alone();
    let mut children = start(&["sleep", "1000"]).expect("launch");
    children.signal(Signal::SIGTERM).expect("signal");
    finish(&mut children);
    assert_eq!(children.exit_status(), Some(143));
    children.signal(Signal::SIGTERM).expect("nobody is left");
}

#[test]
fn cpu_time_is_that_of_the_command_and_of_all_it_waited_for() {
    let _guard = alone();
    let mut children = start(&[
        "sh",
        "-c",
        "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done & wait",
    ])
    .expect("launch");
    let exited = finish(&mut children);
    let [shell] = exited.as_slice() else {
        panic!("the shell waits for its loop: {exited:?}");
    };
    let own_ns = children.own_cpu_ns(shell.pid).expect("reaped here");
    assert!(own_ns > 0);
    // The loop is in the sum only; it takes longer than to start a shell.
    assert!(
        children.cpu_ns() > 2 * own_ns,
        "{} {own_ns}",
        children.cpu_ns()
    );
    assert_eq!(children.own_cpu_ns(1), None, "not reaped here");
}

/// A command that touches `kib` KiB on top of what its start takes.
fn touch_memory(kib: u32) -> String {
    format!("dd if=/dev/zero of=/dev/null bs={kib}k count=1 2>/dev/null")
}

fn faults(script: &str) -> KernelCounts {
    let reading = run(&["sh", "-c", script]).kernel();
    assert_eq!(reading.source, KernelSource::Rusage);
    reading.counts
}

#[test]
fn faults_of_children_that_the_command_waited_for_count_once() {
    let _guard = alone();
    let one = faults(&format!("{}; true", touch_memory(400)));
    let two = faults(&format!("{0}; {0}; true", touch_memory(400)));
    // 100 pages, and the start of dd.
    let more = two.minor - one.minor;
    assert!((100..400).contains(&more), "{one:?} {two:?}");
}

#[test]
fn an_independent_wait_counts_the_same() {
    let _guard = alone();
    let script = format!("{}; true", touch_memory(2000));
    let ours = faults(&script).minor;
    let before = children_minor();
    assert!(
        Command::new("sh")
            .args(["-c", &script])
            .status()
            .expect("sh")
            .success()
    );
    let independent = children_minor() - before;
    // Addresses are random, so that libraries and tables take a few faults more or less.
    assert!(ours.abs_diff(independent) < 60, "{ours} {independent}");
}

fn children_minor() -> u64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
    usage.expect("usage").minor_page_faults().cast_unsigned()
}

#[test]
fn an_orphan_is_reaped_and_counted() {
    let _guard = alone();
    let orphan = format!("(sleep 0.2; {}; exit 9) & exit 5", touch_memory(4000));
    let mut children = start(&["sh", "-c", &orphan]).expect("launch");
    let mut early = Vec::new();
    while children.exit_status().is_none() {
        let state = children.reap_all().expect("reap");
        assert!(state.has_children, "the orphan lives longer");
        early.extend(state.exited);
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(children.exit_status(), Some(5));
    assert_eq!(early.len(), 1);
    let before = children.kernel().counts.minor;
    let late = finish(&mut children);
    assert_eq!(
        children.exit_status(),
        Some(5),
        "an orphan's does not replace it"
    );
    assert_eq!(late.len(), 1, "one orphan: {late:?}");
    assert_eq!(late[0].status, 9);
    let counted = children.kernel().counts.minor - before;
    assert_eq!(counted, late[0].counts.minor);
}

#[test]
fn the_command_runs_as_the_user_behind_sudo() {
    let _guard = alone();
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: becoming another user needs root");
        return;
    }
    let directory = TempDir::new().expect("directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("open it");
    let nobody = nix::unistd::User::from_name("nobody")
        .expect("users")
        .expect("nobody");
    let (uid, gid) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    let identity = Identity::of(uid, gid).expect("nobody");
    let file = directory.path().join("identity");
    let script = format!(
        "{{ id -u; id -g; id -G; echo $HOME $USER $LOGNAME; }} > {}",
        file.display()
    );
    let blocked = launch(&words(&["sh", "-c", &script]), Some(&identity)).expect("launch");
    let mut children = blocked.release().expect("release");
    finish(&mut children);
    let home = nobody.dir.display();
    let expected = format!("{uid}\n{gid}\n{gid}\n{home} nobody nobody\n");
    assert_eq!(fs::read_to_string(file).expect("identity"), expected);
}

#[test]
fn a_user_that_one_may_not_become_is_an_error() {
    let _guard = alone();
    if nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: root may become anybody");
        return;
    }
    let root = Identity::of(0, 0).expect("root");
    let error = launch(&words(&["true"]), Some(&root)).expect_err("not allowed");
    assert!(error.to_string().contains("root"), "{error}");
}

#[test]
fn working_directory_and_output_are_inherited() {
    let _guard = alone();
    let here = std::env::current_dir().expect("directory");
    let script = format!("test \"$PWD\" -ef {}", shell_quoted(&here));
    assert_eq!(status(&["sh", "-c", &script]), 0);
}

fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

#[test]
fn child_signals_drive_the_reaping() {
    let _guard = alone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    let status = runtime.block_on(async {
        let kind = tokio::signal::unix::SignalKind::child();
        let mut exits = tokio::signal::unix::signal(kind).expect("signals");
        let mut children = start(&["sh", "-c", "sleep 0.1; exit 7"]).expect("launch");
        loop {
            children.reap_all().expect("reap");
            if let Some(status) = children.exit_status() {
                return status;
            }
            exits.recv().await;
        }
    });
    assert_eq!(status, 7);
}
