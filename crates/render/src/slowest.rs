//! The slowest faults, a block each.

use fault_trace_common::phase::Phase;

use super::{
    SummaryOptions,
    csv::{Cells, CsvError, cells, or_empty, text, titles, write},
    headline,
    markdown::escape,
    sanitize::sanitize,
    style::Paint,
    table::cut,
    units::{self, count, counted, duration},
};
use fault_trace_analysis::{
    Report, SlowFault,
    slowest::{NEAR_NS, Neighbour},
    view::{FrameRow, Name},
};

/// As in the summary.
const WIDEST: usize = 160;
const NARROWEST: usize = 60;
/// Frames of a stack that are shown.
const DEEPEST: usize = 12;

/// The faults as text, ending in a newline: what each was, where, what led to it and what its thread
/// did around it.
#[must_use]
pub fn slowest(report: &Report, slowest: &[SlowFault], options: SummaryOptions) -> String {
    let width = options.width.clamp(NARROWEST, WIDEST);
    let mut out = headline::headline(report, options.style);
    let mut lines: Vec<(Paint, String)> = coverage(report, slowest.len());
    for (rank, fault) in (1..).zip(slowest) {
        lines.push((Paint::Plain, String::new()));
        lines.extend(block(rank, fault));
    }
    for (paint, line) in lines {
        out += &options.style.paint(paint, &cut(&line, width));
        out.push('\n');
    }
    out
}

/// Of how many they are the slowest, and whether there may be slower ones.
fn coverage(report: &Report, shown: usize) -> Vec<(Paint, String)> {
    let accounting = &report.accounting;
    let mut lines = vec![(
        Paint::Plain,
        format!(
            "  the {} of {} recorded",
            counted(shown as u64, "slowest fault", "slowest faults"),
            count(accounting.recorded)
        ),
    )];
    if report.options.sample > 1 || accounting.dropped > 0 {
        lines.push((
            Paint::Warn,
            "  not all faults were recorded: there may be slower ones, see max in the classes"
                .to_owned(),
        ));
    }
    for damaged in &report.damaged {
        let text = format!("  lost: {damaged}");
        lines.push((Paint::Warn, sanitize(text.as_bytes()).into_owned()));
    }
    for note in &report.notes {
        lines.push((Paint::Warn, format!("  {}", sanitize(note.as_bytes()))));
    }
    lines
}

fn block(rank: usize, fault: &SlowFault) -> Vec<(Paint, String)> {
    let comm = fault.comm.as_ref().map_or(&b"?"[..], |comm| &comm.0);
    let major = if fault.major { ", major" } else { "" };
    let mut lines = vec![
        (
            Paint::Strong,
            format!(
                "{rank:>4}  {}  {}{major}  {}/{}",
                units::duration_aligned(fault.latency_ns),
                fault.class.name(),
                sanitize(comm),
                thread(fault),
            ),
        ),
        (
            Paint::Plain,
            format!(
                "      {} after the start on CPU {}: {}-mode {} of {:#x}{}",
                duration(fault.from_start_ns),
                fault.cpu,
                fault.mode,
                fault.access,
                fault.address.0,
                place(fault)
            ),
        ),
    ];
    lines.extend(phases(fault).map(|phases| (Paint::Plain, format!("      {phases}"))));
    if let Some(function) = &fault.function {
        lines.push((Paint::Plain, format!("      by {}", frame(function))));
    }
    if let Some(stack) = &fault.stack {
        let callers = stack.iter().skip(1).take(DEEPEST - 1);
        lines.extend(callers.map(|caller| (Paint::Dim, format!("         ← {}", frame(caller)))));
        if stack.len() > DEEPEST {
            let more = counted((stack.len() - DEEPEST) as u64, "more frame", "more frames");
            lines.push((Paint::Dim, format!("         ← {more}")));
        }
    }
    lines.push((Paint::Dim, format!("      {}", around(fault))));
    lines
}

