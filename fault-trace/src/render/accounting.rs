//! The accounting in words: short when all is well, explicit about everything else.

use textwrap::Options;

use super::{
    sanitize::sanitize,
    style::{Paint, Style},
    summary::SummaryOptions,
    units::{self, count, counted},
};
use crate::{
    analysis::Report,
    model::{Accounting, run::KernelSource},
};

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
    kernel(&mut block, &report.accounting, report.complete);
    events(&mut block, report);
    for loss in &report.losses {
        let text = format!("{} {}", count(loss.count), loss.meaning);
        block.line(Paint::Warn, "lost", &text);
    }
    for note in &report.notes {
        block.line(Paint::Warn, "note", &sanitize(note.as_bytes()));
    }
    if options.live {
        block.line(Paint::Plain, "so far", "the run goes on");
    } else if !report.complete {
        let text = "the run was not stopped in order: everything here is as of its last write";
        block.line(Paint::Bad, "incomplete", text);
    }
    block.out
}

fn faults(block: &mut Block, report: &Report) {
    let total = &report.total;
    if total.count == 0 {
        block.line(Paint::Plain, "faults", "none");
        return;
    }
    let processes = match report.processes.as_slice() {
        [only] => format!("in {} ({})", sanitize(&only.comm), only.pid),
        many => format!("in {}", counted(many.len() as u64, "process", "processes")),
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
        "{} {processes}{rate}; {} major",
        count(total.count),
        count(total.major)
    );
    block.line(Paint::Plain, "faults", &text);
    let mut text = format!(
        "{} over all threads, {} of the run's {}",
        units::duration(total.time_ns()),
        units::share(total.time_ns(), report.duration_ns),
        units::duration(report.duration_ns),
    );
    if let Some(cpu_ns) = report.cost.cpu_ns.filter(|&ns| ns > 0) {
        text += &format!(
            "; with its waiting {} of {} CPU time",
            units::share(report.cost.latency_ns, cpu_ns),
            units::duration(cpu_ns)
        );
    }
    block.line(Paint::Plain, "fault time", &text);
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
            _ if all => "; all recorded".to_owned(),
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

/// The kernel's own counters = ended + gup + unexplained.
fn kernel(block: &mut Block, accounting: &Accounting, complete: bool) {
    let (Some(kernel), Some(unexplained)) = (accounting.kernel, accounting.unexplained) else {
        if complete {
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
        "{} = {} ended + {} gup {sign} {size} unexplained ({source})",
        count(kernel.counts.minor.saturating_add(kernel.counts.major)),
        count(accounting.ended),
        count(accounting.gup),
    );
    block.line(Paint::Plain, "kernel", &text);
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
        let faults = cause
            .faults()
            .map_or(String::new(), |faults| count(faults) + " ");
        block.line(Paint::Warn, "", &format!("- {faults}{}", cause.meaning()));
    }
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
    if accounting.filtered > 0 {
        // Thinned faults are in the totals; those of other kinds are not.
        let included = if report.options.filters.is_empty() {
            ". Counts and latencies here include them"
        } else {
            ""
        };
        let text = format!(
            "{} ({}) not recorded on request: {}{included}",
            counted(accounting.filtered, "fault", "faults"),
            units::share(
                accounting.filtered,
                accounting.ended.saturating_add(accounting.failed)
            ),
            requests(report),
        );
        block.line(Paint::Plain, "filtered", &text);
    } else if !report.options.filters.is_empty() {
        block.line(Paint::Plain, "filter", &requests(report));
    }
}

/// Filters as given on the command line, and how events were thinned.
fn requests(report: &Report) -> String {
    let options = &report.options;
    let mut words: Vec<String> = options
        .filters
        .iter()
        .map(|filter| sanitize(filter.as_bytes()).into_owned())
        .collect();
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
