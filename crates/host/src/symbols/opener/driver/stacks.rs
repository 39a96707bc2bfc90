//! Having stacks unwound, by a reader that gets the files of their processes first.

use std::time::{Duration, Instant};

use super::Driver;
use crate::symbols::{
    opener::Reads,
    protocol::{Answer, Callers, Loss, Question, Report, STACK_PATIENCE, SpaceId, Stack},
    reader::MAX_FRAMES,
};

/// CPU time for the stacks of a message, tables included.
pub(super) const UNWIND_CPU: Duration = Duration::from_secs(1);
/// Readers that a message of stacks may cost.
const UNWIND_TRIES: usize = 3;

/// Stacks that are to be unwound.
pub(in crate::symbols::opener) struct Ordered {
    pub(in crate::symbols::opener) stacks: Vec<Stack>,
    pub(in crate::symbols::opener) payload: Vec<u8>,
    pub(in crate::symbols::opener) since: Instant,
}

impl Ordered {
    /// Whether nobody waits for them any more.
    fn is_late(&self) -> bool {
        self.since.elapsed() >= STACK_PATIENCE
    }
}

impl<R: Reads> Driver<R> {
    /// Unwinds what need not wait any more, in order.
    pub(super) fn unwind_ready(&mut self) {
        while let Some(ordered) = self.waiting.pop_front() {
            if !ordered.is_late() && self.is_opening(&ordered.stacks) {
                self.waiting.push_front(ordered);
                return;
            }
            self.unwind(&ordered);
        }
    }

    /// Whether files of their processes are still being opened.
    fn is_opening(&self, stacks: &[Stack]) -> bool {
        let opening = self.shared.opening();
        if opening.is_empty() {
            return false;
        }
        let spaces = stacks
            .iter()
            .filter_map(|stack| self.spaces.get(&stack.space));
        let mut files = spaces.flatten().filter_map(|code| code.file);
        files.any(|(file, _)| opening.contains_key(&file))
    }

    fn unwind(&mut self, ordered: &Ordered) {
        let Ordered {
            stacks, payload, ..
        } = ordered;
        for _ in 0..UNWIND_TRIES {
            if ordered.is_late() {
                break;
            }
            match self.try_unwind(stacks, payload) {
                Ok(callers) => {
                    self.shared.tell(&Report::Unwound { stacks: callers });
                    return;
                }
                Err(Loss::NoReader) => break,
                Err(loss) => {
                    let file = self.reader.working_on();
                    if self.barred.insert(file)
                        && let Some(held) = self.files.get(&file)
                    {
                        self.give_up(held.path.clone(), loss);
                    }
                }
            }
        }
        let ids = stacks.iter().map(|stack| stack.id).collect();
        self.shared.tell(&Report::NotUnwound { ids });
    }

    fn try_unwind(&mut self, stacks: &[Stack], payload: &[u8]) -> Result<Vec<Callers>, Loss> {
        for stack in stacks {
            self.give_space(stack.space)?;
        }
        let mut callers = Vec::new();
        let question = Question::Unwind {
            stacks: stacks.to_vec(),
        };
        self.ask(&question, payload, &[], UNWIND_CPU, &mut |answer| {
            if let Answer::Unwound(unwound) = answer {
                callers = unwound;
            }
            true
        })?;
        callers.retain(|caller: &Callers| caller.addresses.len() <= MAX_FRAMES);
        Ok(callers)
    }

    /// Gives the reader the code of a process and its files, unless it has them.
    fn give_space(&mut self, id: SpaceId) -> Result<(), Loss> {
        if self.generation != self.reader.generation() {
            self.generation = self.reader.generation();
            self.given_files.clear();
            self.given_spaces.clear();
        }
        let Some(code) = self.spaces.get(&id).cloned() else {
            return Ok(());
        };
        for (file, _) in code.iter().filter_map(|code| code.file) {
            let held = self.files.get(&file).and_then(|held| held.file.clone());
            let fd = held.as_ref().and_then(|held| held.fd());
            if let Some(fd) = fd
                && !self.barred.contains(&file)
                && self.given_files.insert(file)
            {
                let program = Question::Program { file };
                self.ask(&program, &[], &[fd], UNWIND_CPU, &mut |_| true)?;
            }
        }
        if self.given_spaces.insert(id) {
            let space = Question::Space { id, code };
            self.ask(&space, &[], &[], UNWIND_CPU, &mut |_| true)?;
        }
        Ok(())
    }
}
