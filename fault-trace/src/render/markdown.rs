//! The table of classes in Markdown.

use std::fmt::Write as _;

use super::{
    classes::by_count,
    units::{count, duration, share},
};
use crate::analysis::Report;

/// A Markdown table with a row a class, the most frequent first.
#[must_use]
pub fn classes(report: &Report) -> String {
    let mut out = String::from(
        "| class | count | share | inferred | major | time | mean | p50 | p99 | p99.9 | max |\n\
         |:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in by_count(report) {
        let tally = &row.tally;
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "| {} | {} | {} | {} | {} |",
            row.class.name(),
            count(tally.count),
            share(tally.count, report.total.count),
            count(tally.inferred),
            count(tally.major),
        );
        match tally.latency_ns {
            None => out += " - | - | - | - | - | - |",
            Some(ns) => {
                let mean = ns.mean.round() as u64;
                for value in [ns.sum, mean, ns.p50, ns.p99, ns.p999, ns.max] {
                    let _ = write!(out, " {} |", duration(value));
                }
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample::database;

    #[test]
    fn the_most_frequent_class_comes_first() {
        insta::assert_snapshot!(classes(&Report::new(&database())));
    }
}
