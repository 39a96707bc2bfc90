//! One line a fault, for `trace`.

use std::fmt::Write as _;

use fault_trace_common::Confidence;
use unicode_width::UnicodeWidthStr;

use super::{
    sanitize::sanitize,
    style::{Paint, Style},
    units,
};
use crate::{
    analysis::{Tables, tables::mapping_name},
    model::Fault,
};

/// `comm/tid`: a name of 15 bytes and a thread id of 6 digits.
const TASK_WIDTH: usize = 22;
/// The longest class's name.
const CLASS_WIDTH: usize = 19;
const ADDRESS_WIDTH: usize = 18;

/// How a line looks.
#[derive(Clone, Copy, Debug)]
pub struct LineOptions {
    /// The moment that counts as 0, ns of CLOCK_MONOTONIC.
    pub base_ns: u64,
    /// Whether the faulting instruction is shown.
    pub ip: bool,
    pub style: Style,
}

/// The header that belongs above [`line`]s.
#[must_use]
pub fn line_header(options: LineOptions) -> String {
    let mut header = format!(
        "{:>13}  {:<TASK_WIDTH$}  {:<CLASS_WIDTH$}  {:<6}  kM~  {:>7}  {:<ADDRESS_WIDTH$}",
        "time", "comm/tid", "class", "access", "latency", "address"
    );
    if options.ip {
        header += "  ip";
    }
    options.style.paint(Paint::Dim, header.trim_end())
}

/// One fault, without a newline: seconds since the base, thread, class, access, flags (`k` in kernel
/// mode, `M` major, `~` inferred), latency, address and instruction.
#[must_use]
pub fn line(fault: &Fault, comm: &[u8], options: LineOptions) -> String {
    let style = options.style;
    let time_us = fault.time_ns.saturating_sub(options.base_ns) / 1000;
    let task = format!("{}/{}", sanitize(comm), fault.tid);
    let class = format!("{:<CLASS_WIDTH$}", fault.class.name());
    let latency = match fault.latency_ns {
        Some(ns) => units::duration_aligned(ns),
        None => "unknown".to_owned(),
    };
    let mut line = format!(
        "{:>6}.{:06}  {task}",
        time_us / 1_000_000,
        time_us % 1_000_000
    );
    // Writing to a String cannot fail.
    let _ = write!(
        line,
        "{:space$}  {}  {:<6}  {}  {latency:>7}  {:<#ADDRESS_WIDTH$x}",
        "",
        style.paint(Paint::Strong, &class),
        fault.access().name(),
        flags(fault),
        fault.address,
        space = TASK_WIDTH.saturating_sub(task.width()),
    );
    if options.ip {
        let _ = match fault.ip {
            0 => write!(line, "  unknown"),
            ip => write!(line, "  {ip:#x}"),
        };
    }
    line.truncate(line.trim_end().len());
    line
}

/// Where the fault was taken, to stand behind a [`line`]: `libc.so.6+0x1234  malloc (libc.so.6)`, `-` for
/// what is not known.
#[must_use]
pub fn place(fault: &Fault, tables: &Tables) -> String {
    let mapping = fault.mapping_id.and_then(|id| tables.mapping_of(id));
    let known = |id: &u32| tables.location_of(*id).is_some();
    let frame = fault.location_id.filter(known);
    let mapping = mapping.map_or_else(
        || "-".to_owned(),
        |row| {
            let name = mapping_name(row);
            let last = name.rsplit(|&byte| byte == b'/').next();
            let name = sanitize(last.unwrap_or_default());
            format!("{name}+{:#x}", row.offset_of(fault.address))
        },
    );
    let Some(frame) = frame.map(|id| tables.innermost(id)) else {
        return format!("{mapping}  -");
    };
    let name = frame.name();
    let function = sanitize(name.as_bytes());
    match frame.function {
        Some(_) if !frame.module.is_empty() => {
            let module = sanitize(frame.module_name()).into_owned();
            format!("{mapping}  {function} ({module})")
        }
        _ => format!("{mapping}  {function}"),
    }
}

fn flags(fault: &Fault) -> String {
    [
        ('k', fault.mode() == "kernel"),
        ('M', fault.is_major()),
        ('~', fault.confidence == Confidence::Inferred),
    ]
    .into_iter()
    .map(|(flag, is_set)| if is_set { flag } else { '-' })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::jsonl::sample;

    fn shown(ip: bool) -> String {
        let options = LineOptions {
            base_ns: 1_000_000_000,
            ip,
            style: Style::default(),
        };
        let mut lines = vec![line_header(options)];
        for (fault, comm) in sample() {
            lines.push(line(&fault, comm.unwrap_or(b"?"), options));
        }
        lines.join("\n")
    }

    #[test]
    fn lines_stand_below_their_header() {
        insta::assert_snapshot!(shown(true));
    }

    #[test]
    fn a_place_is_a_mapping_with_an_offset_and_a_function() {
        use crate::analysis::view::tests as made_up;
        let tables = made_up::tables();
        let places: Vec<String> = made_up::faults()
            .iter()
            .step_by(34)
            .map(|fault| place(fault, &tables))
            .collect();
        assert_eq!(
            places,
            ["[heap]+0x7  b (db)", "[heap]+0x22007  b (db)", "-  -"]
        );
    }

    #[test]
    fn the_instruction_is_optional() {
        assert!(shown(true).contains("0x401136"));
        assert!(!shown(false).contains("0x401136"));
    }
}
