//! A program that runs while the test looks at it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use fault_trace_model::mapping::{Devices, Mapping, Names, parse_maps};

/// Tells the address of a function of its own, and of one that it compiled and listed.
pub(super) const WAITS: &str = r#"
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
__attribute__((noinline)) int outer(int x) { return x + getpid(); }
int main(int n, char **v) {
    char name[64];
    char *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (n > 1) {
        snprintf(name, sizeof name, "/tmp/perf-%d.map", getpid());
        FILE *list = fopen(name, "w");
        fprintf(list, "%lx 40 compiled %s\n", (unsigned long)code, v[1]);
        fclose(list);
    }
    printf("%lx %lx\n", (unsigned long)outer, (unsigned long)code);
    fflush(stdout);
    return getchar() + outer(n);
}
"#;

/// The program, until it is dropped.
pub(super) struct Running {
    child: Child,
    pub(super) pid: u32,
    pub(super) outer: u64,
    pub(super) compiled: u64,
}

impl Running {
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        let told = child.stdout.as_mut().expect("piped");
        BufReader::new(told).read_line(&mut line).expect("tells");
        let (outer, compiled) = line.trim().split_once(' ').expect("two addresses");
        let hex = |digits| u64::from_str_radix(digits, 16).expect("hexadecimal");
        Self {
            pid: innermost(child.id()),
            outer: hex(outer),
            compiled: hex(compiled),
            child,
        }
    }

    /// In a namespace of its own, with `root` as its root.
    pub(super) fn start_in(root: &Path, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("unshare");
        command
            .args([
                "--map-root-user",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .arg(format!("--root={}", root.display()))
            .arg(program)
            .args(arguments);
        Self::start(&mut command)
    }

    /// What is mapped at an address now.
    pub(super) fn mapping(&self, address: u64) -> Mapping {
        let mut mappings = self.mappings().into_iter();
        mappings
            .find(|mapping| mapping.contains(address))
            .expect("mapped")
    }

    pub(super) fn mappings(&self) -> Vec<Mapping> {
        let maps = File::open(format!("/proc/{}/maps", self.pid)).expect("runs");
        let (devices, mut names) = (Devices::default(), Names::default());
        parse_maps(BufReader::new(maps), &devices, &mut names).expect("parses")
    }

    /// Ends it; it is reaped and gone from /proc.
    pub(super) fn stop(&mut self) {
        self.child.kill().expect("runs until now");
        self.child.wait().expect("ends");
        let process = format!("/proc/{}", self.pid);
        while Path::new(&process).exists() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_file(format!("/tmp/perf-{}.map", self.pid)));
    }
}

/// The last of a chain of children: `unshare --fork` stays as the parent.
fn innermost(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let child = children.ok().and_then(|list| list.trim().parse().ok());
    child.map_or(pid, innermost)
}
