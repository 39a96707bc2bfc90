//! The faults themselves: bursts of neighbouring pages, of few programs mostly.

use fastrand::Rng;
use fault_trace::model::{Fault, attribution::MappingKind};
use fault_trace_common::{Class, Closer, Confidence, ErrorCode, Evidence, phase::Phase};

use super::{MAPPING_PAGES, PAGE_BYTES, STARTED_NS, Shape, THREADS, tables};

const CPUS: usize = 2;
/// Faults of a thread in a row, at most.
const BURST: u32 = 64;

/// The faults of a shape.
#[derive(Debug)]
pub struct Faults {
    shape: Shape,
    left: u64,
    time_ns: u64,
    random: Rng,
    bursts: [Burst; CPUS],
}

/// What runs on a CPU.
#[derive(Clone, Copy, Debug)]
struct Burst {
    left: u32,
    page: u64,
    first: Fault,
    kind: MappingKind,
}

impl Faults {
    pub(super) fn new(shape: Shape) -> Self {
        let nothing = Burst {
            left: 0,
            page: 0,
            first: Fault::BLANK,
            kind: MappingKind::Anonymous,
        };
        Self {
            shape,
            left: shape.faults,
            time_ns: STARTED_NS,
            random: Rng::with_seed(7),
            bursts: [nothing; CPUS],
        }
    }

    /// A number below `bound`, small ones more often.
    fn skewed(&mut self, bound: u32) -> u32 {
        let random = self.random.f64();
        (random * random * random * f64::from(bound)) as u32
    }

    fn burst(&mut self) -> Burst {
        let process = self.skewed(self.shape.processes);
        let (pid, thread) = (Shape::pid(process), self.skewed(THREADS));
        let of_process = (self.shape.mappings / self.shape.processes).max(1);
        let mapping_id = 1 + process + self.skewed(of_process) * self.shape.processes;
        let stack_id = match self.shape.stacks {
            0 => None,
            stacks => Some(1 + self.skewed(stacks)),
        };
        let location = stack_id.unwrap_or_else(|| self.skewed(self.shape.locations()));
        let location_id = tables::leaf(self.shape, location);
        Burst {
            left: self.random.u32(1..=BURST),
            page: self.random.u64(0..MAPPING_PAGES),
            kind: tables::kind(self.shape, mapping_id),
            first: Fault {
                pid,
                tid: pid + thread,
                address: tables::start(mapping_id),
                ip: tables::address(location_id),
                mapping_id: Some(mapping_id),
                location_id: Some(location_id),
                stack_id,
                ..Fault::BLANK
            },
        }
    }

    fn class(&mut self, kind: MappingKind) -> (Class, u128, u64) {
        let of_hundred = self.random.u8(0..100);
        match kind {
            MappingKind::File => match of_hundred {
                0..84 => (Class::FileCached, Evidence::RSS_FILE, 600),
                84..90 => (
                    Class::FileRead,
                    Evidence::RSS_FILE | Evidence::CACHE_ADD,
                    90_000,
                ),
                _ => (
                    Class::CowFile,
                    Evidence::RSS_ANON | Evidence::ALLOC_PAGE,
                    1_500,
                ),
            },
            MappingKind::SharedMemory => (
                Class::Shmem,
                Evidence::RSS_SHMEM | Evidence::ALLOC_PAGE,
                1_900,
            ),
            _ => match of_hundred {
                0..88 => (
                    Class::AnonAlloc,
                    Evidence::RSS_ANON | Evidence::ALLOC_PAGE,
                    1_200,
                ),
                88..96 => (Class::CowAnon, Evidence::ALLOC_PAGE, 1_600),
                96..99 => (Class::WriteReuse, 0, 500),
                _ => (Class::Spurious, Evidence::PAGE_FREED, 900),
            },
        }
    }

    /// Some noise, and a long tail.
    fn latency_ns(&mut self, typical_ns: u64) -> u64 {
        let noise = self.random.f64() + self.random.f64() + 0.5;
        let tail = match self.random.u8(..) {
            0 => 1 << self.random.u8(1..8),
            _ => 1,
        };
        (typical_ns as f64 * noise / 1.5) as u64 * tail
    }

    fn fault(&mut self, cpu: usize) -> Fault {
        if self.bursts[cpu].left == 0 {
            self.bursts[cpu] = self.burst();
        }
        let burst = &mut self.bursts[cpu];
        burst.left -= 1;
        burst.page = (burst.page + 1) % MAPPING_PAGES;
        let Burst {
            page, first, kind, ..
        } = *burst;
        let (class, evidence, typical_ns) = self.class(kind);
        let latency_ns = self.latency_ns(typical_ns);
        let mut phases_ns = first.phases_ns;
        let read = class == Class::FileRead;
        if read {
            phases_ns[Phase::Io as usize] = latency_ns / 10 * 8;
        } else if self.random.u8(..) == 0 {
            phases_ns[Phase::Preempted as usize] = latency_ns / 2;
        }
        let allocated = evidence & Evidence::ALLOC_PAGE != 0;
        let major = if read { Evidence::MAJOR } else { 0 };
        Fault {
            time_ns: self.time_ns,
            latency_ns: Some(latency_ns),
            address: first.address + page * PAGE_BYTES + self.random.u64(0..PAGE_BYTES / 8) * 8,
            evidence: Evidence::of(Evidence::ENDED | evidence | major).with_closer(Closer::End),
            error_code: ErrorCode(ErrorCode::USER | if allocated { ErrorCode::WRITE } else { 0 }),
            cpu: cpu as u16,
            pages: u32::from(allocated),
            around_pages: if class == Class::FileCached { 16 } else { 0 },
            class,
            confidence: Confidence::Exact,
            phases_ns,
            ..first
        }
    }
}

impl Iterator for Faults {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        self.left = self.left.checked_sub(1)?;
        self.time_ns += self.random.u64(200..2_000);
        let cpu = self.random.usize(0..CPUS);
        Some(self.fault(cpu))
    }
}
