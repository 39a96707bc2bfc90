//! The tracer's side: what is asked of the opener, and what comes back.

mod link;
mod module;
mod modules;
mod naming;
mod options;
mod unwinding;

pub use modules::{Limits, ModuleCounts};
pub use options::{Detail, Options};
pub use unwinding::{KnownCode, Registers, Unwound};

pub(super) use link::Service;

use std::{
    collections::BTreeMap,
    os::fd::BorrowedFd,
    path::Path,
    time::{Duration, Instant},
};

use super::protocol::{Loss, Report};
use fault_trace_model::{
    address_space::AddressSpace,
    code::{CodePlace, CodeSpot, Resolution, Unresolved},
    mapping::Mapping,
};
use modules::Modules;
use naming::Naming;
use unwinding::Unwinding;

/// Places and names of code. Only [`Symbols::wait`] and [`Symbols::resolve`] wait for anything.
#[derive(Debug)]
pub struct Symbols {
    service: Service,
    modules: Modules,
    naming: Naming,
    unwinding: Unwinding,
}

/// What has come since the last time.
#[derive(Debug, Default)]
pub struct News {
    /// Files that are identified now, or given up: [`Symbols::place`] tells where their spots are.
    pub identified: Vec<u32>,
    /// What became of the places that were asked for.
    pub named: Vec<(u32, Resolution)>,
    pub unwound: Vec<Unwound>,
}

/// Why names are missing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Why no file can be read, or no more.
    pub unavailable: Option<String>,
    /// The files that were given up, as far as they are told by name; raw bytes.
    pub files: BTreeMap<Vec<u8>, Loss>,
    /// How many more there were.
    pub more_files: u64,
}

/// Bound: files that are named; others are counted.
const NOTES_MAX: usize = 16;

impl Losses {
    /// Sentences for people; `is_missed`: whether any name is missing because nothing could be read.
    #[must_use]
    pub fn notes(&self, is_missed: bool) -> Vec<String> {
        let files = self.files.iter().take(NOTES_MAX).map(|(path, loss)| {
            let path = String::from_utf8_lossy(path);
            format!("names in {path} are missing: {}", reason(*loss))
        });
        let unavailable = self.unavailable.iter().filter(|_| is_missed);
        let unavailable = unavailable
            .map(|reason| format!("names in files are missing: they cannot be read: {reason}"));
        files.chain(unavailable).collect()
    }
}

/// Why a file was given up, for people.
const fn reason(loss: Loss) -> &'static str {
    match loss {
        Loss::Stalled => "it did not answer",
        Loss::Slow => "reading it took too much time",
        Loss::Big => "reading it took too much memory",
        Loss::Fatal => "reading it failed",
        Loss::NoReader => "too many files failed before",
        Loss::Unfinished => "the run ended before it was read",
        Loss::NoMemory => "too little memory was left to read it",
    }
}

/// The opener answers within seconds, or gives a file up. If it does neither, something is wrong.
const SILENCE_MAX: Duration = Duration::from_secs(60);

