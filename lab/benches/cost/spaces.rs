//! Which mapping an address lies in, with few mappings and with many.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion};
use fastrand::Rng;
use fault_trace::model::{
    address_space::AddressSpace,
    mapping::{Kind, Mapping, Protection},
};

const MAPPING_BYTES: u64 = 1 << 16;

/// The number of mappings of a process; a million is what the kernel can be allowed.
const MAPPINGS: [u64; 4] = [100, 10_000, 100_000, 1_000_000];

fn mapping(number: u64) -> Mapping {
    Mapping {
        start: (number + 1) * MAPPING_BYTES,
        end: (number + 2) * MAPPING_BYTES,
        offset_bytes: 0,
        protection: Protection::from_bits(3),
        shared: false,
        kind: Kind::Anonymous,
    }
}

/// A process that has had so many mappings all the time, known since 1 ns.
fn space(mappings: u64) -> AddressSpace {
    let mut space = AddressSpace::default();
    space.resync(1, (0..mappings).map(mapping).collect());
    space.forget_before(1);
    space
}

pub(crate) fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("address-space lookup, by mappings");
    for mappings in MAPPINGS {
        let space = space(mappings);
        let mut random = Rng::with_seed(7);
        group.bench_function(BenchmarkId::from_parameter(mappings), |bencher| {
            bencher.iter(|| {
                let address = random.u64(MAPPING_BYTES..(mappings + 1) * MAPPING_BYTES);
                black_box(space.lookup(black_box(address), 2).is_some())
            });
        });
    }
    group.finish();
}

/// A look-up that comes late: so many changes have been made since.
pub(crate) fn history(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("address-space lookup, by changes since");
    for changes in [0, 10, 100, 1_000] {
        let mut space = space(10_000);
        for change in 0..changes {
            space.insert(10 + change, mapping(change % 10_000));
        }
        let mut random = Rng::with_seed(7);
        group.bench_function(BenchmarkId::from_parameter(changes), |bencher| {
            bencher.iter(|| {
                let address = random.u64(MAPPING_BYTES..10_000 * MAPPING_BYTES);
                black_box(space.lookup(black_box(address), 5).is_some())
            });
        });
    }
    group.finish();
}

pub(crate) fn insert(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("address-space insert, by mappings");
    for mappings in MAPPINGS {
        let mut space = space(mappings);
        let mut random = Rng::with_seed(7);
        let mut time_ns = 10;
        group.bench_function(BenchmarkId::from_parameter(mappings), |bencher| {
            bencher.iter_batched(
                || mapping(random.u64(0..mappings)),
                |mapping| {
                    time_ns += 1;
                    space.insert(time_ns, mapping);
                    space.forget_before(time_ns);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}
