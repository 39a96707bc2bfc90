//! The text summary that a run ends with.

use super::{
    accounting::accounting,
    calibration::calibration,
    classes,
    headline::headline,
    histogram::{Series, histogram},
    phases, processes,
    style::{Paint, Style, SummaryOptions},
};
use fault_trace_analysis::{Report, Scale, report::ClassRow};

/// How many classes get a histogram where there is room.
const HISTOGRAMS: usize = 3;
/// Text is no wider than this, however wide the terminal.
const WIDEST: usize = 160;
/// Narrower terminals get lines that wrap.
const NARROWEST: usize = 60;

/// The summary of a run, ending in a newline: what was traced, the accounting, the classes, their
/// latencies, the processes.
#[must_use]
pub fn summary(report: &Report, options: SummaryOptions) -> String {
    summary_scaled(report, Scale::Log, options)
}

/// [`summary`] with the latencies drawn to a scale, or not at all.
#[must_use]
pub fn summary_scaled(report: &Report, scale: Scale, options: SummaryOptions) -> String {
    let width = options.width.clamp(NARROWEST, WIDEST);
    let style = options.style;
    let options = SummaryOptions { width, ..options };
    let mut sections = vec![headline(report, style), accounting(report, options)];
    if report.total.count > 0 {
        sections.push(classes::table(report, width, style));
        sections.push(phases::table(report, width, style));
        if scale != Scale::None {
            sections.push(histograms(report, scale, width, style));
        }
    }
    sections.push(processes::table(report, width, style));
    if let Some(measured) = &report.calibration {
        sections.push(calibration(measured, width, style));
    }
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

fn histograms(report: &Report, scale: Scale, width: usize, style: Style) -> String {
    let mut rows: Vec<&ClassRow> = classes::by_count(report);
    rows.retain(|row| row.tally.latency_ns.is_some());
    let series: Vec<Series<'_>> = rows
        .into_iter()
        .take(HISTOGRAMS)
        .map(|row| Series {
            title: row.class.name(),
            buckets: &row.tally.buckets,
        })
        .collect();
    let drawn = histogram(&series, scale, width, style);
    if drawn.is_empty() {
        return drawn;
    }
    format!("{}\n{drawn}", style.paint(Paint::Strong, "Latency"))
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
