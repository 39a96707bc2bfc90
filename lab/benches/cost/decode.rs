//! From a record of the ring to a fault, and from evidence to a class.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use fault_trace::{model::Fault, pipeline::decode as decoder};
use fault_trace_common::{
    Hooks,
    classify::{self, Facts},
    wire::FaultRecord,
};

use lab::{synthetic::Shape, world::fault_record};

const FAULTS: u64 = 10_000;

fn faults() -> Vec<Fault> {
    Shape::USUAL.with_faults(FAULTS).faults().collect()
}

pub(crate) fn decode(criterion: &mut Criterion) {
    let records: Vec<FaultRecord> = faults().iter().map(fault_record).collect();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(FAULTS));
    group.bench_function("fault records", |bencher| {
        bencher.iter(|| {
            for record in &records {
                let _ = black_box(decoder::decode(black_box(bytemuck::bytes_of(record))));
            }
        });
    });
    group.finish();
}

pub(crate) fn classify(criterion: &mut Criterion) {
    let facts: Vec<Facts> = faults()
        .iter()
        .map(|fault| Facts {
            evidence: fault.evidence,
            error_code: fault.error_code,
            hooks: Hooks::ALL,
        })
        .collect();
    let mut group = criterion.benchmark_group("classify");
    group.throughput(Throughput::Elements(FAULTS));
    group.bench_function("faults", |bencher| {
        bencher.iter(|| {
            for facts in &facts {
                black_box(classify::classify(black_box(facts)));
            }
        });
    });
    group.finish();
}
