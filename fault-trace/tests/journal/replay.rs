//! Replays a journal through the whole pipeline.

use std::{
    cell::RefCell,
    collections::{HashSet, VecDeque},
    fmt::Debug,
    io::Cursor,
    path::Path,
    rc::Rc,
    time::Duration,
};

use fault_trace::{
    model::{
        address_space::AddressSpace,
        code::{CodePlace, CodeSpot},
        mapping::{Devices, Mapping},
        space_event::Origin,
    },
    pipeline::{
        Code, Coverage, Followed, GivenUp, Machine, Moment, News, Pipeline, Records, Settings,
        Sideband, Source, Unwound, decode::StackCopy,
    },
    recording::{Recording, RecordingWriter},
};

use super::{Callers, Journal, Told, take};

/// Makes a recording at `path` from a journal.
pub(crate) fn replay(mut journal: Journal, path: &Path) {
    let mut run = journal.run();
    let settings = Settings {
        hooks: run.hooks,
        wanted: journal.wanted,
        names_live: journal.names_live,
    };
    let pids = std::mem::take(&mut journal.pids);
    let mut coverage = Coverage::of(pids.iter().copied(), true);
    pids.iter().for_each(|&pid| coverage.cover(pid));
    let steps = std::mem::take(&mut journal.steps);
    let records = std::mem::take(&mut journal.records);
    let journal = Rc::new(RefCell::new(journal));
    let source = Source {
        records: Recorded(records),
        sideband: Replayed(Rc::clone(&journal)),
    };
    let machine = Replayed(Rc::clone(&journal));
    let followed = Followed { coverage, pids };
    let mut pipeline = Pipeline::open(source, machine, settings, followed);
    let mut writer = RecordingWriter::create(path, false, &run).expect("a folder");
    for step in steps {
        take(step, &mut pipeline, &mut writer);
    }
    pipeline.finish(&mut run);
    writer.finish(&run).expect("it is written");
    journal.borrow().assert_all_asked();
}

/// That two recordings hold the same, row by row.
pub(crate) fn assert_same(replayed: &Path, golden: &Path) {
    let open = |path: &Path| Recording::open(path).expect("a recording");
    let (replayed, golden) = (open(replayed), open(golden));
    assert_same_rows("tasks", replayed.tasks(), golden.tasks());
    assert_same_rows("mappings", replayed.mappings(), golden.mappings());
    assert_same_rows("locations", replayed.locations(), golden.locations());
    assert_same_rows("symbols", replayed.symbols(), golden.symbols());
    assert_same_rows("stacks", replayed.stacks(), golden.stacks());
    assert_same_rows("cgroups", replayed.cgroups(), golden.cgroups());
    assert_same_rows("faults", replayed.faults(), golden.faults());
    assert_eq!(replayed.run, golden.run);
}

fn assert_same_rows<R: PartialEq + Debug, E: Debug>(
    table: &str,
    left: impl Iterator<Item = Result<R, E>>,
    right: impl Iterator<Item = Result<R, E>>,
) {
    let left: Vec<R> = left.map(|row| row.expect("it reads")).collect();
    let right: Vec<R> = right.map(|row| row.expect("it reads")).collect();
    for (row, (left, right)) in left.iter().zip(&right).enumerate() {
        assert_eq!(left, right, "row {row} of the {table}");
    }
    assert_eq!(left.len(), right.len(), "rows of the {table}");
}

impl Journal {
    /// That the pipeline asked all that the run asked.
    fn assert_all_asked(&self) {
        let left = [
            ("sideband", self.sideband.is_empty()),
            ("maps", self.maps.is_empty()),
            ("has_process", self.has_process.is_empty()),
            ("cgroup_path", self.cgroup_path.is_empty()),
            ("spot", self.spot.is_empty()),
            ("place", self.place.is_empty()),
            ("ask", self.ask.is_empty()),
            ("unwind", self.unwind.is_empty()),
            ("abandon_stack", self.abandon_stack.is_empty()),
            ("process_executed", self.process_executed.is_empty()),
            ("process_exited", self.process_exited.is_empty()),
            ("poll", self.poll.is_empty()),
        ];
        for (question, is_empty) in left {
            assert!(is_empty, "the run asked more of {question}");
        }
    }
}

/// Fault records as they were read.
struct Recorded(VecDeque<Vec<Vec<u8>>>);