impl Symbols {
    /// Starts the processes that read files, with the rights of this one. Where they cannot be started
    /// no file has names.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        Self::start_program(Path::new("/proc/self/exe"), options)
    }

    /// As [`Symbols::start`], with a program that begins with [`super::run_if_helper`].
    #[must_use]
    pub fn start_program(program: &Path, options: &Options) -> Self {
        let service = Service::start_program(program, &options.debug_directories);
        Self::with(service, Limits::default(), options)
    }

    /// Without anybody who reads files.
    #[must_use]
    pub fn unavailable(options: &Options) -> Self {
        Self::with(Service::default(), Limits::default(), options)
    }

    pub(super) fn with(service: Service, limits: Limits, options: &Options) -> Self {
        Self {
            service,
            modules: Modules::with_limits(limits),
            naming: Naming::new(options),
            unwinding: Unwinding::default(),
        }
    }

    /// Where the instruction at `address` of the process is, `mapping` being what was there then.
    pub fn spot(&mut self, pid: u32, address: u64, mapping: Option<&Mapping>) -> CodeSpot {
        self.modules.spot(pid, address, mapping, &mut self.service)
    }

    /// The place of a spot, once it is known.
    ///
    /// # Errors
    /// The number of the file that is not identified yet.
    pub fn place(&self, spot: &CodeSpot) -> Result<CodePlace, u32> {
        self.modules.place(spot)
    }

    /// The process exited: the last moment at which the list of its compiled functions is complete and
    /// surely there.
    pub fn process_exited(&mut self, pid: u32) {
        self.modules.process_exited(pid, &mut self.service);
        self.unwinding.forget(pid, &mut self.service);
    }

    /// The process has a new program.
    pub fn process_executed(&mut self, pid: u32) {
        self.unwinding.forget(pid, &mut self.service);
    }

    /// Asks for the names at a place, under an id of the caller's. `spot` is where it came from.
    pub fn ask(&mut self, id: u32, place: &CodePlace, spot: &CodeSpot) {
        let file = match (place, spot) {
            (
                CodePlace::File { .. },
                CodeSpot::File { file, .. } | CodeSpot::Shared { file, .. },
            ) => Some(*file),
            _ => None,
        };
        self.naming.ask(id, place, file, &self.modules);
    }

    /// Whether another stack of so many bytes may be unwound: the opener has room for it.
    #[must_use]
    pub const fn has_room_for(&self, bytes: usize) -> bool {
        self.unwinding.has_room_for(bytes)
    }

    /// Has a stack unwound; its number. `bytes` are the stack from the stack pointer upwards, `space`
    /// what the process had mapped.
    pub fn unwind(
        &mut self,
        process_and_time_ns: (u32, u64),
        registers: Registers,
        bytes: &[u8],
        space: &AddressSpace,
    ) -> u64 {
        let with = (&mut self.modules, &mut self.service);
        self.unwinding
            .unwind(process_and_time_ns, registers, bytes, space, with)
    }

    /// Nobody waits for this stack any more.
    pub fn abandon_stack(&mut self, stack: u64) {
        self.unwinding.abandon(stack);
    }

    /// Sends what was gathered, and takes what has come.
    pub fn poll(&mut self) -> News {
        let mut news = News::default();
        let Self {
            service,
            modules,
            naming,
            unwinding,
        } = self;
        unwinding.send(service);
        naming.work(service, &mut |id, found| news.named.push((id, found)));
        service.poll(&mut |report| match report {
            Report::Identified { file, outcome } => {
                modules.identified(file, outcome);
                news.identified.push(file);
            }
            Report::Named { .. } => {
                naming.answered(report, &mut |id, found| news.named.push((id, found)));
            }
            Report::Unwound { .. } | Report::NotUnwound { .. } => {
                unwinding.answered(report, &mut |unwound| news.unwound.push(unwound));
            }
            Report::GaveUp { .. } | Report::Unavailable { .. } => {}
        });
        // Room for more questions.
        naming.work(service, &mut |id, found| news.named.push((id, found)));
        news
    }

    /// Waits until something has come, but no longer than that.
    pub fn wait(&self, time: Duration) {
        self.service.wait(time);
    }

    /// The descriptor that is readable when something has come.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.service.fd()
    }

    /// Whether nothing will come any more.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.service.is_down()
    }

    /// Whether all that was asked for is named, or will not be.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.naming.is_done()
    }

    /// Places that were asked for and have no answer yet.
    #[must_use]
    pub fn unnamed(&self) -> usize {
        self.naming.left()
    }

    /// Gives up waiting for names; the ids.
    pub fn abandon_names(&mut self) -> Vec<u32> {
        self.naming.abandon()
    }

    /// Gives up waiting for files to be identified, for this reason; they are told of by
    /// [`Symbols::losses`] and returned.
    pub fn abandon_files(&mut self, why: Loss) -> Vec<u32> {
        let files = self.modules.give_up();
        for &file in &files {
            let path = self.modules.path(file).to_vec();
            self.service.gave_up(path, why);
        }
        files
    }

    /// Why names are missing.
    #[must_use]
    pub fn losses(&self) -> Losses {
        let (unavailable, files, more_files) = self.service.losses();
        Losses {
            unavailable: unavailable.map(str::to_owned),
            files: files.clone(),
            more_files,
        }
    }

    /// How many files were given up.
    #[must_use]
    pub fn lost_files(&self) -> u64 {
        let (_, files, more_files) = self.service.losses();
        files.len() as u64 + more_files
    }

    /// What happened to the files and processes whose code was seen.
    #[must_use]
    pub fn counts(&self) -> ModuleCounts {
        self.modules.counts()
    }

    /// The names at these places, as many and in their order; waits for them.
    pub fn resolve(&mut self, places: &[(CodePlace, CodeSpot)]) -> Vec<Resolution> {
        let mut found: Vec<Resolution> = vec![Err(Unresolved::GivenUp); places.len()];
        for (id, (place, spot)) in (0..).zip(places) {
            self.ask(id, place, spot);
        }
        let mut heard = Instant::now();
        loop {
            let news = self.poll();
            for (id, resolution) in news.named {
                heard = Instant::now();
                if let Some(place) = usize::try_from(id).ok().and_then(|id| found.get_mut(id)) {
                    *place = resolution;
                }
            }
            if self.is_named() || self.is_down() || heard.elapsed() > SILENCE_MAX {
                self.abandon_names();
                return found;
            }
            self.wait(Duration::from_secs(1));
        }
    }
}
