//! The accounting in words: short when all is well, explicit about everything else.

use textwrap::Options;

use super::{
    calibration::signed,
    processes,
    sanitize::sanitize,
    style::{Paint, Style, SummaryOptions},
    units::{self, count, counted},
};
use fault_trace_analysis::Report;
use fault_trace_model::{gup::GupBy, run::KernelSource};

/// What the labels take: indent, the longest label, a gap.
const LABEL_WIDTH: usize = 15;

/// Lines of a label and a text.
struct Block {
    width: usize,
    style: Style,
    out: String,
}

impl Block {
    fn line(&mut self, paint: Paint, label: &str, text: &str) {
        let room = self.width.saturating_sub(LABEL_WIDTH);
        let hanging = if text.starts_with("- ") { "  " } else { "" };
        let options = Options::new(room).subsequent_indent(hanging);
        for (index, line) in textwrap::wrap(text, options).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let label = format!("  {label:<width$}", width = LABEL_WIDTH - 2);
            let label_paint = if paint == Paint::Plain {
                Paint::Dim
            } else {
                paint
            };
            self.out += &self.style.paint(label_paint, &label);
            self.out += line;
            self.out.push('\n');
        }
    }
}

/// The block of accounting lines, each ending in a newline.
#[must_use]
pub fn accounting(report: &Report, options: SummaryOptions) -> String {
    let mut block = Block {
        width: options.width,
        style: options.style,
        out: String::new(),
    };
    faults(&mut block, report);
    balance(&mut block, report);
    kernel(&mut block, report);
    events(&mut block, report);
    for loss in &report.losses {
        block.line(Paint::Warn, "lost", &lost(loss.count, loss.meaning));
    }
    for damaged in &report.damaged {
        block.line(
            Paint::Warn,
            "lost",
            &sanitize(damaged.to_string().as_bytes()),
        );
    }
    for note in &report.notes {
        block.line(Paint::Warn, "note", &sanitize(note.as_bytes()));
    }
    if options.live {
        block.line(Paint::Plain, "so far", "the run goes on");
    } else if !report.complete {
        let text = "not all of the run was written: the notes say what is missing";
        block.line(Paint::Bad, "incomplete", text);
    }
    block.out
}

fn faults(block: &mut Block, report: &Report) {
    let total = &report.total;
    if total.count == 0 {
        let text = match report.accounting.left_out {
            0 => "none",
            _ => "none passed the filters",
        };
        block.line(Paint::Plain, "faults", text);
        return;
    }
    let processes = match processes::with_faults(report).as_slice() {
        [] => String::new(),
        [only] => format!(" in {} ({})", sanitize(&only.comm), only.pid),
        many => format!(" in {}", counted(many.len() as u64, "process", "processes")),
    };
    let seconds = report.duration_ns as f64 / 1e9;
    let rate = if seconds > 0.0 {
        format!(
            "; {} a second",
            count((total.count as f64 / seconds).round() as u64)
        )
    } else {
        String::new()
    };
    let text = format!(
        "{}{processes}{rate}; {} major",
        count(total.count),
        count(total.major)
    );
    block.line(Paint::Plain, "faults", &text);
    block.line(Paint::Plain, "fault time", &fault_time(report));
    if let Some(estimate) = &report.estimate {
        let text = format!(
            "{} for the whole faults without the tracer (raw, START to END: {}): {} a fault, by the \
             calibration below",
            units::duration(estimate.whole_ns),
            units::duration(estimate.raw_ns),
            signed(estimate.correction_ns.median),
        );
        block.line(Paint::Plain, "estimate", &text);
    }
}

/// The CPU's part of the latencies against the CPU time, and the waiting apart from it.
fn fault_time(report: &Report) -> String {
    let time = units::duration(report.total.time_ns());
    let cost = &report.cost;
    let Some(on_cpu_ns) = cost.on_cpu_ns else {
        return format!("{time} over all threads, waiting included");
    };
    let mut text = format!(
        "{time} over all threads: {} on the CPU",
        units::duration(on_cpu_ns)
    );
    if let Some(cpu_ns) = cost.cpu_ns.filter(|&ns| ns > 0) {
        let cpu_time = units::duration(cpu_ns);
        text += &match on_cpu_ns <= cpu_ns {
            true => format!(
                ", {} of {cpu_time} CPU time",
                units::share(on_cpu_ns, cpu_ns)
            ),
            // What a hypervisor or an interrupt took meanwhile is not the thread's CPU time.
            false => format!(", of {cpu_time} CPU time"),
        };
    }
    let apart = [
        (cost.waiting_ns, "waiting"),
        (cost.reclaiming_ns, "in reclaim and compaction"),
    ];
    for (ns, what) in apart {
        if let Some(ns) = ns.filter(|&ns| ns > 0) {
            text += &format!("; {} {what}", units::duration(ns));
        }
    }
    text
}

