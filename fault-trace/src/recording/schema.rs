//! The tables of a recording, each defined once: writing and reading both follow from the columns.
//!
//! Within a format version columns may be added, and names to the columns of names; readers ignore
//! the one and count the other. Anything else is a new [`FORMAT`](super::FORMAT).

use std::sync::{Arc, LazyLock};

use arrow_array::{
    ArrayRef, RecordBatch,
    types::{UInt16Type, UInt32Type, UInt64Type},
};
use arrow_schema::{Schema, SchemaRef};
use fault_trace_common::{Class, Confidence, ErrorCode, Evidence, error_code::Access};

use super::column::{
    Column,
    Encoding::{Delta, Dictionary},
};
use crate::model::{Fault, TaskChange, TaskEvent};

/// A row of one of the tables. A new table is an implementation of this, its folder among
/// `files::TABLES`, and a `TableWriter` and a list of segments beside those of the others.
pub(super) trait Row: Sized + Clone + 'static {
    /// The folder of the table's segments.
    const TABLE: &'static str;

    fn columns() -> &'static [Column<Self>];

    /// A row whose fields are all to be set by its columns.
    fn blank() -> Self;
}

/// The Arrow schema of a table.
pub(super) fn arrow_schema<R: Row>() -> SchemaRef {
    let fields = R::columns().iter().map(Column::field);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows as columns.
pub(super) fn batch<R: Row>(
    schema: SchemaRef,
    rows: &[R],
) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let columns: Vec<ArrayRef> = R::columns()
        .iter()
        .map(|column| column.build(rows))
        .collect();
    RecordBatch::try_new(schema, columns)
}

/// The rows of a batch and how many unknown names they hold.
///
/// # Errors
/// The name of a column that is missing or has another type.
pub(super) fn rows<R: Row>(batch: &RecordBatch) -> Result<(Vec<R>, u64), &'static str> {
    let mut rows = vec![R::blank(); batch.num_rows()];
    let mut unknown_names = 0;
    for column in R::columns().iter().filter(|column| column.is_read()) {
        let array = batch.column_by_name(column.name).ok_or(column.name)?;
        unknown_names += column.read(array, &mut rows).ok_or(column.name)?;
    }
    Ok((rows, unknown_names))
}

impl Row for Fault {
    const TABLE: &'static str = "faults";

    fn columns() -> &'static [Column<Self>] {
        static COLUMNS: LazyLock<Vec<Column<Fault>>> = LazyLock::new(fault_columns);
        &COLUMNS
    }

    fn blank() -> Self {
        Self {
            time_ns: 0,
            latency_ns: None,
            address: 0,
            ip: 0,
            evidence: Evidence(0),
            error_code: ErrorCode(0),
            pid: 0,
            tid: 0,
            cpu: 0,
            pages: 0,
            class: Class::Unknown,
            confidence: Confidence::Inferred,
        }
    }
}

const MODES: [&str; 2] = ["user", "kernel"];

/// Without the family, which follows from the class and would cost 13 ns a row.
fn fault_columns() -> Vec<Column<Fault>> {
    vec![
        Column::number::<UInt64Type>(
            "time_ns",
            Delta,
            |f: &Fault| f.time_ns,
            |f, v| f.time_ns = v,
        ),
        Column::optional_number::<UInt64Type>(
            "latency_ns",
            Delta,
            |f: &Fault| f.latency_ns,
            |f, v| f.latency_ns = v,
        ),
        Column::number::<UInt64Type>(
            "address",
            Delta,
            |f: &Fault| f.address,
            |f, v| f.address = v,
        ),
        Column::number::<UInt64Type>("ip", Dictionary, |f: &Fault| f.ip, |f, v| f.ip = v),
        Column::number::<UInt64Type>(
            "evidence",
            Dictionary,
            |f: &Fault| f.evidence.0,
            |f, v| f.evidence = Evidence(v),
        ),
        Column::number::<UInt32Type>(
            "error_code",
            Dictionary,
            |f: &Fault| f.error_code.0,
            |f, v| f.error_code = ErrorCode(v),
        ),
        Column::number::<UInt32Type>("pid", Delta, |f: &Fault| f.pid, |f, v| f.pid = v),
        Column::number::<UInt32Type>("tid", Delta, |f: &Fault| f.tid, |f, v| f.tid = v),
        Column::number::<UInt16Type>("cpu", Delta, |f: &Fault| f.cpu, |f, v| f.cpu = v),
        Column::number::<UInt32Type>("pages", Delta, |f: &Fault| f.pages, |f, v| f.pages = v),
        Column::names("class", Class::ALL.map(Class::name), |f: &Fault| {
            f.class as u8
        })
        .read_names(Class::from_name, Class::Unknown, |f, class| f.class = class),
        Column::names(
            "confidence",
            [Confidence::Exact, Confidence::Inferred].map(Confidence::name),
            |f: &Fault| f.confidence as u8,
        )
        .read_names(Confidence::from_name, Confidence::Inferred, |f, v| {
            f.confidence = v;
        }),
        Column::names(
            "access",
            [Access::Read, Access::Write, Access::Exec].map(Access::name),
            |f: &Fault| f.access() as u8,
        ),
        Column::names("mode", MODES, |f: &Fault| u8::from(f.mode() == MODES[1])),
        Column::flag("major", Fault::is_major),
    ]
}

