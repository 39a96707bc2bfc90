//! Stacks that others unwind, and what their addresses mean.

use std::{collections::HashMap, sync::Arc};

use super::{
    super::protocol::{
        Callers, Code, End, MAPPINGS_MAX, Order, Report, STACKS_MAX, SpaceId, Stack,
    },
    Modules, Service,
};
use fault_trace_model::{address_space::AddressSpace, mapping::Mapping};

/// The registers of a thread that tell its callers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    pub ip: u64,
    pub sp: u64,
    pub bp: u64,
}

/// The code of a process at a time, as the others know it.
#[derive(Debug)]
pub struct KnownCode {
    id: SpaceId,
    pub pid: u32,
    code: Vec<(u64, u64, Arc<Mapping>)>,
}

/// What of each process was told, and the stacks that are not unwound yet.
#[derive(Debug, Default)]
pub(super) struct Unwinding {
    /// With the version of the address space that it is.
    spaces: HashMap<u32, (u64, Arc<KnownCode>)>,
    next_space: SpaceId,
    /// Stacks by number, while they are unwound.
    asked: HashMap<u64, Asked>,
    /// What is sent for them.
    asked_bytes: usize,
    next: u64,
    batch: Vec<Stack>,
    bytes: Vec<u8>,
}

/// Bound: bytes that are sent and not answered, as they wait in the opener.
const ASKED_MAX: usize = 32 << 20;

/// A stack that is not unwound yet.
#[derive(Debug)]
struct Asked {
    /// `None` if nobody waits for it any more.
    code: Option<Arc<KnownCode>>,
    /// What is sent for it.
    bytes: usize,
}

/// The callers that were found.
#[derive(Debug)]
pub struct Unwound {
    pub stack: u64,
    pub code: Arc<KnownCode>,
    /// Innermost first; empty if the stack was lost.
    pub addresses: Vec<u64>,
    /// Frames whose code has no tables, so that the next was found by its frame pointer, if it had
    /// one: what follows is a guess.
    pub guessed: u32,
    pub end: End,
    pub is_lost: bool,
}

impl KnownCode {
    /// The mapping of code at an address.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<&Mapping> {
        let above = self.code.partition_point(|(start, ..)| *start <= address);
        let (_, end, mapping) = self.code.get(above.checked_sub(1)?)?;
        (address < *end).then_some(&**mapping)
    }
}

impl Unwinding {
    /// Whether another stack of so many bytes may be sent.
    pub(super) const fn has_room_for(&self, bytes: usize) -> bool {
        self.asked_bytes + bytes <= ASKED_MAX
    }

    /// Has a stack unwound; its number. `bytes` are the stack from the stack pointer upwards.
    pub(super) fn unwind(
        &mut self,
        (pid, time_ns): (u32, u64),
        registers: Registers,
        bytes: &[u8],
        space: &AddressSpace,
        (modules, service): (&mut Modules, &mut Service),
    ) -> u64 {
        let next_space = self.next_space;
        let code = self.known(pid, time_ns, space, (modules, service));
        let is_told = self.next_space != next_space;
        if self.bytes.len() + bytes.len() > STACKS_MAX {
            self.send(service);
        }
        let id = self.next;
        self.next += 1;
        self.batch.push(Stack {
            id,
            space: code.id,
            ip: registers.ip,
            sp: registers.sp,
            bp: registers.bp,
            length: u32::try_from(bytes.len()).unwrap_or(0),
        });
        self.bytes.extend_from_slice(bytes);
        let codes = if is_told { code.code.len() } else { 0 };
        self.ask(
            id,
            code,
            bytes.len() + size_of::<Stack>() + codes * size_of::<Code>(),
        );
        id
    }

    /// Notes a stack that is not unwound yet.
    fn ask(&mut self, id: u64, code: Arc<KnownCode>, bytes: usize) {
        self.asked_bytes += bytes;
        let code = Some(code);
        self.asked.insert(id, Asked { code, bytes });
    }

    /// Sends the stacks that were gathered.
    pub(super) fn send(&mut self, service: &mut Service) {
        if !self.batch.is_empty() {
            let stacks = std::mem::take(&mut self.batch);
            service.order(&Order::Unwind { stacks }, &self.bytes);
            self.bytes.clear();
        }
    }