impl Records for Recorded {
    type Mark = ();

    fn mark(&mut self) {}

    fn records(&mut self, (): (), limit: usize, sink: impl FnMut(&[u8])) -> usize {
        let records = self.0.pop_front().expect("the run read less often");
        assert!(records.len() <= limit);
        records.iter().map(Vec::as_slice).for_each(sink);
        records.len()
    }
}

/// What the machine and the sideband said.
struct Replayed(Rc<RefCell<Journal>>);

impl Sideband for Replayed {
    fn read(&mut self, origin: Origin, sink: impl FnMut(&[u8])) {
        let mut journal = self.0.borrow_mut();
        let records = journal.sideband.take(origin == Origin::Tasks);
        records.iter().map(Vec::as_slice).for_each(sink);
    }
}

impl Machine for Replayed {
    type Maps = Cursor<Vec<u8>>;

    fn now(&mut self) -> Duration {
        Duration::from_nanos(self.0.borrow_mut().now.take(()))
    }

    fn maps(&mut self, pid: u32) -> Option<Self::Maps> {
        self.0.borrow_mut().maps.take(pid).map(Cursor::new)
    }

    fn has_process(&mut self, pid: u32) -> bool {
        self.0.borrow_mut().has_process.take(pid)
    }

    fn cgroup_path(&mut self, id: u64, pid: u32) -> Option<Vec<u8>> {
        self.0.borrow_mut().cgroup_path.take((id, pid))
    }

    fn devices(&mut self) -> Devices {
        let (shared_memory, hugetlb) = self.0.borrow_mut().devices.take(());
        Devices {
            shared_memory: HashSet::from_iter(shared_memory),
            hugetlb: HashSet::from_iter(hugetlb),
        }
    }

    fn huge_zero_page(&mut self) -> bool {
        self.0.borrow_mut().huge_zero_page.take(())
    }

    fn numa_hint_faults(&mut self) -> Option<u64> {
        self.0.borrow_mut().numa_hint_faults.take(())
    }
}

impl Code for Replayed {
    fn spot(&mut self, pid: u32, address: u64, _mapping: Option<&Mapping>) -> CodeSpot {
        self.0.borrow_mut().spot.take((pid, address))
    }

    fn place(&mut self, spot: &CodeSpot) -> Result<CodePlace, u32> {
        self.0.borrow_mut().place.take(spot.clone())
    }

    fn ask(&mut self, id: u32, _place: &CodePlace, _spot: &CodeSpot) {
        self.0.borrow_mut().ask.take(id);
    }

    fn unwind(&mut self, at: Moment, _copy: &StackCopy, _space: &AddressSpace) -> Option<u64> {
        self.0.borrow_mut().unwind.take(at)
    }

    fn abandon_stack(&mut self, stack: u64) {
        self.0.borrow_mut().abandon_stack.take(stack);
    }

    fn process_executed(&mut self, pid: u32) {
        self.0.borrow_mut().process_executed.take(pid);
    }

    fn process_exited(&mut self, pid: u32) {
        self.0.borrow_mut().process_exited.take(pid);
    }

    fn poll(&mut self) -> News {
        let Told {
            identified,
            named,
            unwound,
        } = self.0.borrow_mut().poll.take(());
        let named = named.into_iter();
        let unwound = unwound.into_iter();
        News {
            identified,
            named: named
                .map(|(id, found)| (id, found.map(Into::into)))
                .collect(),
            unwound: unwound
                .map(|Callers { stack, pid, calls }| Unwound { stack, pid, calls })
                .collect(),
        }
    }

    fn is_down(&mut self) -> bool {
        self.0.borrow_mut().is_down.take(())
    }

    fn is_named(&mut self) -> bool {
        self.0.borrow_mut().is_named.take(())
    }

    fn unnamed(&mut self) -> usize {
        self.0.borrow_mut().unnamed.take(())
    }

    fn abandon_names(&mut self) -> usize {
        self.0.borrow_mut().abandon_names.take(())
    }

    fn abandon_files(&mut self, _why: GivenUp) -> Vec<u32> {
        self.0.borrow_mut().abandon_files.take(())
    }

    fn lost_files(&mut self) -> u64 {
        self.0.borrow_mut().lost_files.take(())
    }

    fn losses(&mut self, is_missed: bool) -> Vec<String> {
        self.0.borrow_mut().losses.take(is_missed)
    }
}