/// Where the time went, the longest phase first; `None` if all was the CPU's.
fn phases(fault: &SlowFault) -> Option<String> {
    let time = |phase: &Phase| fault.phases_ns[*phase as usize];
    let mut spent: Vec<Phase> = Phase::ALL.into_iter().filter(|one| time(one) > 0).collect();
    spent.sort_by_key(|phase| std::cmp::Reverse(time(phase)));
    if spent.iter().all(|phase| *phase == Phase::Cpu) {
        return None;
    }
    let phase = |phase: &Phase| {
        let (time_ns, name) = (time(phase), phase.name());
        let share = units::share(time_ns, fault.latency_ns);
        format!("{name} {} ({share})", duration(time_ns))
    };
    Some(spent.iter().map(phase).collect::<Vec<_>>().join(", "))
}

fn thread(fault: &SlowFault) -> String {
    if fault.pid == fault.tid {
        fault.pid.to_string()
    } else {
        format!("{} thread {}", fault.pid, fault.tid)
    }
}

fn place(fault: &SlowFault) -> String {
    match (&fault.mapping, fault.offset_bytes) {
        (Some(mapping), Some(offset)) => format!(", {}+{offset:#x}", sanitize(&mapping.0)),
        _ => String::new(),
    }
}

fn frame(frame: &FrameRow) -> String {
    let mut text = sanitize(frame.function.as_bytes()).into_owned();
    if !frame.module.0.is_empty() {
        text += &format!(" ({})", sanitize(&frame.module.0));
    }
    if let (Some(file), Some(line)) = (&frame.source_file, frame.source_line) {
        text += &format!(" {}:{line}", sanitize(file.as_bytes()));
    }
    text
}

/// What else the thread did.
fn around(fault: &SlowFault) -> String {
    let near = &fault.near;
    let mut text = format!(
        "the thread: {} within ±{}",
        counted(near.faults_within_10ms, "other fault", "other faults"),
        duration(NEAR_NS)
    );
    if near.latency_within_10ms_ns > 0 {
        text += &format!(" ({})", duration(near.latency_within_10ms_ns));
    }
    for (side, word) in [(&near.previous, "before"), (&near.next, "after")] {
        if let Some(Neighbour {
            distance_ns, class, ..
        }) = side
        {
            let (distance, class) = (duration(*distance_ns), class.name());
            text += &format!("; {class} {distance} {word}");
        }
    }
    text
}

const COLUMNS: &Cells<SlowFault> = &[
    ("time_ns", |fault| fault.time_ns.to_string()),
    ("from_start_ns", |fault| fault.from_start_ns.to_string()),
    ("latency_ns", |fault| fault.latency_ns.to_string()),
    ("pid", |fault| fault.pid.to_string()),
    ("tid", |fault| fault.tid.to_string()),
    ("comm", |fault| name(fault.comm.as_ref())),
    ("cpu", |fault| fault.cpu.to_string()),
    ("mode", |fault| fault.mode.to_owned()),
    ("access", |fault| fault.access.to_owned()),
    ("address", |fault| format!("{:#x}", fault.address.0)),
    ("class", |fault| fault.class.name().to_owned()),
    ("confidence", |fault| fault.confidence.name().to_owned()),
    ("major", |fault| fault.major.to_string()),
    ("mapping", |fault| name(fault.mapping.as_ref())),
    ("offset_bytes", |fault| or_empty(fault.offset_bytes)),
    ("function", |fault| {
        or_empty(fault.function.as_ref().map(function))
    }),
    ("stack", |fault| {
        let stack = fault.stack.as_deref().unwrap_or_default();
        stack.iter().map(function).collect::<Vec<_>>().join(";")
    }),
    ("faults_within_10ms", |fault| {
        fault.near.faults_within_10ms.to_string()
    }),
];

