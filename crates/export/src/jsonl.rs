//! One JSON object a line and fault.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use fault_trace_common::{
    Evidence,
    phase::{MEASURED, Phase},
};
use serde::Serialize;

use super::{chunks::Chunks, definition::Definition, fragments::Fragments, hex};
use fault_trace_analysis::{Tables, tables::mapping_name};
use fault_trace_model::{Fault, Fields};
use fault_trace_render::short::{short, short_text};
use fault_trace_text::json;

pub(super) static EXPORT: Definition = Definition {
    name: "jsonl",
    meaning: "One JSON object per fault, one per line",
    has_stacks: false,
    has_names: true,
    write: |source, out| {
        let mut writer = JsonlWriter::new(out, source.tables);
        source.each(Fields::ALL, |fault| writer.write(fault))?;
        writer.finish().map(drop)
    },
    files: None,
    compares: None,
};

/// Writes faults as JSON lines, in chunks. Call [`JsonlWriter::finish`] at the end.
#[derive(Debug)]
pub struct JsonlWriter<'a, W: Write> {
    chunks: Chunks<W>,
    tables: &'a Tables,
    /// From the evidence to what is told of it.
    evidence: Fragments<Evidence>,
    mappings: Fragments<u32>,
    locations: Fragments<u32>,
    /// From a location to the names of its functions.
    functions: Fragments<u32>,
    stacks: Fragments<u32>,
}

impl<'a, W: Write> JsonlWriter<'a, W> {
    /// Writes faults that refer to `tables` to `out`, which needs no buffer of its own.
    pub fn new(out: W, tables: &'a Tables) -> Self {
        Self {
            chunks: Chunks::new(out),
            tables,
            evidence: Fragments::default(),
            mappings: Fragments::default(),
            locations: Fragments::default(),
            functions: Fragments::default(),
            stacks: Fragments::default(),
        }
    }

    /// Writes one fault.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn write(&mut self, fault: &Fault) -> io::Result<()> {
        self.line(fault)?;
        self.chunks.end_line()
    }

    /// Writes what is left and gives the destination back, flushed.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn finish(self) -> io::Result<W> {
        self.chunks.finish()
    }

    /// Appends the line of a fault. The names of classes and the like need no escapes.
    fn line(&mut self, fault: &Fault) -> io::Result<()> {
        let out = &mut self.chunks.text;
        number(out, "{\"time_ns\":", fault.time_ns);
        number(out, ",\"pid\":", fault.pid);
        number(out, ",\"tid\":", fault.tid);
        let comm = self.tables.comm(fault.pid, fault.tid, fault.time_ns);
        // U+FFFD stands for what is not UTF-8.
        value(out, ",\"comm\":", &comm.map(|comm| lossy(comm.into())))?;
        number(out, ",\"cpu\":", fault.cpu);
        name(out, ",\"mode\":", fault.mode());
        name(out, ",\"access\":", fault.access().name());
        address(out, ",\"address\":", Some(fault.address));
        address(out, ",\"ip\":", (fault.ip != 0).then_some(fault.ip));
        number(out, ",\"error_code\":", fault.error_code.0);
        name(out, ",\"family\":", fault.class.family().name());
        name(out, ",\"class\":", fault.class.name());
        name(out, ",\"confidence\":", fault.confidence.name());
        text(
            out,
            ",\"major\":",
            if fault.is_major() { "true" } else { "false" },
        );
        match fault.latency_ns {
            None => text(out, ",\"latency_ns\":", "null"),
            Some(latency_ns) => number(out, ",\"latency_ns\":", latency_ns),
        }
        phases(out, fault);
        number(out, ",\"pages\":", fault.pages);
        let evidence = fault.evidence;
        let told = self.evidence.get(&evidence, |out| tell(out, evidence))?;
        out.extend_from_slice(told);
        if fault.around_pages != 0 {
            number(out, ",\"around_pages\":", fault.around_pages);
        }
        self.references(fault)?;
        self.chunks.text.extend_from_slice(b"}\n");
        Ok(())
    }

    /// What the fault refers to, as far as it is known.
    fn references(&mut self, fault: &Fault) -> io::Result<()> {
        let (out, tables) = (&mut self.chunks.text, self.tables);
        if let Some(id) = fault.mapping_id
            && let Some(row) = tables.mapping_of(id)
        {
            let name = |out: &mut _| value(out, ",\"mapping\":", &lossy(mapping_name(row)));
            out.extend_from_slice(self.mappings.get(&id, name)?);
            number(out, ",\"offset\":", row.offset_of(fault.address));
        }
        if let Some(id) = fault.location_id {
            let place = self.locations.get(&id, |out| location(out, tables, id))?;
            out.extend_from_slice(place);
        }
        if let Some(id) = fault.stack_id {
            let functions = &mut self.functions;
            let make = |out: &mut _| stack(out, tables, functions, id);
            out.extend_from_slice(self.stacks.get(&id, make)?);
        }
        Ok(())
    }
}

#[inline]
fn text(out: &mut Vec<u8>, key: &str, text: &str) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[inline]
fn number(out: &mut Vec<u8>, key: &str, number: impl itoa::Integer) {
    text(out, key, itoa::Buffer::new().format(number));
}

/// One of our own names.
#[inline]
fn name(out: &mut Vec<u8>, key: &str, name: &str) {
    text(out, key, "\"");
    text(out, name, "\"");
}

