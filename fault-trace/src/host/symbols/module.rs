//! One file with code, from the first sight of it.

use std::{fs::File, sync::Arc};

use super::{behind::open_behind, image::Image};
use crate::{
    host::proc::Proc,
    model::{
        code::{CodeFile, CodePlace},
        mapping::{Backing, Mapping},
    },
};

#[derive(Debug)]
pub(super) struct Module {
    pub(super) code: Arc<CodeFile>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not to be had from so many processes, of which the last is kept.
    Unopened {
        tries: u8,
        pid: u32,
    },
    NotElf,
    /// Open, which also keeps its inode number from being used again; or released.
    Known {
        image: Image,
        file: Option<File>,
    },
}

/// Processes that are asked for a file before it is given up.
const MAX_TRIES: u8 = 4;

impl Module {
    pub(super) fn new(backing: &Backing) -> Self {
        Self {
            code: Arc::new(CodeFile {
                path: Arc::clone(&backing.path),
                device: backing.device,
                inode: backing.inode,
                build_id: None,
            }),
            state: State::Unopened { tries: 0, pid: 0 },
        }
    }

    /// Whether it should be opened through this process.
    pub(super) fn wants(&self, pid: u32, backing: &Backing) -> bool {
        match &self.state {
            State::Unopened { tries, pid: last } => {
                *tries == 0 || *tries < MAX_TRIES && *last != pid
            }
            State::Known { file: Some(_), .. } => false,
            // Nothing keeps the inode number: another path tells of another file.
            State::NotElf | State::Known { file: None, .. } => self.code.path != backing.path,
        }
    }

    pub(super) fn open(&mut self, proc: &Proc, pid: u32, mapping: &Mapping, backing: &Backing) {
        let tries = match self.state {
            State::Unopened { tries, .. } => tries + 1,
            _ => 1,
        };
        let opened = open_behind(proc, pid, mapping, backing);
        self.state = match opened.map(|file| (Image::read(&file), file)) {
            None => State::Unopened { tries, pid },
            Some((None, _)) => State::NotElf,
            Some((Some(image), file)) => State::Known {
                image,
                file: Some(file),
            },
        };
        self.code = Arc::new(CodeFile {
            path: Arc::clone(&backing.path),
            build_id: self.image().and_then(|image| image.build_id.clone()),
            ..*self.code
        });
    }

    /// Whether this is the file: under a number that was used again there is another.
    pub(super) fn is(&self, code: &CodeFile) -> bool {
        let same_build = code.build_id.is_none() || code.build_id == self.code.build_id;
        code.path == self.code.path && same_build
    }

    /// Closes the file and keeps what is known of it.
    pub(super) fn release(&mut self) {
        if let State::Known { file, .. } = &mut self.state {
            *file = None;
        }
    }

    pub(super) const fn file(&self) -> Option<&File> {
        match &self.state {
            State::Known { file, .. } => file.as_ref(),
            State::NotElf | State::Unopened { .. } => None,
        }
    }

    /// The place of the byte at this offset.
    pub(super) fn place(&self, offset_bytes: u64) -> CodePlace {
        CodePlace::File {
            file: Arc::clone(&self.code),
            offset_bytes,
            elf_address: self
                .image()
                .and_then(|image| image.elf_address(offset_bytes)),
        }
    }

    pub(super) const fn is_not_elf(&self) -> bool {
        matches!(self.state, State::NotElf)
    }

    pub(super) const fn is_unopened(&self) -> bool {
        matches!(self.state, State::Unopened { .. })
    }

    pub(super) const fn is_released(&self) -> bool {
        matches!(self.state, State::Known { file: None, .. })
    }

    const fn image(&self) -> Option<&Image> {
        match &self.state {
            State::Known { image, .. } => Some(image),
            State::NotElf | State::Unopened { .. } => None,
        }
    }
}