/// The titles of the columns and of the phases.
fn header() -> Vec<String> {
    let phases = Phase::ALL.map(|phase| format!("phase_{}_ns", phase.name()));
    titles(COLUMNS).map(str::to_owned).chain(phases).collect()
}

fn row(fault: &SlowFault) -> Vec<String> {
    let phases = fault.phases_ns.map(|ns| ns.to_string());
    cells(COLUMNS, Some(fault)).chain(phases).collect()
}

/// The faults as CSV; what is not known is an empty cell. Stacks are innermost first, with `;` between
/// functions.
///
/// # Errors
/// None that a fault can cause; the library's writer asks for it.
pub fn csv(slowest: &[SlowFault]) -> Result<Vec<u8>, CsvError> {
    let header = header();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    write(&header, slowest.iter().map(row))
}

/// The faults as a Markdown table.
#[must_use]
pub fn markdown(slowest: &[SlowFault]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let header = header();
    let rule = format!("|{}\n", " --- |".repeat(header.len()));
    let mut out = line(header) + &rule;
    for fault in slowest {
        out += &line(row(fault).iter().map(|cell| escape(cell)).collect());
    }
    out
}

fn name(name: Option<&Name>) -> String {
    name.map_or_else(String::new, |name| text(&name.0).into_owned())
}

fn function(frame: &FrameRow) -> String {
    text(frame.function.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_analysis::{FaultFilter, Tables, slowest::Worst};
    use fault_trace_model::{
        TaskChange, TaskEvent,
        attribution::{LocationRow, StackRow, SymbolRow},
        code::CodePlace,
        sample::{self, database},
    };

    /// Three faults of the same thread, one of them with a stack, in hostile names.
    fn faults() -> Vec<SlowFault> {
        let mut tables = Tables::default();
        let place = CodePlace::Unknown { address: 0x40_1136 };
        for id in [1, 2] {
            tables.location(LocationRow::new(id, 41, 0x40_1136, &place));
            tables.symbol(SymbolRow {
                location_id: id,
                depth: 0,
                function: ["copy_page\x1b[2J", "main|"][id as usize - 1].to_owned(),
                source_file: None,
                source_line: None,
                inlined: false,
                function_offset_bytes: None,
            });
            tables.stack(StackRow {
                stack_id: 1,
                depth: id as u16 - 1,
                location_id: id,
            });
        }
        tables.task(&TaskEvent {
            time_ns: 0,
            pid: 41,
            tid: 42,
            comm: b"post\ngres".to_vec(),
            change: TaskChange::Seen,
            cgroup_id: None,
        });
        let mut faults: Vec<_> = sample::faults()
            .into_iter()
            .take(2)
            .map(|(fault, ..)| fault)
            .collect();
        (faults[1].location_id, faults[1].stack_id) = (Some(1), Some(1));
        faults[1].phases_ns[Phase::Io as usize] = 90_000;
        faults[1].phases_ns[Phase::Preempted as usize] = 1_000;
        let mut worst = Worst::new(2, FaultFilter::default());
        faults.iter().for_each(|fault| worst.fault(fault));
        let mut surroundings = worst.surroundings();
        faults.iter().for_each(|fault| surroundings.fault(fault));
        surroundings.finish(&tables, 1_000_000_000)
    }

    #[test]
    fn each_has_a_block_with_its_stack_and_its_neighbours() {
        let options = SummaryOptions {
            width: 100,
            style: super::super::Style::default(),
            live: false,
        };
        insta::assert_snapshot!(slowest(&Report::new(&database()), &faults(), options));
    }

    #[test]
    fn as_csv_and_markdown_no_name_breaks_out_of_its_cell() {
        let csv = String::from_utf8(csv(&faults()).expect("writable")).expect("UTF-8");
        insta::assert_snapshot!(format!("{csv}\n{}", markdown(&faults())));
    }

    #[test]
    fn json_has_what_the_text_has() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&faults()).expect("serialises"));
    }
}
