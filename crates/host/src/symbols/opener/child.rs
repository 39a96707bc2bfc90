//! The reader as a child process: asked, watched, ended and started anew.

use std::{
    fs::File,
    io,
    num::NonZero,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    path::PathBuf,
    process::Child,
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    poll::PollFlags,
    sys::{
        memfd::{MFdFlags, memfd_create},
        mman::{MapFlags, ProtFlags, mmap},
    },
};
use procfs::{FromRead as _, process::Stat};

use super::Reads;
use crate::{
    proc::Proc,
    symbols::{
        channel::{Channel, Packet},
        helper,
        protocol::{Answer, FileId, Loss, Question, decode, encode},
    },
};

/// Bound: readers in a run. Files that end so many are no accident.
const STARTS_MAX: u32 = 64;
/// Bound: resident memory of the reader, mapped files included, bytes.
const RESIDENT_MAX: u64 = 320 << 20;
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long it may wait for something without using the CPU.
const STALL_MAX: Duration = Duration::from_millis(1500);
/// How long it may take to start, on a machine that is busy.
const START_MAX: Duration = Duration::from_secs(10);
/// How long to wait for it to be gone. One that a file system holds is left behind.
const END_MAX: Duration = Duration::from_millis(100);

/// A reader that is started when it is first asked.
pub(super) struct ReaderProcess {
    program: PathBuf,
    proc: Proc,
    running: Option<Running>,
    starts: u32,
    /// Questions that the running one was asked before the last.
    asked_before: u64,
    /// Which file it is looking into; survives it.
    noted: Option<(OwnedFd, NonNull<AtomicU32>)>,
    /// Ended, but not gone.
    left: Vec<Child>,
    refused: Option<String>,
}

struct Running {
    child: Child,
    channel: Channel,
}

/// What was seen of it the last time.
struct Watch {
    asked: Instant,
    looked: Instant,
    /// Its CPU time, ticks, and its faults: it moves when they do.
    moved: (u64, u64),
    moved_at: Instant,
    began_ticks: Option<u64>,
    cpu_max: Duration,
}

impl ReaderProcess {
    pub(super) fn new(program: PathBuf, proc: Proc) -> Self {
        Self {
            program,
            proc,
            running: None,
            starts: 0,
            asked_before: 0,
            noted: noted().ok(),
            left: Vec::new(),
            refused: None,
        }
    }

    fn start(&mut self) -> Result<(), Loss> {
        if self.starts >= STARTS_MAX || self.refused.is_some() {
            return Err(Loss::NoReader);
        }
        self.starts += 1;
        let started = self.spawn();
        let running = started.map_err(|error| self.refuse(error.to_string()))?;
        let running = self.running.insert(running);
        let packet = running.channel.receive(Some(START_MAX)).ok().flatten();
        let answer = packet.and_then(|packet| Some(decode::<Answer>(&packet.bytes).ok()?.0));
        match answer {
            Some(Answer::Ready(Ok(()))) => Ok(()),
            Some(Answer::Ready(Err(reason))) => {
                self.end();
                Err(self.refuse(reason))
            }
            _ => {
                self.end();
                Err(Loss::NoReader)
            }
        }
    }

    fn refuse(&mut self, reason: String) -> Loss {
        self.refused = Some(reason);
        Loss::NoReader
    }

    fn spawn(&self) -> io::Result<Running> {
        let (ours, theirs) = Channel::pair()?;
        let gift = self.noted.as_ref().map(|(file, _)| file.as_fd());
        let child = helper::start_reader(&self.program, &theirs, gift)?;
        Ok(Running {
            child,
            channel: ours,
        })
    }

