//! The copied part of a stack.

/// A copy of a thread's stack from `start` upwards, usually its stack pointer.
#[derive(Clone, Copy, Debug)]
pub(super) struct StackCopy<'a> {
    pub(super) start: u64,
    pub(super) bytes: &'a [u8],
}

impl StackCopy<'_> {
    /// The eight bytes at an address; `None` where nothing was copied.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let start = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }
}
