//! The reader: looks into files of anybody's making, in a process without rights.
//!
//! It gets open files and gives names and addresses. A file may stall, crash or fill it; then the
//! opener ends it and starts another.

mod elf;
mod emulation;
mod files;
mod image;
mod lists;
mod names;
mod perf_map;
mod process;
mod sandbox;
mod stack_copy;
mod unwind;
mod unwind_tables;
mod wire;

pub(super) use elf::{frames, symbol};
#[cfg(test)]
pub(super) use image::headers;
pub(super) use names::Names;
pub(super) use process::run;
pub(super) use unwind::MAX_FRAMES;

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use files::{Programs, Symbols};
use lists::Lists;
use unwind::Unwinder;

use super::protocol::{Answer, FileId, Question, Stack};

/// The reader, wherever it runs.
#[derive(Default)]
pub(super) struct Reader {
    programs: Programs,
    lists: Lists,
    unwinder: Unwinder,
    names: Names,
}

/// Where a reader runs, as far as it matters to it.
pub(super) trait Surroundings {
    /// Takes an answer.
    fn answer(&mut self, answer: Answer);

    /// Notes which file is being looked into, should that end the reader.
    fn working_on(&mut self, file: FileId);

    /// Lets a file be found by its build id in one of the returned folders, until the next call.
    fn share(&mut self, file: Option<&File>, build_id: &[u8]) -> Vec<PathBuf>;
}

impl Reader {
    /// Answers a question.
    pub(super) fn ask(
        &mut self,
        question: Question,
        payload: &[u8],
        files: Vec<File>,
        around: &mut impl Surroundings,
    ) {
        let mut files = files.into_iter();
        match question {
            Question::Headers => {
                let read = |file: File| quietly(|| image::headers(&file)).flatten();
                around.answer(Answer::Headers(files.next().and_then(read)));
            }
            Question::Name {
                program,
                lines,
                files: present,
                shared_build_id,
                places,
            } => {
                let files = present.map(|present| present.then(|| files.next()).flatten());
                let shared = around.share(files[2].as_ref(), &shared_build_id);
                let open = || Symbols::open(files, lines, &shared);
                let key = (program, lines);
                let found = self.programs.resolve(key, &places, open, &mut self.names);
                wire::send_names(&found, around);
            }
            Question::List { pid, addresses } => {
                if let Some(file) = files.next() {
                    let found = self.lists.resolve(pid, file, &addresses);
                    wire::send_names(&found, around);
                }
            }
            Question::Program { file: id } => {
                if let Some(file) = files.next() {
                    self.unwinder.program(id, file);
                }
            }
            Question::Space { id, code } => self.unwinder.space(id, code),
            Question::Forget { id } => self.unwinder.forget(id),
            Question::Unwind { stacks } => self.unwind(&stacks, payload, around),
        }
    }

    fn unwind(&mut self, stacks: &[Stack], payload: &[u8], around: &mut impl Surroundings) {
        let mut rest = payload;
        let mut callers = Vec::new();
        for stack in stacks {
            let length = usize::try_from(stack.length).unwrap_or(usize::MAX);
            let Some((bytes, behind)) = rest.split_at_checked(length) else {
                break;
            };
            rest = behind;
            let unwinder = &mut self.unwinder;
            let unwound =
                quietly(|| unwinder.unwind(stack, bytes, &mut |file| around.working_on(file)));
            callers.extend(unwound);
        }
        around.answer(Answer::Unwound(callers));
    }
}

/// What it gives; `None` if it panics: a mistake in reading one file must not cost the others.
fn quietly<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}
