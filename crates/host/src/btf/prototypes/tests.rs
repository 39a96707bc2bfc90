//! Prototypes as kernels declare them, and changed ones.

use fault_trace_common::catalogue::tracepoint::sched_switch;

use super::*;

const INT: u32 = 1;
const POINTER: u32 = 2;
const STRUCT: u32 = 4;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const CONST: u32 = 10;
const FUNCTION: u32 = 12;
const PROTOTYPE: u32 = 13;

/// A BTF file that is being written (linux/btf.h).
struct Btf {
    types: Vec<u8>,
    strings: Vec<u8>,
    last: u32,
}

impl Btf {
    fn new() -> Self {
        Self {
            types: Vec::new(),
            strings: vec![0],
            last: 0,
        }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        at
    }

    /// Adds a type and returns its id; `word` is its size or what it stands for.
    fn add(&mut self, name: &str, kind: u32, word: u32, rest: &[u32]) -> u32 {
        let members = match kind {
            PROTOTYPE => rest.len() as u32 / 2,
            _ => 0,
        };
        let name = self.string(name);
        for word in [&[name, kind << 24 | members, word], rest].concat() {
            self.types.extend(word.to_le_bytes());
        }
        self.last += 1;
        self.last
    }

    fn number(&mut self, bytes: u32) -> u32 {
        self.add("number", INT, bytes, &[bytes * 8])
    }

    fn pointer(&mut self, name: &str) -> u32 {
        let target = self.add(name, STRUCT, 64, &[]);
        self.add("", POINTER, target, &[])
    }

    /// Adds a prototype with the data of the probe first.
    fn prototype(&mut self, parameters: &[(&str, u32)]) -> u32 {
        let mut words = vec![self.string("__data"), 0];
        for (name, id) in parameters {
            words.extend([self.string(name), *id]);
        }
        self.add("", PROTOTYPE, 0, &words)
    }

    /// Adds the function that calls the probes of a tracepoint.
    fn iterator(&mut self, name: &str, parameters: &[(&str, u32)]) {
        let prototype = self.prototype(parameters);
        self.add(&format!("__traceiter_{name}"), FUNCTION, prototype, &[]);
    }

    fn bytes(&self) -> Vec<u8> {
        let [types, strings] = [&self.types, &self.strings].map(|part| part.len() as u32);
        let mut btf = vec![0x9f, 0xeb, 1, 0];
        let words = [24, 0, types, types, strings];
        btf.extend(words.iter().flat_map(|word: &u32| word.to_le_bytes()));
        btf.extend(&self.types);
        btf.extend(&self.strings);
        btf
    }

    fn prototypes(&self) -> Prototypes {
        super::super::parse(&self.bytes()).1
    }
}

/// `sched_switch` with parameters of these names, of which each is a kind of what it is in Linux 6.18.
fn switch(names: &[&str]) -> Btf {
    let mut btf = Btf::new();
    let of = |btf: &mut Btf, name: &str| match name {
        "preempt" => btf.number(1),
        "prev" | "next" => btf.pointer("task_struct"),
        _ => btf.number(4),
    };
    let parameters: Vec<_> = names
        .iter()
        .map(|name| (*name, of(&mut btf, name)))
        .collect();
    btf.iterator("sched_switch", &parameters);
    btf
}

fn said(btf: &Btf, hook: Hook) -> Option<String> {
    let difference = btf.prototypes().difference(hook);
    difference.map(|difference| difference.to_string())
}

#[test]
fn what_kernels_declare_is_what_is_read() {
    // 5.15, and 5.18 and later.
    for names in [
        &["preempt", "prev", "next"][..],
        &["preempt", "prev", "next", "prev_state"],
        &["preempt", "prev", "next", "prev_state", "of_the_future"],
    ] {
        let btf = switch(names);
        assert_eq!(said(&btf, Hook::SchedSwitch), None, "{names:?}");
        let state = sched_switch::prev_state as usize;
        let passes = btf.prototypes().passes(Hook::SchedSwitch, state);
        assert_eq!(passes, Some(names.len() > 3));
    }
    // A victim was a process id (5.15), and is a task.
    let mut btf = Btf::new();
    let pid = btf.number(4);
    btf.iterator("mark_victim", &[("pid", pid)]);
    assert_eq!(said(&btf, Hook::MarkVictim), None);
    let mut btf = Btf::new();
    let (task, uid) = (btf.pointer("task_struct"), btf.number(4));
    btf.iterator("mark_victim", &[("task", task), ("uid", uid)]);
    assert_eq!(said(&btf, Hook::MarkVictim), None);
    // The reason is an int, and since 7.3 an enum; the pages had other names.
    let mut btf = Btf::new();
    let reason = btf.add("migrate_reason", ENUM, 4, &[]);
    btf.iterator(
        "mm_migrate_pages_start",
        &[("mode", reason), ("reason", reason)],
    );
    let long = btf.number(8);
    let offset = btf.add("pgoff_t", TYPEDEF, long, &[]);
    let space = btf.pointer("address_space");
    let pages = [
        ("mapping", space),
        ("start_pgoff", offset),
        ("end_pgoff", offset),
    ];
    btf.iterator("mm_filemap_map_pages", &pages);
    let char = btf.number(1);
    let constant = btf.add("", CONST, char, &[]);
    let (text, task) = (
        btf.add("", POINTER, constant, &[]),
        btf.pointer("task_struct"),
    );
    btf.iterator("task_rename", &[("task", task), ("comm", text)]);
    for hook in Hook::ALL {
        assert_eq!(said(&btf, hook), None, "{hook:?}");
    }
}

