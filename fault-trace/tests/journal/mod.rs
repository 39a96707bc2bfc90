//! A journal: all that came through the ports of a real run's pipeline, so that the run can be
//! replayed without root.
//!
//! `tests/fixtures/NAME/journal`, and `recording` of the same run beside it, are written anew by the
//! privileged tests `journals`, as root: `FAULT_TRACE_FIXTURES=write cargo xtask test journals`. That is
//! right when the pipeline asks something else than before, or finds something else on purpose.

pub(crate) mod replay;

use std::{
    collections::VecDeque,
    fmt::Debug,
    path::{Path, PathBuf},
};

use fault_trace::{
    model::{
        Batch, Run,
        code::{CodePlace, CodeSpot, Frame, Unresolved},
        mapping::Device,
    },
    pipeline::{Ending, Machine, Moment, Pace, Pipeline, Records, Sideband},
    recording::RecordingWriter,
};
use serde::{Deserialize, Serialize};

/// What the run did with its pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    Drain,
    Look,
    /// With the time at which somebody wants the end.
    Conclude(Option<Nanoseconds>),
}

/// ns of CLOCK_MONOTONIC.
pub(crate) type Nanoseconds = u64;
type Record = Vec<u8>;

/// Answers to one kind of question, in the order in which they were asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answers<Q, A>(pub(crate) VecDeque<(Q, A)>);

impl<Q, A> Default for Answers<Q, A> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<Q: PartialEq + Debug, A> Answers<Q, A> {
    /// The next answer, which must be to the same question.
    pub(crate) fn take(&mut self, question: Q) -> A {
        let next = self.0.pop_front();
        let (asked, answer) = next.unwrap_or_else(|| panic!("the run never asked {question:?}"));
        assert_eq!(question, asked, "the run asked something else");
        answer
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// News as the journal keeps them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) identified: Vec<u32>,
    pub(crate) named: Vec<(u32, Result<Vec<Frame>, Unresolved>)>,
    pub(crate) unwound: Vec<Callers>,
}

/// Callers as the journal keeps them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Callers {
    pub(crate) stack: u64,
    pub(crate) pid: u32,
    pub(crate) calls: Option<Vec<(u64, CodeSpot)>>,
}

/// What came through the ports.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    /// The run before its pipeline was finished, as JSON.
    pub(crate) run: String,
    /// The classes that count.
    pub(crate) wanted: u64,
    pub(crate) names_live: bool,
    /// The processes that were followed, all of them covered.
    pub(crate) pids: Vec<u32>,
    pub(crate) steps: Vec<Step>,
    /// Of each reading.
    pub(crate) records: VecDeque<Vec<Record>>,
    /// By whether it was the tasks'.
    pub(crate) sideband: Answers<bool, Vec<Record>>,
    pub(crate) now: Answers<(), Nanoseconds>,
    pub(crate) maps: Answers<u32, Option<Vec<u8>>>,
    pub(crate) has_process: Answers<u32, bool>,
    pub(crate) cgroup_path: Answers<(u64, u32), Option<Vec<u8>>>,
    /// Those of shared memory, and of huge pages.
    pub(crate) devices: Answers<(), (Vec<Device>, Vec<Device>)>,
    pub(crate) huge_zero_page: Answers<(), bool>,
    pub(crate) numa_hint_faults: Answers<(), Option<u64>>,
    pub(crate) spot: Answers<(u32, u64), CodeSpot>,
    pub(crate) place: Answers<CodeSpot, Result<CodePlace, u32>>,
    pub(crate) ask: Answers<u32, ()>,
    pub(crate) unwind: Answers<Moment, Option<u64>>,
    pub(crate) abandon_stack: Answers<u64, ()>,
    pub(crate) process_executed: Answers<u32, ()>,
    pub(crate) process_exited: Answers<u32, ()>,
    pub(crate) poll: Answers<(), Told>,
    pub(crate) is_down: Answers<(), bool>,
    pub(crate) is_named: Answers<(), bool>,
    pub(crate) unnamed: Answers<(), usize>,
    pub(crate) abandon_names: Answers<(), usize>,
    pub(crate) abandon_files: Answers<(), Vec<u32>>,
    pub(crate) lost_files: Answers<(), u64>,
    pub(crate) losses: Answers<bool, Vec<String>>,
}

impl Journal {
    /// Reads a journal that was written by [`Journal::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let bytes = zstd::decode_all(bytes).expect("a whole journal");
        postcard::from_bytes(&bytes).expect("a journal")
    }

    pub(crate) fn run(&self) -> Run {
        serde_json::from_str(&self.run).expect("a run reads")
    }
}

/// The journal of that name, and the recording of the same run.
pub(crate) fn fixture(name: &str) -> (PathBuf, PathBuf) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let folder = fixtures.join(name);
    (folder.join("journal"), folder.join("recording"))
}

/// Takes a step; what is in the batch is written.
pub(crate) fn take<R: Records, S: Sideband, M: Machine>(
    step: Step,
    pipeline: &mut Pipeline<R, S, M>,
    writer: &mut RecordingWriter,
) -> Ending {
    let mut write = |batch: &mut Batch| writer.push_batch(batch);
    match step {
        Step::Drain => pipeline
            .drain(&Pace::default(), write)
            .expect("it is written"),
        Step::Look => pipeline.look(),
        Step::Conclude(until) => {
            let ending = pipeline.conclude(until.map(std::time::Duration::from_nanos));
            write(pipeline.batch_mut()).expect("it is written");
            return ending;
        }
    }
    Ending::Naming(0)
}
