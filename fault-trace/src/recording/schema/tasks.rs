//! The table of what happened to tasks.

use std::sync::LazyLock;

use arrow_array::types::{UInt32Type, UInt64Type};

use super::{
    super::column::{Column, Encoding::Delta},
    Row,
};
use crate::model::{TaskChange, TaskEvent};

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
            cgroup_id: None,
        }
    }
}

/// The names of the changes; a change's parent is a column of its own.
const CHANGES: [(&str, TaskChange); 5] = [
    ("seen", TaskChange::Seen),
    ("renamed", TaskChange::Renamed),
    ("forked", TaskChange::Forked { parent_pid: 0 }),
    ("exited", TaskChange::Exited),
    ("moved", TaskChange::Moved),
];

const fn change_index(change: TaskChange) -> u8 {
    match change {
        TaskChange::Seen => 0,
        TaskChange::Renamed => 1,
        TaskChange::Forked { .. } => 2,
        TaskChange::Exited => 3,
        TaskChange::Moved => 4,
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
        Column::optional_number::<UInt64Type>(
            "cgroup_id",
            Delta,
            |t: &TaskEvent| t.cgroup_id,
            |t, v| t.cgroup_id = v,
        ),
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
