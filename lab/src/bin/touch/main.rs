//! Workloads with a known number of faults, to measure what tracing costs.
//!
//! `touch PAGES ROUNDS [THREADS | file | fork | processes | innocent]`
//!
//! ROUNDS is a number, or a time such as `60s`. The first line is `started_ns N`, the moment it began
//! (CLOCK_MONOTONIC). Then each round prints a line of two numbers or more: ns per fault (of `innocent`:
//! per turn), then what else the workload measures; each file says what. The last lines are `faults N`
//! and `cpu_ns N`: the page faults that the kernel counted for it and its children, and their CPU time.

mod anon;
mod clock;
mod file;
mod fork;
mod innocent;
mod processes;
mod rounds;

use std::{env, io, num::NonZeroUsize, process::ExitCode};

use rounds::Rounds;

enum Workload {
    Threads(usize),
    File,
    Fork,
    Processes,
    Innocent,
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some((pages, rounds, workload)) = parse(&args) else {
        eprintln!("usage: touch PAGES ROUNDS [THREADS | file | fork | processes | innocent]");
        return ExitCode::from(2);
    };
    println!("started_ns {}", clock::monotonic_ns());
    match run(pages, rounds, &workload).and_then(|()| clock::Usage::of_all()) {
        Ok(usage) => {
            println!("faults {}\ncpu_ns {}", usage.faults, usage.cpu_ns);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("touch: {error}; if memory is short, ask for fewer than {pages} pages");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[String]) -> Option<(NonZeroUsize, Rounds, Workload)> {
    let workload = match args.get(2).map(String::as_str) {
        None => Workload::Threads(1),
        Some("file") => Workload::File,
        Some("fork") => Workload::Fork,
        Some("processes") => Workload::Processes,
        Some("innocent") => Workload::Innocent,
        Some(threads) => Workload::Threads(threads.parse().ok().filter(|&threads| threads > 0)?),
    };
    Some((
        args.first()?.parse().ok()?,
        Rounds::parse(args.get(1)?)?,
        workload,
    ))
}

fn run(pages: NonZeroUsize, rounds: Rounds, workload: &Workload) -> io::Result<()> {
    match workload {
        Workload::Threads(threads) => anon::run(pages, rounds, *threads),
        Workload::File => file::run(pages, rounds),
        Workload::Fork => fork::run(pages, rounds),
        Workload::Processes => processes::run(pages, rounds),
        Workload::Innocent => innocent::run(pages, rounds),
    }
}
