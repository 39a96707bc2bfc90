//! One JSON object a line and fault.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use fault_trace_common::{
    Class, Confidence, Evidence, Family,
    phase::{MEASURED, Phase},
};
use serde::{Serialize, Serializer};

use crate::{
    analysis::{Tables, tables::mapping_name},
    model::Fault,
};

/// Bytes gathered before they are written.
const CHUNK_BYTES: usize = 1 << 16;

/// Writes faults as JSON lines, in chunks. Call [`JsonlWriter::finish`] at the end.
#[derive(Debug)]
pub struct JsonlWriter<W: Write> {
    out: W,
    chunk: Vec<u8>,
}

impl<W: Write> JsonlWriter<W> {
    /// Writes to `out`, which needs no buffer of its own.
    pub fn new(out: W) -> Self {
        Self {
            out,
            chunk: Vec::with_capacity(2 * CHUNK_BYTES),
        }
    }

    /// Writes one fault, which refers to `tables`.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn write(&mut self, fault: &Fault, tables: &Tables) -> io::Result<()> {
        serde_json::to_writer(&mut self.chunk, &Row::new(fault, tables))?;
        self.chunk.push(b'\n');
        if self.chunk.len() >= CHUNK_BYTES {
            self.out.write_all(&self.chunk)?;
            self.chunk.clear();
        }
        Ok(())
    }

    /// Writes what is left and gives the destination back, flushed.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&self.chunk)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The line's keys, in their order.
#[derive(Serialize)]
struct Row<'a> {
    time_ns: u64,
    pid: u32,
    tid: u32,
    /// U+FFFD stands for what is not UTF-8.
    comm: Option<Cow<'a, str>>,
    cpu: u16,
    mode: &'static str,
    access: &'static str,
    address: Hex,
    /// `null` if unknown.
    ip: Option<Hex>,
    error_code: u32,
    family: Family,
    class: Class,
    confidence: Confidence,
    major: bool,
    latency_ns: Option<u64>,
    /// Only of faults that were not the CPU's all the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    phases_ns: Option<Phases>,
    pages: u32,
    evidence: Flags,
    region: &'static str,
    closer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    si_code: Option<i8>,
    #[serde(skip_serializing_if = "is_zero")]
    around_pages: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<Stack<'a>>,
}

/// A map from the name of a phase to its time, ns; those without any are left out.
struct Phases([u64; Phase::ALL.len()]);

impl Phases {
    fn of(fault: &Fault) -> Option<Self> {
        let is_measured = fault.latency_ns.is_some() && fault.phases_ns != [0; MEASURED];
        is_measured.then(|| Self(Phase::ALL.map(|phase| fault.phase_ns(phase))))
    }
}

impl Serialize for Phases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spent = Phase::ALL.iter().map(|phase| phase.name()).zip(&self.0);
        serializer.collect_map(spent.filter(|&(_, &ns)| ns != 0))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl<'a> Row<'a> {
    fn new(fault: &Fault, tables: &'a Tables) -> Self {
        let evidence = fault.evidence;
        let comm = tables.comm(fault.pid, fault.tid, fault.time_ns);
        let mapping = fault.mapping_id.and_then(|id| tables.mapping_of(id));
        let known = |id: &u32| tables.location_of(*id).is_some();
        let frame = fault.location_id.filter(known);
        let frame = frame.map(|id| tables.innermost(id));
        let locations = fault.stack_id.and_then(|id| tables.stack_of(id));
        let signal = (evidence.signal() != 0).then_some(evidence.signal());
        Self {
            time_ns: fault.time_ns,
            pid: fault.pid,
            tid: fault.tid,
            comm: comm.map(String::from_utf8_lossy),
            cpu: fault.cpu,
            mode: fault.mode(),
            access: fault.access().name(),
            address: Hex(fault.address),
            ip: (fault.ip != 0).then_some(Hex(fault.ip)),
            error_code: fault.error_code.0,
            family: fault.class.family(),
            class: fault.class,
            confidence: fault.confidence,
            major: fault.is_major(),
            latency_ns: fault.latency_ns,
            phases_ns: Phases::of(fault),
            pages: fault.pages,
            evidence: Flags(evidence),
            region: evidence.region().name(),
            closer: evidence.closer().name(),
            signal,
            si_code: signal.map(|_| evidence.si_code()),
            around_pages: fault.around_pages,
            mapping: mapping.map(|row| lossy(mapping_name(row))),
            offset: mapping.map(|row| row.offset_of(fault.address)),
            symbol: frame.map(|frame| frame.name()),
            module: frame
                .filter(|frame| !frame.module.is_empty())
                .map(|frame| String::from_utf8_lossy(frame.module)),
            source: frame.and_then(|frame| frame.source()),
            stack: locations.map(|locations| Stack { tables, locations }),
        }
    }
}

