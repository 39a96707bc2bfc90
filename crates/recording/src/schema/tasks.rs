//! The table of what happened to tasks.

use std::sync::LazyLock;

use super::{
    super::column::{Column, Encoding, columns},
    Row,
};
use fault_trace_model::{TaskChange, TaskEvent};

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
    // A newer version's change reads as "seen": the name and the time hold all the same.
    let change = |name| {
        let names = CHANGES.map(|(name, _)| name);
        let index = |task: &TaskEvent| change_index(task.change);
        Column::names(name, names, index).read_names(
            change_of_name,
            TaskChange::Seen,
            |task: &mut TaskEvent, value| task.change = value,
        )
    };
    let parent = |name| Column::optional_number(name, Encoding::Delta, parent_pid, set_parent_pid);
    columns! { TaskEvent;
        "time_ns" => number(time_ns, Delta),
        "pid" => number(pid, Delta),
        "tid" => number(tid, Delta),
        "change" => with(change),
        "parent_pid" => with(parent),
        "comm" => text(comm),
        "comm_bytes" => odd_bytes(comm),
        "cgroup_id" => optional(cgroup_id, Delta),
    }
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
