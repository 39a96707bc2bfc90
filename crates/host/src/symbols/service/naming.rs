//! Questions for names, a bounded number of places at a time.

use std::collections::{HashMap, VecDeque};

use super::{
    super::{
        kernel::KernelSymbols,
        protocol::{NAME_MAX, Name, Order, PLACES_MAX, Report, Source, Spot, Unnamed},
        reader::Names,
    },
    Detail, Modules, Options, Service,
};
use fault_trace_model::code::{CodePlace, Frame, Resolution, SourceLine, Unresolved};

/// Bound: questions that are not answered.
const ASKED_MAX: usize = 8;

/// What is asked about places, which have ids of the caller's.
#[derive(Debug, Default)]
pub(super) struct Naming {
    lines: bool,
    /// By source, in the order of the first place of each.
    sources: HashMap<Source, usize>,
    waiting: VecDeque<(Source, Vec<(u32, Spot)>)>,
    asked: HashMap<u32, Question>,
    next: u32,
    names: Names,
    /// `None` if it is not this kernel that ran them.
    kernel: Option<KernelSymbols>,
    in_kernel: Vec<(u32, u64)>,
    in_vdso: Vec<(u32, u64)>,
    nowhere: Vec<u32>,
}

type Resolve = fn(&KernelSymbols, &[u64], &mut Names) -> Vec<Resolution>;

#[derive(Debug)]
struct Question {
    ids: Vec<u32>,
    /// How many of them were told.
    told: usize,
}

impl Naming {
    pub(super) fn new(options: &Options) -> Self {
        let kallsyms = options.proc.path("kallsyms");
        Self {
            lines: options.detail == Detail::Lines,
            kernel: options.this_boot.then(|| KernelSymbols::new(kallsyms)),
            ..Self::default()
        }
    }

    /// Puts a place to the question. `file` is the tracer's number of its file, if it has one.
    pub(super) fn ask(&mut self, id: u32, place: &CodePlace, file: Option<u32>, modules: &Modules) {
        match place {
            CodePlace::Kernel { address } => self.in_kernel.push((id, *address)),
            CodePlace::Vdso { offset_bytes } => self.in_vdso.push((id, *offset_bytes)),
            CodePlace::Unknown { .. } => self.nowhere.push(id),
            CodePlace::Jit { pid, address } => {
                self.put(Source::List { pid: *pid }, id, (*address, None));
            }
            CodePlace::File {
                file: code,
                offset_bytes,
                elf_address,
            } => {
                let source = match file {
                    Some(file) => modules.source(file),
                    None => Source::File {
                        id: None,
                        path: code.path.to_vec(),
                        build_id: code.build_id.as_ref().map(|id| id.bytes().to_vec()),
                    },
                };
                self.put(source, id, (*offset_bytes, *elf_address));
            }
        }
    }

    /// Names what the tracer names itself, and asks as much of the rest as may be asked at once.
    pub(super) fn work(&mut self, service: &mut Service, tell: &mut dyn FnMut(u32, Resolution)) {
        for id in self.nowhere.drain(..) {
            tell(id, Err(Unresolved::NotMapped));
        }
        let (kernel, names) = (self.kernel.as_ref(), &mut self.names);
        let mut own = |asked: &mut Vec<(u32, u64)>, resolve: Resolve| {
            let (ids, addresses): (Vec<u32>, Vec<u64>) = std::mem::take(asked).into_iter().unzip();
            let found = match kernel {
                _ if ids.is_empty() => Vec::new(),
                Some(kernel) => resolve(kernel, &addresses, names),
                None => vec![Err(Unresolved::OtherKernel); ids.len()],
            };
            for (id, resolution) in ids.into_iter().zip(found) {
                tell(id, resolution);
            }
        };
        own(&mut self.in_kernel, KernelSymbols::resolve);
        own(&mut self.in_vdso, KernelSymbols::resolve_vdso);
        self.send(service);
    }

    fn put(&mut self, source: Source, id: u32, spot: Spot) {
        // A file's places go together, as long as none of them was asked.
        let at = self.sources.get(&source).copied();
        if let Some((_, places)) = at.and_then(|at| self.waiting.get_mut(at)) {
            places.push((id, spot));
            return;
        }
        self.sources.insert(source.clone(), self.waiting.len());
        self.waiting.push_back((source, vec![(id, spot)]));
    }

