//! Files of traced programs that would harm whoever reads them.

mod elf;
mod fuse;
mod memory;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use self::{elf::Elf, fuse::Fuse};
use crate::support::{
    Known, Tracer, children, has, is_root, jsonl, openers, run, skip, state_of, wait_until,
};

/// Of tracer and helpers together, whatever files contain.
const MEMORY_MAX: u64 = 512 << 20;

/// A library with a function that faults, and a program that calls it.
struct Lab {
    folder: TempDir,
    /// The function's place in the library.
    touch: u64,
}

impl Lab {
    fn new() -> Self {
        let folder = tempdir().expect("a folder");
        let compile = |name: &str, flags: &[&str], to: &str| {
            let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/privileged/untrusted");
            let mut compiler = Command::new("cc");
            compiler.args(flags).arg("-o").arg(folder.path().join(to));
            compiler.arg(sources.join(name));
            assert!(compiler.status().expect("a C compiler").success());
        };
        let library = ["-g", "-O1", "-fPIC", "-shared", "-Wl,--build-id"];
        compile("library.c", &library, "lib.so");
        compile("caller.c", &["-w"], "caller");
        let symbols = Command::new("nm")
            .arg(folder.path().join("lib.so"))
            .output();
        let symbols = String::from_utf8(symbols.expect("binutils").stdout).expect("text");
        let touch = symbols.lines().find(|line| line.ends_with(" T touch"));
        let digits = &touch.expect("is exported")[..16];
        Self {
            touch: u64::from_str_radix(digits, 16).expect("hexadecimal"),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn library(&self) -> Elf {
        Elf::read(&self.path("lib.so"))
    }

    /// The arguments that record the program calling the function in a file.
    fn arguments(&self, library: &Path) -> Vec<String> {
        self.arguments_of(&[library])
    }

    /// The arguments that record the program calling the function in each of the files.
    fn arguments_of(&self, libraries: &[&Path]) -> Vec<String> {
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        let recording = text(&self.path("r.ftrace"));
        let mut arguments = ["record", "--overwrite", "-g", "-o"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend([recording, "--format".into(), "json".into(), "--".into()]);
        arguments.push(text(&self.path("caller")));
        arguments.push(format!("{:x}", self.touch));
        arguments.extend(libraries.iter().map(|library| text(library)));
        arguments
    }

    /// Records to the end; the report, and the most memory that tracer and helpers had together.
    fn record(&self, library: &Path) -> (Value, u64) {
        self.record_all(&[library])
    }

    fn record_all(&self, libraries: &[&Path]) -> (Value, u64) {
        let tracer = Tracer::start(self.arguments_of(libraries));
        let memory = Memory::watch(tracer.pid());
        let output = tracer.output();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(self.is_complete());
        let report = serde_json::from_slice(&output.stdout).expect("JSON");
        (report, memory.most())
    }

    fn is_complete(&self) -> bool {
        let run = fs::read(self.path("r.ftrace/recording.json")).expect("is there");
        let run: Value = serde_json::from_slice(&run).expect("JSON");
        run["complete"] == true || run["run"]["complete"] == true
    }

    /// Whether the function's name was found; it has one fault.
    fn names_touch(&self) -> bool {
        let faults = jsonl(&self.path("r.ftrace"));
        let named = |fault: &Value| fault["stack"].to_string().contains("\"touch\"");
        faults.iter().any(named)
    }
}

/// How much memory a process and its descendants have, watched from outside.
struct Memory {
    most: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
}

impl Memory {
    fn watch(pid: u32) -> Self {
        let watch = Self {
            most: Arc::default(),
            ends: Arc::default(),
        };
        let (most, ends) = (Arc::clone(&watch.most), Arc::clone(&watch.ends));
        thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let helpers: u64 = openers().into_iter().map(resident).sum();
                most.fetch_max(resident(pid) + helpers, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        watch
    }

    fn most(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        let most = self.most.load(Ordering::Relaxed);
        assert!(most > 0, "nothing was seen");
        most
    }
}

/// The resident memory of a tracer or an opener, with its reader, bytes.
fn resident(pid: u32) -> u64 {
    let field = |number: usize| {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        statm.split(' ').nth(number)?.parse::<u64>().ok()
    };
    // The ring buffer is mapped twice (`kernel/bpf/ringbuf.c:bpf_ringbuf_area_alloc`), and shared.
    let own = field(1).unwrap_or(0).saturating_sub(field(2).unwrap_or(0));
    let files = if is_reader(pid) {
        field(2).unwrap_or(0)
    } else {
        0
    };
    let children = children(pid);
    (own + files) * 4096
        + children
            .into_iter()
            .filter(|&child| is_helper(child))
            .map(resident)
            .sum::<u64>()
}

fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_helper(pid: u32) -> bool {
    command_line(pid).contains("--fault-trace-")
}

fn is_reader(pid: u32) -> bool {
    command_line(pid).contains("--fault-trace-reader")
}

fn unread_files(report: &Value) -> u64 {
    let losses = report["losses"]
        .as_object()
        .or_else(|| report["accounting"]["losses"].as_object());
    losses
        .and_then(|losses| losses.get("files_unread")?.as_u64())
        .unwrap_or(0)
}

#[test]
fn links_to_a_pipe_are_not_followed() {
    if !is_root() || !has("objcopy") {
        return;
    }
    let lab = Lab::new();
    let pipe = lab.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("makes a pipe");
    let mut link = pipe.to_str().expect("text").as_bytes().to_vec();
    link.push(0);
    let mut shared = link.clone();
    shared.extend([b'A'; 20]);
    link.resize(link.len().next_multiple_of(4) + 4, 0);
    for (section, bytes) in [("debuglink", link), ("debugaltlink", shared)] {
        fs::write(lab.path("section"), bytes).expect("writes");
        let library = lab.path(section);
        let added = Command::new("objcopy")
            .arg("--add-section")
            .arg(format!(".gnu_{section}={}", lab.path("section").display()))
            .args([lab.path("lib.so"), library.clone()])
            .status();
        assert!(added.expect("binutils").success());
        let (report, _) = lab.record(&library);
        assert!(lab.names_touch(), "{section}");
        assert_eq!(unread_files(&report), 0, "{section}: {report}");
    }
}

#[test]
fn a_section_that_claims_a_terabyte_costs_the_lines_only() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let library = lab.path("claims.so");
    lab.library().claim(".debug_info", 1 << 40).write(&library);
    let (report, memory) = lab.record(&library);
    assert!(lab.names_touch());
    assert_eq!(unread_files(&report), 1, "{report}");
    assert!(
        report.to_string().contains("claims.so are missing"),
        "{report}"
    );
    assert!(memory < MEMORY_MAX, "{memory}");
}

#[test]
fn a_file_that_would_fill_the_memory_is_given_up() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let library = lab.path("sparse.so");
    lab.library().write_sparse(&library, 100_000_000);
    let (report, memory) = lab.record(&library);
    assert_eq!(unread_files(&report), 1, "{report}");
    assert!(memory < MEMORY_MAX, "{memory}");
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_nothing() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let (big, library) = (lab.path("big.so"), lab.path("run.so"));
    lab.library().write_with_symbols(&big, lab.touch, 2_000_000);
    let mut was_lost = false;
    for delay_ms in [0, 2, 5, 10, 20, 50, 100, 200] {
        fs::copy(&big, &library).expect("copies");
        let tracer = Tracer::start(lab.arguments(&library));
        // Its program ends before names are looked for.
        let reads = || {
            openers()
                .into_iter()
                .flat_map(children)
                .any(|reader| maps(reader, &library))
        };
        let began = Instant::now();
        while !reads()
            && began.elapsed() < Duration::from_secs(60)
            && state_of(tracer.pid()) != Some('Z')
        {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(delay_ms));
        let file = fs::OpenOptions::new()
            .write(true)
            .open(&library)
            .expect("opens");
        file.set_len(4096).expect("shrinks");
        let output = tracer.output();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(lab.is_complete());
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        was_lost |= unread_files(&report) == 1;
    }
    assert!(was_lost, "never fell into the reading");
}

fn maps(pid: u32, file: &Path) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.contains(file.to_str().expect("text"))
}

#[test]
fn a_file_system_that_does_not_answer_holds_neither_the_run_nor_its_end() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let bytes = fs::read(lab.path("lib.so")).expect("reads");
    let Some(fuse) = Fuse::mount(&lab.path("fuse"), bytes) else {
        return skip("there is no FUSE");
    };
    let mut arguments = lab.arguments(&lab.path("fuse/file"));
    let at = arguments
        .iter()
        .position(|word| word == "--")
        .expect("is there");
    // The program waits at its end; others fault on.
    let program = arguments.split_off(at + 1);
    let script = format!(
        "CALL_SLEEP_MS=60000 {} >/dev/null 2>&1 & while :; do /bin/true; sleep 0.05; done",
        program.join(" ")
    );
    arguments.extend(["sh".into(), "-c".into(), script]);
    let tracer = Tracer::start(arguments);
    wait_until("the library is called", || {
        fs::read_dir("/proc")
            .expect("is mounted")
            .flatten()
            .any(|process| {
                let pid = process
                    .file_name()
                    .to_str()
                    .and_then(|pid| pid.parse().ok());
                pid.is_some_and(|pid| maps(pid, &lab.path("fuse/file")))
            })
    });
    fuse.stall();
    thread::sleep(Duration::from_secs(3));
    let interrupted = Instant::now();
    tracer.signal_group(Signal::SIGINT);
    let output = tracer.output();
    let took = interrupted.elapsed();
    drop(fuse);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(lab.is_complete(), "{output:?}");
    let faults = jsonl(&lab.path("r.ftrace"));
    let late = faults
        .iter()
        .filter(|fault| fault["comm"] == "true")
        .count();
    assert!(late > 100, "others went on to be recorded: {late}");
}

