//! What is damaged in a recording.

use std::fmt;

use serde::Serialize;

/// A file of a recording that cannot be read, or not to its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DamagedFile {
    /// Its path.
    pub file: String,
    /// The rows that are missing because of it; `None` if not even that can be read.
    pub rows: Option<u64>,
    pub reason: String,
}

impl fmt::Display for DamagedFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} is damaged ({}): ", self.file, self.reason)?;
        match self.rows {
            None => write!(out, "an unknown number of its rows is missing"),
            Some(1) => write!(out, "a row of it is missing"),
            Some(rows) => write!(out, "{rows} of its rows are missing"),
        }
    }
}

impl std::error::Error for DamagedFile {}
