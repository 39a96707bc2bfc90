//! What the tracer, the opener and the reader tell one another.
//!
//! ```text
//! tracer --Order--> opener --Question--> reader
//!        <-Report--        <--Answer----
//! ```
//!
//! Each message is one packet of a socket. Whatever comes from the reader is untrusted: it has looked
//! into files of anybody's making. Decoding is total, and every number is checked where it is used.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Bound: bytes of a message.
pub(super) const MESSAGE_MAX: usize = 120 << 10;
/// Bound: places that are asked for at once.
pub(super) const PLACES_MAX: usize = 1 << 10;
/// Bound: bytes of a name; a longer one ends with `…`.
pub(super) const NAME_MAX: usize = 4 << 10;
/// Bound: bytes of stacks in a message.
pub(super) const STACKS_MAX: usize = 64 << 10;
pub use fault_trace_pipeline::STACK_PATIENCE;
/// Bound: files of a message.
pub(super) const FILES_MAX: usize = 3;
/// Bound: mappings of a process that unwinding knows.
pub(super) const MAPPINGS_MAX: usize = 2048;

/// The tracer's number of a file that it has seen mapped; counts from 1.
pub(super) type FileId = u32;
/// The tracer's number of a process's mappings at a time.
pub(super) type SpaceId = u32;

/// From the tracer to the opener.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Comes first. Paths of folders of debug information.
    Setup { debug_directories: Vec<Vec<u8>> },
    /// Opens the file behind a mapping and tells what it is.
    Open {
        file: FileId,
        pid: u32,
        range: (u64, u64),
        path: Vec<u8>,
        device: (u32, u32),
        inode: u64,
    },
    /// Code that this process compiled was seen.
    Compiled { pid: u32 },
    /// The process is gone.
    Exited { pid: u32 },
    /// Names places.
    Name {
        question: u32,
        source: Source,
        lines: bool,
        places: Vec<Spot>,
    },
    /// The code that a process has mapped, ascending.
    Space { id: SpaceId, code: Vec<Code> },
    /// Nobody will unwind within it any more.
    Forget { id: SpaceId },
    /// Unwinds stacks; their bytes follow the message.
    Unwind { stacks: Vec<Stack> },
}

/// What tells the names.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(super) enum Source {
    /// A file that was opened, if it still is; else the one at the path, if it has the build id.
    File {
        id: Option<FileId>,
        path: Vec<u8>,
        build_id: Option<Vec<u8>>,
    },
    /// The list that the process wrote.
    List { pid: u32 },
}

/// A place in a file: the offset, and the file's own address of it where that is known. In a list:
/// the address in the process.
pub(super) type Spot = (u64, Option<u64>);

/// A part of an address space that holds code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) start: u64,
    pub(super) end: u64,
    /// The file and where in it `start` lies.
    pub(super) file: Option<(FileId, u64)>,
}

/// A copy of a thread's stack, with the registers that tell its callers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Stack {
    pub(super) id: u64,
    pub(super) space: SpaceId,
    pub(super) ip: u64,
    pub(super) sp: u64,
    pub(super) bp: u64,
    /// Bytes of the copy.
    pub(super) length: u32,
}

/// From the opener to the tracer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Report {
    Identified {
        file: FileId,
        outcome: Outcome,
    },
    /// Of a question, those from `first` on; the rest comes in later messages.
    Named {
        question: u32,
        first: u32,
        found: Vec<Result<Vec<Name>, Unnamed>>,
    },
    Unwound {
        stacks: Vec<Callers>,
    },
    /// The stacks are lost.
    NotUnwound {
        ids: Vec<u64>,
    },
    /// What a file was given up for; its names, or some of them, are missing.
    GaveUp {
        path: Vec<u8>,
        loss: Loss,
    },
    /// Why no file can be read at all.
    Unavailable {
        reason: String,
    },
}

/// What became of the opening of a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// Not to be had from this process.
    Unopened,
    NotElf,
    Elf {
        headers: Headers,
        held: bool,
    },
    Lost(Loss),
}

/// Why a file was given up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Loss {
    /// It, or what it lies on, did not answer.
    Stalled,
    /// Reading it took too much time.
    Slow,
    /// Reading it took too much memory.
    Big,
    /// Reading it ended the reader.
    Fatal,
    /// There is no reader (any more).
    NoReader,
    /// The run was to end before it was read.
    Unfinished,
    /// There was too little memory left to begin.
    NoMemory,
}

/// What the headers of a file tell.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Headers {
    /// By the program headers.
    pub(super) build_id: Option<Vec<u8>>,
    /// By the section headers: those of a file of debug information are its own.
    pub(super) section_build_id: Option<Vec<u8>>,
    pub(super) segments: Vec<Segment>,
    /// The name of its debug file, never a path.
    pub(super) debug_link: Option<Vec<u8>>,
    /// The name and build id of the file that it shares debug information with.
    pub(super) shared_debug: Option<(Vec<u8>, Vec<u8>)>,
}

