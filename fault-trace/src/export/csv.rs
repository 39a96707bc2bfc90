//! One line a fault, as CSV: plain numbers, units in the header.

use std::io::{self, Write};

use crate::{
    analysis::{Tables, tables::mapping_name},
    model::Fault,
    render::csv::text,
};

const HEADER: [&str; 22] = [
    "time_ns",
    "pid",
    "tid",
    "comm",
    "cpu",
    "mode",
    "access",
    "address",
    "ip",
    "error_code",
    "family",
    "class",
    "confidence",
    "major",
    "latency_ns",
    "pages",
    "around_pages",
    "mapping",
    "offset_bytes",
    "function",
    "module",
    "source",
];

/// Writes faults as CSV. What is not known is an empty cell. Call [`CsvWriter::finish`] at the end.
pub struct CsvWriter<W: Write>(csv::Writer<W>);

impl<W: Write> CsvWriter<W> {
    /// Writes the header to `out`, which needs no buffer of its own.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(HEADER)?;
        Ok(Self(writer))
    }

    /// Writes one fault, which refers to `tables`.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn write(&mut self, fault: &Fault, tables: &Tables) -> io::Result<()> {
        let comm = tables.comm(fault.pid, fault.tid, fault.time_ns);
        let mapping = fault.mapping_id.and_then(|id| tables.mapping_of(id));
        let frame = fault.location_id.map(|id| tables.innermost(id));
        let known = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        let hex = |value: u64| format!("{value:#x}");
        let record = [
            fault.time_ns.to_string(),
            fault.pid.to_string(),
            fault.tid.to_string(),
            text(comm.unwrap_or_default()).into_owned(),
            fault.cpu.to_string(),
            fault.mode().to_owned(),
            fault.access().name().to_owned(),
            hex(fault.address),
            if fault.ip == 0 {
                String::new()
            } else {
                hex(fault.ip)
            },
            fault.error_code.0.to_string(),
            fault.class.family().name().to_owned(),
            fault.class.name().to_owned(),
            fault.confidence.name().to_owned(),
            fault.is_major().to_string(),
            known(fault.latency_ns),
            fault.pages.to_string(),
            fault.around_pages.to_string(),
            mapping.map_or_else(String::new, |row| text(&mapping_name(row)).into_owned()),
            known(mapping.map(|row| row.offset_of(fault.address))),
            frame.map_or_else(String::new, |frame| {
                text(frame.name().as_bytes()).into_owned()
            }),
            frame.map_or_else(String::new, |frame| text(frame.module).into_owned()),
            frame
                .and_then(|frame| frame.source())
                .map_or_else(String::new, |source| text(source.as_bytes()).into_owned()),
        ];
        Ok(self.0.write_record(record)?)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::view::made_up, export::jsonl};

    #[test]
    fn a_line_a_fault() {
        let mut out = Vec::new();
        let mut writer = CsvWriter::new(&mut out).expect("a Vec takes everything");
        let named = made_up::faults().into_iter().step_by(20);
        for fault in jsonl::sample()
            .into_iter()
            .map(|(fault, _)| fault)
            .chain(named)
        {
            writer
                .write(&fault, &made_up::tables())
                .expect("a Vec takes everything");
        }
        writer.finish().expect("a Vec takes everything");
        insta::assert_snapshot!(String::from_utf8(out).expect("CSV is UTF-8"));
    }
}
