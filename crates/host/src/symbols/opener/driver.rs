//! What the reader is asked, one thing after the other.

mod programs;
mod stacks;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    os::fd::BorrowedFd,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::Duration,
};

pub(super) use self::stacks::Ordered;
use self::{
    programs::{Held, Programs},
    stacks::UNWIND_CPU,
};
use super::{Opening, Reads, Shared, jit::JitOrder, pool::OpenFile};
use crate::symbols::protocol::{
    Answer, Code, FileId, Headers, Loss, Name, Outcome, Question, Report, Source, SpaceId, Spot,
    Unnamed,
};

/// CPU time for the headers of a file.
pub(super) const HEADERS_CPU: Duration = Duration::from_secs(2);
/// CPU time for the names of up to a thousand places in a file.
const NAMES_CPU: Duration = Duration::from_secs(10);
/// How often to look whether an opening hangs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is to be done.
pub(super) enum Job {
    Setup(Vec<PathBuf>),
    Identify {
        file: FileId,
        opened: Option<OpenFile>,
    },
    Name {
        question: u32,
        source: Source,
        lines: bool,
        places: Vec<Spot>,
    },
    Space(SpaceId, Vec<Code>),
    Forget(SpaceId),
    Unwind(Ordered),
}

/// Has the jobs done.
pub(super) struct Driver<R> {
    pub(super) reader: R,
    pub(super) shared: Arc<Shared>,
    pub(super) directories: Vec<PathBuf>,
    files: HashMap<FileId, Held>,
    held: usize,
    programs: Programs,
    pub(super) spaces: HashMap<SpaceId, Vec<Code>>,
    /// What the reader of that generation has been given.
    pub(super) generation: u32,
    pub(super) given_files: HashSet<FileId>,
    pub(super) given_spaces: HashSet<SpaceId>,
    /// Files that broke a reader while it unwound.
    pub(super) barred: HashSet<FileId>,
    /// Stacks that wait for files to be opened.
    pub(super) waiting: VecDeque<Ordered>,
    told_refused: bool,
}

impl<R: Reads> Driver<R> {
    pub(super) fn new(reader: R, shared: Arc<Shared>) -> Self {
        Self {
            reader,
            shared,
            directories: Vec::new(),
            files: HashMap::new(),
            held: 0,
            programs: Programs::default(),
            spaces: HashMap::new(),
            generation: 0,
            given_files: HashSet::new(),
            given_spaces: HashSet::new(),
            barred: HashSet::new(),
            waiting: VecDeque::new(),
            told_refused: false,
        }
    }

