//! Opening a recording: the run, the segments, and what is missing.

use std::{
    cell::RefCell,
    collections::HashMap,
    ffi::OsStr,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    RecordingError, files, manifest,
    rows::{Rows, SegmentFile},
    schema::{Row, TABLES},
    wanted::Wanted,
};
use fault_trace_base::folder::{FileId, Folder};
use fault_trace_model::{
    Fault, Run, TaskEvent,
    attribution::{CgroupRow, LocationRow, MappingRow, StackRow, SymbolRow},
    damage::DamagedFile,
};

/// A recording that can be read.
#[derive(Debug)]
pub struct Recording {
    pub run: Run,
    pub completeness: Completeness,
    folder: Folder,
    /// The readable segments by the table's folder.
    segments: HashMap<&'static str, Vec<SegmentFile>>,
    damage: RefCell<Vec<DamagedFile>>,
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
    /// Faults that the eBPF programs wrote, by the run's totals.
    pub recorded: u64,
    /// Segments that were being written when the tracer died.
    pub unfinished: Vec<PathBuf>,
    /// Segments that are gone: others have higher numbers.
    pub missing: u64,
}

impl Recording {
    /// Reads `recording.json` and the end of every segment. A damaged segment is no error: see
    /// [`Recording::damage`]. `path` may be a link; in the folder, none is followed.
    ///
    /// # Errors
    /// `path` is no recording, was made by a newer version, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let folder = Folder::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotADirectory => RecordingError::NotARecording {
                path: path.to_owned(),
                reason: "it is no directory; give the directory that `record` wrote".to_owned(),
            },
            _ => RecordingError::io("open", path)(error),
        })?;
        let run = manifest::read(&folder)?;
        let mut completeness = Completeness {
            complete: run.complete,
            counted_until_ns: run.stopped_ns,
            segments: 0,
            fault_rows: 0,
            recorded: run.totals.counts.recorded,
            unfinished: Vec::new(),
            missing: 0,
        };
        let (mut segments, mut damage) = (HashMap::new(), Vec::new());
        for table in TABLES {
            let (readable, rows) = completeness.table(&folder, table, &mut damage);
            completeness.segments += readable.len();
            if table == Fault::TABLE {
                completeness.fault_rows = rows;
            }
            segments.insert(table, readable);
        }
        Ok(Self {
            run,
            completeness,
            folder,
            segments,
            damage: RefCell::new(damage),
        })
    }

    /// The files that turned out to be damaged so far, in the order in which they were met.
    #[must_use]
    pub fn damage(&self) -> Vec<DamagedFile> {
        self.damage.borrow().clone()
    }

    /// Keeps in mind that a file turned out to be damaged, as [`Rows`] told. Of a file that was read
    /// several times, the most rows count.
    pub fn note_damage(&self, damaged: DamagedFile) {
        let mut damage = self.damage.borrow_mut();
        match damage.iter_mut().find(|known| known.file == damaged.file) {
            Some(known) if known.rows < damaged.rows => *known = damaged,
            Some(_) => {}
            None => damage.push(damaged),
        }
    }

    /// The recording's folder, by whatever name.
    ///
    /// # Errors
    /// The file system does not tell.
    pub fn identity(&self) -> std::io::Result<FileId> {
        self.folder.identity()
    }

    /// Whether the recording has the file: by this name or another, or the folder is one of its own.
    ///
    /// # Errors
    /// The recording's folders cannot be read.
    pub fn has(&self, file: FileId) -> std::io::Result<bool> {
        if self.folder.identity()? == file || holds(&self.folder, file)? {
            return Ok(true);
        }
        for table in TABLES {
            if let Ok(folder) = self.folder.folder(OsStr::new(table))
                && holds(&folder, file)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the recording holds all that the eBPF programs wrote, as far as is known yet.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.completeness.notes().is_empty() && self.damage.borrow().is_empty()
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
        Rows::new(self.files::<Fault>(), wanted)
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
        Rows::new(self.files::<R>(), Wanted::EVERYTHING)
    }

    fn files<R: Row>(&self) -> Vec<SegmentFile> {
        self.segments.get(R::TABLE).cloned().unwrap_or_default()
    }
}

impl Completeness {
    /// Looks through a table's folder: its readable segments and their rows.
    fn table(
        &mut self,
        recording: &Folder,
        table: &str,
        damage: &mut Vec<DamagedFile>,
    ) -> (Vec<SegmentFile>, u64) {
        let opened = recording.folder(OsStr::new(table));
        let listed = match opened {
            // Older recordings lack what was added since.
            Err(error) if error.kind() == ErrorKind::NotFound => return (Vec::new(), 0),
            Err(error) => Err(RecordingError::io("open", &recording.path().join(table))(
                error,
            )),
            Ok(folder) => files::list(&folder).map(|files| (folder, files)),
        };
        let (folder, files) = match listed {
            Ok((folder, files)) => (Arc::new(folder), files),
            Err(error) => {
                let path = recording.path().join(table);
                damage.push(DamagedFile {
                    file: path.display().to_string(),
                    rows: None,
                    reason: error.to_string(),
                });
                return (Vec::new(), 0);
            }
        };
        self.unfinished.extend(files.unfinished);
        let (mut readable, mut rows, mut expected) = (Vec::new(), 0_u64, 0_u32);
        for (number, name) in files.finished {
            self.missing += u64::from(number.saturating_sub(expected));
            expected = number.saturating_add(1);
            let folder = Arc::clone(&folder);
            let file = SegmentFile { folder, name };
            match file.footer() {
                Ok((_, _, held)) => {
                    rows = held.saturating_add(rows);
                    readable.push(file);
                }
                Err(damaged) => damage.push(damaged),
            }
        }
        (readable, rows)
    }

    /// What is missing beside what is damaged, a sentence each, for people; empty if nothing is.
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
        } = self;
        let mut notes = Vec::new();
        if !complete {
            notes.push(format!(
                "the recording was not finished: the tracer died, could not write all, or is still at \
                 work; {segments} segments with {fault_rows} faults can be read, and the kernel's \
                 totals are those of the last checkpoint"
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
        notes
    }
}

/// Whether a folder holds the file, or is the folder of the file's name.
fn holds(folder: &Folder, file: FileId) -> std::io::Result<bool> {
    if folder.identity()? == file {
        return Ok(true);
    }
    let names = folder.names()?;
    let mut found = names.iter().filter_map(|name| folder.look(name).ok());
    Ok(found.any(|(_, found)| found == file))
}