/// A part of a file that the loader maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Segment {
    pub(super) offset_bytes: u64,
    pub(super) size_bytes: u64,
    pub(super) address: u64,
    pub(super) executable: bool,
}

/// A function at a place, innermost first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Name {
    pub(super) function: String,
    pub(super) offset_bytes: u64,
    pub(super) source: Option<(String, u32, Option<u16>)>,
    pub(super) inlined: bool,
}

/// Why a place has no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) enum Unnamed {
    #[default]
    NoFile,
    NotElf,
    BuildIdDiffers,
    NoBuildId,
    NoSymbols,
    NoSymbolHere,
    Unreadable,
    NoPerfMap,
    ForeignPerfMap,
    NotInPerfMap,
    PidReused,
    GivenUp,
}

/// The functions that were active, as addresses, innermost first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Callers {
    pub(super) id: u64,
    pub(super) addresses: Vec<u64>,
    pub(super) guessed: u32,
    pub(super) end: End,
}

/// Why there are no more frames.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum End {
    /// The thread's first function.
    Root,
    /// The rest of the stack was not copied.
    CopyEnded,
    /// There are more frames than are looked for.
    TooDeep,
    /// The next frame is not one.
    Lost,
}

/// From the opener to the reader, with files.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Question {
    /// What the headers of the file tell.
    Headers,
    /// Names places in the program: debug information, the program, and what the former shares, as
    /// far as they are there, in this order.
    Name {
        /// The same for the same files.
        program: u32,
        lines: bool,
        files: [bool; FILES_MAX],
        /// Of the last.
        shared_build_id: Vec<u8>,
        places: Vec<Spot>,
    },
    /// Names addresses in a list.
    List { pid: u32, addresses: Vec<u64> },
    /// A file that unwinding needs. Not answered.
    Program { file: FileId },
    /// As [`Order::Space`]. Not answered.
    Space { id: SpaceId, code: Vec<Code> },
    /// As [`Order::Forget`]. Not answered.
    Forget { id: SpaceId },
    /// As [`Order::Unwind`].
    Unwind { stacks: Vec<Stack> },
}

/// From the reader to the opener.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Comes first: the reader has given up its rights.
    Ready(Result<(), String>),
    /// `None`: not an ELF file.
    Headers(Option<Headers>),
    /// The next of those asked for.
    Named(Vec<Result<Vec<Name>, Unnamed>>),
    Unwound(Vec<Callers>),
}

/// A message as bytes, `payload` behind it.
///
/// # Errors
/// If it cannot be written, which would be a mistake in this file.
pub(super) fn encode(message: &impl Serialize, payload: &[u8]) -> Result<Vec<u8>, postcard::Error> {
    let mut bytes = postcard::to_stdvec(message)?;
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

/// A message, and what follows it.
///
/// # Errors
/// If the bytes are not one.
pub(super) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<(M, &[u8]), postcard::Error> {
    postcard::take_from_bytes(bytes)
}

impl Headers {
    /// The address that the file gives the byte at this offset. Code first: linkers let a page of
    /// the file belong to two segments.
    pub(super) fn elf_address(&self, offset_bytes: u64) -> Option<u64> {
        let address = |segment: &Segment| {
            let into = offset_bytes.checked_sub(segment.offset_bytes)?;
            (into < segment.size_bytes).then(|| segment.address.wrapping_add(into))
        };
        let (code, data): (Vec<_>, Vec<_>) =
            self.segments.iter().partition(|segment| segment.executable);
        code.into_iter().chain(data).find_map(address)
    }
}

impl Question {
    pub(super) const fn is_answered(&self) -> bool {
        !matches!(
            self,
            Self::Program { .. } | Self::Space { .. } | Self::Forget { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_none(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            // Whatever they are, reading them ends.
            drop(decode::<Answer>(&bytes));
            drop(decode::<Report>(&bytes));
            drop(decode::<Order>(&bytes));
            drop(decode::<Question>(&bytes));
        }

        #[test]
        fn a_message_reads_back_with_what_follows(
            id in any::<u64>(),
            addresses in prop::collection::vec(any::<u64>(), 0..300),
            payload in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let callers = Callers { id, addresses, guessed: 3, end: End::Root };
            let answer = Answer::Unwound(vec![callers]);
            let bytes = encode(&answer, &payload).expect("writes");
            let (read, rest) = decode::<Answer>(&bytes).expect("reads");
            prop_assert_eq!(read, answer);
            prop_assert_eq!(rest, &payload[..]);
        }

        #[test]
        fn a_damaged_message_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let names = vec![Ok(vec![Name {
                function: "main".to_owned(),
                offset_bytes: 7,
                source: Some(("main.c".to_owned(), 3, None)),
                inlined: false,
            }]); 20];
            let mut bytes = encode(&Answer::Named(names), &[]).expect("writes");
            let at = at.index(bytes.len());
            bytes[at] = byte;
            drop(decode::<Answer>(&bytes));
        }
    }
}
