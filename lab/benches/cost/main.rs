//! What a fault costs in user space, and how that grows: `cargo bench -p lab --bench cost [FILTER]`.

mod aggregate;
mod decode;
mod pipeline;
mod spaces;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group! {
    name = cost;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = decode::decode, decode::classify, spaces::lookup, spaces::history, spaces::insert,
        aggregate::views, aggregate::growth, pipeline::pipeline
}
criterion_main!(cost);
