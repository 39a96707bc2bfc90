//! What a source of faults yields, one at a time.

use fault_trace_common::{
    Class, Confidence, ErrorCode, Evidence,
    error_code::Access,
    phase::{MEASURED, Phase, Spent},
};

use super::attribution::{CgroupRow, LocationRow, MappingRow, StackRow, SymbolRow};

macro_rules! fault {
    ($($(#[$attribute:meta])* $Field:ident $field:ident: $type:ty = $blank:expr,)+) => {
        /// One closed fault. Also the row of a recording's table of faults.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct Fault {
            $($(#[$attribute])* pub $field: $type,)+
        }

        /// A part of a [`Fault`].
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Field {
            $($(#[$attribute])* $Field,)+
        }

        impl Fault {
            /// A fault of which nothing is known.
            pub const BLANK: Self = Self {
                $($field: $blank,)+
            };

            /// The number in a field; `None` if it is not known, or is more than one number.
            #[must_use]
            #[inline]
            pub fn value(&self, field: Field) -> Option<u64> {
                match field {
                    $(Field::$Field => self.$field.number(),)+
                }
            }

            /// Faults of any content.
            #[cfg(any(test, feature = "sample"))]
            pub fn any() -> impl proptest::strategy::Strategy<Value = Self> {
                use proptest::strategy::{Just, Strategy as _};
                let fault = Just(Self::BLANK).boxed();
                $(let fault = (fault, <$type as Part>::any())
                    .prop_map(|(fault, $field)| Self { $field, ..fault })
                    .boxed();)+
                fault
            }

            /// The fault as it is when only some fields are known.
            #[cfg(any(test, feature = "sample"))]
            pub(crate) fn known(&self, is_known: impl Fn(Field) -> bool) -> Self {
                Self {
                    $($field: if is_known(Field::$Field) { self.$field } else { Self::BLANK.$field },)+
                }
            }
        }
    };
}

// A row per part: its name, the field, its type, and its value where nothing is known.
fault! {
    /// START, ns of CLOCK_MONOTONIC.
    Time time_ns: u64 = 0,
    /// START to END or a timely closer, ns; `None` if the end was not seen in time.
    Latency latency_ns: Option<u64> = None,
    Address address: u64 = 0,
    /// The faulting instruction; 0 if unknown.
    Ip ip: u64 = 0,
    /// It tells the mode and whether the fault was major, too.
    Evidence evidence: Evidence = Evidence::NONE,
    /// It tells the access, too.
    ErrorCode error_code: ErrorCode = ErrorCode(0),
    /// The process (thread group).
    Pid pid: u32 = 0,
    Tid tid: u32 = 0,
    /// The CPU that closed the fault.
    Cpu cpu: u16 = 0,
    /// Base pages allocated.
    Pages pages: u32 = 0,
    Class class: Class = Class::Unknown,
    Confidence confidence: Confidence = Confidence::Inferred,
    /// Time spent off the CPU's own work, by number of the [`Phase`], ns: at most the latency.
    Phases phases_ns: Spent = [0; MEASURED],
    /// Base pages that fault-around may have mapped; 0 if it did not run or the kernel does not say.
    AroundPages around_pages: u32 = 0,
    /// The mapping the address lies in, see [`MappingRow`].
    Mapping mapping_id: Option<u32> = None,
    /// Where the faulting instruction is, see [`LocationRow`].
    Location location_id: Option<u32> = None,
    /// The calls that led there, see [`StackRow`].
    Stack stack_id: Option<u32> = None,
}

/// The type of a part of a fault.
trait Part: Copy {
    /// The part as a number; `None` if it is not known, or is more than one.
    fn number(self) -> Option<u64>;

    /// Parts of any content.
    #[cfg(any(test, feature = "sample"))]
    fn any() -> proptest::strategy::BoxedStrategy<Self>;
}

macro_rules! parts {
    ($($type:ty: $number:expr, $any:expr;)+) => {
        $(impl Part for $type {
            #[inline]
            fn number(self) -> Option<u64> {
                let number: fn(Self) -> Option<u64> = $number;
                number(self)
            }

            #[cfg(any(test, feature = "sample"))]
            fn any() -> proptest::strategy::BoxedStrategy<Self> {
                use proptest::prelude::*;
                $any.boxed()
            }
        })+
    };
}

parts! {
    u64: Some, any::<Self>();
    u32: |number| Some(number.into()), any::<Self>();
    u16: |number| Some(number.into()), any::<Self>();
    Option<u64>: |number| number, any::<Self>();
    Option<u32>: |number| number.map(u64::from), any::<Self>();
    Evidence: |evidence| Some(evidence.word),
        any::<(u64, u64)>().prop_map(|(word, more)| Self { word, more });
    ErrorCode: |code| Some(code.0.into()), any::<u32>().prop_map(Self);
    Class: |class| Some(class as u64), prop::sample::select(Self::ALL.to_vec());
    Confidence: |confidence| Some(confidence as u64), prop::sample::select(Self::ALL.to_vec());
    Spent: |_| None, any::<Self>();
}

impl Fault {
    /// The time spent in a phase, ns; 0 where the latency is unknown.
    #[must_use]
    #[inline]
    pub fn phase_ns(&self, phase: Phase) -> u64 {
        let Some(latency_ns) = self.latency_ns else {
            return 0;
        };
        match self.phases_ns.get(phase as usize) {
            Some(&spent_ns) => spent_ns,
            None => latency_ns.saturating_sub(self.phases_ns.iter().sum()),
        }
    }

    /// Read, write or instruction fetch.
    #[must_use]
    #[inline]
    pub const fn access(&self) -> Access {
        self.error_code.access()
    }

    /// Whether the kernel counted it as major.
    #[must_use]
    #[inline]
    pub const fn is_major(&self) -> bool {
        self.evidence.any(Evidence::MAJOR)
    }

    /// `user` or `kernel`: where the access was made.
    #[must_use]
    pub const fn mode(&self) -> &'static str {
        if self.evidence.any(Evidence::KERNEL_MODE) {
            "kernel"
        } else {
            "user"
        }
    }
}

/// What happened to a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskChange {
    /// Its first fault.
    Seen,
    /// It got another name.
    Renamed,
    /// It was forked by this process.
    Forked { parent_pid: u32 },
    /// It exited.
    Exited,
    /// It was seen in another cgroup.
    Moved,
}

/// A task's name at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskEvent {
    /// ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    pub pid: u32,
    pub tid: u32,
    /// The kernel's `comm`: raw bytes, without the NUL. Never printed without `render::sanitize`.
    pub comm: Vec<u8>,
    pub change: TaskChange,
    /// The cgroup it is in, see [`CgroupRow`]; `None` where that was not asked.
    pub cgroup_id: Option<u64>,
}

/// Anything a source yields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    Fault(Fault),
    Task(TaskEvent),
    Mapping(MappingRow),
    Location(LocationRow),
    Symbol(SymbolRow),
    Stack(StackRow),
    Cgroup(CgroupRow),
}

/// Events that were found together: the faults, and what they refer to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// Anything but faults. To be taken in ahead of them.
    pub others: Vec<Event>,
    pub faults: Vec<Fault>,
}

impl Batch {
    /// Whether there is nothing in it.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.others.is_empty() && self.faults.is_empty()
    }

    /// Forgets the events and keeps the room they took.
    pub fn clear(&mut self) {
        self.others.clear();
        self.faults.clear();
    }
}

impl FromIterator<Event> for Batch {
    fn from_iter<E: IntoIterator<Item = Event>>(events: E) -> Self {
        let mut batch = Self::default();
        batch.extend(events);
        batch
    }
}

impl Extend<Event> for Batch {
    fn extend<E: IntoIterator<Item = Event>>(&mut self, events: E) {
        for event in events {
            match event {
                Event::Fault(fault) => self.faults.push(fault),
                other => self.others.push(other),
            }
        }
    }
}
