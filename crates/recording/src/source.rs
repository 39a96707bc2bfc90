//! A segment's bytes: small ones in memory, from one read; of larger ones only what is wanted.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt as _,
};

use bytes::Bytes;
use parquet::{
    errors::Result,
    file::reader::{ChunkReader, Length},
};

/// Up to this size a file is read whole: one read costs less than one for every page.
const SMALL: u64 = 256 << 10;

/// An open segment.
#[derive(Debug)]
pub(super) enum Source {
    Small(Bytes),
    Large { file: File, length: u64 },
}

impl Source {
    /// Takes over a regular file.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if length > SMALL {
            return Ok(Self::Large { file, length });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.take(length).read_to_end(&mut bytes)?;
        Ok(Self::Small(bytes.into()))
    }

    pub(super) const fn len(&self) -> u64 {
        match self {
            Self::Small(bytes) => bytes.len() as u64,
            Self::Large { length, .. } => *length,
        }
    }

    /// The bytes at `at`; fewer at the end.
    pub(super) fn read(&self, at: u64, length: usize) -> io::Result<Bytes> {
        let left = self.len().saturating_sub(at);
        let length = usize::try_from(left).map_or(length, |left| left.min(length));
        match self {
            Self::Small(bytes) => {
                let start = usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
                Ok(bytes.slice(start..start + length))
            }
            Self::Large { file, .. } => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, at)?;
                Ok(bytes.into())
            }
        }
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        Self::len(self)
    }
}

impl ChunkReader for Source {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(match self {
            Self::Small(bytes) => Box::new(bytes.get_read(start)?),
            Self::Large { file, .. } => Box::new(file.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::Small(bytes) => bytes.get_bytes(start, length),
            Self::Large { file, .. } => file.get_bytes(start, length),
        }
    }
}
