//! Running a guest under software emulation.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{disks::Disk, emulator::Emulator, guest};
use crate::command::{self, say};

/// Scenarios take seconds each under emulation.
const TIME_LIMIT: Duration = Duration::from_secs(40 * 60);
/// The emulator breaks a guest now and then: before it has started anything of ours, or later with [`STALE_TRAP`].
const ATTEMPTS: u32 = 3;
/// A kernel that died of a breakpoint of its own. Linux puts one over an instruction while it changes it
/// (`arch/x86/kernel/alternative.c:smp_text_poke_batch_finish`), as happens whenever an event is switched on, and
/// has taken it away again when the emulated CPU reports it. eBPF programs cannot place one.
const STALE_TRAP: &str = "Oops: int3";

/// What a guest is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// As many CPUs as the emulator is good for.
    Proof,
    /// One CPU, whose clock counts its instructions: one a nanosecond, and none while it is idle.
    Counting,
}

pub(super) struct Guest<'a> {
    pub(super) purpose: Purpose,
    pub(super) emulator: &'a Emulator,
    pub(super) disks: &'a [Disk],
    pub(super) kernel: PathBuf,
    pub(super) image: PathBuf,
    /// Where the logs go.
    pub(super) folder: PathBuf,
}

impl Guest<'_> {
    /// Boots the guest, waits for its end, and returns what it wrote to its second serial port.
    pub(super) fn run(&self) -> Result<String> {
        let result = self.folder.join(RESULT);
        for attempt in 1..=ATTEMPTS {
            let ended = wait(&mut self.start(&result)?)?;
            let text = read_result(&self.folder)?;
            if guest::is_complete(&text) {
                return Ok(text);
            }
            let console = self.console();
            if !ended {
                bail!("the guest did not end in time: see {}", console.display());
            }
            if guest::steps(&text).is_empty() {
                say(&format!("the guest did not start (attempt {attempt})"));
            } else if attempt < ATTEMPTS && died_of_stale_trap(&read(&console)?) {
                let kept = self.folder.join(format!("console-{attempt}.log"));
                fs::rename(&console, &kept)?;
                say(&format!(
                    "the emulated kernel died of a breakpoint of its own, booting again (attempt {attempt}): see {}",
                    kept.display()
                ));
            } else {
                bail!("the guest died: see {}", console.display());
            }
        }
        bail!("the guest never started: see {}", self.console().display());
    }

    fn console(&self) -> PathBuf {
        self.folder.join("console.log")
    }

    fn shape(&self) -> &'static [&'static str] {
        match (self.purpose, self.emulator.cpus) {
            (Purpose::Counting, _) => &COUNTING,
            (Purpose::Proof, 1) => &SMALL,
            (Purpose::Proof, _) => &TWO_NODES,
        }
    }

    fn start(&self, result: &Path) -> Result<Child> {
        let file = |path: &Path| format!("file:{}", path.display());
        let mut qemu = self.emulator.command();
        qemu.args(["-accel", "tcg", "-machine", "q35", "-cpu", "max"])
            .args(self.shape())
            .args(["-nodefaults", "-display", "none"])
            .arg("-no-reboot")
            .args(["-serial", &file(&self.console()), "-serial", &file(result)])
            .arg("-kernel")
            .arg(&self.kernel)
            .args(["-append", COMMAND_LINE])
            .stdin(Stdio::null());
        // The kernel's first disk is the root's.
        qemu.args(disk("root", &self.image));
        for Disk { file_system, image } in self.disks {
            qemu.args(disk(file_system, image));
        }
        qemu.spawn()
            .with_context(|| format!("cannot run `{}`", command::line(&qemu)))
    }
}

/// Whether a kernel that printed this died of [`STALE_TRAP`].
fn died_of_stale_trap(console: &[u8]) -> bool {
    String::from_utf8_lossy(console).contains(STALE_TRAP)
}

const RESULT: &str = "result.log";

/// What the guest of a folder wrote to its second serial port.
pub(super) fn read_result(folder: &Path) -> Result<String> {
    let text = read(&folder.join(RESULT))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("there is no {}", path.display()))
}

/// A disk that forgets what is written to it.
fn disk(name: &str, image: &Path) -> [String; 4] {
    let file = image.display();
    [
        "-drive".to_owned(),
        format!("file={file},if=none,id={name},format=raw,snapshot=on"),
        "-device".to_owned(),
        format!("nvme,drive={name},serial={name}"),
    ]
}

const SMALL: [&str; 4] = ["-smp", "1", "-m", "2G"];
const COUNTING: [&str; 6] = ["-smp", "1", "-m", "2G", "-icount", "shift=0,sleep=off"];
/// Two CPUs and half of the memory on each.
const TWO_NODES: [&str; 12] = [
    "-smp",
    "4",
    "-m",
    "2G",
    "-object",
    "memory-backend-ram,id=near,size=1G",
    "-object",
    "memory-backend-ram,id=far,size=1G",
    "-numa",
    "node,nodeid=0,cpus=0-1,memdev=near",
    "-numa",
    "node,nodeid=1,cpus=2-3,memdev=far",
];

/// NVMe and ext4 are built into Debian's kernels: no initramfs is needed.
const COMMAND_LINE: &str = "console=ttyS0 panic=-1 quiet cryptomgr.notests \
                            root=/dev/nvme0n1 rw init=/init vsyscall=xonly \
                            numa_balancing=disable";

/// Whether the emulator ended by itself in time.
fn wait(qemu: &mut Child) -> Result<bool> {
    let start = Instant::now();
    while qemu.try_wait()?.is_none() {
        if start.elapsed() > TIME_LIMIT {
            qemu.kill()?;
            qemu.wait()?;
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_trap_is_told_from_other_deaths() {
        let died =
            |oops: &str| died_of_stale_trap(format!("[  233.5] {oops} [#1] SMP\r\n").as_bytes());
        assert!(died("Oops: int3: 0000"));
        assert!(!died("Oops: general protection fault: 0000"));
        assert!(!died("Oops: 0002"));
    }
}
