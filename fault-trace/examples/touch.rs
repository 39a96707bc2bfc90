//! A workload with a known number of faults, to measure what tracing costs.
//!
//! `touch PAGES ROUNDS [THREADS | idle]` prints two numbers a round: ns per fault, while each thread
//! touches PAGES fresh pages, and ns per page, while it unmaps them. With `idle` no page is fresh, and
//! the numbers are ns per touch and ns per system call.

use std::{
    env, hint, num::NonZeroUsize, os::unix::process::parent_id, process::ExitCode, sync::Barrier,
    thread, time::Instant,
};

use fault_trace::host::touch::FreshPages;

enum Load {
    Threads(usize),
    Idle,
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some((pages, rounds, load)) = parse(&args) else {
        eprintln!("usage: touch PAGES ROUNDS [THREADS | idle]");
        return ExitCode::from(2);
    };
    match run(pages, rounds, &load) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("touch: cannot map {pages} pages: {error}; ask for fewer");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[String]) -> Option<(NonZeroUsize, usize, Load)> {
    let load = match args.get(2).map(String::as_str) {
        None => Load::Threads(1),
        Some("idle") => Load::Idle,
        Some(threads) => Load::Threads(threads.parse().ok().filter(|&threads| threads > 0)?),
    };
    Some((
        args.first()?.parse().ok()?,
        args.get(1)?.parse().ok()?,
        load,
    ))
}

fn run(pages: NonZeroUsize, rounds: usize, load: &Load) -> nix::Result<()> {
    match load {
        Load::Idle => idle(pages, rounds),
        Load::Threads(threads) => {
            for _ in 0..rounds {
                print(fresh(pages, *threads)?);
            }
            Ok(())
        }
    }
}

/// ns a page, for touching and for unmapping.
type Cost = (f64, f64);

fn print((touch_ns, other_ns): Cost) {
    println!("{touch_ns:.1} {other_ns:.1}");
}

/// One round in every thread at once: the mean of their costs.
fn fresh(pages: NonZeroUsize, threads: usize) -> nix::Result<Cost> {
    if threads == 1 {
        return touch_fresh(pages, &Barrier::new(1));
    }
    let barrier = Barrier::new(threads);
    let costs: Vec<nix::Result<Cost>> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| touch_fresh(pages, &barrier)))
            .collect();
        running
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    let mut sum = (0.0, 0.0);
    for cost in costs {
        let (touch_ns, unmap_ns) = cost?;
        sum = (sum.0 + touch_ns, sum.1 + unmap_ns);
    }
    Ok((sum.0 / threads as f64, sum.1 / threads as f64))
}

fn touch_fresh(pages: NonZeroUsize, barrier: &Barrier) -> nix::Result<Cost> {
    let memory = FreshPages::map(pages);
    // Every thread comes here, or the others would wait for ever.
    barrier.wait();
    let memory = memory?;
    let touch_ns = ns_per(pages, |page| memory.touch(page));
    let began = Instant::now();
    drop(memory);
    Ok((
        touch_ns,
        began.elapsed().as_nanos() as f64 / pages.get() as f64,
    ))
}

/// Touches what is there already, and makes system calls.
fn idle(pages: NonZeroUsize, rounds: usize) -> nix::Result<()> {
    let memory = FreshPages::map(pages)?;
    (0..pages.get()).for_each(|page| memory.touch(page));
    for _ in 0..rounds {
        let touch_ns = ns_per(pages, |page| memory.touch(page));
        let call_ns = ns_per(pages, |_| {
            hint::black_box(parent_id());
        });
        print((touch_ns, call_ns));
    }
    Ok(())
}

fn ns_per(pages: NonZeroUsize, mut work: impl FnMut(usize)) -> f64 {
    let began = Instant::now();
    (0..pages.get()).for_each(&mut work);
    began.elapsed().as_nanos() as f64 / pages.get() as f64
}
