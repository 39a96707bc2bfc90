//! A view as CSV: plain numbers, units in the header.

use crate::{
    analysis::{
        View,
        view::{By, Figures, FrameRow, Name, Subject},
    },
    render::csv::{CsvError, LATENCY_HEADER, latency_cells, text, write},
};

const FIGURES: [&str; 10] = [
    "count",
    "exact",
    "inferred",
    "major",
    "untimed",
    "pages",
    "resident_pages",
    "resident_bound",
    "resident_at_least_pages",
    "resident_at_most_pages",
];

/// Empty cells unless the recorded faults are a random sample.
const ESTIMATED: [&str; 4] = [
    "estimated_count",
    "estimated_count_error",
    "estimated_latency_ns",
    "estimated_latency_error",
];

/// A row a group, and one for those that are not shown, `(rest)`: the columns add up to all faults of
/// the view. What is not known is an empty cell.
///
/// # Errors
/// None that a view can cause; the library's writer asks for it.
pub fn view(view: &View) -> Result<Vec<u8>, CsvError> {
    let keys = header(view.by);
    let header: Vec<&str> = keys
        .iter()
        .chain(&FIGURES)
        .chain(&LATENCY_HEADER)
        .chain(&ESTIMATED)
        .copied()
        .collect();
    let rows = view.rows.iter().map(|row| {
        let mut cells = cells(&row.subject);
        cells.extend(figures(&row.figures));
        cells
    });
    let rest = view.rest.iter().map(|rest| {
        let mut cells = vec![String::new(); keys.len()];
        cells[0] = "(rest)".to_owned();
        cells.extend(figures(&rest.figures));
        cells
    });
    write(&header, rows.chain(rest))
}

const fn header(by: By) -> &'static [&'static str] {
    match by {
        By::Class => &["class", "family"],
        By::Process => &["pid", "comm"],
        By::Thread => &["pid", "tid", "comm"],
        By::Function => &[
            "function",
            "module",
            "kind",
            "source_file",
            "source_line",
            "inclusive_count",
            "inclusive_time_ns",
        ],
        By::Stack => &["stack_id", "truncated", "frames"],
        By::File => &[
            "file",
            "kind",
            "deleted",
            "first_offset_bytes",
            "last_offset_bytes",
            "cached",
            "read",
        ],
        By::Mapping => &[
            "name",
            "kind",
            "deleted",
            "pid",
            "comm",
            "start",
            "end",
            "protection",
        ],
        By::Page => &[
            "address",
            "pid",
            "comm",
            "mapping",
            "offset_bytes",
            "refaults",
        ],
        By::Cgroup => &["path", "cgroup_id", "container"],
        By::Time => &["from_ns", "to_ns"],
    }
}

fn cells(subject: &Subject) -> Vec<String> {
    match subject {
        Subject::Class { family, class } => vec![class.name().to_owned(), family.name().to_owned()],
        Subject::Process { pid, comm } => vec![pid.to_string(), name(comm.as_ref())],
        Subject::Thread { pid, tid, comm } => {
            vec![pid.to_string(), tid.to_string(), name(comm.as_ref())]
        }
        Subject::Function { frame, inclusive } => {
            let mut cells = match frame {
                Some(frame) => function(frame),
                None => vec![String::new(); 5],
            };
            cells.push(number(inclusive.map(|inclusive| inclusive.count)));
            cells.push(number(inclusive.map(|inclusive| inclusive.time_ns)));
            cells
        }
        Subject::Stack {
            stack_id,
            truncated,
            frames,
        } => {
            let functions = frames.iter().map(|frame| text(frame.function.as_bytes()));
            vec![
                number(*stack_id),
                truncated.to_string(),
                functions.collect::<Vec<_>>().join(";"),
            ]
        }
        Subject::File(file) => vec![
            name(file.file.as_ref()),
            file.kind.map_or("", |kind| kind.name()).to_owned(),
            file.deleted.to_string(),
            number(file.first_offset_bytes),
            number(file.last_offset_bytes),
            file.cached.to_string(),
            file.read.to_string(),
        ],
        Subject::Mapping { pid, comm, mapping } => {
            let Some(mapping) = mapping else {
                return vec![String::new(); 8];
            };
            vec![
                name(Some(&mapping.name)),
                mapping.kind.map_or("", |kind| kind.name()).to_owned(),
                mapping.deleted.to_string(),
                number(*pid),
                name(comm.as_ref()),
                format!("{:#x}", mapping.start.0),
                format!("{:#x}", mapping.end.0),
                text(mapping.protection.as_bytes()).into_owned(),
            ]
        }
        Subject::Page {
            pid,
            comm,
            address,
            refaults,
            mapping,
            offset_bytes,
        } => vec![
            format!("{:#x}", address.0),
            pid.to_string(),
            name(comm.as_ref()),
            name(mapping.as_ref()),
            number(*offset_bytes),
            refaults.to_string(),
        ],
        Subject::Cgroup {
            cgroup_id,
            path,
            container,
        } => vec![
            name(path.as_ref()),
            number(*cgroup_id),
            text(container.as_deref().unwrap_or_default().as_bytes()).into_owned(),
        ],
        Subject::Time { from_ns, to_ns } => vec![from_ns.to_string(), to_ns.to_string()],
    }
}

fn function(frame: &FrameRow) -> Vec<String> {
    let source = frame.source_file.as_deref().unwrap_or_default();
    vec![
        text(frame.function.as_bytes()).into_owned(),
        name(Some(&frame.module)),
        frame.kind.name().to_owned(),
        text(source.as_bytes()).into_owned(),
        number(frame.source_line),
    ]
}

fn figures(figures: &Figures) -> Vec<String> {
    let (tally, resident) = (&figures.tally, figures.resident);
    let mut cells: Vec<String> = [
        tally.count,
        tally.exact,
        tally.inferred,
        tally.major,
        tally.untimed,
        tally.pages,
        resident.pages(),
    ]
    .iter()
    .map(u64::to_string)
    .collect();
    cells.push(resident.bound().name().to_owned());
    cells.push(resident.at_least.to_string());
    cells.push(number(resident.at_most));
    cells.extend(latency_cells(tally.latency_ns));
    let estimated = figures.estimated;
    cells.push(number(estimated.map(|all| all.count)));
    cells.push(number(estimated.map(|all| all.count_error)));
    cells.push(number(estimated.map(|all| all.latency_ns)));
    cells.push(number(estimated.map(|all| all.latency_error)));
    cells
}

fn name(name: Option<&Name>) -> String {
    text(name.map_or(&[], |name| &name.0)).into_owned()
}

fn number<N: ToString>(number: Option<N>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}