    /// Works until nobody gives jobs any more.
    pub(super) fn work(mut self, jobs: &Receiver<Job>) {
        loop {
            let job = if self.shared.opening().is_empty() {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                jobs.recv_timeout(LOOK_EVERY)
            };
            match job {
                Ok(job) => self.start(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.give_up_opening();
            self.unwind_ready();
        }
    }

    /// Gives up files whose opening hangs.
    fn give_up_opening(&self) {
        let hanging: Vec<_> = {
            let mut opening = self.shared.opening();
            opening.extract_if(|_, opening| opening.hangs()).collect()
        };
        for (file, Opening { path, .. }) in hanging {
            self.give_up(path, Loss::Stalled);
            let outcome = Outcome::Lost(Loss::Stalled);
            self.shared.tell(&Report::Identified { file, outcome });
        }
    }

    fn start(&mut self, job: Job) {
        match job {
            Job::Setup(directories) => self.directories = directories,
            Job::Identify { file, opened } => {
                // Unless it was given up before.
                let opening = self.shared.opening().remove(&file);
                if let Some(Opening { path, .. }) = opening {
                    let outcome = self.identify(file, path, opened);
                    self.shared.tell(&Report::Identified { file, outcome });
                }
            }
            Job::Name {
                question,
                source,
                lines,
                places,
            } => {
                let mut answers = Answers {
                    shared: &Arc::clone(&self.shared),
                    question,
                    told: 0,
                    asked: places.len(),
                };
                let rest = match source {
                    Source::List { pid } => self.list(pid, &places, &mut answers),
                    Source::File { .. } => self.name(&source, lines, &places, &mut answers),
                };
                answers.fill(rest);
            }
            Job::Space(id, code) => _ = self.spaces.insert(id, code),
            Job::Forget(id) => {
                self.spaces.remove(&id);
                if self.given_spaces.remove(&id) && self.generation == self.reader.generation() {
                    let forget = Question::Forget { id };
                    let _ = self.ask(&forget, &[], &[], UNWIND_CPU, &mut |_| true);
                }
            }
            Job::Unwind(ordered) => self.waiting.push_back(ordered),
        }
    }

    /// Asks the reader; says once why there is none.
    pub(super) fn ask(
        &mut self,
        question: &Question,
        payload: &[u8],
        files: &[BorrowedFd<'_>],
        cpu_max: Duration,
        take: &mut dyn FnMut(Answer) -> bool,
    ) -> Result<(), Loss> {
        let done = self.reader.ask(question, payload, files, cpu_max, take);
        if let Some(reason) = self.reader.refused()
            && !self.told_refused
        {
            self.told_refused = true;
            let reason = reason.to_owned();
            self.shared.tell(&Report::Unavailable { reason });
        }
        done
    }

    /// Whether memory ran out while the reader had some of earlier questions: the same may go well in
    /// another, and the file that was read is not to blame.
    fn was_full(&self, loss: Loss) -> bool {
        loss == Loss::Big && !self.reader.was_fresh()
    }

    /// What the headers of a file tell; `None` if it is not an ELF file.
    pub(super) fn headers(&mut self, file: &OpenFile) -> Result<Option<Headers>, Loss> {
        let Some(fd) = file.fd() else {
            return Ok(None);
        };
        loop {
            let mut found = None;
            let asked = self.ask(&Question::Headers, &[], &[fd], HEADERS_CPU, &mut |answer| {
                if let Answer::Headers(headers) = answer {
                    found = headers;
                }
                true
            });
            match asked {
                Ok(()) => return Ok(found),
                Err(loss) if self.was_full(loss) => {}
                Err(loss) => return Err(loss),
            }
        }
    }

    fn identify(&mut self, id: FileId, path: Vec<u8>, opened: Option<OpenFile>) -> Outcome {
        let Some(file) = opened else {
            return Outcome::Unopened;
        };
        match self.headers(&file) {
            Ok(None) => Outcome::NotElf,
            Ok(Some(headers)) => {
                let held = self.held < self.shared.surroundings.held_max;
                self.held += usize::from(held);
                let kept = Held {
                    file: held.then(|| Arc::new(file)),
                    headers: headers.clone(),
                    path,
                };
                self.files.insert(id, kept);
                Outcome::Elf { headers, held }
            }
            Err(loss) => {
                self.give_up(path, loss);
                Outcome::Lost(loss)
            }
        }
    }

    /// Tells what a file was given up for.
    pub(super) fn give_up(&self, path: Vec<u8>, loss: Loss) {
        if loss != Loss::NoReader {
            self.shared.tell(&Report::GaveUp { path, loss });
        }
    }

    /// The names of places in a program; those not told are missing for the reason returned.
    fn name(
        &mut self,
        source: &Source,
        lines: bool,
        places: &[Spot],
        answers: &mut Answers<'_>,
    ) -> Unnamed {
        let at = self.program(source);
        loop {
            let program = self.programs.at(at);
            if program.is_given_up() {
                return Unnamed::GivenUp;
            }
            let kept = program.files();
            if !program.has_names() {
                return program.reason;
            }
            let question = Question::Name {
                program: program.number,
                lines: lines && program.may_have_lines(),
                files: [0, 1, 2].map(|nth| kept[nth].is_some()),
                shared_build_id: program.shared_build_id.clone(),
                places: places.get(answers.told..).unwrap_or_default().to_vec(),
            };
            let files: Vec<_> = kept.iter().flatten().filter_map(|file| file.fd()).collect();
            let asked = self.ask(&question, &[], &files, NAMES_CPU, &mut |answer| {
                answers.take(answer)
            });
            match asked {
                Ok(()) => return Unnamed::Unreadable,
                Err(loss) if self.was_full(loss) => {}
                Err(loss) => {
                    let path = self.programs.at(at).strike(loss);
                    self.give_up(path, loss);
                }
            }
        }
    }

    fn list(&mut self, pid: u32, places: &[Spot], answers: &mut Answers<'_>) -> Unnamed {
        let (tell, told) = mpsc::channel();
        let _ = self.shared.jit.send(JitOrder::List(pid, tell));
        // The other thread has a bound on every wait.
        let list = match told.recv().unwrap_or(Err(Unnamed::NoPerfMap)) {
            Ok(list) => list,
            Err(reason) => {
                if reason == Unnamed::GivenUp {
                    self.give_up(list_path(pid), Loss::Stalled);
                }
                return reason;
            }
        };
        let files: Vec<_> = list.fd().into_iter().collect();
        loop {
            let left = places.get(answers.told..).unwrap_or_default();
            let addresses = left.iter().map(|(address, _)| *address).collect();
            let question = Question::List { pid, addresses };
            let asked = self.ask(&question, &[], &files, NAMES_CPU, &mut |answer| {
                answers.take(answer)
            });
            match asked {
                Ok(()) => return Unnamed::NoPerfMap,
                Err(loss) if self.was_full(loss) => {}
                Err(loss) => {
                    self.give_up(list_path(pid), loss);
                    return Unnamed::GivenUp;
                }
            }
        }
    }
}

fn list_path(pid: u32) -> Vec<u8> {
    format!("{}/perf-{pid}.map", super::TMP).into_bytes()
}

/// Passes names on, as many as were asked for.
pub(super) struct Answers<'a> {
    shared: &'a Shared,
    question: u32,
    told: usize,
    asked: usize,
}

impl Answers<'_> {
    /// Whether it was the last.
    fn take(&mut self, answer: Answer) -> bool {
        if let Answer::Named(mut found) = answer {
            found.truncate(self.asked - self.told);
            self.tell(found);
        }
        self.told >= self.asked
    }

    /// Tells the same of those left.
    fn fill(&mut self, reason: Unnamed) {
        let left = self.asked - self.told;
        if left > 0 {
            self.tell(vec![Err(reason); left]);
        }
    }

    fn tell(&mut self, found: Vec<Result<Vec<Name>, Unnamed>>) {
        let first = u32::try_from(self.told).unwrap_or(u32::MAX);
        self.told += found.len();
        self.shared.tell(&Report::Named {
            question: self.question,
            first,
            found,
        });
    }
}
