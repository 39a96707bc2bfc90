//! Files with damaged bytes, thousands of them: none ends the reader, none makes it answer nonsense.
//!
//! `FAULT_TRACE_MUTATIONS` says how many.

use std::{fs, path::PathBuf, sync::Arc};

use super::{
    files::places,
    lab::Resolver,
    programs::{Folder, NESTED, code_file, symbol},
};
use crate::symbols::{
    Detail, Options,
    protocol::{Answer, Code, FileId, Question, Stack},
    reader::{MAX_FRAMES, Reader, Surroundings},
};
use fault_trace_model::code::CodeFile;

const DEFAULT: u64 = 3000;

fn mutations() -> u64 {
    let given = std::env::var("FAULT_TRACE_MUTATIONS");
    given.map_or(DEFAULT, |given| given.parse().expect("a number"))
}

#[derive(Default)]
struct Answers(Vec<Answer>);

impl Surroundings for Answers {
    fn answer(&mut self, answer: Answer) {
        self.0.push(answer);
    }

    fn working_on(&mut self, _file: FileId) {}

    fn share(&mut self, _file: Option<&fs::File>, _build_id: &[u8]) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// Some bytes of the file are others: anywhere, or where the headers are.
fn damage(sound: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    let headers = usize::try_from(u64::from_le_bytes(
        sound[0x28..0x30].try_into().expect("eight bytes"),
    ))
    .expect("fits");
    for _ in 0..random.usize(1..20) {
        let at = match random.u8(0..3) {
            0 => random.usize(0..64.min(bytes.len())),
            1 => random.usize(headers..bytes.len()),
            _ => random.usize(0..bytes.len()),
        };
        bytes[at] = match random.u8(0..3) {
            0 => 0xff,
            1 => 0,
            _ => random.u8(..),
        };
    }
    if random.u8(0..8) == 0 {
        bytes.truncate(random.usize(0..bytes.len()));
    }
    bytes
}

#[test]
fn no_damaged_file_ends_the_reader() {
    let folder = Folder::new();
    let program = folder.compile("program", NESTED, &["-O2", "-g"]);
    let (start, size) = symbol(&program, "outer");
    let sound = fs::read(&program).expect("reads");
    let damaged = folder.path("damaged");
    let mut random = fastrand::Rng::with_seed(20_261_128);
    let places: Vec<_> = (start..start + size).map(|at| (at, Some(at))).collect();
    let code = Code {
        start: 0,
        end: 1 << 40,
        file: Some((1, 0)),
    };
    let stack = |id, bytes: &[u8]| Stack {
        id,
        space: 1,
        ip: start + id,
        sp: start,
        bp: start + 64,
        length: u32::try_from(bytes.len()).expect("small"),
    };
    for round in 0..mutations() {
        fs::write(&damaged, damage(&sound, &mut random)).expect("writes");
        let open = || fs::File::open(&damaged).expect("opens");
        let mut reader = Reader::default();
        let mut answers = Answers::default();
        reader.ask(Question::Headers, &[], vec![open()], &mut answers);
        let name = Question::Name {
            program: 1,
            lines: true,
            files: [false, true, false],
            shared_build_id: Vec::new(),
            places: places.clone(),
        };
        reader.ask(name, &[], vec![open()], &mut answers);
        reader.ask(
            Question::Program { file: 1 },
            &[],
            vec![open()],
            &mut answers,
        );
        let space = Question::Space {
            id: 1,
            code: vec![code],
        };
        reader.ask(space, &[], Vec::new(), &mut answers);
        let copies: Vec<u8> = (0..512).map(|_| random.u8(..)).collect();
        let stacks = vec![stack(0, &copies[..256]), stack(1, &copies[256..])];
        reader.ask(
            Question::Unwind { stacks },
            &copies,
            Vec::new(),
            &mut answers,
        );
        let mut named = 0;
        for answer in answers.0 {
            match answer {
                Answer::Named(found) => named += found.len(),
                Answer::Unwound(callers) => {
                    assert!(
                        callers
                            .iter()
                            .all(|caller| caller.addresses.len() <= MAX_FRAMES)
                    );
                }
                Answer::Headers(_) | Answer::Ready(_) => {}
            }
        }
        assert_eq!(named, places.len(), "round {round}");
    }
}

#[test]
fn a_damaged_file_answers_through_all_parts() {
    let folder = Folder::new();
    let program = folder.compile("program", NESTED, &["-O2", "-g"]);
    let recorded: Arc<CodeFile> = code_file(&program);
    let (start, size) = symbol(&program, "outer");
    let addresses: Vec<u64> = (start..start + size).collect();
    let sound = fs::read(&program).expect("reads");
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..100 {
        fs::write(&program, damage(&sound, &mut random)).expect("writes");
        let options = Options {
            detail: Detail::Lines,
            ..Options::default()
        };
        let found = Resolver::new(options).resolve(&places(&recorded, &addresses), None);
        assert_eq!(found.len(), addresses.len());
    }
}
