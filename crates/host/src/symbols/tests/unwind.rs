//! Stacks of a program without frame pointers, against what the C library finds in the program itself.

use std::{fs, process::Command};

use super::{
    lab::{Modules, Resolver, Unwound},
    live::Running,
    programs::Folder,
};
use crate::{
    proc::Proc,
    symbols::{End, Options, Registers, reader::MAX_FRAMES},
};
use fault_trace_model::mapping::Mapping;

/// Faults below a function of the C library, functions that call themselves and one whose frame has
/// no constant size. Writes registers, callers and stack to a file and waits.
const FAULTS: &str = r#"
#define _GNU_SOURCE
#include <alloca.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
static volatile int *null;
volatile int sink;
static const char *report;
static void handler(int signal, siginfo_t *info, void *context) {
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    FILE *out = fopen(report, "w");
    void *callers[100];
    int n = backtrace(callers, 100), known = 0;
    fprintf(out, "%llx %llx %llx\n", r[REG_RIP], r[REG_RSP], r[REG_RBP]);
    for (int i = 0; i < n; i++) {
        known |= callers[i] == (void *)r[REG_RIP];
        if (known) fprintf(out, "%lx ", (unsigned long)callers[i]);
    }
    fprintf(out, "\n");
    for (unsigned char *at = (void *)r[REG_RSP]; at < (unsigned char *)environ; at++)
        fprintf(out, "%02x", *at);
    fclose(out);
    printf("%lx %lx\n", 1ul, 1ul);
    fflush(stdout);
    getchar();
    _exit(0);
}
__attribute__((noinline)) int last(int x) { char big[300]; memset(big, x, 300); sink += big[x]; return *null + x; }
__attribute__((noinline)) int again(int x) { return x > DEPTH ? last(x & 63) + 1 : again(x + 1) * 2 + sink; }
__attribute__((noinline)) int compare(const void *a, const void *b) { return again(*(int *)a - *(int *)b); }
__attribute__((noinline)) int varying(int n) {
    char *p = alloca(n * 64);
    int pair[2] = {2, 1};
    memset(p, n, n * 64);
    qsort(pair, 2, sizeof *pair, compare);
    return p[1] + pair[0];
}
int main(int n, char **v) {
    report = v[1];
    signal(SIGSEGV, (void (*)(int))handler);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    return varying(n) + sink;
}
"#;

/// The program as it stands in its handler.
struct Fault {
    running: Running,
    mappings: Vec<Mapping>,
    registers: Registers,
    callers: Vec<u64>,
    stack: Vec<u8>,
    _folder: Folder,
}

impl Fault {
    fn of(flags: &[&str]) -> Self {
        let folder = Folder::new();
        let program = folder.compile("program", FAULTS, flags);
        let report = folder.path("report");
        let running = Running::start(Command::new(program).arg(&report));
        let text = fs::read_to_string(report).expect("written");
        let hex = |digits| u64::from_str_radix(digits, 16).expect("hexadecimal");
        let mut lines = text.lines();
        let mut numbers = || lines.next().expect("a line").split_whitespace().map(hex);
        let registers: Vec<u64> = numbers().collect();
        let callers = numbers().collect();
        let stack = lines.next().expect("a line").as_bytes();
        let byte = |digits: &[u8]| {
            u8::from_str_radix(str::from_utf8(digits).expect("text"), 16).expect("a byte")
        };
        Self {
            mappings: running.mappings(),
            running,
            registers: Registers {
                ip: registers[0],
                sp: registers[1],
                bp: registers[2],
            },
            callers,
            stack: stack.chunks(2).map(byte).collect(),
            _folder: folder,
        }
    }

    fn unwind(&self, modules: &mut Modules, stack: &[u8]) -> Unwound {
        modules.unwind(
            self.running.pid,
            self.registers,
            stack,
            self.mappings.clone(),
        )
    }
}

fn addresses(unwound: &Unwound) -> Vec<u64> {
    unwound.frames.iter().map(|frame| frame.address).collect()
}

#[test]
fn callers_are_found_without_frame_pointers() {
    for flags in [
        [
            "-O2",
            "-fomit-frame-pointer",
            "-fno-optimize-sibling-calls",
            "-DDEPTH=5",
        ],
        ["-O1", "-no-pie", "-fno-optimize-sibling-calls", "-DDEPTH=3"],
        ["-O0", "-fomit-frame-pointer", "-static", "-DDEPTH=0"],
    ] {
        let fault = Fault::of(&flags);
        let mut modules = Modules::new(Proc::default());
        let unwound = fault.unwind(&mut modules, &fault.stack);
        assert_eq!(addresses(&unwound), fault.callers, "{flags:?}");
        assert_eq!((unwound.end, unwound.guessed), (End::Root, 0), "{flags:?}");
        let places: Vec<_> = unwound
            .frames
            .into_iter()
            .map(|frame| frame.place)
            .collect();
        let names: Vec<_> = Resolver::new(Options::default())
            .resolve(&places, Some(&modules))
            .into_iter()
            .filter_map(|found| Some(found.ok()?.last()?.function.to_string()))
            .collect();
        for name in ["last", "again", "compare", "varying", "main", "_start"] {
            assert!(
                names.iter().any(|found| found == name),
                "{name} in {names:?}"
            );
        }
    }
}

#[test]
fn a_short_copy_of_the_stack_gives_the_first_callers() {
    let fault = Fault::of(&["-O2", "-fno-optimize-sibling-calls", "-DDEPTH=20"]);
    let mut modules = Modules::new(Proc::default());
    let unwound = fault.unwind(&mut modules, &fault.stack[..512]);
    assert_eq!(unwound.end, End::CopyEnded);
    let found = unwound.frames.len();
    assert!((2..fault.callers.len()).contains(&found), "{found}");
    assert_eq!(addresses(&unwound), fault.callers[..found]);
}

#[test]
fn a_deep_stack_is_cut() {
    let fault = Fault::of(&["-O1", "-fno-optimize-sibling-calls", "-DDEPTH=400"]);
    let mut modules = Modules::new(Proc::default());
    let unwound = fault.unwind(&mut modules, &fault.stack);
    assert_eq!(
        (unwound.end, unwound.frames.len()),
        (End::TooDeep, MAX_FRAMES)
    );
}

#[test]
fn what_is_not_code_is_no_caller() {
    let fault = Fault::of(&["-O2", "-fno-optimize-sibling-calls", "-DDEPTH=1"]);
    let mut modules = Modules::new(Proc::default());
    let wrong = vec![0x41; fault.stack.len()];
    let unwound = fault.unwind(&mut modules, &wrong);
    assert_eq!(addresses(&unwound), fault.callers[..1]);
    assert_eq!(unwound.end, End::Lost);
}