/// An address: a string, because many JSON readers keep only 53 bits of a number. `null` if unknown.
fn address(out: &mut Vec<u8>, key: &str, address: Option<u64>) {
    match address {
        None => text(out, key, "null"),
        Some(address) => {
            text(out, key, "\"");
            hex::append(out, address);
            out.push(b'"');
        }
    }
}

/// Somebody else's text.
fn value(out: &mut Vec<u8>, key: &str, value: &impl Serialize) -> io::Result<()> {
    out.extend_from_slice(key.as_bytes());
    Ok(json::write(out, value)?)
}

/// The phases that took time, of faults that were not the CPU's all the time.
fn phases(out: &mut Vec<u8>, fault: &Fault) {
    if fault.latency_ns.is_none() || fault.phases_ns == [0; MEASURED] {
        return;
    }
    let mut before = ",\"phases_ns\":{\"";
    for phase in Phase::ALL {
        let spent_ns = fault.phase_ns(phase);
        if spent_ns != 0 {
            text(out, before, phase.name());
            number(out, "\":", spent_ns);
            before = ",\"";
        }
    }
    out.push(b'}');
}

/// What follows from the evidence alone: the flags that are set, and more.
fn tell(out: &mut Vec<u8>, evidence: Evidence) -> io::Result<()> {
    let names: Vec<&str> = evidence.names().collect();
    value(out, ",\"evidence\":", &names)?;
    name(out, ",\"region\":", evidence.region().name());
    name(out, ",\"closer\":", evidence.closer().name());
    if evidence.signal() != 0 {
        number(out, ",\"signal\":", evidence.signal());
        number(out, ",\"si_code\":", evidence.si_code());
    }
    Ok(())
}

/// The function, its module and its source.
fn location(out: &mut Vec<u8>, tables: &Tables, id: u32) -> io::Result<()> {
    if tables.location_of(id).is_none() {
        return Ok(());
    }
    let frame = tables.innermost(id);
    value(out, ",\"symbol\":", &short_text(frame.name()))?;
    if !frame.module.is_empty() {
        value(out, ",\"module\":", &lossy(frame.module.into()))?;
    }
    match frame.source() {
        Some(source) => value(out, ",\"source\":", &short_text(source.into())),
        None => Ok(()),
    }
}

/// The functions of a stack, innermost first.
fn stack(
    out: &mut Vec<u8>,
    tables: &Tables,
    functions: &mut Fragments<u32>,
    id: u32,
) -> io::Result<()> {
    let Some(locations) = tables.stack_of(id) else {
        return Ok(());
    };
    let mut before = ",\"stack\":[";
    for &location in locations {
        let names = functions.get(&location, |out| names(out, tables, location))?;
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(names);
        before = ",";
    }
    // Of a stack without frames, too.
    if locations.is_empty() {
        out.extend_from_slice(before.as_bytes());
    }
    out.push(b']');
    Ok(())
}

/// The functions of a location, innermost first, of which there is always one.
fn names(out: &mut Vec<u8>, tables: &Tables, location: u32) -> io::Result<()> {
    let mut before = "";
    for frame in tables.frames(location) {
        value(out, before, &short_text(frame.name()))?;
        before = ",";
    }
    Ok(())
}

/// A name as text, with U+FFFD for what is not UTF-8.
fn lossy(name: Cow<'_, [u8]>) -> Cow<'_, str> {
    match short(name) {
        Cow::Borrowed(name) => String::from_utf8_lossy(name),
        Cow::Owned(name) => Cow::Owned(String::from_utf8_lossy(&name).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use fault_trace_analysis::view::made_up;
    use fault_trace_model::{TaskChange, TaskEvent, sample::faults};

    /// The names of the sample's threads.
    fn tables() -> Tables {
        let mut tables = made_up::tables();
        for (fault, comm) in faults() {
            if let Some(comm) = comm {
                tables.task(&TaskEvent {
                    time_ns: fault.time_ns,
                    pid: fault.pid,
                    tid: fault.tid,
                    comm: comm.to_vec(),
                    change: TaskChange::Renamed,
                    cgroup_id: None,
                });
            }
        }
        tables
    }

    fn write(faults: impl IntoIterator<Item = Fault>, out: impl Write) -> io::Result<()> {
        let tables = tables();
        let mut writer = JsonlWriter::new(out, &tables);
        for fault in faults {
            writer.write(&fault)?;
        }
        writer.finish().map(drop)
    }

    fn lines(faults: impl IntoIterator<Item = Fault>) -> String {
        let mut bytes = Vec::new();
        write(faults, &mut bytes).expect("a Vec takes everything");
        let text = String::from_utf8(bytes).expect("JSON is UTF-8");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
        }
        text
    }

    #[test]
    fn a_line_a_fault() {
        insta::assert_snapshot!(lines(faults().into_iter().map(|(fault, _)| fault)));
    }

    #[test]
    fn a_line_tells_the_mapping_the_function_and_the_stack_where_they_are_known() {
        insta::assert_snapshot!(lines(made_up::faults().into_iter().step_by(20)));
    }

    #[test]
    fn a_closed_pipe_is_reported() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = write([faults()[0].0], Closed).expect_err("the pipe is closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn chunks_join_seamlessly() {
        let text = lines(std::iter::repeat_n(faults()[0].0, 1000));
        assert_eq!(text.lines().count(), 1000);
        assert!(text.lines().all(|line| line.len() == text.len() / 1000 - 1));
    }
}