/// started = ended + failed + open, and whether that holds.
fn balance(block: &mut Block, report: &Report) {
    let accounting = &report.accounting;
    let mut text = format!(
        "{} = {} ended + {} failed + {} open",
        count(accounting.started),
        count(accounting.ended),
        count(accounting.failed),
        count(accounting.open),
    );
    if report.options.records_faults {
        let all = accounting.recorded == accounting.ended + accounting.failed;
        text += &match accounting.recorded {
            _ if all && report.complete => "; all recorded".to_owned(),
            recorded => format!("; {} recorded", count(recorded)),
        };
    }
    block.line(Paint::Plain, "started", &text);
    if !accounting.adds_up && report.complete {
        let text = format!(
            "the counts contradict one another ({} classified, {} recorded, {} dropped, {} filtered): this is a bug in fault-trace, please report it",
            count(report.total.count),
            count(accounting.recorded),
            count(accounting.dropped),
            count(accounting.filtered),
        );
        block.line(Paint::Bad, "mismatch", &text);
    }
}

/// The kernel's own counters = ended + without exception + unexplained.
fn kernel(block: &mut Block, report: &Report) {
    let accounting = &report.accounting;
    let (Some(kernel), Some(unexplained)) = (accounting.kernel, accounting.unexplained) else {
        if report.complete {
            let text = "its own counters could not be read: nothing to reconcile the counts with";
            block.line(Paint::Warn, "kernel", text);
        }
        return;
    };
    let source = match kernel.source {
        KernelSource::Rusage => "wait4",
        KernelSource::Proc => "/proc/PID/stat",
        KernelSource::Vmstat => "/proc/vmstat",
    };
    let size = count(unexplained.unsigned_abs());
    let sign = if unexplained < 0 { '-' } else { '+' };
    let text = format!(
        "{} = {} ended + {} without exception {sign} {size} unexplained ({source})",
        count(kernel.counts.minor.saturating_add(kernel.counts.major)),
        count(accounting.ended),
        count(accounting.gup),
    );
    block.line(Paint::Plain, "kernel", &text);
    if accounting.gup > 0 {
        let text = without_exception(&accounting.gup_by, report.host.page_size_bytes);
        block.line(Paint::Plain, "no exception", &text);
    }
    if unexplained == 0 {
        return;
    }
    let what = match sign {
        '+' => "counted by the kernel and not seen here",
        _ => "seen here and not counted by the kernel",
    };
    block.line(
        Paint::Warn,
        "unexplained",
        &format!("{size} {what}. Possible causes:"),
    );
    for cause in &accounting.causes {
        let faults = cause.faults().map_or_else(
            || cause.meaning().to_owned(),
            |faults| lost(faults, cause.meaning()),
        );
        block.line(Paint::Warn, "", &format!("- {faults}"));
    }
}

/// What the faults without an exception did.
fn without_exception(by: &GupBy, page_bytes: u64) -> String {
    let new = |pages: u64| match pages {
        0 => String::new(),
        pages => format!(" ({} new)", units::bytes(pages.saturating_mul(page_bytes))),
    };
    let parts = [
        (by.zeroed, "zeroed", new(by.zeroed_pages)),
        (by.copied, "copied", new(by.copied)),
        (by.file, "of files", String::new()),
        (by.shared, "of shared memory", new(by.shared_pages)),
        (by.other, "mapped only", String::new()),
    ];
    let parts = parts.into_iter().filter(|(number, ..)| *number > 0);
    let parts: Vec<String> = parts
        .map(|(number, what, new)| format!("{} {what}{new}", count(number)))
        .collect();
    let major = match by.major {
        0 => String::new(),
        major => format!("; {} major", count(major)),
    };
    format!(
        "populate, mlock, exec, O_DIRECT, ptrace, …: {}{major}",
        parts.join(", ")
    )
}

