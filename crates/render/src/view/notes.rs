//! What has to be known to read a view rightly.

use fault_trace_common::Class;

use super::groups;
use crate::{
    SummaryOptions,
    sanitize::sanitize,
    style::Paint,
    units::{self, count, counted},
};
use fault_trace_analysis::{
    Report, View,
    resident::Bound,
    view::{Figures, SortBy},
};

/// Which faults these are, and which are missing.
pub(super) fn coverage(report: &Report, view: &View, options: SummaryOptions) -> String {
    let mut lines = vec![(Paint::Plain, selected(view))];
    if let Some(text) = unrecorded(report, view) {
        lines.push((Paint::Warn, text));
    }
    for damaged in &report.damaged {
        let text = format!("lost: {damaged}");
        lines.push((Paint::Warn, sanitize(text.as_bytes()).into_owned()));
    }
    for note in &report.notes {
        lines.push((Paint::Warn, sanitize(note.as_bytes()).into_owned()));
    }
    if view.ungrouped > 0 {
        let faults = counted(view.ungrouped, "fault", "faults");
        lines.push((
            Paint::Warn,
            format!("{faults} found no room in a group of their own: they are among the last row"),
        ));
    }
    if view.not_kept > 0 {
        let rows = count(view.not_kept);
        lines.push((
            Paint::Warn,
            format!(
                "{rows} mappings, functions and names found no room: they are shown as unknown"
            ),
        ));
    }
    paragraphs(&lines, options)
}

fn selected(view: &View) -> String {
    let faults = if view.faults == view.of {
        format!("all {} recorded faults", count(view.of))
    } else {
        format!(
            "{} of {} recorded faults",
            count(view.faults),
            count(view.of)
        )
    };
    let mut text = format!("{faults} by {}", view.by.name());
    text += match view.sort {
        SortBy::Count => ", most faults first",
        SortBy::Time => ", most time first",
        SortBy::P99 => ", highest p99 first",
        SortBy::Pages => ", most resident memory first",
        SortBy::Inclusive => ", most faults in the function and all it called first",
        SortBy::Start => "",
    };
    text += &format!("; {}", groups(view, view.groups));
    if !view.filters.is_empty() {
        text += &format!("; {}", sanitize(view.filters.join(" ").as_bytes()));
    }
    text
}

/// Faults of the run that were not recorded one by one.
fn unrecorded(report: &Report, view: &View) -> Option<String> {
    let accounting = &report.accounting;
    let all = accounting.ended.saturating_add(accounting.failed);
    if view.of >= all {
        return None;
    }
    let mut why = Vec::new();
    if report.options.sample > 1 {
        why.push(format!(
            "1 in {} was asked for",
            count(report.options.sample.into())
        ));
    }
    if report.options.min_latency_ns > 0 {
        let duration = units::duration(report.options.min_latency_ns);
        why.push(format!("none faster than {duration} was asked for"));
    }
    if accounting.dropped > 0 {
        why.push(format!("{} were dropped", count(accounting.dropped)));
    }
    if !report.options.filters.is_empty() {
        why.push(report.options.filters.join(", "));
    }
    let why = match why.as_slice() {
        [] => String::new(),
        why => format!(": {}", sanitize(why.join("; ").as_bytes())),
    };
    Some(format!(
        "these are {} of the run's {} faults{why}. The table of classes (report without --by) is exact",
        count(view.of),
        count(all),
    ))
}

/// What a sample stands for.
fn sampled(view: &View) -> Option<String> {
    let each = view.sampling?.faults_per_recorded;
    Some(format!(
        "≈ of the run's: each recorded fault stands for {each:.1} of the run, which counted all; ±: 95% of \
         such estimates are that near. Times, resident memory and shares are those of the recorded"
    ))
}

/// What the marks in the table mean.
pub(super) fn marks(report: &Report, view: &View, options: SummaryOptions) -> String {
    let mut lines = Vec::new();
    let mut dim = |text: String| lines.push((Paint::Dim, text));
    let shown: Vec<&Figures> = view
        .rows
        .iter()
        .map(|row| &row.figures)
        .chain([&view.total])
        .collect();
    let has = |bound| {
        shown
            .iter()
            .any(|figures| figures.resident.bound() == bound)
    };
    if let Some(text) = sampled(view) {
        dim(text);
    }
    match (has(Bound::AtMost), has(Bound::AtLeast)) {
        (true, true) => dim("resident: ≤ at most, ≥ at least, exact without a mark".to_owned()),
        (true, false) => dim("resident: ≤ at most, exact without a mark".to_owned()),
        (false, true) => dim("resident: ≥ at least, exact without a mark".to_owned()),
        (false, false) => {}
    }
    if view
        .total
        .classes
        .iter()
        .any(|(class, _)| *class == Class::Hugetlb)
    {
        dim("pages of hugetlbfs are not resident memory as the kernel counts it".to_owned());
    }
    if view.total.tally.untimed > 0 {
        let faults = counted(view.total.tally.untimed, "fault", "faults");
        dim(format!(
            "{faults} without a latency: the end was not seen in time"
        ));
    }
    if view.by.definition().has_inclusive && view.without_stack.is_some() {
        dim(
            "inclusive: faults of the function and of all it called, by the recorded stacks"
                .to_owned(),
        );
    }
    if let Some(faults) = view.without_stack.filter(|&faults| faults > 0) {
        dim(format!(
            "{} without a stack",
            counted(faults, "fault", "faults")
        ));
    }
    if let Some(faults) = view.truncated_stacks.filter(|&faults| faults > 0) {
        let remedy = match report.options.call_graph.as_deref() {
            Some("dwarf") => {
                "the copy of the stack or the tables for unwinding did not reach further"
            }
            _ => {
                "record with --call-graph dwarf, or build with frame pointers \
                 (-fno-omit-frame-pointer, -C force-frame-pointers)"
            }
        };
        let faults = counted(faults, "fault", "faults");
        dim(format!(
            "{faults} with a stack that looks truncated: {remedy}"
        ));
    }
    paragraphs(&lines, options)
}

fn paragraphs(lines: &[(Paint, String)], options: SummaryOptions) -> String {
    let mut out = String::new();
    for (paint, text) in lines {
        let wrap = textwrap::Options::new(options.width)
            .initial_indent("  ")
            .subsequent_indent("  ");
        for line in textwrap::wrap(text, wrap) {
            out += &options.style.paint(*paint, &line);
            out.push('\n');
        }
    }
    out
}