#[test]
fn the_tracer_never_holds_a_file_and_the_reader_has_no_rights() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let mut known = Known::waiting(&["wait", "touch:50", "wait"]);
    let pid = known.pid().to_string();
    let tracer = Tracer::attached([
        "record",
        "-g",
        "-o",
        recording.to_str().expect("text"),
        "-p",
        &pid,
    ]);
    known.go_on();
    known.until("ready");
    let program = fs::read_link(format!("/proc/{pid}/exe")).expect("runs");
    let holds = |process: u32| {
        let files = fs::read_dir(format!("/proc/{process}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|file| file == program)
    };
    let opener = || openers().into_iter().next();
    wait_until("the file is opened", || opener().is_some_and(holds));
    let reader = || {
        children(opener()?)
            .into_iter()
            .find(|&child| is_reader(child))
    };
    wait_until("there is a reader", || {
        reader().is_some_and(|reader| status(reader, "Seccomp") == "2")
    });
    let reader = reader().expect("runs");
    assert!(!holds(tracer.pid()));
    assert_eq!(status(reader, "CapEff"), "0000000000000000");
    assert_eq!(status(reader, "CapPrm"), "0000000000000000");
    assert_eq!(status(reader, "CapBnd"), "0000000000000000");
    assert_eq!(status(reader, "NoNewPrivs"), "1");
    assert!(status(reader, "Uid").starts_with("65534"));
    assert_eq!(status(reader, "Groups"), "");
    let opener = opener().expect("runs");
    assert_eq!(status(opener, "Seccomp"), "2");
    assert_eq!(status(opener, "NoNewPrivs"), "1");
    // PTRACE, DAC_READ_SEARCH, CHECKPOINT_RESTORE, SETUID, SETGID, SETPCAP, KILL at most.
    let allowed = 1 << 19 | 1 << 2 | 1 << 40 | 1 << 7 | 1 << 6 | 1 << 8 | 1 << 5;
    let rights = u64::from_str_radix(&status(opener, "CapEff"), 16).expect("hexadecimal");
    assert_eq!(rights & !allowed, 0, "{rights:x}");
    known.finish();
    tracer.output();
    wait_until("the helpers end", || {
        !Path::new(&format!("/proc/{opener}")).exists()
    });
}

#[test]
fn helpers_end_with_a_tracer_that_is_killed() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let known = Known::waiting(&["wait", "touch:50", "wait"]);
    let pid = known.pid().to_string();
    let tracer = Tracer::attached([
        "record",
        "-o",
        recording.to_str().expect("text"),
        "-p",
        &pid,
    ]);
    let helpers = openers();
    assert_eq!(helpers.len(), 1);
    let readers: Vec<u32> = helpers
        .iter()
        .flat_map(|&helper| children(helper))
        .collect();
    tracer.signal(Signal::SIGKILL);
    tracer.output();
    wait_until("the helpers end", || {
        let mut all = helpers.iter().chain(&readers);
        !all.any(|helper| is_helper(*helper))
    });
    known.finish();
}

fn status(pid: u32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

#[test]
fn a_report_reads_a_hostile_file_as_safely() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let library = lab.path("claims.so");
    lab.library().write(&library);
    lab.record(&library);
    lab.library().claim(".debug_info", 1 << 40).write(&library);
    let empty = lab.path("");
    let output = run([
        "report",
        "--by",
        "function",
        "--limit",
        "0",
        "--debug-dir",
        empty.to_str().expect("text"),
        lab.path("r.ftrace").to_str().expect("text"),
    ]);
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("touch"),
        "{output:?}"
    );
}
