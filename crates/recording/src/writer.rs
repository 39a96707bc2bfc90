//! Writing a recording.

use std::{path::Path, sync::Arc};

use super::{
    Place, RecordingError, manifest,
    schema::Row as _,
    segment::{Table, TableWriter},
};
use fault_trace_model::{
    Batch, Event, Fault, Run, TaskEvent,
    attribution::{CgroupRow, LocationRow, MappingRow, StackRow, SymbolRow},
};

/// Writes a recording. Dropping it without [`RecordingWriter::finish`] leaves what a crash would.
///
/// After an error the rows of that table's open segment are lost; the segments finished before stay
/// readable, and [`RecordingWriter::finish`] may still be called.
pub struct RecordingWriter {
    place: Arc<Place>,
    faults: TableWriter<Fault>,
    tasks: TableWriter<TaskEvent>,
    mappings: TableWriter<MappingRow>,
    locations: TableWriter<LocationRow>,
    symbols: TableWriter<SymbolRow>,
    stacks: TableWriter<StackRow>,
    cgroups: TableWriter<CgroupRow>,
}

/// What a finished recording holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    pub faults: u64,
    pub tasks: u64,
    pub segments: u32,
}

impl RecordingWriter {
    /// Creates the recording's directory with its first `recording.json`. With `overwrite` a
    /// recording of that name is removed first.
    ///
    /// # Errors
    /// The name is taken, by a recording (without `overwrite`) or by anything else; the directory
    /// cannot be written.
    pub fn create(path: &Path, overwrite: bool, run: &Run) -> Result<Self, RecordingError> {
        let place = Place::create(path, overwrite)?;
        Self::into(place, run).map_err(|(place, error)| {
            place.discard();
            error
        })
    }

    fn into(place: Place, run: &Run) -> Result<Self, (Arc<Place>, RecordingError)> {
        let place = Arc::new(place);
        let open = || {
            manifest::write(place.folder(), run)?;
            Ok(Self {
                faults: TableWriter::new(place.table(Fault::TABLE)?),
                tasks: TableWriter::new(place.table(TaskEvent::TABLE)?),
                mappings: TableWriter::new(place.table(MappingRow::TABLE)?),
                locations: TableWriter::new(place.table(LocationRow::TABLE)?),
                symbols: TableWriter::new(place.table(SymbolRow::TABLE)?),
                stacks: TableWriter::new(place.table(StackRow::TABLE)?),
                cgroups: TableWriter::new(place.table(CgroupRow::TABLE)?),
                place: Arc::clone(&place),
            })
        };
        let opened = open();
        opened.map_err(|error| (place, error))
    }

    /// The folder that the recording is written into.
    #[must_use]
    pub fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place)
    }

    /// Adds a fault; encodes and writes when enough have come together.
    ///
    /// # Errors
    /// The open segment cannot be written.
    pub fn push_fault(&mut self, fault: &Fault) -> Result<(), RecordingError> {
        self.push_faults(std::slice::from_ref(fault))
    }

    /// Adds faults.
    ///
    /// # Errors
    /// As [`RecordingWriter::push_fault`].
    pub fn push_faults(&mut self, faults: &[Fault]) -> Result<(), RecordingError> {
        self.faults.push_all(faults)
    }

    /// Adds the events of a batch, which it leaves empty.
    ///
    /// # Errors
    /// An open segment cannot be written.
    pub fn push_batch(&mut self, batch: &mut Batch) -> Result<(), RecordingError> {
        for event in batch.others.drain(..) {
            self.push(event)?;
        }
        self.push_faults(&batch.faults)?;
        batch.clear();
        Ok(())
    }

    /// Adds a task event.
    ///
    /// # Errors
    /// The open segment cannot be written.
    pub fn push_task(&mut self, task: TaskEvent) -> Result<(), RecordingError> {
        self.tasks.push(task)
    }

    /// Adds an event of any kind.
    ///
    /// # Errors
    /// The open segment cannot be written.
    pub fn push(&mut self, event: Event) -> Result<(), RecordingError> {
        match event {
            Event::Fault(fault) => self.push_fault(&fault),
            Event::Task(task) => self.push_task(task),
            Event::Mapping(row) => self.mappings.push(row),
            Event::Location(row) => self.locations.push(row),
            Event::Symbol(row) => self.symbols.push(row),
            Event::Stack(row) => self.stacks.push(row),
            Event::Cgroup(row) => self.cgroups.push(row),
        }
    }

    /// Closes the open segments, so that a crash cannot take what came before.
    ///
    /// # Errors
    /// A segment cannot be completed.
    pub fn roll(&mut self) -> Result<(), RecordingError> {
        self.tables().into_iter().try_for_each(Table::roll)
    }

    /// Replaces `recording.json`, in one step.
    ///
    /// # Errors
    /// It cannot be written; the old one stays.
    pub fn checkpoint(&self, run: &Run) -> Result<(), RecordingError> {
        manifest::write(self.place.folder(), run)
    }

    /// Closes everything, writes the final `recording.json` and syncs all of it to disk. The file is
    /// written even if rows were lost to an error, but then says `"complete":false`.
    ///
    /// # Errors
    /// The first of what could not be written.
    pub fn finish(mut self, run: &Run) -> Result<Written, RecordingError> {
        let mut finished = Ok(());
        for table in self.tables() {
            finished = finished.and(table.finish());
        }
        let lost_rows: u64 = self
            .tables()
            .into_iter()
            .map(|table| table.lost_rows())
            .sum();
        let mut run = Run {
            complete: run.complete && finished.is_ok() && lost_rows == 0,
            ..run.clone()
        };
        if !run.complete {
            run.notes.extend(self.missing(&run));
        }
        let checkpointed = self.checkpoint(&run);
        finished.and(checkpointed)?;
        let folder = self.place.folder();
        folder
            .sync()
            .map_err(RecordingError::io("sync", folder.path()))?;
        Ok(Written {
            faults: self.faults.finished_rows,
            tasks: self.tasks.finished_rows,
            segments: self
                .tables()
                .into_iter()
                .map(|table| table.segments())
                .sum(),
        })
    }

    /// Which rows could not be written, for people. What came after an error is only counted of faults.
    fn missing(&mut self, run: &Run) -> Option<String> {
        let recorded = run.totals.counts.recorded;
        let faults = recorded.saturating_sub(self.faults.finished_rows);
        let others = self.tables().map(|table| (table.name(), table.lost_rows()));
        let others = others.into_iter().filter(|(name, _)| *name != Fault::TABLE);
        let mut missing = Vec::new();
        if faults > 0 {
            missing.push(format!("{faults} of the {recorded} faults"));
        }
        missing.extend(
            others
                .filter(|(_, rows)| *rows > 0)
                .map(|(name, rows)| format!("{rows} or more rows of {name}")),
        );
        (!missing.is_empty()).then(|| {
            format!(
                "could not be written: {}; the totals are those of the whole run",
                missing.join(", ")
            )
        })
    }

    /// Every table; those that faults refer to come first, so that a crash seldom parts them.
    fn tables(&mut self) -> [&mut dyn Table; 7] {
        [
            &mut self.mappings,
            &mut self.locations,
            &mut self.symbols,
            &mut self.stacks,
            &mut self.cgroups,
            &mut self.tasks,
            &mut self.faults,
        ]
    }
}