impl Row for TaskEvent {
    const TABLE: &'static str = "tasks";

    fn columns() -> &'static [Column<Self>] {
        static COLUMNS: LazyLock<Vec<Column<TaskEvent>>> = LazyLock::new(task_columns);
        &COLUMNS
    }

    fn blank() -> Self {
        Self {
            time_ns: 0,
            pid: 0,
            tid: 0,
            comm: Vec::new(),
            change: TaskChange::Seen,
        }
    }
}

/// The names of the changes; a change's parent is a column of its own.
const CHANGES: [(&str, TaskChange); 4] = [
    ("seen", TaskChange::Seen),
    ("renamed", TaskChange::Renamed),
    ("forked", TaskChange::Forked { parent_pid: 0 }),
    ("exited", TaskChange::Exited),
];

const fn change_index(change: TaskChange) -> u8 {
    match change {
        TaskChange::Seen => 0,
        TaskChange::Renamed => 1,
        TaskChange::Forked { .. } => 2,
        TaskChange::Exited => 3,
    }
}

fn task_columns() -> Vec<Column<TaskEvent>> {
    vec![
        Column::number::<UInt64Type>(
            "time_ns",
            Delta,
            |t: &TaskEvent| t.time_ns,
            |t, v| t.time_ns = v,
        ),
        Column::number::<UInt32Type>("pid", Delta, |t: &TaskEvent| t.pid, |t, v| t.pid = v),
        Column::number::<UInt32Type>("tid", Delta, |t: &TaskEvent| t.tid, |t, v| t.tid = v),
        // A newer version's change reads as "seen": the name and the time hold all the same.
        Column::names("change", CHANGES.map(|(name, _)| name), |t: &TaskEvent| {
            change_index(t.change)
        })
        .read_names(change_of_name, TaskChange::Seen, |t, v| t.change = v),
        Column::optional_number::<UInt32Type>("parent_pid", Delta, parent_pid, set_parent_pid),
        Column::text("comm", |t: &TaskEvent| &t.comm, |t, v| t.comm = v.into()),
        // Only of names that are not UTF-8, which `comm` cannot hold.
        Column::optional_bytes("comm_bytes", odd_comm, |t, v| {
            if let Some(bytes) = v {
                t.comm = bytes.to_vec();
            }
        }),
    ]
}

fn change_of_name(name: &str) -> Option<TaskChange> {
    let mut changes = CHANGES.into_iter();
    changes.find_map(|(known, change)| (known == name).then_some(change))
}

const fn parent_pid(task: &TaskEvent) -> Option<u32> {
    match task.change {
        TaskChange::Forked { parent_pid } => Some(parent_pid),
        _ => None,
    }
}

fn set_parent_pid(task: &mut TaskEvent, value: Option<u32>) {
    if let (TaskChange::Forked { parent_pid }, Some(value)) = (&mut task.change, value) {
        *parent_pid = value;
    }
}

fn odd_comm(task: &TaskEvent) -> Option<&[u8]> {
    str::from_utf8(&task.comm).is_err().then_some(&task.comm)
}
