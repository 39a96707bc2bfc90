//! Putting back what belongs to the whole machine: when a guard is dropped, or on SIGINT, SIGTERM
//! and SIGHUP.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
};

use anyhow::{Context as _, ensure};
use nix::sys::signal::{SigSet, Signal};

use crate::scenario::skip;

type Action = Box<dyn FnOnce() + Send>;

/// What is to be undone, oldest first, by number.
static ACTIONS: Mutex<Vec<(usize, Action)>> = Mutex::new(Vec::new());
static WATCHER: Once = Once::new();

fn actions() -> MutexGuard<'static, Vec<(usize, Action)>> {
    ACTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Undoes something when dropped.
#[must_use]
pub(crate) struct Restore(usize);

impl Restore {
    pub(crate) fn with(undo: impl FnOnce() + Send + 'static) -> anyhow::Result<Self> {
        watch_signals()?;
        let mut actions = actions();
        let number = actions.last().map_or(0, |(number, _)| number + 1);
        actions.push((number, Box::new(undo)));
        Ok(Self(number))
    }

    /// Writes `value` to a kernel setting until the guard is dropped. Skips where that is not allowed.
    pub(crate) fn setting(path: impl Into<PathBuf>, value: &str) -> anyhow::Result<Self> {
        let path = path.into();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let before = text.trim().to_owned();
        let mut file = match OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            Err(error) => return skip(format!("cannot set {}: {error}", path.display())),
        };
        let place = path.clone();
        let guard = Self::with(move || write_back(&place, &before))?;
        file.write_all(value.as_bytes())
            .with_context(|| format!("{} = {value}", path.display()))?;
        Ok(guard)
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        let mut actions = actions();
        if let Some(index) = actions.iter().position(|(number, _)| *number == self.0) {
            let (_, undo) = actions.remove(index);
            undo();
        }
    }
}

fn write_back(path: &Path, value: &str) {
    if let Err(error) = fs::write(path, value) {
        eprintln!(
            "workloads: cannot restore {} to {value}: {error}",
            path.display()
        );
    }
}

/// Blocks the signals in this thread, and so in those it starts, and waits for them in one that
/// undoes everything before the process ends. To be called before other threads are started, which
/// would take the signals in its place.
pub(crate) fn watch_signals() -> anyhow::Result<()> {
    let alone = fs::read_dir("/proc/self/task")?.count() == 1;
    ensure!(
        alone || WATCHER.is_completed(),
        "threads were started before the signals were blocked"
    );
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect();
    signals.thread_block().context("sigprocmask")?;
    WATCHER.call_once(|| {
        thread::spawn(move || {
            let Ok(signal) = signals.wait() else { return };
            let mut actions = actions();
            while let Some((_, undo)) = actions.pop() {
                undo();
            }
            std::process::exit(128 + signal as i32);
        });
    });
    Ok(())
}
