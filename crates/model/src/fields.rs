//! Which parts of a fault somebody looks at: the others need not be read.

use super::event::Field;

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

#[cfg(any(test, feature = "sample"))]
impl Fields {
    /// The fault as it is when only these are known.
    #[must_use]
    pub fn of_fault(self, fault: &super::Fault) -> super::Fault {
        fault.known(|field| self.has(field))
    }
}
