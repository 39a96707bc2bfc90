//! Each thread touches PAGES fresh anonymous pages: ns per fault, and ns per page to unmap them.

use std::{io, num::NonZeroUsize, sync::Barrier, thread, time::Instant};

use fault_trace::host::touch::FreshPages;

use super::{
    clock::{ns_per, ns_since},
    rounds::Rounds,
};

pub(crate) fn run(pages: NonZeroUsize, rounds: Rounds, threads: usize) -> io::Result<()> {
    rounds.print(|| round(pages, threads))
}

/// In every thread at once: the mean of their costs.
fn round(pages: NonZeroUsize, threads: usize) -> io::Result<[f64; 2]> {
    if threads == 1 {
        return touch_fresh(pages, &Barrier::new(1));
    }
    let barrier = Barrier::new(threads);
    let costs: Vec<io::Result<[f64; 2]>> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| touch_fresh(pages, &barrier)))
            .collect();
        running
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    let mut sum = [0.0; 2];
    for cost in costs {
        let [touch_ns, unmap_ns] = cost?;
        sum = [sum[0] + touch_ns, sum[1] + unmap_ns];
    }
    Ok(sum.map(|ns| ns / threads as f64))
}

fn touch_fresh(pages: NonZeroUsize, barrier: &Barrier) -> io::Result<[f64; 2]> {
    let memory = FreshPages::map(pages);
    // Every thread comes here, or the others would wait for ever.
    barrier.wait();
    let memory = memory?;
    let touch_ns = ns_per(pages.get(), |page| memory.touch(page));
    let began = Instant::now();
    drop(memory);
    Ok([touch_ns, ns_since(began) / pages.get() as f64])
}
