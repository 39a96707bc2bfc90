//! What the faults cost of the run, in a sentence.

use super::{
    style::{Paint, Style},
    units::{duration, share},
};
use crate::analysis::Report;

/// A sentence in lines of at most `width` columns; nothing without a known latency.
pub(super) fn cost(report: &Report, width: usize, style: Style) -> String {
    let cost = &report.cost;
    let Some(threads) = cost.mean_threads_in_faults.filter(|&mean| mean > 0.0) else {
        return String::new();
    };
    let mut text = format!(
        "{} in faults, waiting included: ",
        duration(cost.latency_ns)
    );
    if let Some(cpu_ns) = cost.cpu_ns.filter(|&ns| ns > 0) {
        text += &format!(
            "{} of {} CPU time, ",
            share(cost.latency_ns, cpu_ns),
            duration(cpu_ns)
        );
    }
    text += &match threads {
        ..0.005 => "less than 0.01 threads at a time".to_owned(),
        _ => format!("{threads:.2} threads at a time"),
    };
    let wrap = textwrap::Options::new(width)
        .initial_indent("  ")
        .subsequent_indent("  ");
    textwrap::wrap(&text, wrap)
        .iter()
        .map(|line| style.paint(Paint::Dim, line) + "\n")
        .collect()
}
