//! The callers of an instruction, from the registers and a copy of the top of the stack: for programs
//! that are built without frame pointers.

use std::sync::Arc;

use framehop::{Error, FrameAddress, x86_64::UnwindRegsX86_64};

use super::{modules::Modules, unwind_tables::Tables};
use crate::model::{
    code::{CodeFile, CodePlace},
    mapping::Mapping,
};

/// The registers of a thread that tell its callers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    pub ip: u64,
    pub sp: u64,
    pub bp: u64,
}

/// A copy of a thread's stack from `start` upwards, usually its stack pointer.
#[derive(Clone, Copy, Debug)]
pub struct StackCopy<'a> {
    pub start: u64,
    pub bytes: &'a [u8],
}

/// One function that was active.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackFrame {
    /// The instruction pointer, or the address that will be returned to.
    pub address: u64,
    /// Of the instruction: for a caller that is its call, before the address.
    pub place: CodePlace,
}

/// The functions that were active, innermost first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unwound {
    pub frames: Vec<StackFrame>,
    /// Frames whose code has no tables, so that the next was found by its frame pointer, if it had
    /// one: what follows is a guess.
    pub guessed: usize,
    pub end: End,
}

/// Why there are no more frames.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// The thread's first function.
    Root,
    /// The rest of the stack was not copied.
    CopyEnded,
    /// [`MAX_FRAMES`].
    TooDeep,
    /// The next frame is not one.
    Lost,
}

/// Frames of one stack.
pub const MAX_FRAMES: usize = 256;

/// Unwinds stacks. What it reads of files it keeps, within bounds.
#[derive(Default)]
pub struct Unwinder {
    /// The file used last at the end; `None` for one without tables.
    files: Vec<(Arc<CodeFile>, Option<Tables>)>,
    without: Tables,
}

/// The tables that are kept, together: those of some hundred libraries.
const MAX_KEPT_BYTES: u64 = 256 << 20;
const MAX_KEPT: usize = 256;

impl Unwinder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The callers of the instruction that `registers` are of. `mapping_at` tells what the process
    /// has mapped at an address. Tables are read from the files that `modules` holds.
    pub fn unwind<'map>(
        &mut self,
        pid: u32,
        registers: Registers,
        stack: StackCopy<'_>,
        modules: &mut Modules,
        mapping_at: impl Fn(u64) -> Option<&'map Mapping>,
    ) -> Unwound {
        let mut state = UnwindRegsX86_64::new(registers.ip, registers.sp, registers.bp);
        let mut frames: Vec<StackFrame> = Vec::new();
        let mut guessed = 0;
        let mut address = registers.ip;
        let end = loop {
            if frames.len() >= MAX_FRAMES {
                break End::TooDeep;
            }
            let is_call = !frames.is_empty();
            let at = address.wrapping_sub(u64::from(is_call));
            let Some(mapping) = mapping_at(at).filter(|mapping| mapping.protection.execute) else {
                break End::Lost;
            };
            let place = modules.place(pid, at, Some(mapping));
            let known = self.tables(&place, modules);
            frames.push(StackFrame { address, place });
            let caller = match known {
                Some((tables, at)) => tables.caller(frame_address(at, is_call), &mut state, stack),
                None => {
                    guessed += 1;
                    let frame = frame_address(at, is_call);
                    self.without.caller(frame, &mut state, stack)
                }
            };
            match caller {
                Ok(Some(caller)) => address = caller,
                Ok(None) => break End::Root,
                Err(Error::CouldNotReadStack(_)) => break End::CopyEnded,
                Err(_) => break End::Lost,
            }
        };
        Unwound {
            frames,
            guessed,
            end,
        }
    }

    /// The tables for a place, and the address to ask them for.
    fn tables(&mut self, place: &CodePlace, modules: &Modules) -> Option<(&mut Tables, u64)> {
        let CodePlace::File {
            file,
            elf_address: Some(address),
            ..
        } = place
        else {
            return None;
        };
        let kept = self.files.iter().rposition(|(kept, _)| kept == file);
        let kept = kept.map_or_else(
            || (Arc::clone(file), modules.file(file).and_then(Tables::read)),
            |at| self.files.remove(at),
        );
        self.make_room(size_bytes(&kept));
        self.files.push(kept);
        let (_, tables) = self.files.last_mut()?;
        Some((tables.as_mut()?, *address))
    }

    /// Drops those used longest ago.
    fn make_room(&mut self, size: u64) {
        let mut kept_bytes = size;
        let keep = self
            .files
            .iter()
            .rev()
            .take(MAX_KEPT)
            .take_while(|kept| {
                kept_bytes += size_bytes(kept);
                kept_bytes <= MAX_KEPT_BYTES
            })
            .count();
        self.files.drain(..self.files.len() - keep);
    }
}

fn size_bytes((_, tables): &(Arc<CodeFile>, Option<Tables>)) -> u64 {
    tables.as_ref().map_or(0, Tables::size_bytes)
}

/// `at` is where the instruction lies, for a caller its call: one before what it returns to.
fn frame_address(at: u64, is_call: bool) -> FrameAddress {
    is_call
        .then(|| FrameAddress::from_return_address(at.wrapping_add(1)))
        .flatten()
        .unwrap_or_else(|| FrameAddress::from_instruction_pointer(at))
}

impl StackCopy<'_> {
    /// The eight bytes at an address; `None` where nothing was copied.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let start = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }
}
