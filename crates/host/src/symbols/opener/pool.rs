//! Threads that may hang.
//!
//! A file system that does not answer (FUSE, NFS) holds whoever opens, asks about or closes a file of
//! it, and no signal helps (`fs/fuse/dev.c:request_wait_answer`, v6.12). So all of that is done here:
//! whoever wants it waits as long as it likes, and a thread that hangs is replaced.

use std::{
    collections::VecDeque,
    fs::File,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// Bound: threads. When all hang, nothing is opened any more.
const THREADS_MAX: usize = 16;
/// Bound: work that waits for a thread.
const WAITING_MAX: usize = 1 << 14;

type Job = Box<dyn FnOnce() + Send>;

/// The threads; clones share them.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

/// How long whoever waits for an answer does.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The answer did not come in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hangs;

impl Pool {
    /// Has a thread do it; false if there are too many jobs already.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut state = self.0.lock();
        if state.jobs.len() >= WAITING_MAX {
            return false;
        }
        state.jobs.push_back(Box::new(job));
        if state.jobs.len() > state.idle && state.threads < THREADS_MAX {
            let shared = Arc::clone(&self.0);
            let started = thread::Builder::new().spawn(move || shared.work());
            state.threads += usize::from(started.is_ok());
        }
        self.0.work.notify_one();
        true
    }

    /// What the job gives, if it does within [`PATIENCE`].
    pub(super) fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Hangs> {
        let (tell, told) = mpsc::channel();
        let runs = self.run(move || {
            // Nobody may wait for it any more.
            let _ = tell.send(job());
        });
        if !runs {
            return Err(Hangs);
        }
        told.recv_timeout(PATIENCE)
            .map_err(|_: RecvTimeoutError| Hangs)
    }

    /// A file that is closed by the threads.
    pub(super) fn file(&self, file: File) -> OpenFile {
        OpenFile {
            file: Some(file),
            pool: self.clone(),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
            } else {
                state.idle += 1;
                let waited = self.work.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

/// An open file. Closing it may hang, too, and is left to the threads.
pub(super) struct OpenFile {
    file: Option<File>,
    pool: Pool,
}

impl OpenFile {
    /// The descriptor.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            self.pool.run(move || drop(file));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_job_that_hangs_holds_nobody_else() {
        let pool = Pool::default();
        let (release, hangs) = mpsc::channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        for _ in 0..4 {
            let hangs = Arc::clone(&hangs);
            pool.run(move || drop(hangs.lock().map(|hangs| hangs.recv())));
        }
        assert_eq!(pool.ask(|| 7), Ok(7));
        drop(release);
    }

    #[test]
    fn when_all_threads_hang_a_question_has_an_end() {
        let pool = Pool::default();
        let (_release, hangs) = mpsc::channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        for _ in 0..THREADS_MAX {
            let hangs = Arc::clone(&hangs);
            pool.run(move || drop(hangs.lock().map(|hangs| hangs.recv())));
        }
        let began = Instant::now();
        assert_eq!(pool.ask(|| 7), Err(Hangs));
        assert!(began.elapsed() >= PATIENCE);
    }
}
