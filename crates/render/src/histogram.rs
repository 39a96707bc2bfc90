//! Latency histograms in block characters.

use fault_trace_common::histogram::{BUCKETS, bucket_low, bucket_of};
use unicode_width::UnicodeWidthStr;

use fault_trace_analysis::Scale;
use fault_trace_model::totals::saturating_sum;

use super::{
    style::{Paint, Style},
    table::cut,
    units,
};

/// Rows of a histogram with a logarithmic axis at most.
const MAX_ROWS: usize = 24;
/// Up to this many rows are half a power of two high rather than a whole one.
const FINE_ROWS: usize = 12;
/// A linear axis splits the highest power of two into so many (as a power of two).
const LINEAR_POWER: u32 = 3;
/// What the labels take: indent, a duration, a gap.
const LABEL_WIDTH: usize = 2 + units::DURATION_WIDTH + 2;
/// A histogram is at least this wide; as many stand side by side as fit.
const SERIES_WIDTH: usize = 29;
/// The cumulative share and its gap; the gap before the next histogram.
const SHARE_WIDTH: usize = 7;
const GAP: usize = 3;
/// A longer bar says no more.
const LONGEST_BAR: usize = 48;
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// One distribution to draw.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    pub title: &'a str,
    /// Faults a latency bucket, see `fault_trace_common::histogram`.
    pub buckets: &'a [u64],
}