    /// Takes an answer; `tell` gets the callers of each stack, once.
    pub(super) fn answered(&mut self, report: Report, tell: &mut dyn FnMut(Unwound)) {
        match report {
            Report::Unwound { stacks } => {
                for callers in stacks {
                    self.told(callers, false, tell);
                }
            }
            Report::NotUnwound { ids } => {
                for id in ids {
                    let callers = Callers {
                        id,
                        addresses: Vec::new(),
                        guessed: 0,
                        end: End::Lost,
                    };
                    self.told(callers, true, tell);
                }
            }
            _ => {}
        }
    }

    fn told(&mut self, callers: Callers, is_lost: bool, tell: &mut dyn FnMut(Unwound)) {
        let Some(Asked { code, bytes }) = self.asked.remove(&callers.id) else {
            return;
        };
        self.asked_bytes -= bytes;
        if let Some(code) = code {
            tell(Unwound {
                stack: callers.id,
                code,
                addresses: callers.addresses,
                guessed: callers.guessed,
                end: callers.end,
                is_lost,
            });
        }
    }

    /// Nobody waits for this stack any more. It is answered nevertheless.
    pub(super) fn abandon(&mut self, stack: u64) {
        if let Some(asked) = self.asked.get_mut(&stack) {
            asked.code = None;
        }
    }

    /// The process is gone or has another program.
    pub(super) fn forget(&mut self, pid: u32, service: &mut Service) {
        if let Some((_, known)) = self.spaces.remove(&pid) {
            // Those gathered refer to it.
            self.send(service);
            service.order(&Order::Forget { id: known.id }, &[]);
        }
    }

    /// The code of a process at a time, told if it was not yet.
    fn known(
        &mut self,
        pid: u32,
        time_ns: u64,
        space: &AddressSpace,
        (modules, service): (&mut Modules, &mut Service),
    ) -> Arc<KnownCode> {
        let version = space.code_version(time_ns);
        let before = self.spaces.get(&pid);
        if let Some((known_version, known)) = before
            && version == Some(*known_version)
        {
            return Arc::clone(known);
        }
        let mut code = space.code(time_ns);
        code.truncate(MAPPINGS_MAX);
        // Much changes that is no change: a look at what is mapped, for one.
        if let Some((_, known)) = before
            && known.code == code
        {
            let known = Arc::clone(known);
            if let Some(version) = version {
                self.spaces.insert(pid, (version, Arc::clone(&known)));
            }
            return known;
        }
        self.forget(pid, service);
        let id = self.next_space;
        self.next_space = self.next_space.wrapping_add(1);
        let told = code.iter().map(|(start, end, mapping)| Code {
            start: *start,
            end: *end,
            file: modules.file(pid, mapping, service).map(|file| {
                (
                    file,
                    mapping.offset_bytes.wrapping_add(start - mapping.start),
                )
            }),
        });
        let told = told.collect();
        service.order(&Order::Space { id, code: told }, &[]);
        let known = Arc::new(KnownCode { id, pid, code });
        // Of an earlier moment: found again by what it is.
        let version = version.unwrap_or(u64::MAX);
        self.spaces.insert(pid, (version, Arc::clone(&known)));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(unwinding: &mut Unwinding, id: u64, bytes: usize) {
        let code = Arc::new(KnownCode {
            id: 1,
            pid: 1,
            code: Vec::new(),
        });
        unwinding.ask(id, code, bytes);
    }

    #[test]
    fn stacks_beyond_the_bound_find_no_room_until_others_are_answered() {
        let mut unwinding = Unwinding::default();
        assert!(unwinding.has_room_for(ASKED_MAX));
        ask(&mut unwinding, 1, ASKED_MAX - 1);
        ask(&mut unwinding, 2, 1);
        assert!(!unwinding.has_room_for(1));
        // The opener still has it.
        unwinding.abandon(1);
        assert!(!unwinding.has_room_for(1));
        let mut told = Vec::new();
        let answer = Report::NotUnwound { ids: vec![1, 2] };
        unwinding.answered(answer, &mut |unwound| told.push(unwound.stack));
        assert_eq!(told, [2]);
        assert!(unwinding.has_room_for(ASKED_MAX));
    }
}
