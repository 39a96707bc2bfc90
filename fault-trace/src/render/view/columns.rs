//! The columns that tell what a row of a view stands for.

use super::names::{UNKNOWN, base, head, seconds, shown, source, tail, task};
use crate::{
    analysis::view::{By, FileRow, MappingSubject, Name, Subject},
    render::{
        sanitize::sanitize,
        style::Paint,
        table::{Cell, Column},
        units,
    },
};

const fn text(title: &'static str, drop: u8) -> Column {
    Column {
        title,
        left: true,
        drop,
    }
}

const fn number(title: &'static str, drop: u8) -> Column {
    Column {
        title,
        left: false,
        drop,
    }
}

const CLASS: [Column; 1] = [text("class", 0)];
const PROCESS: [Column; 2] = [number("pid", 0), text("process", 0)];
const THREAD: [Column; 3] = [number("pid", 4), number("tid", 0), text("thread", 0)];
const FUNCTION: [Column; 4] = [
    text("function", 0),
    text("module", 3),
    text("source", 8),
    number("inclusive", 1),
];
const STACK: [Column; 1] = [text("stack", 0)];
const FILE: [Column; 4] = [
    text("file", 0),
    text("offsets", 6),
    number("cached", 3),
    number("read", 1),
];
const MAPPING: [Column; 4] = [
    text("mapping", 0),
    text("process", 3),
    text("addresses", 5),
    text("prot", 2),
];
const PAGE: [Column; 4] = [
    text("page", 0),
    text("process", 3),
    text("mapping", 2),
    number("refaults", 1),
];
const CGROUP: [Column; 2] = [text("cgroup", 0), text("container", 2)];
const TIME: [Column; 1] = [number("from", 0)];

/// The columns of a view.
pub(super) const fn columns(by: By) -> &'static [Column] {
    match by {
        By::Class => &CLASS,
        By::Process => &PROCESS,
        By::Thread => &THREAD,
        By::Function => &FUNCTION,
        By::Stack => &STACK,
        By::File => &FILE,
        By::Mapping => &MAPPING,
        By::Page => &PAGE,
        By::Cgroup => &CGROUP,
        By::Time => &TIME,
    }
}

/// What stands in them, where the terminal has `width` columns.
pub(super) fn cells(subject: &Subject, width: usize) -> Vec<Cell> {
    let room = width * 3 / 10;
    let name = |name: &str| Cell::painted(Paint::Strong, tail(name, room));
    match subject {
        Subject::Class { class, .. } => vec![name(class.name())],
        Subject::Process { pid, comm } => vec![id(*pid), name(&shown(comm.as_ref()))],
        Subject::Thread { pid, tid, comm } => {
            vec![id(*pid), id(*tid), name(&shown(comm.as_ref()))]
        }
        Subject::Function { frame, inclusive } => {
            let inclusive = inclusive.map(|inclusive| units::count(inclusive.count));
            let mut cells = match frame {
                None => vec![name(UNKNOWN), Cell::none(), Cell::none()],
                Some(frame) => vec![
                    Cell::painted(
                        Paint::Strong,
                        head(&sanitize(frame.function.as_bytes()), room),
                    ),
                    Cell::new(tail(&base(&frame.module), room)),
                    source(frame).map_or_else(Cell::none, |source| Cell::new(tail(&source, room))),
                ],
            };
            cells.push(inclusive.map_or_else(Cell::none, Cell::new));
            cells
        }
        Subject::Stack {
            stack_id,
            truncated,
            frames,
        } => {
            let innermost = frames.first().map(|frame| frame.function.as_str());
            let mark = if *truncated { " (truncated)" } else { "" };
            let function = match (stack_id, innermost) {
                (None, _) => "[no stack]".to_owned(),
                (_, None) => UNKNOWN.to_owned(),
                (_, Some(function)) => head(&sanitize(function.as_bytes()), room),
            };
            vec![Cell::painted(Paint::Strong, function + mark)]
        }
        Subject::File(file) => file_cells(file, room),
        Subject::Mapping { pid, comm, mapping } => {
            mapping_cells(*pid, comm.as_ref(), mapping.as_ref(), room)
        }
        Subject::Page {
            pid,
            comm,
            address,
            refaults,
            mapping,
            offset_bytes,
        } => vec![
            Cell::painted(Paint::Strong, format!("{:#x}", address.0)),
            Cell::new(task(Some(*pid), comm.as_ref())),
            Cell::new(match (mapping, offset_bytes) {
                (Some(mapping), Some(offset)) => {
                    format!("{}+{offset:#x}", tail(&base(mapping), room))
                }
                _ => UNKNOWN.to_owned(),
            }),
            count(*refaults),
        ],
        Subject::Cgroup {
            cgroup_id,
            path,
            container,
        } => {
            let path = match (path, cgroup_id) {
                (Some(path), _) => sanitize(&path.0).into_owned(),
                (None, Some(id)) => format!("(id {id})"),
                (None, None) => UNKNOWN.to_owned(),
            };
            // As container engines abbreviate their ids.
            let container = container
                .as_ref()
                .map(|id| id.get(..12).filter(|_| id.len() == 64).unwrap_or(id));
            vec![
                name(&path),
                container.map_or_else(Cell::none, |id| Cell::new(sanitize(id.as_bytes()))),
            ]
        }
        Subject::Time { from_ns, to_ns } => vec![Cell::painted(
            Paint::Strong,
            seconds(*from_ns, to_ns.saturating_sub(*from_ns)),
        )],
    }
}

fn file_cells(file: &FileRow, room: usize) -> Vec<Cell> {
    let offsets = file.first_offset_bytes.zip(file.last_offset_bytes);
    let deleted = if file.deleted { " (deleted)" } else { "" };
    vec![
        Cell::painted(
            Paint::Strong,
            tail(&shown(file.file.as_ref()), room) + deleted,
        ),
        offsets.map_or_else(Cell::none, |(first, last)| {
            Cell::new(format!("{first:#x}-{last:#x}"))
        }),
        count(file.cached),
        count(file.read),
    ]
}

fn mapping_cells(
    pid: Option<u32>,
    comm: Option<&Name>,
    mapping: Option<&MappingSubject>,
    room: usize,
) -> Vec<Cell> {
    let Some(mapping) = mapping else {
        let unknown = Cell::painted(Paint::Strong, UNKNOWN);
        return vec![unknown, Cell::none(), Cell::none(), Cell::none()];
    };
    let deleted = if mapping.deleted { " (deleted)" } else { "" };
    vec![
        Cell::painted(
            Paint::Strong,
            tail(&sanitize(&mapping.name.0), room) + deleted,
        ),
        Cell::new(task(pid, comm)),
        Cell::new(format!("{:#x}-{:#x}", mapping.start.0, mapping.end.0)),
        Cell::new(mapping.protection.clone()),
    ]
}

fn id(id: u32) -> Cell {
    Cell::painted(Paint::Dim, id.to_string())
}

fn count(number: u64) -> Cell {
    match number {
        0 => Cell::none(),
        _ => Cell::new(units::count(number)),
    }
}