/// Draws distributions side by side over one latency axis: as many of `series`, from the first, as
/// `width` has room for, one at least. A row starts at its label and ends at the next; each has a
/// bar, the count and the cumulative share. A linear axis suits one distribution alone: there they
/// stand below each other. Its rows are equally high up to the 99th percentile; the last has everything
/// beyond. Empty without a single count.
#[must_use]
pub fn histogram(series: &[Series<'_>], scale: Scale, width: usize, style: Style) -> String {
    match scale {
        Scale::Log => draw(series, Axis::log(series), width, style),
        Scale::None => String::new(),
        Scale::Linear => {
            let drawn = series.iter().map(|one| {
                let one = std::slice::from_ref(one);
                draw(one, Axis::linear(one[0].buckets), width, style)
            });
            drawn
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join("\n")
        }
    }
}

fn draw(series: &[Series<'_>], axis: Option<Axis>, width: usize, style: Style) -> String {
    let room = width.saturating_sub(LABEL_WIDTH);
    let shown = series.len().min((room / SERIES_WIDTH).max(1));
    let series = &series[..shown];
    let Some(axis) = axis else {
        return String::new();
    };
    let columns: Vec<Vec<String>> = series
        .iter()
        .map(|series| column(series, &axis, room / shown, style))
        .collect();
    let mut out = String::new();
    for (row, label) in axis.labels().enumerate() {
        let label = format!("  {label:>width$}  ", width = units::DURATION_WIDTH);
        out += &style.paint(Paint::Dim, &label);
        let cells: String = columns.iter().map(|column| column[row].as_str()).collect();
        out += cells.trim_end();
        out.push('\n');
    }
    out
}

/// Which buckets a row has, without the empty ends.
struct Axis {
    /// The first bucket of each row, and the first beyond the last row.
    starts: Vec<usize>,
}

impl Axis {
    /// For all series together.
    fn log(series: &[Series<'_>]) -> Option<Self> {
        let ends = || series.iter().filter_map(|series| ends(series.buckets));
        let first = ends().map(|ends| ends.0).min()?;
        let last = ends().map(|ends| ends.1).max()?;
        let rows = |merge: usize| last / merge - first / merge + 1;
        // Buckets a row: 16 are a power of two.
        let mut merge = 8;
        if rows(merge) > FINE_ROWS {
            merge = 16;
            while rows(merge) > MAX_ROWS {
                merge *= 2;
            }
        }
        let starts = first / merge..=last / merge + 1;
        Some(Self {
            starts: starts.map(|row| row * merge).collect(),
        })
    }

    /// Eight rows for the power of two that holds the 99th percentile, so that rows end where buckets
    /// do, and rows of that height below it.
    fn linear(buckets: &[u64]) -> Option<Self> {
        let (first, last) = ends(buckets)?;
        let total = saturating_sum(buckets.iter().copied());
        let mut cumulative = 0;
        let p99 = buckets.iter().position(|count| {
            cumulative = u64::saturating_add(cumulative, *count);
            cumulative >= total - total / 100
        })?;
        let height = (bucket_low(p99).checked_ilog2())
            .map_or(1, |power| 1_u64 << power.saturating_sub(LINEAR_POWER));
        let rows = bucket_low(first) / height..=bucket_low(p99) / height + 1;
        let mut starts: Vec<usize> = rows.map(|row| bucket_of(row * height)).collect();
        starts.dedup();
        if starts.last().is_none_or(|&beyond| beyond <= last) {
            starts.push(BUCKETS);
        }
        Some(Self { starts })
    }

    /// The header, and the lowest latency of each row.
    fn labels(&self) -> impl Iterator<Item = String> {
        let lows = self.starts[..self.starts.len() - 1]
            .iter()
            .map(|&start| units::duration_aligned(bucket_low(start)));
        ["from".to_owned()].into_iter().chain(lows)
    }

    /// The count of each row.
    fn counts(&self, buckets: &[u64]) -> Vec<u64> {
        let rows = self.starts.windows(2);
        rows.map(|row| {
            let buckets = buckets.iter().skip(row[0]);
            saturating_sum(buckets.take(row[1] - row[0]).copied())
        })
        .collect()
    }
}

/// The first and the last bucket with a count.
fn ends(buckets: &[u64]) -> Option<(usize, usize)> {
    let first = buckets.iter().position(|&count| count > 0)?;
    let last = buckets.iter().rposition(|&count| count > 0)?;
    Some((first, last))
}

/// The header and the rows of one series, each `width` columns wide.
fn column(series: &Series<'_>, axis: &Axis, width: usize, style: Style) -> Vec<String> {
    let counts = axis.counts(series.buckets);
    let total = saturating_sum(counts.iter().copied());
    let peak = counts.iter().copied().max().unwrap_or(0);
    let number_width = units::count(peak).len().max("count".len());
    let bar_width = width
        .saturating_sub(1 + number_width + SHARE_WIDTH + GAP)
        .clamp(1, LONGEST_BAR);
    let padding = " ".repeat(width.saturating_sub(bar_width + 1 + number_width + SHARE_WIDTH));

    let title = cut(series.title, bar_width);
    let mut rows = vec![format!(
        "{}{} {}{padding}",
        style.paint(Paint::Strong, &title),
        " ".repeat(bar_width - title.width()),
        style.paint(
            Paint::Dim,
            &format!("{:>number_width$}{:>SHARE_WIDTH$}", "count", "cum.")
        ),
    )];
    let mut cumulative = 0;
    for count in counts {
        cumulative = u64::saturating_add(cumulative, count);
        let bar = bar(count, peak, bar_width);
        let beyond_the_ends = count == 0 && (cumulative == 0 || cumulative == total);
        let numbers = if beyond_the_ends {
            " ".repeat(number_width + SHARE_WIDTH)
        } else {
            format!(
                "{:>number_width$}{:>SHARE_WIDTH$}",
                units::count(count),
                units::share(cumulative, total)
            )
        };
        let space = " ".repeat(bar_width - bar.width() + 1);
        rows.push(style.paint(Paint::Bar, &bar) + &space + &numbers + &padding);
    }
    rows
}

/// A bar of at most `width` columns; what is not zero shows.
fn bar(count: u64, peak: u64, width: usize) -> String {
    if count == 0 {
        return String::new();
    }
    let eighths = (count as f64 / peak as f64 * (width * 8) as f64).round() as usize;
    let eighths = eighths.clamp(1, width * 8);
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[part]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_common::histogram::{BUCKETS, bucket_of};
    use proptest::prelude::*;

    fn buckets(values: &[(u64, u64)]) -> Vec<u64> {
        let mut buckets = vec![0; BUCKETS];
        for &(value, count) in values {
            buckets[bucket_of(value)] += count;
        }
        buckets
    }

    fn draw(values: &[(u64, u64)], scale: Scale, width: usize) -> String {
        let buckets = buckets(values);
        let series = Series {
            title: "all",
            buckets: &buckets,
        };
        histogram(&[series], scale, width, Style::default())
    }

    #[test]
    fn a_narrow_distribution_is_drawn_in_halves_of_powers_of_two() {
        insta::assert_snapshot!(draw(&[(600, 10), (800, 40), (1100, 5)], Scale::Log, 50));
    }

    #[test]
    fn no_faults_draw_nothing() {
        assert_eq!(draw(&[], Scale::Log, 80), "");
        assert_eq!(draw(&[], Scale::Linear, 80), "");
    }

    #[test]
    fn a_linear_axis_has_rows_of_one_height_and_a_last_one_for_the_rest() {
        let values = [(600, 10), (800, 70), (1_100, 50), (90_000, 1)];
        insta::assert_snapshot!(draw(&values, Scale::Linear, 50));
    }

    proptest! {
        #[test]
        fn it_fits_and_loses_no_count(
            values in prop::collection::vec((any::<u64>(), 1..1_000_000_u64), 1..50),
            width in 60..200_usize,
        ) {
            let buckets = buckets(&values);
            let series = Series { title: "all", buckets: &buckets };
            for (axis, scale) in [
                (Axis::log(&[series]), Scale::Log),
                (Axis::linear(&buckets), Scale::Linear),
            ] {
                let axis = axis.expect("there are values");
                let drawn: u64 = axis.counts(&buckets).iter().sum();
                prop_assert_eq!(drawn, values.iter().map(|value| value.1).sum::<u64>());
                let text = draw(&values, scale, width);
                prop_assert!(text.lines().count() <= MAX_ROWS + 1);
                prop_assert!(text.lines().all(|line| line.width() <= width));
            }
        }

        #[test]
        fn rows_of_a_linear_axis_are_equally_high(
            values in prop::collection::vec((0..1_u64 << 39, 1..1_000_u64), 1..50),
        ) {
            let axis = Axis::linear(&buckets(&values)).expect("there are values");
            let lows: Vec<u64> = axis.starts.iter().map(|&start| bucket_low(start)).collect();
            let equal = lows.len() - usize::from(axis.starts.last() == Some(&BUCKETS));
            let heights: Vec<u64> = lows[..equal].windows(2).map(|row| row[1] - row[0]).collect();
            prop_assert!(heights.windows(2).all(|two| two[0] == two[1]), "{:?}", lows);
        }
    }
}
