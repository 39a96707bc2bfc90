//! CPUs that go offline and come online during a run: no fault is missed on any of them.
//!
//! It takes CPUs away from the whole machine, and so it is only done where `FAULT_TRACE_HOTPLUG` is set:
//! `cargo xtask kernels` does it in its guests.

use std::{
    env, fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::signal::Signal,
    unistd::Pid,
};
use tempfile::tempdir;

use crate::{
    accounting::assert_kernel_agrees,
    support::{
        Known, Report, Tracer, faults_in, is_root, jsonl, known_path, run, skip, wait_until,
    },
};

const PAGES: usize = 500;

/// A CPU that can be taken away; it is back at the end.
struct Cpu(usize);

impl Cpu {
    /// All of them, the last first; said if there are none.
    fn all() -> Vec<Self> {
        if env::var_os("FAULT_TRACE_HOTPLUG").is_none() {
            skip("CPUs are only taken away where FAULT_TRACE_HOTPLUG is set");
            return Vec::new();
        }
        let cpus: Vec<Self> = (1..CpuSet::count())
            .rev()
            .map(Self)
            .filter(|cpu| cpu.file().exists())
            .collect();
        if cpus.is_empty() {
            skip("no CPU can be taken away");
        }
        cpus
    }

    fn file(&self) -> PathBuf {
        format!("/sys/devices/system/cpu/cpu{}/online", self.0).into()
    }

    fn set_online(&self, online: bool) {
        fs::write(self.file(), if online { "1" } else { "0" }).expect("root may");
    }

    /// Starts `known` on this CPU alone.
    fn start(&self, steps: &[&str]) -> Known {
        let thread = Pid::from_raw(0);
        let all = sched_getaffinity(thread).expect("its own");
        let mut this = CpuSet::new();
        this.set(self.0).expect("a CPU");
        // A child inherits it.
        sched_setaffinity(thread, &this).expect("it is online");
        let known = Known::start(steps);
        sched_setaffinity(thread, &all).expect("one of them is online");
        known
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        // It may be online, or the test may have failed because it cannot be.
        let _ = fs::write(self.file(), "1");
    }
}

/// The perf events that a process has open.
fn perf_events(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it is alive");
    descriptors
        .flatten()
        .filter(|descriptor| {
            fs::read_link(descriptor.path())
                .is_ok_and(|file| file.ends_with("anon_inode:[perf_event]"))
        })
        .count()
}

/// Touches pages on the CPU, each of which must be there, with its mapping.
fn assert_seen(tracer: Tracer, recording: &std::path::Path, cpu: &Cpu) {
    let mut known = cpu.start(&[&format!("touch:{PAGES}")]);
    let pid = known.pid();
    assert!(known.ended().success());
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    report.assert_balanced();
    let row = report.process(pid);
    assert_eq!(row["unexplained"], 0, "{row:#}");
    assert_eq!(row["started"], row["ended"], "{row:#}");
    let faults = jsonl(recording);
    let ours = faults_in(&faults, PAGES);
    let ours: Vec<_> = ours
        .iter()
        .filter(|(_, fault)| fault["pid"] == pid)
        .collect();
    assert_eq!(ours.len(), PAGES);
    for (_, fault) in ours {
        assert_eq!(fault["cpu"], cpu.0, "{fault}");
        assert_eq!(fault["class"], "anon-alloc", "{fault}");
    }
}

fn record_all(recording: &std::path::Path) -> Tracer {
    let path = recording.to_str().expect("text");
    Tracer::attached(["record", "-a", "--format", "json", "-o", path])
}

#[test]
fn faults_on_a_cpu_that_comes_online_are_recorded() {
    let cpus = if is_root() { Cpu::all() } else { Vec::new() };
    let Some(cpu) = cpus.first() else {
        return;
    };
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    cpu.set_online(false);
    let tracer = record_all(&recording);
    let before = perf_events(tracer.pid());
    cpu.set_online(true);
    wait_until("the tracer follows", || perf_events(tracer.pid()) > before);
    // It opens the sideband after the events.
    thread::sleep(Duration::from_millis(300));
    assert_seen(tracer, &recording, cpu);
}

#[test]
fn faults_on_a_cpu_that_was_away_for_a_moment_are_recorded() {
    let cpus = if is_root() { Cpu::all() } else { Vec::new() };
    let Some(cpu) = cpus.first() else {
        return;
    };
    for pause_ms in [0, 300] {
        let folder = tempdir().expect("a folder");
        let recording = folder.path().join("r.ftrace");
        let tracer = record_all(&recording);
        cpu.set_online(false);
        thread::sleep(Duration::from_millis(pause_ms));
        cpu.set_online(true);
        // It looks ten times a second.
        thread::sleep(Duration::from_secs(1));
        assert_seen(tracer, &recording, cpu);
    }
}

/// Takes the CPUs away and gives them back until told to stop.
fn storm(cpus: &[Cpu], stop: &AtomicBool) {
    let mut random = fastrand::Rng::with_seed(4);
    while !stop.load(Ordering::Relaxed) {
        for cpu in cpus {
            cpu.set_online(false);
            thread::sleep(Duration::from_millis(random.u64(0..150)));
            cpu.set_online(true);
            thread::sleep(Duration::from_millis(random.u64(0..50)));
        }
    }
}

#[test]
fn a_command_is_counted_while_cpus_come_and_go() {
    let cpus = if is_root() { Cpu::all() } else { Vec::new() };
    if cpus.is_empty() {
        return;
    }
    let known = known_path();
    let touch = known.with_file_name("touch");
    let programs = [&known, &touch].map(|path| path.to_str().expect("text"));
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| storm(&cpus, &stop));
        let outputs = [&["stat"][..], &["record", "-o", path]].map(|start| {
            let command = ["--format", "json", "--", programs[0], "run", programs[1]];
            run([start, &command, &["1000", "3s", "4"]].concat())
        });
        stop.store(true, Ordering::Relaxed);
        for output in outputs {
            let report = Report::of(&output);
            report.assert_balanced();
            // Where something is missing, the cause is named.
            if report.accounting("unexplained") == 0 {
                assert_kernel_agrees(&report, &output);
            } else {
                let causes = report.0["accounting"]["causes"].to_string();
                assert!(causes.contains("just come online"), "{report:#?}");
            }
        }
    });
    assert_eq!(
        jsonl(&recording).len() as i64,
        Report::of_run(&["report", "--format", "json", path]).accounting("recorded")
    );
}
