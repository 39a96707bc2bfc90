//! The bits of an error code, some of which may not be known.

use fault_trace_common::ErrorCode;
use serde::Serialize;

/// Error-code bits as far as they are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Bits {
    value: u32,
    known: u32,
}

impl Bits {
    /// A whole error code.
    pub(super) const fn whole(code: u32) -> Self {
        Self {
            value: code,
            known: u32::MAX,
        }
    }

    /// Takes in one bit; what is known already stays.
    pub(super) const fn learn(&mut self, bit: u32, set: bool) {
        if self.known & bit == 0 {
            self.known |= bit;
            if set {
                self.value |= bit;
            }
        }
    }

    pub(super) const fn get(self, bit: u32) -> Option<bool> {
        if self.known & bit == 0 {
            None
        } else {
            Some(self.value & bit != 0)
        }
    }

    /// Whether the bit can be set.
    pub(super) fn may(self, bit: u32) -> bool {
        self.get(bit) != Some(false)
    }

    /// Whether the bit can be clear.
    pub(super) fn may_not(self, bit: u32) -> bool {
        self.get(bit) != Some(true)
    }

    /// The error code, if all of it is known.
    pub(super) fn code(self) -> Option<u32> {
        (self.known == u32::MAX).then_some(self.value)
    }

    /// Whether the bits of `set` can all be set, and those of `clear` all clear.
    pub(super) const fn may_have(self, set: u32, clear: u32) -> bool {
        !self.value & self.known & set == 0 && self.value & self.known & clear == 0
    }

    /// Whether the whole error code can be `code`.
    pub(super) const fn may_be(self, code: u32) -> bool {
        (self.value ^ code) & self.known == 0
    }

    /// The set bits that have no meaning.
    pub(super) fn unknown(self) -> u32 {
        ErrorCode::BITS
            .iter()
            .fold(self.value, |rest, (bit, ..)| rest & !bit)
    }

    pub(super) fn named(self) -> Vec<Bit> {
        ErrorCode::BITS
            .into_iter()
            .filter_map(|(mask, name, meaning)| {
                let set = self.get(mask)?;
                Some(Bit { name, meaning, set })
            })
            .collect()
    }
}

/// One bit of an error code whose value is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Bit {
    pub name: &'static str,
    /// What it means when it is set.
    pub meaning: &'static str,
    pub set: bool,
}