    fn send(&mut self, service: &mut Service) {
        while self.asked.len() < ASKED_MAX {
            let Some((source, places)) = self.waiting.front_mut() else {
                return;
            };
            // What is put from now on is asked anew.
            self.sources.clear();
            let rest = places.split_off(places.len().min(PLACES_MAX));
            let (ids, places): (Vec<u32>, Vec<Spot>) =
                std::mem::replace(places, rest).into_iter().unzip();
            let order = Order::Name {
                question: self.next,
                source: source.clone(),
                lines: self.lines,
                places,
            };
            if self
                .waiting
                .front()
                .is_some_and(|(_, rest)| rest.is_empty())
            {
                self.waiting.pop_front();
            }
            self.asked.insert(self.next, Question { ids, told: 0 });
            self.next = self.next.wrapping_add(1);
            service.order(&order, &[]);
        }
    }

    /// Takes an answer; `tell` gets the names of each place.
    pub(super) fn answered(&mut self, report: Report, tell: &mut dyn FnMut(u32, Resolution)) {
        let Report::Named {
            question,
            first,
            found,
        } = report
        else {
            return;
        };
        let Some(asked) = self.asked.get_mut(&question) else {
            return;
        };
        if usize::try_from(first) != Ok(asked.told) {
            return;
        }
        for named in found {
            let Some(&id) = asked.ids.get(asked.told) else {
                break;
            };
            asked.told += 1;
            tell(id, resolution(named, &mut self.names));
        }
        if asked.told >= asked.ids.len() {
            self.asked.remove(&question);
        }
    }

    /// Whether everything was answered.
    pub(super) fn is_done(&self) -> bool {
        self.asked.is_empty() && self.waiting.is_empty()
    }

    /// Places that are not answered.
    pub(super) fn left(&self) -> usize {
        let waiting = self.waiting.iter().map(|(_, places)| places.len());
        let asked = self.asked.values();
        waiting.sum::<usize>()
            + asked
                .map(|question| question.ids.len() - question.told)
                .sum::<usize>()
    }

    /// Forgets what was not answered; the ids.
    pub(super) fn abandon(&mut self) -> Vec<u32> {
        let asked = self.asked.drain().flat_map(|(_, question)| {
            let Question { ids, told } = question;
            ids.into_iter().skip(told)
        });
        let waiting = self.waiting.drain(..).flat_map(|(_, places)| places);
        let ids = asked.chain(waiting.map(|(id, _)| id)).collect();
        self.sources.clear();
        ids
    }
}

/// What the reader said, of which nothing is believed but that it is text.
fn resolution(named: Result<Vec<Name>, Unnamed>, names: &mut Names) -> Resolution {
    let found = named.map_err(unresolved)?;
    if found.is_empty() {
        return Err(Unresolved::Unreadable);
    }
    let frames = found.into_iter().map(|name| {
        let source = name.source.filter(|(file, ..)| file.len() <= NAME_MAX);
        Frame {
            function: names.get(bounded(&name.function)),
            offset_bytes: name.offset_bytes,
            source: source.map(|(file, line, column)| SourceLine {
                file: names.get(&file),
                line,
                column,
            }),
            inlined: name.inlined,
        }
    });
    Ok(frames.collect::<Vec<_>>().into())
}

fn bounded(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_MAX)]
}

const fn unresolved(reason: Unnamed) -> Unresolved {
    match reason {
        Unnamed::NoFile => Unresolved::NoFile,
        Unnamed::NotElf => Unresolved::NotElf,
        Unnamed::BuildIdDiffers => Unresolved::BuildIdDiffers,
        Unnamed::NoBuildId => Unresolved::NoBuildId,
        Unnamed::NoSymbols => Unresolved::NoSymbols,
        Unnamed::NoSymbolHere => Unresolved::NoSymbolHere,
        Unnamed::Unreadable => Unresolved::Unreadable,
        Unnamed::NoPerfMap => Unresolved::NoPerfMap,
        Unnamed::ForeignPerfMap => Unresolved::ForeignPerfMap,
        Unnamed::NotInPerfMap => Unresolved::NotInPerfMap,
        Unnamed::PidReused => Unresolved::PidReused,
        Unnamed::GivenUp => Unresolved::GivenUp,
    }
}
