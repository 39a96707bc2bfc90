//! The reader as a process of its own.

use std::{
    ffi::CString,
    fs::File,
    num::NonZero,
    os::fd::{AsRawFd as _, BorrowedFd},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use super::{Reader, Surroundings, emulation, sandbox};
use crate::symbols::{
    channel::Channel,
    helper::GIFT,
    protocol::{Answer, FileId, Question, decode, encode},
};

/// A folder that is not there. What debug information shares is found as if it were below.
const SHARED_FOLDER: &str = "/shared";

/// Answers questions until the other side is gone.
pub(in crate::symbols) fn run(channel: &Channel) {
    // SAFETY: whoever starts a reader puts the file there, where it stays open.
    let noted = noted(unsafe { BorrowedFd::borrow_raw(GIFT) });
    let ready = sandbox::enter();
    let is_safe = ready.is_ok();
    let mut process = Process { channel, noted };
    process.answer(Answer::Ready(ready));
    if !is_safe {
        return;
    }
    let mut reader = Reader::default();
    loop {
        match channel.receive(None) {
            Ok(Some(packet)) => {
                let Ok((question, payload)) = decode::<Question>(&packet.bytes) else {
                    return;
                };
                reader.ask(question, payload, packet.files, &mut process);
            }
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

struct Process<'a> {
    channel: &'a Channel,
    /// Where the opener sees which file is being looked into.
    noted: Option<&'static AtomicU32>,
}

impl Surroundings for Process<'_> {
    fn answer(&mut self, answer: Answer) {
        let sent = encode(&answer, &[])
            .map_err(|_| ())
            .and_then(|bytes| self.channel.send(&bytes, &[]).map_err(|_| ()));
        if sent.is_err() {
            // Nobody listens any more.
            std::process::exit(1);
        }
    }

    fn working_on(&mut self, file: FileId) {
        if let Some(noted) = self.noted {
            noted.store(file, Ordering::Relaxed);
        }
    }

    fn share(&mut self, file: Option<&File>, build_id: &[u8]) -> Vec<PathBuf> {
        // blazesym looks for longer ones only.
        let Some((file, (first, rest))) = file.zip(build_id.split_first()) else {
            emulation::share(None);
            return Vec::new();
        };
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = format!("{SHARED_FOLDER}/.build-id/{first:02x}/{rest}.debug");
        let path = CString::new(path).ok();
        emulation::share(path.map(|path| (path, file.as_raw_fd())));
        vec![PathBuf::from(SHARED_FOLDER)]
    }
}

/// The number that the opener gave, mapped for good.
fn noted(file: BorrowedFd<'_>) -> Option<&'static AtomicU32> {
    let length = NonZero::new(size_of::<AtomicU32>())?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, of a file that the opener made large enough.
    let mapped = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, file, 0) };
    // SAFETY: aligned as a page, never unmapped, and used as this type only.
    mapped.ok().map(|at| unsafe { at.cast().as_ref() })
}