/// Text, with U+FFFD for what is not UTF-8.
fn lossy(name: Cow<'_, [u8]>) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => String::from_utf8_lossy(name),
        Cow::Owned(name) => Cow::Owned(String::from_utf8_lossy(&name).into_owned()),
    }
}

/// An address: a string, because many JSON readers keep only 53 bits of a number.
struct Hex(u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

/// The functions of a stack, innermost first.
struct Stack<'a> {
    tables: &'a Tables,
    locations: &'a [u32],
}

impl Serialize for Stack<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let locations = self.locations.iter();
        let frames = locations.flat_map(|&id| self.tables.frames(id));
        serializer.collect_seq(frames.map(|frame| frame.name()))
    }
}

/// The names of the flags that are set.
struct Flags(Evidence);

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let set = Evidence::FLAGS.iter().filter(|flag| self.0.any(flag.0));
        serializer.collect_seq(set.map(|flag| flag.1))
    }
}

/// Four faults of different kinds with their threads' names.
#[cfg(test)]
pub(crate) fn sample() -> Vec<(Fault, Option<&'static [u8]>)> {
    use fault_trace_common::{Closer, ErrorCode, Region};
    let anonymous = Fault {
        time_ns: 1_000_123_456,
        latency_ns: Some(1_234),
        address: 0x7f12_3456_7000,
        ip: 0x40_1136,
        evidence: Evidence(Evidence::ENDED | Evidence::RSS_ANON | Evidence::ALLOC_PAGE)
            .with_closer(Closer::End),
        error_code: ErrorCode(ErrorCode::WRITE | ErrorCode::USER),
        pid: 41,
        tid: 42,
        cpu: 3,
        pages: 1,
        class: Class::AnonAlloc,
        confidence: Confidence::Exact,
        ..Fault::BLANK
    };
    let read = Fault {
        time_ns: 1_000_200_000,
        latency_ns: Some(96_700),
        phases_ns: [0, 90_000, 0, 700, 0, 0],
        evidence: Evidence(Evidence::ENDED | Evidence::MAJOR | Evidence::CACHE_ADD)
            .with_closer(Closer::End),
        error_code: ErrorCode(ErrorCode::USER | ErrorCode::INSTRUCTION),
        class: Class::FileRead,
        confidence: Confidence::Inferred,
        ..anonymous
    };
    let probe = Fault {
        time_ns: 999_999_999,
        latency_ns: None,
        address: 0xffff_ffff_ff60_0000,
        ip: 0,
        evidence: Evidence(Evidence::KERNEL_MODE)
            .with_closer(Closer::NextStart)
            .with_region(Region::Vsyscall),
        error_code: ErrorCode(0),
        pages: 0,
        class: Class::NofaultProbe,
        ..anonymous
    };
    let segv = Fault {
        time_ns: 73_000_000_000,
        address: 0,
        evidence: Evidence(0).with_closer(Closer::Signal).with_signal(11, 1),
        error_code: ErrorCode(ErrorCode::USER),
        tid: 1_234_567,
        pages: 0,
        class: Class::SegvUnmapped,
        ..anonymous
    };
    vec![
        (anonymous, Some(b"postgres")),
        (read, Some(b"kworker/u16:3+e")),
        (probe, None),
        (segv, Some(b"\x1b[2J\"\xff")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{
        analysis::view::made_up,
        model::{TaskChange, TaskEvent},
    };

    /// The names of the sample's threads.
    fn tables() -> Tables {
        let mut tables = made_up::tables();
        for (fault, comm) in sample() {
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
        let mut writer = JsonlWriter::new(out);
        for fault in faults {
            writer.write(&fault, &tables)?;
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
        insta::assert_snapshot!(lines(sample().into_iter().map(|(fault, _)| fault)));
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
        let error = write([sample()[0].0], Closed).expect_err("the pipe is closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn chunks_join_seamlessly() {
        let text = lines(std::iter::repeat_n(sample()[0].0, 1000));
        assert_eq!(text.lines().count(), 1000);
        assert!(text.lines().all(|line| line.len() == text.len() / 1000 - 1));
    }
}
