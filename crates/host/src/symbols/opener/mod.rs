//! The opener: opens the files of traced programs, and looks into none.
//!
//! A process of its own, because opening a file, asking about it and closing it may hang for ever, and
//! a process with a thread that hangs cannot end: the tracer must. Its [`pool`] does what may hang; a
//! [`driver`] has the reader look into what was opened, and ends readers that a file has broken.

mod behind;
mod child;
mod debug_files;
mod driver;
mod filter;
mod jit;
mod pool;
mod rights;

use std::{
    collections::HashMap,
    ffi::OsString,
    os::{fd::BorrowedFd, unix::ffi::OsStringExt as _},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use self::{
    behind::{Mapped, open_behind},
    child::ReaderProcess,
    driver::{Driver, Job, Ordered},
    jit::JitOrder,
    pool::{PATIENCE, Pool},
};
use super::{
    channel::Channel,
    protocol::{Answer, FileId, Loss, MESSAGE_MAX, Order, Question, Report, decode, encode},
};
use crate::proc::Proc;
use fault_trace_model::mapping::Device;

/// Who looks into files.
pub(super) trait Reads {
    /// Asks, with files. `take` gets the answers, and says when there was enough.
    ///
    /// # Errors
    /// What became of the reader; the next question is for another.
    fn ask(
        &mut self,
        question: &Question,
        payload: &[u8],
        files: &[BorrowedFd<'_>],
        cpu_max: Duration,
        take: &mut dyn FnMut(Answer) -> bool,
    ) -> Result<(), Loss>;

    /// The file it was looking into last.
    fn working_on(&self) -> FileId;

    /// Whether the reader that the last question went to had nothing of earlier ones in memory.
    fn was_fresh(&self) -> bool;

    /// A number of the reader that the next question goes to.
    fn generation(&self) -> u32;

    /// Why there can be none.
    fn refused(&self) -> Option<&str>;
}

/// What all threads of the opener share.
struct Shared {
    channel: Channel,
    /// Held while a message is sent.
    sending: Mutex<()>,
    pool: Pool,
    surroundings: Surroundings,
    /// Files that are being opened.
    opening: Mutex<HashMap<FileId, Opening>>,
    jit: Sender<JitOrder>,
}

/// Where an opener works.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) proc: Proc,
    /// Where runtimes write their lists.
    pub(super) tmp: PathBuf,
    /// Bound: files that are kept open.
    pub(super) held_max: usize,
}

/// See [`Surroundings::held_max`].
const HELD_MAX: usize = 512;

/// A file that is being opened.
struct Opening {
    path: Vec<u8>,
    /// A thread has begun with it, or it waits for one.
    begun: bool,
    since: Instant,
}

/// How long opening may wait for a thread: when all hang there is none.
const QUEUED_MAX: Duration = Duration::from_secs(5);

impl Opening {
    /// Whether it is given up.
    fn hangs(&self) -> bool {
        let most = if self.begun { PATIENCE } else { QUEUED_MAX };
        self.since.elapsed() > most
    }
}

/// Where runtimes write their lists.
pub(super) const TMP: &str = "/tmp";

/// The opener as a process; returns when the tracer is gone.
pub(super) fn run(channel: Channel) {
    rights::keep_needed();
    filter::install();
    let proc = Proc::default();
    let reader_proc = proc.clone();
    let reader = move || ReaderProcess::new(PathBuf::from("/proc/self/exe"), reader_proc);
    let surroundings = Surroundings {
        proc,
        tmp: PathBuf::from(TMP),
        held_max: HELD_MAX,
    };
    serve(channel, surroundings, reader);
    // SAFETY: ends the process at once. A thread that hangs would hold `exit` as well.
    unsafe { libc::_exit(0) };
}

/// Serves the tracer at the other end until it is gone.
pub(super) fn serve<R: Reads>(
    channel: Channel,
    surroundings: Surroundings,
    reader: impl FnOnce() -> R + Send + 'static,
) {
    let (jobs, to_do) = mpsc::channel();
    let (jit, jit_orders) = mpsc::channel();
    let shared = Arc::new(Shared {
        channel,
        sending: Mutex::default(),
        pool: Pool::default(),
        surroundings,
        opening: Mutex::default(),
        jit,
    });
    let (Surroundings { proc, tmp, .. }, pool) = (shared.surroundings.clone(), shared.pool.clone());
    let follower =
        thread::Builder::new().spawn(move || jit::follow(&jit_orders, &proc, &tmp, &pool));
    let driving = Arc::clone(&shared);
    let driver = thread::Builder::new().spawn(move || Driver::new(reader(), driving).work(&to_do));
    if follower.is_err() || driver.is_err() {
        return;
    }
    while let Some((order, payload)) = shared.next_order() {
        shared.obey(order, payload, &jobs);
    }
}

impl Shared {
    /// The next order; `None` when nobody gives any.
    fn next_order(&self) -> Option<(Order, Vec<u8>)> {
        loop {
            if let Some(packet) = self.channel.receive(None).ok()? {
                let (order, payload) = decode(&packet.bytes).ok()?;
                return Some((order, payload.to_vec()));
            }
        }
    }

    /// Starts what is ordered; waits for nothing.
    fn obey(self: &Arc<Self>, order: Order, payload: Vec<u8>, jobs: &Sender<Job>) {
        let job = match order {
            Order::Setup { debug_directories } => {
                let path = |bytes| PathBuf::from(OsString::from_vec(bytes));
                Job::Setup(debug_directories.into_iter().map(path).collect())
            }
            Order::Open {
                file,
                pid,
                range,
                path,
                device: (major, minor),
                inode,
            } => {
                let device = Device { major, minor };
                let mapped = Mapped {
                    pid,
                    range,
                    path,
                    device,
                    inode,
                };
                self.open(file, mapped, jobs.clone());
                return;
            }
            Order::Compiled { pid } => return self.follow(JitOrder::Seen(pid)),
            Order::Exited { pid } => return self.follow(JitOrder::Exited(pid)),
            Order::Name {
                question,
                source,
                lines,
                places,
            } => Job::Name {
                question,
                source,
                lines,
                places,
            },
            Order::Space { id, code } => Job::Space(id, code),
            Order::Forget { id } => Job::Forget(id),
            Order::Unwind { stacks } => Job::Unwind(Ordered {
                stacks,
                payload,
                since: Instant::now(),
            }),
        };
        // The driver lives as long as the jobs.
        let _ = jobs.send(job);
    }

    fn follow(&self, order: JitOrder) {
        let _ = self.jit.send(order);
    }

    fn open(self: &Arc<Self>, file: FileId, mapped: Mapped, jobs: Sender<Job>) {
        let opening = Opening {
            path: mapped.path.clone(),
            begun: false,
            since: Instant::now(),
        };
        self.opening().insert(file, opening);
        let (shared, refused) = (Arc::clone(self), jobs.clone());
        let runs = self.pool.run(move || {
            if let Some(opening) = shared.opening().get_mut(&file) {
                opening.begun = true;
                opening.since = Instant::now();
            }
            let opened = open_behind(&shared.surroundings.proc, &mapped);
            let opened = opened.map(|opened| shared.pool.file(opened));
            let _ = jobs.send(Job::Identify { file, opened });
        });
        if !runs {
            let _ = refused.send(Job::Identify { file, opened: None });
        }
    }

    fn opening(&self) -> MutexGuard<'_, HashMap<FileId, Opening>> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the tracer; waits until it listens.
    fn tell(&self, report: &Report) {
        let Ok(bytes) = encode(report, &[]) else {
            return;
        };
        if bytes.len() <= MESSAGE_MAX {
            let _one = self.sending.lock();
            // When the tracer is gone this process ends.
            let _ = self.channel.send(&bytes, &[]);
        }
    }
}
