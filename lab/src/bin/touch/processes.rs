//! Starts `true` again and again, PAGES / 128 times a round: ns per fault of these processes, their
//! start and end included, and ns per process.

use std::{
    io,
    num::NonZeroUsize,
    process::{Command, Stdio},
    time::Instant,
};

use nix::sys::resource::UsageWho;

use super::{
    clock::{Usage, ns_since},
    rounds::Rounds,
};

pub(crate) fn run(pages: NonZeroUsize, rounds: Rounds) -> io::Result<()> {
    let processes = (pages.get() / 128).max(1);
    rounds.print(|| {
        let before = Usage::of(UsageWho::RUSAGE_CHILDREN)?.faults;
        let began = Instant::now();
        for _ in 0..processes {
            let status = Command::new("true").stdin(Stdio::null()).status()?;
            if !status.success() {
                return Err(io::Error::other(format!("`true` failed ({status})")));
            }
        }
        let ns = ns_since(began);
        let faults = Usage::of(UsageWho::RUSAGE_CHILDREN)?.faults - before;
        Ok([ns / faults.max(1) as f64, ns / processes as f64])
    })
}
