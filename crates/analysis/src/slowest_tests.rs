//! The two passes against the slow, obvious way.

use proptest::prelude::*;

use super::*;
use fault_trace_filter::Values;

fn fault((time_ns, tid, latency_ns): (u64, u32, Option<u64>)) -> Fault {
    Fault {
        time_ns,
        latency_ns,
        address: time_ns * 4096,
        pid: 1,
        tid,
        ..Fault::BLANK
    }
}

/// With a pass ahead that finds the latencies alone, as over a recording.
fn slowest(faults: &[Fault], limit: usize) -> Vec<SlowFault> {
    let find = |filter: FaultFilter, fields: Fields| {
        let mut worst = Worst::new(limit, filter);
        faults
            .iter()
            .for_each(|fault| worst.fault(&fields.of_fault(fault)));
        worst
    };
    let least_ns = find(FaultFilter::default(), Worst::FIELDS).least_ns();
    let least_ns = Values::Within(least_ns.unwrap_or(0), u64::MAX);
    let filter = FaultFilter::default().and(Field::Latency, least_ns);
    let mut surroundings = find(filter, Fields::ALL).surroundings();
    for fault in faults {
        surroundings.fault(&Surroundings::FIELDS.of_fault(fault));
    }
    surroundings.finish(&Tables::default(), 0)
}

/// What the thread did around `slow`.
fn obvious(faults: &[Fault], slow: &SlowFault) -> (u64, Option<u64>, Option<u64>) {
    let others = || {
        faults
            .iter()
            .filter(|fault| fault.tid == slow.tid && fault.time_ns != slow.time_ns)
    };
    let near = others().filter(|fault| fault.time_ns.abs_diff(slow.time_ns) <= NEAR_NS);
    let before = others().filter(|fault| fault.time_ns < slow.time_ns);
    let after = others().filter(|fault| fault.time_ns > slow.time_ns);
    (
        near.count() as u64,
        before.map(|fault| slow.time_ns - fault.time_ns).min(),
        after.map(|fault| fault.time_ns - slow.time_ns).min(),
    )
}

proptest! {
    #[test]
    fn they_are_the_slowest_with_the_right_neighbours(
        // A thread is in one fault at a time: no two of its faults start together.
        faults in prop::collection::btree_map((0..60_u64, 0..3_u32), prop::option::of(0..1000_u64), 0..80),
        order in any::<prop::sample::Index>(),
        limit in 1..20_usize,
    ) {
        let mut faults: Vec<Fault> = faults
            .into_iter()
            .map(|((time, tid), latency)| fault((time * 1_500_000, tid, latency)))
            .collect();
        let start = order.index(faults.len().max(1)).min(faults.len());
        faults.rotate_left(start);
        let found = slowest(&faults, limit);
        let mut latencies: Vec<u64> = faults.iter().filter_map(|fault| fault.latency_ns).collect();
        latencies.sort_unstable_by(|a, b| b.cmp(a));
        latencies.truncate(limit);
        prop_assert_eq!(found.iter().map(|slow| slow.latency_ns).collect::<Vec<_>>(), latencies);
        for slow in &found {
            let near = &slow.near;
            let distance = |side: &Option<Neighbour>| side.as_ref().map(|side| side.distance_ns);
            let seen = (near.faults_within_10ms, distance(&near.previous), distance(&near.next));
            prop_assert_eq!(seen, obvious(&faults, slow));
        }
    }
}

#[test]
fn of_equally_slow_faults_the_earliest_come_first() {
    let faults = [30, 10, 20].map(|time_ns| fault((time_ns, 1, Some(5))));
    let times = |limit| -> Vec<u64> {
        let found = slowest(&faults, limit);
        found.iter().map(|slow| slow.time_ns).collect()
    };
    assert_eq!(times(9), [10, 20, 30]);
    assert_eq!(times(2), [10, 20]);
}

#[test]
fn a_filter_chooses_the_slow_ones_but_not_what_happened_around_them() {
    let filter = FaultFilter::default().and(Field::Latency, Values::Within(100, u64::MAX));
    let faults = [(10, 1, Some(5)), (20, 1, Some(500)), (30, 2, Some(7))].map(fault);
    let mut worst = Worst::new(9, filter);
    faults.iter().for_each(|fault| worst.fault(fault));
    let mut surroundings = worst.surroundings();
    faults.iter().for_each(|fault| surroundings.fault(fault));
    let found = surroundings.finish(&Tables::default(), 0);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].near.faults_within_10ms, 1);
    assert_eq!(found[0].near.latency_within_10ms_ns, 5);
}
