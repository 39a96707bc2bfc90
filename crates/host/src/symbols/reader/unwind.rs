//! The callers of an instruction, from the registers and a copy of the top of the stack: for programs
//! that are built without frame pointers.

use std::{collections::HashMap, fs::File};

use framehop::{Error, FrameAddress, x86_64::UnwindRegsX86_64};

use super::{image::headers, stack_copy::StackCopy, unwind_tables::Tables};
use crate::symbols::protocol::{Callers, Code, End, FileId, Headers, SpaceId, Stack};

/// Frames of one stack.
pub(in crate::symbols) const MAX_FRAMES: usize = 256;

/// Unwinds stacks. What it reads of files it keeps, within bounds.
#[derive(Default)]
pub(super) struct Unwinder {
    programs: HashMap<FileId, Program>,
    spaces: HashMap<SpaceId, Vec<Code>>,
    /// The files whose tables were read, the one used last at the end.
    recent: Vec<FileId>,
    without: Tables,
}

/// A file, read when it is first needed.
struct Program {
    file: File,
    known: Option<(Headers, Option<Tables>)>,
}

/// The tables that are kept, together: those of some hundred libraries.
const MAX_KEPT_BYTES: u64 = 96 << 20;
const MAX_KEPT: usize = 256;

impl Unwinder {
    /// Takes in a file.
    pub(super) fn program(&mut self, id: FileId, file: File) {
        self.programs.insert(id, Program { file, known: None });
    }

    /// Takes in the code of a process, ascending.
    pub(super) fn space(&mut self, id: SpaceId, code: Vec<Code>) {
        self.spaces.insert(id, code);
    }

    /// Forgets the code of a process.
    pub(super) fn forget(&mut self, id: SpaceId) {
        self.spaces.remove(&id);
    }

    /// The callers of the instruction that the registers are of. `working_on` is told every file
    /// that is looked into.
    pub(super) fn unwind(
        &mut self,
        stack: &Stack,
        bytes: &[u8],
        working_on: &mut impl FnMut(FileId),
    ) -> Callers {
        let mut state = UnwindRegsX86_64::new(stack.ip, stack.sp, stack.bp);
        let copy = StackCopy {
            start: stack.sp,
            bytes,
        };
        let mut addresses = Vec::new();
        let mut guessed = 0;
        let mut address = stack.ip;
        let end = loop {
            if addresses.len() >= MAX_FRAMES {
                break End::TooDeep;
            }
            let is_call = !addresses.is_empty();
            let at = address.wrapping_sub(u64::from(is_call));
            let Some(code) = self.code_at(stack.space, at) else {
                break End::Lost;
            };
            addresses.push(address);
            let known = code.file.and_then(|(file, offset)| {
                self.tables(file, offset + (at - code.start), working_on)
            });
            let caller = match known {
                Some((tables, at)) => tables.caller(frame_address(at, is_call), &mut state, copy),
                None => {
                    guessed += 1;
                    let frame = frame_address(at, is_call);
                    self.without.caller(frame, &mut state, copy)
                }
            };
            match caller {
                Ok(Some(caller)) => address = caller,
                Ok(None) => break End::Root,
                Err(Error::CouldNotReadStack(_)) => break End::CopyEnded,
                Err(_) => break End::Lost,
            }
        };
        Callers {
            id: stack.id,
            addresses,
            guessed,
            end,
        }
    }

    fn code_at(&self, space: SpaceId, address: u64) -> Option<Code> {
        let code = self.spaces.get(&space)?;
        let above = code.partition_point(|code| code.start <= address);
        let code = code.get(above.checked_sub(1)?)?;
        (address < code.end).then_some(*code)
    }

    /// The tables for an offset of a file, and the address to ask them for.
    fn tables(
        &mut self,
        id: FileId,
        offset_bytes: u64,
        working_on: &mut impl FnMut(FileId),
    ) -> Option<(&mut Tables, u64)> {
        let program = self.programs.get_mut(&id)?;
        working_on(id);
        if program.known.is_none() {
            let headers = headers(&program.file)?;
            let tables = Tables::read(&program.file);
            program.known = Some((headers, tables));
        }
        if self.recent.last() != Some(&id) {
            self.recent.retain(|&recent| recent != id);
            self.recent.push(id);
            self.make_room();
        }
        let (headers, tables) = self.programs.get_mut(&id)?.known.as_mut()?;
        let address = headers.elf_address(offset_bytes)?;
        Some((tables.as_mut()?, address))
    }

    /// Drops the tables used longest ago.
    fn make_room(&mut self) {
        let mut kept_bytes = 0;
        let programs = &self.programs;
        let size = |id| {
            let program: Option<&Program> = programs.get(id);
            let tables = program.and_then(|program| program.known.as_ref()?.1.as_ref());
            tables.map_or(0, Tables::size_bytes)
        };
        let keep = self
            .recent
            .iter()
            .rev()
            .take(MAX_KEPT)
            .enumerate()
            .take_while(|(nth, id)| {
                kept_bytes += size(id);
                *nth == 0 || kept_bytes <= MAX_KEPT_BYTES
            })
            .count();
        for id in self.recent.drain(..self.recent.len() - keep) {
            if let Some(program) = self.programs.get_mut(&id) {
                program.known = None;
            }
        }
    }
}

/// `at` is where the instruction lies, for a caller its call: one before what it returns to.
fn frame_address(at: u64, is_call: bool) -> FrameAddress {
    is_call
        .then(|| FrameAddress::from_return_address(at.wrapping_add(1)))
        .flatten()
        .unwrap_or_else(|| FrameAddress::from_instruction_pointer(at))
}