    /// Ends it; what it died of if it was dead.
    fn end(&mut self) -> Option<i32> {
        self.left
            .retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        let Running { mut child, channel } = self.running.take()?;
        drop(channel);
        // One that has died of something is told from one that is ended now.
        let mut ended = child.try_wait().ok().flatten();
        let began = Instant::now();
        if ended.is_none() {
            let _ = child.kill();
            while began.elapsed() < END_MAX {
                ended = child.try_wait().ok().flatten();
                if ended.is_some() {
                    break;
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        match ended {
            None => {
                self.left.push(child);
                None
            }
            Some(status) => status.signal(),
        }
    }

    fn converse(
        &mut self,
        question: &Question,
        payload: &[u8],
        files: &[BorrowedFd<'_>],
        cpu_max: Duration,
        take: &mut dyn FnMut(Answer) -> bool,
    ) -> Result<(), Loss> {
        if self.running.is_none() {
            self.asked_before = 0;
            self.start()?;
        } else {
            self.asked_before += 1;
        }
        let Some(Running { child, channel }) = &mut self.running else {
            return Err(Loss::NoReader);
        };
        let bytes = encode(question, payload).map_err(|_| Loss::Fatal)?;
        let mut watch = Watch::new(cpu_max);
        while !channel
            .wait(PollFlags::POLLOUT, Some(LOOK_EVERY))
            .map_err(|_| Loss::Fatal)?
        {
            watch.look(&self.proc, child)?;
        }
        channel.send(&bytes, files).map_err(|_| Loss::Fatal)?;
        if !question.is_answered() {
            return Ok(());
        }
        loop {
            match channel.receive(Some(LOOK_EVERY)).map_err(|_| Loss::Fatal)? {
                Some(Packet { bytes, .. }) => {
                    let (answer, _) = decode(&bytes).map_err(|_| Loss::Fatal)?;
                    if take(answer) {
                        return Ok(());
                    }
                }
                None => watch.look(&self.proc, child)?,
            }
            if watch.looked.elapsed() >= LOOK_EVERY {
                watch.look(&self.proc, child)?;
            }
        }
    }
}

impl Reads for ReaderProcess {
    fn ask(
        &mut self,
        question: &Question,
        payload: &[u8],
        files: &[BorrowedFd<'_>],
        cpu_max: Duration,
        take: &mut dyn FnMut(Answer) -> bool,
    ) -> Result<(), Loss> {
        let loss = match self.converse(question, payload, files, cpu_max, take) {
            Ok(()) => return Ok(()),
            Err(loss) => loss,
        };
        let died_of = self.end();
        // An allocation that is refused ends the process (`std::alloc::handle_alloc_error`).
        let was_full = loss == Loss::Fatal && died_of == Some(libc::SIGABRT);
        Err(if was_full { Loss::Big } else { loss })
    }

    fn working_on(&self) -> FileId {
        // SAFETY: the mapping is never undone.
        let noted = |at: &NonNull<AtomicU32>| unsafe { at.as_ref() }.load(Ordering::Relaxed);
        self.noted.as_ref().map_or(0, |(_, at)| noted(at))
    }

    fn was_fresh(&self) -> bool {
        self.asked_before == 0
    }

    fn generation(&self) -> u32 {
        self.starts + u32::from(self.running.is_none())
    }

    fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl Drop for ReaderProcess {
    fn drop(&mut self) {
        self.end();
    }
}

impl Watch {
    fn new(cpu_max: Duration) -> Self {
        let now = Instant::now();
        Self {
            asked: now,
            looked: now,
            moved: (0, 0),
            moved_at: now,
            began_ticks: None,
            cpu_max,
        }
    }

    /// Whether it may go on.
    fn look(&mut self, proc: &Proc, child: &mut Child) -> Result<(), Loss> {
        self.looked = Instant::now();
        let path = proc.path(&format!("{}/stat", child.id()));
        let stat = File::open(path)
            .ok()
            .and_then(|file| Stat::from_read(file).ok());
        let Some(stat) = stat else {
            return Err(Loss::Fatal);
        };
        if matches!(stat.state, 'Z' | 'X') {
            return Err(Loss::Fatal);
        }
        if stat.rss.saturating_mul(procfs::page_size()) > RESIDENT_MAX {
            return Err(Loss::Big);
        }
        let ticks = stat.utime + stat.stime;
        let began = *self.began_ticks.get_or_insert(ticks);
        let used = (ticks - began.min(ticks)) as f64 / procfs::ticks_per_second() as f64;
        if used > self.cpu_max.as_secs_f64() {
            return Err(Loss::Slow);
        }
        // Pages that are read from disk count as moving; waiting for a CPU is not its fault.
        let moved = (ticks, stat.minflt + stat.majflt);
        if moved != self.moved || stat.state == 'R' {
            self.moved = moved;
            self.moved_at = self.looked;
        }
        if self.moved_at.max(self.asked).elapsed() > STALL_MAX {
            return Err(Loss::Stalled);
        }
        Ok(())
    }
}

/// A number that both processes see.
fn noted() -> io::Result<(OwnedFd, NonNull<AtomicU32>)> {
    let file = memfd_create(c"fault-trace", MFdFlags::MFD_CLOEXEC)?;
    let length = NonZero::new(size_of::<AtomicU32>()).ok_or(io::ErrorKind::InvalidInput)?;
    nix::unistd::ftruncate(&file, 4)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping.
    let mapped = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, &file, 0) }?;
    Ok((file, mapped.cast()))
}
