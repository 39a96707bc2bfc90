//! One line a fault, as CSV: plain numbers, units in the header.

use std::io::{self, Write};

use fault_trace_common::{Class, Confidence};

use super::{chunks::Chunks, definition::Definition, fragments::Fragments, hex};
use fault_trace_analysis::{Tables, tables::mapping_name};
use fault_trace_model::{Fault, Field, Fields};
use fault_trace_render::{
    csv::text,
    short::{short, short_text},
};

pub(super) static EXPORT: Definition = Definition {
    name: "csv",
    meaning: "One line per fault",
    has_stacks: false,
    has_names: true,
    write: |source, out| {
        let mut writer = CsvWriter::new(out, source.tables)?;
        source.each(FIELDS, |fault| writer.write(fault))?;
        writer.finish()
    },
    files: None,
    compares: None,
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

/// What is written of a fault.
const FIELDS: Fields = Fields::of(&[
    Field::Time,
    Field::Pid,
    Field::Tid,
    Field::Cpu,
    Field::Evidence,
    Field::ErrorCode,
    Field::Address,
    Field::Ip,
    Field::Class,
    Field::Confidence,
    Field::Latency,
    Field::Pages,
    Field::AroundPages,
    Field::Mapping,
    Field::Location,
]);

/// The error code, what follows from the class, and whether the fault was major.
type Kind = (u32, Class, Confidence, bool);

/// Writes faults as CSV, in chunks. What is not known is an empty cell. Call [`CsvWriter::finish`] at
/// the end.
#[derive(Debug)]
pub struct CsvWriter<'a, W: Write> {
    chunks: Chunks<W>,
    tables: &'a Tables,
    comms: Fragments<Vec<u8>>,
    kinds: Fragments<Kind>,
    mappings: Fragments<u32>,
    locations: Fragments<u32>,
}

impl<'a, W: Write> CsvWriter<'a, W> {
    /// Writes the header to `out`, which needs no buffer of its own, and then faults that refer to
    /// `tables`.
    ///
    /// # Errors
    /// What the library reports.
    pub fn new(out: W, tables: &'a Tables) -> io::Result<Self> {
        let mut chunks = Chunks::new(out);
        cells(&mut chunks.text, &HEADER)?;
        chunks.text.push(b'\n');
        Ok(Self {
            chunks,
            tables,
            comms: Fragments::default(),
            kinds: Fragments::default(),
            mappings: Fragments::default(),
            locations: Fragments::default(),
        })
    }

    /// Writes one fault.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn write(&mut self, fault: &Fault) -> io::Result<()> {
        self.line(fault)?;
        self.chunks.end_line()
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn finish(self) -> io::Result<()> {
        self.chunks.finish().map(drop)
    }

    /// Appends the line of a fault. Numbers and the names of classes and the like need no quotes.
    fn line(&mut self, fault: &Fault) -> io::Result<()> {
        let (out, tables) = (&mut self.chunks.text, self.tables);
        number(out, fault.time_ns);
        number(out, fault.pid);
        number(out, fault.tid);
        let comm = tables.comm(fault.pid, fault.tid, fault.time_ns);
        let comm = comm.unwrap_or_default();
        out.extend_from_slice(
            self.comms
                .get(comm, |out| cells(out, &[text(&short(comm.into()))]))?,
        );
        out.push(b',');
        number(out, fault.cpu);
        name(out, fault.mode());
        name(out, fault.access().name());
        hex::append(out, fault.address);
        out.push(b',');
        if fault.ip != 0 {
            hex::append(out, fault.ip);
        }
        out.push(b',');
        let kind = (
            fault.error_code.0,
            fault.class,
            fault.confidence,
            fault.is_major(),
        );
        out.extend_from_slice(self.kinds.get(&kind, |out| tell(out, kind))?);
        match fault.latency_ns {
            None => out.push(b','),
            Some(latency_ns) => number(out, latency_ns),
        }
        number(out, fault.pages);
        number(out, fault.around_pages);
        self.references(fault)?;
        self.chunks.text.push(b'\n');
        Ok(())
    }

    /// What the fault refers to.
    fn references(&mut self, fault: &Fault) -> io::Result<()> {
        let (out, tables) = (&mut self.chunks.text, self.tables);
        let mapping = fault.mapping_id.and_then(|id| tables.mapping_of(id));
        match fault.mapping_id.zip(mapping) {
            None => out.extend_from_slice(b",,"),
            Some((id, row)) => {
                let name = |out: &mut _| cells(out, &[text(&short(mapping_name(row)))]);
                out.extend_from_slice(self.mappings.get(&id, name)?);
                out.push(b',');
                number(out, row.offset_of(fault.address));
            }
        }
        match fault.location_id {
            None => out.extend_from_slice(b",,"),
            Some(id) => {
                let place = self.locations.get(&id, |out| location(out, tables, id))?;
                out.extend_from_slice(place);
            }
        }
        Ok(())
    }
}

/// The cells of a kind, each with the comma behind it.
fn tell(out: &mut Vec<u8>, (error_code, class, confidence, is_major): Kind) -> io::Result<()> {
    number(out, error_code);
    name(out, class.family().name());
    name(out, class.name());
    name(out, confidence.name());
    name(out, if is_major { "true" } else { "false" });
    Ok(())
}

/// A cell and the comma behind it.
#[inline]
fn number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    name(out, itoa::Buffer::new().format(number));
}

/// The same of one of our own names.
#[inline]
fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b',');
}

/// The function, its module and its source.
fn location(out: &mut Vec<u8>, tables: &Tables, id: u32) -> io::Result<()> {
    let frame = tables.innermost(id);
    let source = short_text(frame.source().unwrap_or_default().into());
    let (name, module) = (short_text(frame.name()), short(frame.module.into()));
    cells(
        out,
        &[
            text(name.as_bytes()),
            text(&module),
            text(source.as_bytes()),
        ],
    )
}

/// Cells with commas between them, quoted where they have to be.
fn cells<T: AsRef<str>>(out: &mut Vec<u8>, cells: &[T]) -> io::Result<()> {
    // An empty cell alone in its line would be quoted.
    if let [cell] = cells
        && cell.as_ref().is_empty()
    {
        return Ok(());
    }
    let mut writer = csv::Writer::from_writer(&mut *out);
    writer.write_record(cells.iter().map(|cell| cell.as_ref().as_bytes()))?;
    writer.flush()?;
    drop(writer);
    // The end of the line.
    out.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_analysis::view::made_up;
    use fault_trace_model::sample;

    #[test]
    fn a_line_a_fault() {
        let mut out = Vec::new();
        let tables = made_up::tables();
        let mut writer = CsvWriter::new(&mut out, &tables).expect("a Vec takes everything");
        let named = made_up::faults().into_iter().step_by(20);
        for fault in sample::faults()
            .into_iter()
            .map(|(fault, _)| fault)
            .chain(named)
        {
            let known = FIELDS.of_fault(&fault);
            writer.write(&known).expect("a Vec takes everything");
        }
        writer.finish().expect("a Vec takes everything");
        insta::assert_snapshot!(String::from_utf8(out).expect("CSV is UTF-8"));
    }
}
