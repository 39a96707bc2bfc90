//! One JSON object a line and fault.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use fault_trace_common::{Class, Confidence, Evidence, Family};
use serde::{Serialize, Serializer};

use crate::model::Fault;

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

    /// Writes one fault; `comm` is the thread's name where it is known.
    ///
    /// # Errors
    /// What the destination reports.
    pub fn write(&mut self, fault: &Fault, comm: Option<&[u8]>) -> io::Result<()> {
        serde_json::to_writer(&mut self.chunk, &Row::new(fault, comm))?;
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

/// Writes `faults`, each with its thread's name where that is known, as JSON lines.
///
/// # Errors
/// What `out` reports.
pub fn jsonl<C: AsRef<[u8]>>(
    faults: impl IntoIterator<Item = (Fault, Option<C>)>,
    out: impl Write,
) -> io::Result<()> {
    let mut writer = JsonlWriter::new(out);
    for (fault, comm) in faults {
        writer.write(&fault, comm.as_ref().map(AsRef::as_ref))?;
    }
    writer.finish().map(drop)
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
    pages: u32,
    evidence: Flags,
    region: &'static str,
    closer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    si_code: Option<i8>,
}

impl<'a> Row<'a> {
    fn new(fault: &Fault, comm: Option<&'a [u8]>) -> Self {
        let evidence = fault.evidence;
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
            pages: fault.pages,
            evidence: Flags(evidence),
            region: evidence.region().name(),
            closer: evidence.closer().name(),
            signal,
            si_code: signal.map(|_| evidence.si_code()),
        }
    }
}

/// An address: a string, because many JSON readers keep only 53 bits of a number.
struct Hex(u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
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

    #[test]
    fn a_line_a_fault() {
        let mut bytes = Vec::new();
        jsonl(sample(), &mut bytes).expect("a Vec takes everything");
        let text = String::from_utf8(bytes).expect("JSON is UTF-8");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
        }
        insta::assert_snapshot!(text);
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
        let error = jsonl(sample(), Closed).expect_err("the pipe is closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn chunks_join_seamlessly() {
        let fault = sample()[0].0;
        let mut bytes = Vec::new();
        let faults = std::iter::repeat_n((fault, Some("x")), 1000);
        jsonl(faults, &mut bytes).expect("a Vec takes everything");
        let text = String::from_utf8(bytes).expect("JSON is UTF-8");
        assert_eq!(text.lines().count(), 1000);
        assert!(text.lines().all(|line| line.len() == text.len() / 1000 - 1));
    }
}
