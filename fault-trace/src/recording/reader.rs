//! Opening a recording: the run, the segments, and what is missing.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    RecordingError, files, manifest,
    rows::{self, Rows},
    schema::{Row, TABLES},
    wanted::Wanted,
};
use crate::model::{
    Fault, Run, TaskEvent,
    attribution::{CgroupRow, LocationRow, MappingRow, StackRow, SymbolRow},
};

/// A recording that can be read.
#[derive(Debug)]
pub struct Recording {
    pub run: Run,
    pub completeness: Completeness,
    /// The readable segments by the table's folder.
    segments: HashMap<&'static str, Vec<PathBuf>>,
}

/// How much of a run a recording holds.
#[derive(Debug)]
pub struct Completeness {
    /// Whether the run was stopped in order. If not, the tracer died or is still at work.
    pub complete: bool,
    /// The moment up to which the run's totals count, ns of CLOCK_MONOTONIC.
    pub counted_until_ns: u64,
    /// Readable segments, of all tables.
    pub segments: usize,
    /// Faults in the readable segments.
    pub fault_rows: u64,
    /// Faults that the kernel side wrote, by the run's totals.
    pub recorded: u64,
    /// Segments that were being written when the tracer died.
    pub unfinished: Vec<PathBuf>,
    /// Segments that are gone: others have higher numbers.
    pub missing: u64,
    /// Segments that cannot be read.
    pub damaged: Vec<Damaged>,
}

/// A segment that cannot be read, and why.
#[derive(Debug)]
pub struct Damaged {
    pub path: PathBuf,
    pub error: RecordingError,
}

impl Recording {
    /// Reads `recording.json` and the end of every segment. A damaged segment is no error: see
    /// [`Recording::completeness`].
    ///
    /// # Errors
    /// `path` is no recording, was made by a newer version, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let run = manifest::read(path)?;
        let mut completeness = Completeness {
            complete: run.complete,
            counted_until_ns: run.stopped_ns,
            segments: 0,
            fault_rows: 0,
            recorded: run.totals.counts.recorded,
            unfinished: Vec::new(),
            missing: 0,
            damaged: Vec::new(),
        };
        let mut segments = HashMap::new();
        for table in TABLES {
            let (readable, rows) = completeness.table(path, table)?;
            completeness.segments += readable.len();
            if table == Fault::TABLE {
                completeness.fault_rows = rows;
            }
            segments.insert(table, readable);
        }
        Ok(Self {
            run,
            completeness,
            segments,
        })
    }

    /// The faults of the readable segments, in the order in which they were closed: their ends are in
    /// order, so their starts (`time_ns`) are out of order by as much as faults overlapped.
    #[must_use]
    pub fn faults(&self) -> Rows<Fault> {
        self.rows()
    }

    /// The same, but only what is `wanted` of them, which is faster.
    #[must_use]
    pub fn faults_wanted(&self, wanted: Wanted) -> Rows<Fault> {
        Rows::new(self.paths::<Fault>(), wanted)
    }

    /// The task events of the readable segments, in the order in which they came.
    #[must_use]
    pub fn tasks(&self) -> Rows<TaskEvent> {
        self.rows()
    }

    /// The mappings that faults refer to, each before the first segment of faults that does.
    #[must_use]
    pub fn mappings(&self) -> Rows<MappingRow> {
        self.rows()
    }

    /// The code locations that faults and stacks refer to.
    #[must_use]
    pub fn locations(&self) -> Rows<LocationRow> {
        self.rows()
    }

    /// The functions of the locations, innermost first.
    #[must_use]
    pub fn symbols(&self) -> Rows<SymbolRow> {
        self.rows()
    }

    /// The stacks that faults refer to, frame by frame, innermost first.
    #[must_use]
    pub fn stacks(&self) -> Rows<StackRow> {
        self.rows()
    }

    /// The cgroups that task events refer to.
    #[must_use]
    pub fn cgroups(&self) -> Rows<CgroupRow> {
        self.rows()
    }

    fn rows<R: Row>(&self) -> Rows<R> {
        Rows::new(self.paths::<R>(), Wanted::EVERYTHING)
    }

    fn paths<R: Row>(&self) -> Vec<PathBuf> {
        self.segments.get(R::TABLE).cloned().unwrap_or_default()
    }
}

impl Completeness {
    /// Looks through a table's folder: its readable segments and their rows.
    fn table(
        &mut self,
        recording: &Path,
        table: &str,
    ) -> Result<(Vec<PathBuf>, u64), RecordingError> {
        let files = files::list(&recording.join(table))?;
        self.unfinished.extend(files.unfinished);
        let (mut readable, mut rows, mut expected) = (Vec::new(), 0_u64, 0_u32);
        for (number, path) in files.finished {
            self.missing += u64::from(number.saturating_sub(expected));
            expected = number.saturating_add(1);
            match rows::footer(&path) {
                Ok((_, metadata)) => {
                    let held = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
                    rows = held.saturating_add(rows);
                    readable.push(path);
                }
                Err(error) => self.damaged.push(Damaged { path, error }),
            }
        }
        Ok((readable, rows))
    }

    /// Whether the recording holds all that the kernel side wrote.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.notes().is_empty()
    }

    /// What is missing, a sentence each, for people; empty if nothing is.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let Self {
            complete,
            counted_until_ns: _,
            segments,
            fault_rows,
            recorded,
            unfinished,
            missing,
            damaged,
        } = self;
        let mut notes = Vec::new();
        if !complete {
            notes.push(format!(
                "the recording was not finished: the tracer died or is still at work; {segments} \
                 segments with {fault_rows} faults can be read, and the kernel's totals are those of \
                 the last checkpoint"
            ));
        } else if fault_rows < recorded {
            notes.push(format!(
                "{} of {recorded} recorded faults are not in the readable segments",
                recorded - fault_rows
            ));
        }
        if !unfinished.is_empty() {
            let count = unfinished.len();
            notes.push(format!(
                "{count} segments were not finished and are left out"
            ));
        }
        if *missing != 0 {
            notes.push(format!("{missing} segments are gone"));
        }
        notes.extend(damaged.iter().map(|damaged| damaged.error.to_string()));
        notes
    }
}