#[test]
fn a_changed_argument_is_named_with_what_was_expected_and_found() {
    // As in the first release candidates of 5.18.
    let btf = switch(&["preempt", "prev_state", "prev", "next"]);
    assert_eq!(
        said(&btf, Hook::SchedSwitch).as_deref(),
        Some(
            "this kernel passes a number of 4 bytes as argument 2, prev, not struct task_struct *"
        )
    );
    let btf = switch(&["preempt", "next", "prev", "prev_state"]);
    assert_eq!(
        said(&btf, Hook::SchedSwitch).as_deref(),
        Some("this kernel passes prev as argument 3, not 2")
    );
    let btf = switch(&["preempt", "prev"]);
    assert_eq!(
        said(&btf, Hook::SchedSwitch).as_deref(),
        Some("this kernel passes nothing as argument 3, next, not struct task_struct *")
    );
    let mut btf = Btf::new();
    let victim = btf.number(8);
    btf.iterator("mark_victim", &[("task", victim)]);
    assert_eq!(
        said(&btf, Hook::MarkVictim).as_deref(),
        Some(
            "this kernel passes a number of 8 bytes as argument 1, task, not struct task_struct * or \
             a number of 4 bytes"
        )
    );
    let mut btf = Btf::new();
    let folio = btf.pointer("folio");
    btf.iterator("mm_page_free", &[("folio", folio)]);
    assert_eq!(
        said(&btf, Hook::PageFree).as_deref(),
        Some("this kernel passes struct folio * as argument 1, page, not struct page *")
    );
}

#[test]
fn the_size_of_an_argument_in_the_bytes_of_a_file_is_compared() {
    let mut btf = Btf::new();
    let (mm, member) = (btf.pointer("mm_struct"), btf.number(4));
    btf.iterator("rss_stat", &[("mm", mm), ("member", member)]);
    let mut bytes = btf.bytes();
    let difference = |bytes: &[u8]| {
        let (_, prototypes) = super::super::parse(bytes);
        prototypes.difference(Hook::RssStat)
    };
    assert_eq!(difference(&bytes), None);
    // The third type, after a struct and a pointer: its size is the third word.
    bytes[24 + 2 * 12 + 8] = 8;
    let said = difference(&bytes).expect("it differs").to_string();
    assert!(
        said.ends_with("8 bytes as argument 2, member, not a number of 4 bytes"),
        "{said}"
    );
}

#[test]
fn types_alone_are_compared_where_names_are_unknown() {
    let mut btf = Btf::new();
    let (task, number) = (btf.pointer("task_struct"), btf.number(4));
    for (name, second) in [("sched_process_fork", task), ("task_rename", number)] {
        let prototype = btf.prototype(&[("", task), ("", second)]);
        let pointer = btf.add("", POINTER, prototype, &[]);
        btf.add(&format!("btf_trace_{name}"), TYPEDEF, pointer, &[]);
    }
    assert_eq!(said(&btf, Hook::ProcessFork), None);
    assert_eq!(
        said(&btf, Hook::TaskRename).as_deref(),
        Some("this kernel passes a number of 4 bytes as argument 2, comm, not char *")
    );
    assert_eq!(
        btf.prototypes().passes(Hook::SchedSwitch, 3),
        None,
        "it is unknown"
    );
}

#[test]
fn no_bytes_make_it_panic() {
    let btf = switch(&["preempt", "prev", "next", "prev_state"]).bytes();
    for at in 0..btf.len() {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut changed = btf.clone();
            changed[at] = byte;
            let (_, prototypes) = super::super::parse(&changed);
            let _ = prototypes
                .difference(Hook::SchedSwitch)
                .map(|said| said.to_string());
        }
        let _ = super::super::parse(&btf[..at]);
    }
}
