//! Lines, gathered in memory and written many at a time.

use std::io::{self, Write};

/// Bytes of lines gathered before they are written.
const CHUNK_BYTES: usize = 1 << 16;

/// Gathers lines for a destination. Nothing is written when it is dropped: call [`Chunks::finish`].
#[derive(Debug)]
pub(super) struct Chunks<W> {
    out: W,
    /// What is not written yet: lines are put together here.
    pub(super) text: Vec<u8>,
}

impl<W: Write> Chunks<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            // A long line hardly makes it grow.
            text: Vec::with_capacity(2 * CHUNK_BYTES),
        }
    }

    /// To be called after each line.
    pub(super) fn end_line(&mut self) -> io::Result<()> {
        if self.text.len() >= CHUNK_BYTES {
            self.out.write_all(&self.text)?;
            self.text.clear();
        }
        Ok(())
    }

    /// Writes what is left and gives the destination back, flushed.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&self.text)?;
        self.out.flush()?;
        Ok(self.out)
    }
}
