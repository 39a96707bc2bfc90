//! One line a fault, for `trace`.

use std::fmt::Write as _;

use fault_trace_common::Confidence;
use unicode_width::UnicodeWidthStr;

use super::{
    sanitize::sanitize,
    short::{short, short_text},
    style::{Paint, Style},
    units,
};
use fault_trace_analysis::tables::{Frame, mapping_name};
use fault_trace_model::{Fault, attribution::MappingRow};

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
    pub style: Style,
}

/// Where a fault was taken, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    pub mapping: Option<&'a MappingRow>,
    /// The function of the faulting instruction.
    pub function: Option<&'a Frame<'a>>,
}

/// The header that belongs above [`line`]s.
#[must_use]
pub fn line_header(options: LineOptions) -> String {
    let header = format!(
        "{:>13}  {:<TASK_WIDTH$}  {:<CLASS_WIDTH$}  {:<6}  kM~  {:>7}  {:<ADDRESS_WIDTH$}  in ← by",
        "time", "comm/tid", "class", "access", "latency", "address"
    );
    options.style.paint(Paint::Dim, &header)
}

/// One fault, without a newline: seconds since the base, thread, class, access, flags (`k` in kernel
/// mode, `M` major, `~` inferred), latency, address, the mapping and the offset in it, and the function
/// that made the access, or its instruction where that has no name.
#[must_use]
pub fn line(fault: &Fault, comm: &[u8], place: Place<'_>, options: LineOptions) -> String {
    let style = options.style;
    let time_us = fault.time_ns.saturating_sub(options.base_ns) / 1000;
    let task = format!("{}/{}", sanitize(&short(comm.into())), fault.tid);
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
    if let Some(mapping) = place.mapping {
        let name = mapping_name(mapping);
        let name = short(file_name(&name).into());
        let name = sanitize(&name);
        let _ = write!(line, "  {name}+{:#x}", mapping.offset_of(fault.address));
    }
    let _ = match (place.function, fault.ip) {
        (Some(function), _) => {
            let name = short_text(function.name());
            write!(line, "  ← {}", sanitize(name.as_bytes()))
        }
        (None, 0) => Ok(()),
        (None, ip) => write!(line, "  ← {ip:#x}"),
    };
    line
}

/// The last part of a path; other names as they are.
fn file_name(name: &[u8]) -> &[u8] {
    match name.rsplit(|&byte| byte == b'/').next() {
        Some(last) if name.starts_with(b"/") => last,
        _ => name,
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
    use fault_trace_analysis::Tables;
    use fault_trace_model::{
        attribution::{LocationRow, SymbolRow},
        code::CodePlace,
        mapping::{Backing, Device, Kind, Mapping, Protection},
        sample,
    };

    const OPTIONS: LineOptions = LineOptions {
        base_ns: 1_000_000_000,
        style: Style { colour: false },
    };

    fn tables() -> Tables {
        let library = Mapping {
            start: 0x7f12_3456_0000,
            end: 0x7f12_3457_0000,
            offset_bytes: 0x2000,
            protection: Protection::from_bits(5),
            shared: false,
            kind: Kind::File(Backing {
                path: b"/usr/lib/lib\x1bc.so.6".as_slice().into(),
                device: Device::default(),
                inode: 1,
                deleted: false,
            }),
        };
        let mut tables = Tables::default();
        tables.mapping(MappingRow::new(1, 42, 0, &library));
        let place = CodePlace::Unknown { address: 0x40_1136 };
        tables.location(LocationRow::new(1, 42, 0x40_1136, &place));
        tables.symbol(SymbolRow {
            location_id: 1,
            depth: 0,
            function: "memcpy\n".to_owned(),
            function_offset_bytes: Some(6),
            source_file: None,
            source_line: None,
            inlined: false,
        });
        tables
    }

    #[test]
    fn lines_stand_below_their_header() {
        let tables = tables();
        let function = tables.innermost(1);
        let known = Place {
            mapping: tables.mapping_of(1),
            function: Some(&function),
        };
        let mut lines = vec![line_header(OPTIONS)];
        for place in [Place::default(), known] {
            for (fault, comm) in sample::faults() {
                lines.push(line(&fault, comm.unwrap_or(b"?"), place, OPTIONS));
            }
        }
        insta::assert_snapshot!(lines.join("\n"));
    }
}
