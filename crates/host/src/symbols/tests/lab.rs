//! The three parts in one process: the tracer's side, an opener, and a reader beside it that has all
//! rights. They talk as they do apart.

use std::{
    cell::RefCell,
    collections::HashMap,
    fs::File,
    os::fd::BorrowedFd,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use crate::{
    proc::Proc,
    symbols::{
        End, Loss, ModuleCounts, Options, Registers, Symbols,
        channel::Channel,
        opener::{self, Reads},
        protocol::{Answer, FileId, Question},
        reader::{self, Reader},
        service::Service,
    },
};
use fault_trace_model::{
    address_space::AddressSpace,
    code::{CodePlace, CodeSpot, Resolution},
    mapping::Mapping,
};

/// A reader without a process.
#[derive(Default)]
struct Beside(Reader);

struct Answers(Vec<Answer>);

impl reader::Surroundings for Answers {
    fn answer(&mut self, answer: Answer) {
        self.0.push(answer);
    }

    fn working_on(&mut self, _file: FileId) {}

    fn share(&mut self, _file: Option<&File>, _build_id: &[u8]) -> Vec<PathBuf> {
        Vec::new()
    }
}

impl Reads for Beside {
    fn ask(
        &mut self,
        question: &Question,
        payload: &[u8],
        files: &[BorrowedFd<'_>],
        _cpu_max: Duration,
        take: &mut dyn FnMut(Answer) -> bool,
    ) -> Result<(), Loss> {
        let own = |fd: &BorrowedFd<'_>| File::from(fd.try_clone_to_owned().expect("clones"));
        let mut answers = Answers(Vec::new());
        let files = files.iter().map(own).collect();
        self.0.ask(question.clone(), payload, files, &mut answers);
        let enough = answers.0.into_iter().any(take);
        assert!(enough || !question.is_answered(), "{question:?}");
        Ok(())
    }

    fn working_on(&self) -> FileId {
        0
    }

    fn was_fresh(&self) -> bool {
        true
    }

    fn generation(&self) -> u32 {
        1
    }

    fn refused(&self) -> Option<&str> {
        None
    }
}

/// The bounds of all parts.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) files: usize,
    pub(super) held: usize,
    pub(super) jit_processes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 1 << 14,
            held: 512,
            jit_processes: 256,
        }
    }
}

fn symbols(proc: Proc, tmp: PathBuf, limits: Limits, options: &Options) -> Symbols {
    let (ours, theirs) = Channel::pair().expect("a connection");
    let surroundings = opener::Surroundings {
        proc,
        tmp,
        held_max: limits.held,
    };
    thread::spawn(move || opener::serve(theirs, surroundings, Beside::default));
    let service = Service::connected(ours, &options.debug_directories);
    let limits = crate::symbols::Limits {
        files: limits.files,
        jit_processes: limits.jit_processes,
    };
    Symbols::with(service, limits, options)
}

/// Code that was seen; where it is, is waited for.
pub(super) struct Modules {
    symbols: RefCell<Symbols>,
    spots: HashMap<CodePlace, CodeSpot>,
}

/// Callers, and where they are.
pub(super) struct Unwound {
    pub(super) frames: Vec<StackFrame>,
    pub(super) guessed: u32,
    pub(super) end: End,
}

pub(super) struct StackFrame {
    pub(super) address: u64,
    pub(super) place: CodePlace,
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Modules {
    pub(super) fn new(proc: Proc) -> Self {
        Self::with_limits(proc, PathBuf::from(opener::TMP), Limits::default())
    }

    pub(super) fn with_limits(proc: Proc, tmp: PathBuf, limits: Limits) -> Self {
        Self {
            symbols: RefCell::new(symbols(proc, tmp, limits, &Options::default())),
            spots: HashMap::new(),
        }
    }

    pub(super) fn place(&mut self, pid: u32, address: u64, mapping: Option<&Mapping>) -> CodePlace {
        let symbols = self.symbols.get_mut();
        let spot = symbols.spot(pid, address, mapping);
        let began = Instant::now();
        loop {
            if let Ok(place) = symbols.place(&spot) {
                if matches!(place, CodePlace::Jit { .. }) {
                    // Answered behind what was told of the process.
                    symbols.resolve(&[(place.clone(), spot.clone())]);
                }
                self.spots.insert(place.clone(), spot);
                return place;
            }
            assert!(began.elapsed() < PATIENCE, "the file is never identified");
            symbols.wait(PATIENCE);
            symbols.poll();
        }
    }

    pub(super) fn process_exited(&mut self, pid: u32) {
        let symbols = self.symbols.get_mut();
        symbols.process_exited(pid);
        // Answered behind it.
        let place = CodePlace::Jit { pid, address: 0 };
        symbols.resolve(&[(place.clone(), CodeSpot::Place(place))]);
    }

    pub(super) fn counts(&self) -> ModuleCounts {
        self.symbols.borrow().counts()
    }

    pub(super) fn unwind(
        &mut self,
        pid: u32,
        registers: Registers,
        stack: &[u8],
        mappings: Vec<Mapping>,
    ) -> Unwound {
        let mut space = AddressSpace::default();
        space.resync(1, mappings);
        let symbols = self.symbols.get_mut();
        let asked = symbols.unwind((pid, 2), registers, stack, &space);
        let began = Instant::now();
        let unwound = loop {
            if let Some(unwound) = symbols.poll().unwound.pop() {
                break unwound;
            }
            assert!(began.elapsed() < PATIENCE, "the stack is never unwound");
            symbols.wait(PATIENCE);
        };
        assert!(unwound.stack == asked && !unwound.is_lost);
        let frames = unwound
            .addresses
            .iter()
            .enumerate()
            .map(|(depth, address)| {
                let at = address - u64::from(depth != 0);
                StackFrame {
                    address: *address,
                    place: self.place(pid, at, unwound.code.at(at)),
                }
            });
        Unwound {
            frames: frames.collect(),
            guessed: unwound.guessed,
            end: unwound.end,
        }
    }
}

/// Names, which are waited for.
pub(super) struct Resolver(Options);

impl Resolver {
    pub(super) const fn new(options: Options) -> Self {
        Self(options)
    }

    pub(super) fn resolve(
        &mut self,
        places: &[CodePlace],
        modules: Option<&Modules>,
    ) -> Vec<Resolution> {
        let spot = |place: &CodePlace| {
            let known = modules.and_then(|modules| modules.spots.get(place).cloned());
            (
                place.clone(),
                known.unwrap_or_else(|| CodeSpot::Place(place.clone())),
            )
        };
        let places: Vec<_> = places.iter().map(spot).collect();
        match modules {
            Some(modules) => modules.symbols.borrow_mut().resolve(&places),
            None => {
                let (proc, tmp) = (self.0.proc.clone(), PathBuf::from(opener::TMP));
                symbols(proc, tmp, Limits::default(), &self.0).resolve(&places)
            }
        }
    }
}
