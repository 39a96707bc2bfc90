//! Faults to a view.

use criterion::{BenchmarkId, Criterion, Throughput};
use fault_trace::{
    analysis::{
        FaultFilter, Tables, View, ViewBuilder,
        view::{By, SortBy, ViewOptions},
    },
    model::{Fault, Run},
};

use lab::synthetic::{self, Shape};

const FAULTS: u64 = 200_000;

struct Recorded {
    run: Run,
    tables: Tables,
    faults: Vec<Fault>,
}

fn recorded(shape: Shape) -> Recorded {
    let mut tables = Tables::default();
    shape.rows().for_each(|row| tables.ingest(&row));
    let faults: Vec<Fault> = shape.faults().collect();
    let mut run = shape.run();
    faults
        .iter()
        .for_each(|fault| synthetic::count(&mut run, fault));
    Recorded {
        run,
        tables,
        faults,
    }
}

fn view(recorded: &Recorded, by: By) -> View {
    let options = ViewOptions {
        by,
        sort: SortBy::Count,
        limit: 20,
        filter: FaultFilter::default(),
    };
    let mut builder = ViewBuilder::new(options, &recorded.tables, &recorded.run);
    builder.faults(&recorded.faults);
    builder.finish()
}

/// Every view of the usual faults.
pub(crate) fn views(criterion: &mut Criterion) {
    let recorded = recorded(Shape::USUAL.with_faults(FAULTS));
    let mut group = criterion.benchmark_group("aggregate by");
    group.throughput(Throughput::Elements(FAULTS));
    for by in By::ALL {
        group.bench_function(by.name(), |bencher| bencher.iter(|| view(&recorded, by)));
    }
    group.finish();
}

/// The view that each number makes the most of, with more and more.
pub(crate) fn growth(criterion: &mut Criterion) {
    let usual = Shape::USUAL.with_faults(FAULTS);
    let faults = [10_000, 100_000, 1_000_000];
    grows(criterion, By::Class, "faults", faults, |faults| Shape {
        faults: faults.into(),
        ..usual
    });
    let processes = [100, 10_000, 100_000];
    grows(
        criterion,
        By::Process,
        "processes",
        processes,
        |processes| Shape {
            processes,
            mappings: processes,
            ..usual
        },
    );
    let mappings = [1_000, 100_000, 1_000_000];
    grows(criterion, By::Mapping, "mappings", mappings, |mappings| {
        Shape { mappings, ..usual }
    });
    let stacks = [1_000, 10_000, 100_000];
    grows(criterion, By::Stack, "stacks", stacks, |stacks| Shape {
        stacks,
        ..usual
    });
}

fn grows(
    criterion: &mut Criterion,
    by: By,
    of: &str,
    numbers: [u32; 3],
    shape: impl Fn(u32) -> Shape,
) {
    let mut group = criterion.benchmark_group(format!("aggregate by {}, by {of}", by.name()));
    for number in numbers {
        let shape = shape(number);
        let recorded = recorded(shape);
        group.throughput(Throughput::Elements(shape.faults));
        group.bench_function(BenchmarkId::from_parameter(number), |bencher| {
            bencher.iter(|| view(&recorded, by));
        });
    }
    group.finish();
}
