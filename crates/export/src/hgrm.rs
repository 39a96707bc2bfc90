//! HdrHistogram's text form of a distribution by percentile (`.hgrm`), which its plotter reads.
//!
//! Rows of value, percentile, faults up to it, and 1/(1-percentile); readers take rows of four numbers
//! and leave out what begins with `#`. Values are ns.

use std::{fmt::Write as _, io};

use fault_trace_common::histogram::BUCKETS;

use super::definition::{Definition, Files, Source};
use fault_trace_analysis::{Tally, latency};
use fault_trace_model::{ClassTotals, Field, Fields};

pub(super) static EXPORT: Definition = Definition {
    name: "hgrm",
    meaning: "Latencies by percentile, for HdrHistogram's plotter; with -o DIR/, also one file per class",
    has_stacks: false,
    has_names: false,
    write: |source, out| out.write_all(all(&tallies(source)?).as_bytes()),
    files: Some(files),
    compares: None,
};

/// What [`ClassTotals::add_fault`] looks at.
const FIELDS: Fields = Fields::of(&[
    Field::Class,
    Field::Confidence,
    Field::Evidence,
    Field::Latency,
    Field::Pages,
    Field::Phases,
]);

/// The totals of the classes that pass the filter: the kernel's, which are exact, or those of the
/// recorded faults where the filter asks for more than classes.
fn tallies(source: &Source<'_>) -> io::Result<Vec<ClassTotals>> {
    if let Some(mask) = source.filter.classes_alone() {
        let mut classes = source.run.totals.classes.clone();
        classes.retain(|totals| mask & totals.class.bit() != 0);
        return Ok(classes);
    }
    let mut classes: Vec<ClassTotals> = Vec::new();
    source.each(FIELDS, |fault| {
        let index = classes.binary_search_by_key(&fault.class, |totals| totals.class);
        let index = index.unwrap_or_else(|place| {
            classes.insert(place, ClassTotals::empty(fault.class));
            place
        });
        classes[index].add_fault(fault);
        Ok(())
    })?;
    Ok(classes)
}

/// The distribution of all classes together; empty without a known latency.
fn all(classes: &[ClassTotals]) -> String {
    hgrm(&Tally::new(classes)).unwrap_or_default()
}

/// `all.hgrm` and a file for each class that has latencies.
fn files(source: &Source<'_>) -> io::Result<Files> {
    let classes = tallies(source)?;
    let mut files = vec![("all.hgrm".to_owned(), all(&classes))];
    files.extend(classes.iter().filter_map(|totals| {
        let text = hgrm(&Tally::new([totals]))?;
        Some((format!("{}.hgrm", totals.class.name()), text))
    }));
    Ok(files)
}

/// Rows for each halving of the distance to 100 %, as HdrHistogram's own programs have them.
const TICKS_PER_HALF: u32 = 5;
/// Sub-buckets a power of two, as the kernel counts them.
const SUB_BUCKETS: usize = 16;

/// The latencies of `tally`, ending in a newline; `None` if none is known. A value lies in the same
/// bucket as the exact percentile; the mean and both ends are exact.
#[must_use]
fn hgrm(tally: &Tally) -> Option<String> {
    let latency = tally.latency_ns?;
    let (min, max) = (latency.min, latency.max);
    let histogram = latency::histogram(&tally.buckets, min, max).ok()?;
    let mut out = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let total = histogram.len();
    for quantile in levels(total).chain([1.0]) {
        let found = histogram.value_at_quantile(quantile);
        // The ends are known exactly.
        let value = match quantile {
            ..=0.0 => min,
            1.0.. => max,
            _ => found.clamp(min, max),
        };
        let up_to = match quantile {
            1.0.. => total,
            _ => histogram.count_between(0, found),
        };
        // Writing to a String cannot fail.
        let _ = write!(out, "{:>12.3} {quantile:>2.12} {up_to:>10}", value as f64);
        if quantile < 1.0 {
            let _ = write!(out, " {:>14.2}", 1.0 / (1.0 - quantile));
        }
        out.push('\n');
    }
    let deviation = histogram.stdev();
    let powers = BUCKETS / SUB_BUCKETS;
    let _ = writeln!(
        out,
        "#[Mean    = {:>12.3}, StdDeviation   = {deviation:>12.3}]\n\
         #[Max     = {:>12.3}, Total count    = {total:>12}]\n\
         #[Buckets = {powers:>12}, SubBuckets     = {SUB_BUCKETS:>12}]",
        latency.mean, max as f64
    );
    Some(out)
}

/// The quantiles of the rows but for the last, as far as `total` faults tell them apart: so many, evenly,
/// in each halving of the distance to 1.
fn levels(total: u64) -> impl Iterator<Item = f64> {
    let halvings = 0..64;
    let levels = halvings.flat_map(|halvings| {
        let distance = 0.5_f64.powi(halvings);
        let step = distance / 2.0 / f64::from(TICKS_PER_HALF);
        // As they are printed, so that what reads like 0.9 is 0.9.
        (0..TICKS_PER_HALF)
            .map(move |tick| ((1.0 - distance + step * f64::from(tick)) * 1e12).round() / 1e12)
    });
    levels.take_while(move |&quantile| {
        quantile == 0.0 || (quantile * total as f64).ceil() < total as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_analysis::Report;
    use fault_trace_model::sample::database;

    /// The points (1/(1-percentile), value) as HdrHistogram's plotter reads them: rows of four fields
    /// of which the first and the last are numbers.
    fn plotted(text: &str) -> Vec<(f64, f64)> {
        let point = |line: &str| {
            let line = line.trim();
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [value, _, _, inverse] = fields.as_slice() else {
                return None;
            };
            let is_row = !line.starts_with('#');
            is_row.then_some((inverse.parse().ok()?, value.parse().ok()?))
        };
        text.lines().filter_map(point).collect()
    }

    #[test]
    fn the_plotter_finds_the_reports_percentiles() {
        let report = Report::new(&database());
        for row in &report.classes {
            let Some(latency) = row.tally.latency_ns else {
                assert_eq!(hgrm(&row.tally), None);
                continue;
            };
            let text = hgrm(&row.tally).expect("latencies are known");
            let points = plotted(&text);
            assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
            let at = |inverse: f64| {
                let point = points.iter().find(|point| point.0 == inverse);
                point.map(|point| point.1)
            };
            assert_eq!(at(1.0), Some(latency.min as f64), "{text}");
            if row.tally.count > 10 {
                assert_eq!(at(2.0), Some(latency.p50 as f64), "{text}");
                assert_eq!(at(10.0), Some(latency.p90 as f64), "{text}");
            }
        }
    }

    #[test]
    fn the_rows_are_aligned() {
        let report = Report::new(&database());
        let swap = report.classes.last().expect("there are classes");
        assert_eq!(hgrm(&swap.tally), None, "without a latency");
        insta::assert_snapshot!(hgrm(&report.classes[1].tally).expect("latencies are known"));
    }
}
