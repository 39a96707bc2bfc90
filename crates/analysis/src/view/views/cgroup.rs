//! Faults by the cgroup in which their thread was at the time.

use crate::{
    tables::container::container,
    view::{
        definition::{Definition, Missing},
        field::{Column, Field},
        of::Of,
        value::{Keep, Label},
    },
};
use fault_trace_model as model;
use fault_trace_model::Fields;

/// Container engines abbreviate ids of the one length to the other.
const ID_LEN: usize = 64;
const SHORT_ID_LEN: usize = 12;

pub(super) static VIEW: Definition = Definition {
    needs: Some(Missing::Cgroups),
    ..Definition::new(
        "cgroup",
        ["cgroup", "cgroups"],
        Fields::of(&[model::Field::Pid, model::Field::Tid, model::Field::Time]),
        |keys, fault| {
            let cgroup = keys.tables.cgroup_at(fault.pid, fault.tid, fault.time_ns);
            ((0, cgroup.unwrap_or(0)), None)
        },
        &[
            Field::data("path", |of| path(of).into()),
            Field::shown(Column::key("cgroup"), |of| match (path(of), id(of)) {
                (None, Some(id)) => format!("(id {id})").as_str().into(),
                (path, _) => path.into(),
            }),
            Field::data("cgroup_id", |of| id(of).into()),
            // Id or name, where the path tells.
            Field::data("container", |of| path(of).and_then(container).into()),
            Field::shown(Column::text("container", 2), |of| {
                let container =
                    path(of)
                        .and_then(container)
                        .map(|id| match id.get(..SHORT_ID_LEN) {
                            Some(short) if id.len() == ID_LEN => short,
                            _ => id,
                        });
                container.map(|id| Label::new(id, Keep::Everything)).into()
            }),
        ],
    )
};

fn id(of: &Of<'_>) -> Option<u64> {
    Some(of.key.1).filter(|&id| id != 0)
}

fn path<'a>(of: &Of<'a>) -> Option<&'a [u8]> {
    let path = of.tables.cgroup_path(of.key.1);
    path.filter(|path| !path.is_empty())
}