/// So many of what `meaning` begins with, in the plural; the word `lost` stands before the line.
fn lost(number: u64, meaning: &str) -> String {
    /// The words that meanings begin with.
    const WORDS: [(&str, &str); 13] = [
        ("faults", "fault"),
        ("threads", "thread"),
        ("thread names", "thread name"),
        ("children", "child"),
        ("ends", "end"),
        ("latencies", "latency"),
        ("process ids", "process id"),
        ("stacks", "stack"),
        ("sleeps", "sleep"),
        ("records", "record"),
        ("mapping records", "mapping record"),
        ("mapping changes", "mapping change"),
        ("places in code", "place in code"),
    ];
    let words = WORDS.iter().filter(|(many, _)| meaning.starts_with(many));
    let Some((many, one)) = words.max_by_key(|(many, _)| many.len()) else {
        return format!("{} {meaning}", count(number));
    };
    let rest = &meaning[many.len()..];
    let rest = rest.strip_prefix(" lost").unwrap_or(rest);
    format!("{}{rest}", counted(number, one, many))
}

/// What is missing among the recorded events.
fn events(block: &mut Block, report: &Report) {
    let accounting = &report.accounting;
    if accounting.open > 0 {
        let faults = counted(accounting.open, "fault", "faults");
        block.line(
            Paint::Plain,
            "open",
            &format!("{faults} had not ended when tracing stopped"),
        );
    }
    if accounting.dropped > 0 {
        let text = format!(
            "{} ({}) not recorded: the ring buffer was full. Counts and latencies here are exact; lists of single faults are not. Thin them on purpose with --sample or --min-latency",
            counted(accounting.dropped, "fault", "faults"),
            units::share(
                accounting.dropped,
                accounting.ended.saturating_add(accounting.failed)
            ),
        );
        block.line(Paint::Bad, "dropped", &text);
    }
    let closed = accounting.ended.saturating_add(accounting.failed);
    if accounting.left_out > 0 {
        let text = format!(
            "{} ({}) left out by {}: they are in no table here",
            counted(accounting.left_out, "fault", "faults"),
            units::share(accounting.left_out, closed),
            filters(report),
        );
        block.line(Paint::Plain, "filtered", &text);
    } else if !report.options.filters.is_empty() {
        block.line(Paint::Plain, "filter", &filters(report));
    }
    let thinned = accounting.filtered.saturating_sub(accounting.left_out);
    if thinned > 0 {
        let text = format!(
            "{} ({}) not recorded on request: {}. Counts and latencies here include them",
            counted(thinned, "fault", "faults"),
            units::share(thinned, closed),
            thinning(report),
        );
        block.line(Paint::Plain, "thinned", &text);
    }
}

/// Filters as given on the command line.
fn filters(report: &Report) -> String {
    let filters = report.options.filters.iter();
    let filters: Vec<_> = filters.map(|filter| sanitize(filter.as_bytes())).collect();
    filters.join(" ")
}

/// How events were thinned.
fn thinning(report: &Report) -> String {
    let options = &report.options;
    let mut words = Vec::new();
    if options.sample > 1 {
        words.push(format!("all but 1 in {}", count(options.sample.into())));
    }
    if options.min_latency_ns > 0 {
        words.push(format!(
            "faster than {}",
            units::duration(options.min_latency_ns)
        ));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use fault_trace_common::Counter;

    use super::lost;

    #[test]
    fn a_loss_is_said_once_and_in_the_right_number() {
        assert_eq!(lost(3, "thread names lost: full"), "3 thread names: full");
        assert_eq!(lost(1, "faults not traced"), "1 fault not traced");
        assert_eq!(lost(1_200, "faults not traced"), "1,200 faults not traced");
        assert_eq!(lost(1, "latencies set to 0"), "1 latency set to 0");
    }

    #[test]
    fn every_counters_meaning_has_a_singular() {
        for counter in Counter::ALL {
            let (one, many) = (lost(1, counter.meaning()), lost(2, counter.meaning()));
            assert_ne!(one[2..], many[2..], "{one}");
        }
    }
}
