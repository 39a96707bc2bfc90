//! Where the pages are, for the program and for the tests.

/// The first page of the first step; far from what the kernel and the loader choose.
pub(crate) const START: usize = 0x1000_0000_0000;
/// The size of a page, bytes.
pub(crate) const PAGE: usize = 4096;
