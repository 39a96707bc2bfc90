//! Hardly faults, and does what tracers may make dearer: ns per turn, which is 16 reads of pages that
//! are there, 5 system calls, a context switch, and a two-hundredth of a fork and the child's end; then
//! ns of each: read, system call, switch, fork. The mix is that of a busy server.

use std::{
    hint,
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    num::NonZeroUsize,
    os::unix::process::parent_id,
    thread,
    time::Instant,
};

use fault_trace::host::touch::PAGE_BYTES;
use nix::{
    sys::wait::waitpid,
    unistd::{ForkResult, fork},
};

use super::{
    clock::{ns_per, ns_since},
    rounds::Rounds,
};

const READS: f64 = 16.0;
const CALLS: f64 = 5.0;
const FORKS: f64 = 1.0 / 200.0;
/// Of a round, beside PAGES reads and system calls.
const FORKS_A_ROUND: usize = 4;

pub(crate) fn run(pages: NonZeroUsize, rounds: Rounds) -> io::Result<()> {
    // Only read: after a fork, a write would be a fault.
    let memory = vec![1_u8; pages.get() * PAGE_BYTES];
    let mut partner = Partner::start()?;
    let switches = (pages.get() / 8).max(1);
    rounds.print(|| {
        let read_ns = ns_per(pages.get(), |page| {
            hint::black_box(memory[page * PAGE_BYTES]);
        });
        let call_ns = ns_per(pages.get(), |_| {
            hint::black_box(parent_id());
        });
        let switch_ns = partner.switch(switches)?;
        let fork_ns = forks(FORKS_A_ROUND)?;
        let turn_ns = READS * read_ns + CALLS * call_ns + switch_ns + FORKS * fork_ns;
        Ok([turn_ns, read_ns, call_ns, switch_ns, fork_ns])
    })
}

/// A thread that answers; on the same CPU, each way is a context switch.
struct Partner {
    to: PipeWriter,
    from: PipeReader,
}

impl Partner {
    fn start() -> io::Result<Self> {
        let (mut its_input, to) = io::pipe()?;
        let (from, mut its_output) = io::pipe()?;
        thread::spawn(move || {
            let mut byte = [0];
            // It ends with the program.
            while its_input.read_exact(&mut byte).is_ok() && its_output.write_all(&byte).is_ok() {}
        });
        Ok(Self { to, from })
    }

    /// ns a switch.
    fn switch(&mut self, round_trips: usize) -> io::Result<f64> {
        let mut byte = [0];
        let began = Instant::now();
        for _ in 0..round_trips {
            self.to.write_all(&byte)?;
            self.from.read_exact(&mut byte)?;
        }
        Ok(ns_since(began) / (2 * round_trips) as f64)
    }
}

/// ns a fork, up to the end of the child.
fn forks(count: usize) -> io::Result<f64> {
    let began = Instant::now();
    for _ in 0..count {
        // SAFETY: the child does nothing but end.
        match unsafe { fork() }? {
            // SAFETY: ends the child at once, without the parent's output still in the buffers.
            ForkResult::Child => unsafe { libc::_exit(0) },
            ForkResult::Parent { child } => waitpid(child, None)?,
        };
    }
    Ok(ns_since(began) / count as f64)
}
