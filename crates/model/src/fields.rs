//! Which parts of a fault somebody looks at: the others need not be read.

/// A part of a [`Fault`](super::Fault).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    Time,
    Latency,
    Address,
    Ip,
    /// Tells the mode and whether the fault was major, too.
    Evidence,
    /// Tells the access, too.
    ErrorCode,
    Pid,
    Tid,
    Cpu,
    Pages,
    Class,
    Confidence,
    Phases,
    AroundPages,
    Mapping,
    Location,
    Stack,
}

/// A set of fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fields(u32);

impl Fields {
    pub const ALL: Self = Self(u32::MAX);

    /// These fields.
    #[must_use]
    pub const fn of(fields: &[Field]) -> Self {
        let mut set = Self(0);
        let mut index = 0;
        while index < fields.len() {
            set.0 |= 1 << fields[index] as u32;
            index += 1;
        }
        set
    }

    /// The fields of both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `field` is among them.
    #[must_use]
    #[inline]
    pub const fn has(self, field: Field) -> bool {
        self.0 & 1 << field as u32 != 0
    }
}

impl super::Fault {
    /// The number in a field; `None` if it is not known, or is more than one number.
    #[must_use]
    #[inline]
    pub fn value(&self, field: Field) -> Option<u64> {
        Some(match field {
            Field::Time => self.time_ns,
            Field::Latency => return self.latency_ns,
            Field::Address => self.address,
            Field::Ip => self.ip,
            Field::Evidence => self.evidence.word,
            Field::ErrorCode => self.error_code.0.into(),
            Field::Pid => self.pid.into(),
            Field::Tid => self.tid.into(),
            Field::Cpu => self.cpu.into(),
            Field::Pages => self.pages.into(),
            Field::Class => self.class as u64,
            Field::Confidence => self.confidence as u64,
            Field::Phases => return None,
            Field::AroundPages => self.around_pages.into(),
            Field::Mapping => return self.mapping_id.map(u64::from),
            Field::Location => return self.location_id.map(u64::from),
            Field::Stack => return self.stack_id.map(u64::from),
        })
    }
}

#[cfg(any(test, feature = "sample"))]
impl Fields {
    /// The fault as it is when only these are known.
    #[must_use]
    pub fn of_fault(self, fault: &super::Fault) -> super::Fault {
        let blank = super::Fault::BLANK;
        macro_rules! known {
            ($($field:ident: $name:ident),*) => {
                super::Fault {
                    $($name: if self.has(Field::$field) { fault.$name } else { blank.$name }),*
                }
            };
        }
        known!(
            Time: time_ns, Latency: latency_ns, Address: address, Ip: ip, Evidence: evidence,
            ErrorCode: error_code, Pid: pid, Tid: tid, Cpu: cpu, Pages: pages, Class: class,
            Confidence: confidence, Phases: phases_ns, AroundPages: around_pages,
            Mapping: mapping_id, Location: location_id, Stack: stack_id
        )
    }
}
