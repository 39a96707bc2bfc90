//! One file with code, from the first sight of it.

use std::sync::Arc;

use super::super::protocol::{Headers, Outcome};
use fault_trace_model::{
    code::{BuildId, CodeFile, CodePlace},
    mapping::Backing,
};

#[derive(Debug)]
pub(super) struct Module {
    code: Arc<CodeFile>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its opening is not over. `tries` processes were asked for it, of which `pid` is the last.
    Asked {
        tries: u8,
        pid: u32,
    },
    /// Not to be had from them.
    Unopened {
        tries: u8,
        pid: u32,
    },
    NotElf,
    /// `held`: the opener keeps it open, which also keeps its inode number from being used again.
    Known {
        headers: Headers,
        held: bool,
    },
    /// Looking into it failed.
    Lost,
}

/// Processes that are asked for a file before it is given up.
const MAX_TRIES: u8 = 4;

impl Module {
    /// One that is asked of this process now; `before` is what was known under its number.
    pub(super) fn new(backing: &Backing, pid: u32, before: Option<&Self>) -> Self {
        let tries = match before.map(|before| &before.state) {
            Some(State::Unopened { tries, .. }) => tries + 1,
            _ => 1,
        };
        Self {
            code: Arc::new(CodeFile {
                path: Arc::clone(&backing.path),
                device: backing.device,
                inode: backing.inode,
                build_id: None,
            }),
            state: State::Asked { tries, pid },
        }
    }

    /// Whether it should be asked of this process, too.
    pub(super) fn wants(&self, pid: u32, backing: &Backing) -> bool {
        match &self.state {
            State::Asked { .. } | State::Known { held: true, .. } => false,
            State::Unopened { tries, pid: last } => *tries < MAX_TRIES && *last != pid,
            // Nothing keeps the inode number: another path tells of another file.
            State::NotElf | State::Known { held: false, .. } | State::Lost => {
                self.code.path != backing.path
            }
        }
    }

    /// What became of its opening.
    pub(super) fn identified(&mut self, outcome: Outcome) {
        let State::Asked { tries, pid } = self.state else {
            return;
        };
        self.state = match outcome {
            Outcome::Unopened => State::Unopened { tries, pid },
            Outcome::NotElf => State::NotElf,
            Outcome::Elf { headers, held } => State::Known { headers, held },
            Outcome::Lost(_) => State::Lost,
        };
        let build_id = self.headers().and_then(|headers| headers.build_id.as_ref());
        let build_id = build_id.and_then(|bytes| BuildId::new(bytes));
        self.code = Arc::new(CodeFile {
            build_id,
            ..(*self.code).clone()
        });
    }

    /// Gives up waiting for its opening.
    pub(super) fn give_up(&mut self) {
        if self.is_asked() {
            self.state = State::Lost;
        }
    }

    pub(super) const fn code(&self) -> &Arc<CodeFile> {
        &self.code
    }

    /// The place of the byte at this offset.
    pub(super) fn place(&self, offset_bytes: u64) -> CodePlace {
        CodePlace::File {
            file: Arc::clone(&self.code),
            offset_bytes,
            elf_address: self
                .headers()
                .and_then(|headers| headers.elf_address(offset_bytes)),
        }
    }

    pub(super) const fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    pub(super) const fn is_not_elf(&self) -> bool {
        matches!(self.state, State::NotElf)
    }

    pub(super) const fn is_held(&self) -> bool {
        matches!(self.state, State::Known { held: true, .. })
    }

    pub(super) const fn is_unopened(&self) -> bool {
        matches!(self.state, State::Unopened { .. })
    }

    pub(super) const fn is_released(&self) -> bool {
        matches!(self.state, State::Known { held: false, .. })
    }

    const fn headers(&self) -> Option<&Headers> {
        match &self.state {
            State::Known { headers, .. } => Some(headers),
            _ => None,
        }
    }
}
