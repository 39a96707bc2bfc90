//! From the bytes of ten million faults to all that is known of them.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput};

use lab::{synthetic::Shape, world::World};

const FAULTS: u64 = 10_000_000;

pub(crate) fn pipeline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(FAULTS));
    group.sample_size(10);
    group.measurement_time(Duration::from_secs(1));
    let plain = Shape {
        stacks: 0,
        ..Shape::USUAL.with_faults(FAULTS)
    };
    let stacks = Shape::USUAL.with_faults(FAULTS);
    for (name, shape) in [("faults", plain), ("faults with stacks", stacks)] {
        let world = World::new(shape);
        group.bench_function(name, |bencher| bencher.iter(|| run(&world)));
        // What making the records takes of it.
        group.bench_function(format!("{name}: the source alone"), |bencher| {
            bencher.iter(|| world.make_records(FAULTS, |record| _ = black_box(record)));
        });
    }
    group.finish();
}

fn run(world: &World) {
    let mut faults = 0;
    world.run(FAULTS, |batch| {
        faults += batch.faults.len() as u64;
        black_box(batch);
    });
    assert_eq!(faults, FAULTS, "a fault was lost");
}
