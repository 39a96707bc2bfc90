//! A live run through a pipeline whose ports are written down.

use std::{
    cell::RefCell,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    rc::Rc,
    thread,
    time::Duration,
};

use fault_trace::{
    capture::{
        Capture, Settings, TargetKind,
        sideband::{RING_BYTES, Sideband},
    },
    host::{
        checks,
        doctor::System,
        kernel,
        machine::LiveMachine,
        proc::Proc,
        roots::Roots,
        symbols::{Detail, Options, Symbols},
    },
    model::Run,
    options::CallGraph,
    pipeline::{self, Coverage, Ending, Followed, Pipeline, Source},
    recording::RecordingWriter,
    session,
};
use fault_trace_common::Hooks;

use super::{
    journal::{Journal, Step, take},
    keep::{Kept, KeptSideband},
};
use crate::support::{state_of, wait_until};

/// What is traced, and how.
pub(super) struct Scenario {
    /// Of each `known` that a shell runs.
    pub(super) steps: &'static [&'static str],
    pub(super) stacks: Option<CallGraph>,
    pub(super) wanted: u64,
    pub(super) names_live: bool,
}

/// Records a scenario at `path`. Returns its journal.
pub(super) fn run(scenario: &Scenario, program: &Path, path: &Path) -> Journal {
    let cpus = kernel::online_cpus(Path::new(kernel::CPUS_ONLINE)).expect("CPUs");
    let mut capture = load(scenario, &cpus);
    let mut shell = Shell::waiting(scenario, program);
    let pid = shell.0.id();
    capture.add_new_process(pid).expect("a target");
    let names = Options {
        detail: Detail::Functions,
        ..Options::default()
    };
    let symbols = Symbols::start_program(Path::new(env!("CARGO_BIN_EXE_fault-trace")), &names);
    let mut sideband = Sideband::open(RING_BYTES).expect("root may");
    assert!(sideband.add_task(pid, &cpus, RING_BYTES).expect("root may"));
    let mut coverage = Coverage::of([pid], true);
    coverage.cover(pid);

    let journal = Rc::new(RefCell::new(Journal {
        wanted: scenario.wanted,
        names_live: scenario.names_live,
        pids: vec![pid],
        ..Journal::default()
    }));
    let mut run = begun(&capture, &cpus);
    let mut writer = RecordingWriter::create(path, false, &run).expect("a folder");
    let source = Source {
        records: Kept::new(capture.take_ring().expect("a ring"), &journal),
        sideband: KeptSideband::new(sideband, pid, &journal),
    };
    let machine = LiveMachine::new(Proc::default(), PathBuf::from("/sys"), symbols);
    let settings = pipeline::Settings {
        hooks: capture.hooks(),
        wanted: scenario.wanted,
        names_live: scenario.names_live,
    };
    let followed = Followed {
        coverage,
        pids: vec![pid],
    };
    let machine = Kept::new(machine, &journal);
    let mut pipeline = Pipeline::open(source, machine, settings, followed);
    let mut step = |step| {
        journal.borrow_mut().steps.push(step);
        take(step, &mut pipeline, &mut writer)
    };

    run.started_ns = kernel::monotonic_ns();
    capture.start(kernel::monotonic_ns).expect("root may");
    shell.go_on();
    for turn in 1.. {
        step(Step::Drain);
        if turn % 20 == 0 {
            step(Step::Look);
        }
        if shell.has_ended() {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    capture.detach().expect("a running capture");
    run.stopped_ns = kernel::monotonic_ns();
    capture.settle();
    run.totals = capture.totals().expect("maps can be read").totals;
    run.complete = true;
    step(Step::Drain);
    wait_until("names", || step(Step::Conclude(None)) == Ending::Done);
    journal.borrow_mut().run = serde_json::to_string(&run).expect("a run is JSON");
    pipeline.finish(&mut run);
    writer.finish(&run).expect("it is written");
    Rc::try_unwrap(journal)
        .expect("nobody keeps it")
        .into_inner()
}

fn load(scenario: &Scenario, cpus: &[u32]) -> Capture {
    let system = System::read(&Roots::default());
    let settings = session::settings(&system).expect("a supported kernel");
    let mut capture = Capture::load(&Settings {
        target: TargetKind::Processes {
            follow_children: true,
        },
        ring_bytes: Some(1 << 22),
        hooks: checks::worth_trying(&system.facts, Hooks::ALL),
        stacks: scenario.stacks,
        ..settings
    })
    .expect("root may");
    capture.attach(cpus).expect("a kernel that takes all hooks");
    capture
}

/// The run before its first fault. It names no machine: it may become a fixture.
fn begun(capture: &Capture, cpus: &[u32]) -> Run {
    let counts = serde_json::json!({
        "started": 0, "minor": 0, "major": 0, "failed": 0, "recorded": 0, "dropped": 0,
        "filtered": 0, "gup": 0, "latency_ns": 0, "kernel_minor": 0, "kernel_major": 0
    });
    let mut run: Run = serde_json::from_value(serde_json::json!({
        "tool_version": env!("CARGO_PKG_VERSION"), "command": [], "target": "pid", "hooks": [],
        "host": {"name": "fixture", "kernel_release": "", "machine": "x86_64",
            "cpus_online": cpus.len(), "page_size_bytes": 4096},
        "options": {"sample": 1, "min_latency_ns": 0, "filters": [], "records_faults": true},
        "clock": {"monotonic_ns": 0, "unix_ns": 0}, "started_ns": 0, "stopped_ns": 0,
        "complete": false, "kernel": null, "exit_status": null, "undecodable": 0, "notes": [],
        "totals": {"counts": counts, "classes": [], "processes": [], "counters": {}}
    }))
    .expect("a run reads");
    let release = kernel::host().expect("a machine").kernel_release;
    let version = release.split('-').next().unwrap_or_default();
    version.clone_into(&mut run.host.kernel_release);
    run.hooks = capture.hooks();
    run.clock = kernel::clock_base();
    run
}

/// A shell that waits to be told to go on; its end is not left to chance.
struct Shell(Child);

impl Shell {
    fn waiting(scenario: &Scenario, program: &Path) -> Self {
        let commands = scenario
            .steps
            .iter()
            .map(|steps| format!("{} {steps};", program.display()));
        let script = format!("read go; {}", commands.collect::<String>());
        let child = Command::new("sh")
            .args(["-c", &script])
            // Its stack may become a fixture.
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh starts");
        // It executes nothing else from then on, and has its own mappings.
        wait_until("the shell reads", || state_of(child.id()) == Some('S'));
        Self(child)
    }

    fn go_on(&mut self) {
        let mut stdin = self.0.stdin.take().expect("piped");
        stdin.write_all(b"\n").expect("it reads");
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_some()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
