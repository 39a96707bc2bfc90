//! Bytes of a recording changed at random, in any of its files: whatever reads it neither panics nor hangs, and
//! what stands in the other files is all there.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use fault_trace::{
    analysis::{
        Content, FaultFilter, Folder, Report, SlowFault, Tables, ViewBuilder, Weight,
        slowest::{Surroundings, Worst},
        view::{By, SortBy, ViewOptions},
    },
    export::{self, CsvWriter, JsonlWriter},
    model::{Fault, damage::DamagedFile},
    recording::Recording,
    render,
};
use proptest::{prelude::*, sample::Index};
use support::FAULTS;
use tempfile::TempDir;

/// A change of a file.
#[derive(Clone, Debug)]
enum Change {
    Flip(Vec<(Index, u8)>),
    Truncate(Index),
    Insert(Index, Vec<u8>),
    /// Numbers are where claims are made.
    Number(Index, u32),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        4 => prop::collection::vec((index(), 1_u8..), 1..8).prop_map(Change::Flip),
        1 => index().prop_map(Change::Truncate),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..64))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (index(), prop_oneof![Just(u32::MAX), Just(i32::MAX as u32), any::<u32>()])
            .prop_map(|(at, number)| Change::Number(at, number)),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip(flips) => {
                for (at, mask) in flips {
                    let at = at.index(bytes.len());
                    bytes[at] ^= mask;
                }
            }
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Self::Insert(at, inserted) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, inserted.iter().copied());
            }
            Self::Number(at, number) => {
                let at = at.index(bytes.len());
                let number = number.to_le_bytes();
                let length = number.len().min(bytes.len() - at);
                bytes[at..at + length].copy_from_slice(&number[..length]);
            }
        }
    }
}

/// The recording's files with what they hold.
fn files(recording: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("lists");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut paths: Vec<PathBuf> = paths.collect();
        paths.sort();
        paths
    };
    let in_folders = entries(recording).into_iter().flat_map(|path| {
        if path.is_dir() {
            entries(&path)
        } else {
            vec![path]
        }
    });
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("reads");
        (path, bytes)
    };
    in_folders.map(read).collect()
}

/// Keeps the rows that can be read.
fn intact<R>(recording: &Recording, rows: impl Iterator<Item = Result<R, DamagedFile>>) -> Vec<R> {
    rows.filter_map(|row| row.map_err(|damaged| recording.note_damage(damaged)).ok())
        .collect()
}

/// Reads and shows all there is in every way there is; returns the faults that were read.
fn read(path: &Path) -> Option<usize> {
    let recording = Recording::open(path).ok()?;
    let mut tables = Tables::default();
    for row in intact(&recording, recording.mappings()) {
        tables.mapping(row);
    }
    for row in intact(&recording, recording.locations()) {
        tables.location(row);
    }
    for row in intact(&recording, recording.symbols()) {
        tables.symbol(row);
    }
    for row in intact(&recording, recording.stacks()) {
        tables.stack(row);
    }
    for row in intact(&recording, recording.cgroups()) {
        tables.cgroup(row);
    }
    for row in intact(&recording, recording.tasks()) {
        tables.task(&row);
    }
    let faults = intact(&recording, recording.faults());
    for by in [
        By::Class,
        By::Process,
        By::Thread,
        By::Function,
        By::Stack,
        By::File,
        By::Mapping,
        By::Cgroup,
        By::Page,
        By::Time,
    ] {
        show(&recording, &tables, &faults, by);
    }
    let mut jsonl = JsonlWriter::new(Vec::new(), &tables);
    let mut csv = CsvWriter::new(Vec::new(), &tables).expect("writes");
    for fault in &faults {
        jsonl.write(fault).expect("writes");
        csv.write(fault).expect("writes");
    }
    jsonl.finish().expect("writes");
    csv.finish().expect("writes");
    let mut folder = Folder::new(
        Weight::Count,
        FaultFilter::default(),
        &tables,
        &recording.run,
    );
    folder.faults(&faults);
    export::folded(&folder.finish(), Vec::new()).expect("writes");
    let slow = slowest(&recording, &tables, &faults);
    assert!(slow.len() <= 3);
    Some(faults.len())
}

fn show(recording: &Recording, tables: &Tables, faults: &[Fault], by: By) {
    let options = ViewOptions {
        by,
        sort: if by == By::Time {
            SortBy::Start
        } else {
            SortBy::Count
        },
        limit: 5,
        filter: FaultFilter::default(),
    };
    let mut builder = ViewBuilder::new(options, tables, &recording.run);
    builder.faults(faults);
    let mut report = Report::new(&recording.run);
    report.damaged = recording.damage();
    let view = builder.finish();
    let summary = render::SummaryOptions {
        width: 80,
        style: render::Style::default(),
        live: false,
    };
    let shown = render::view(&report, &view, summary) + &render::summary(&report, summary);
    assert!(!shown.is_empty());
    report.content = Content::View(Box::new(view));
    render::json(&report, false).expect("JSON");
}

fn slowest(recording: &Recording, tables: &Tables, faults: &[Fault]) -> Vec<SlowFault> {
    let mut worst = Worst::new(3, FaultFilter::default());
    faults.iter().for_each(|fault| worst.fault(fault));
    let mut surroundings: Surroundings = worst.surroundings();
    faults.iter().for_each(|fault| surroundings.fault(fault));
    surroundings.finish(tables, recording.run.started_ns)
}

#[test]
fn changed_bytes_cost_no_more_than_their_file() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("r.ftrace");
    support::write(&path, true, 3);
    let whole = files(&path);
    assert_eq!(read(&path), Some(FAULTS as usize));
    let strategy = (any::<Index>(), change());
    // More by PROPTEST_CASES.
    let usual = ProptestConfig::default();
    let cases = usual.cases.max(2000);
    proptest!(ProptestConfig { cases, ..usual }, |((file, change) in strategy)| {
        let (name, bytes) = file.get(&whole);
        let mut changed = bytes.clone();
        change.apply(&mut changed);
        fs::write(name, &changed).expect("writes");
        let faults = read(&path);
        fs::write(name, bytes).expect("writes");
        match name.strip_prefix(&path).expect("in it").parent() {
            Some(table) if table == Path::new("faults") => {
                // A flip within values may go unseen; no row comes from nowhere.
                let faults = faults.expect("opens") as u64;
                prop_assert!((FAULTS / 3 * 2..=FAULTS).contains(&faults), "{faults}");
            }
            Some(table) if table != Path::new("") => {
                prop_assert_eq!(faults, Some(FAULTS as usize));
            }
            // Without the description there may be no recording.
            _ => prop_assert!(faults.is_none_or(|faults| faults == FAULTS as usize)),
        }
    });
}
