//! Compiles small programs and asks binutils about them.

use std::{
    fs::{self, File},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use tempfile::TempDir;

use crate::symbols::reader::headers;
use fault_trace_model::{
    code::{BuildId, CodeFile},
    mapping::Device,
};

/// Functions of each kind. `leaf` is inlined into `middle`, that into `outer`.
pub(super) const NESTED: &str = r#"
volatile int sink;
__attribute__((noinline)) static int slow(int x) { sink += x; return sink; }
static inline __attribute__((always_inline)) int leaf(int x) { sink = x; return slow(x + 1) * 3; }
static inline __attribute__((always_inline)) int middle(int x) { return leaf(x * 2) + 7; }
__attribute__((noinline)) int outer(int x) { int y = middle(x); sink = y; return y; }
int main(int n, char **v) { return outer(n); }
"#;

/// A folder that goes with the test.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Compiles `source` with these flags to `name`.
    pub(super) fn compile(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let file = self.path(&format!("{name}.c"));
        fs::write(&file, source).expect("writes");
        let program = self.path(name);
        let build_id = ["-Wl,--build-id=sha1"];
        run(Command::new("cc")
            .args(build_id)
            .args(flags)
            .arg("-o")
            .arg(&program)
            .arg(&file));
        program
    }
}

/// Runs to success; what it printed.
pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().expect("starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Address and size of a symbol, as `nm` tells.
pub(super) fn symbol(program: &Path, name: &str) -> (u64, u64) {
    let list = run(Command::new("nm").arg("-S").arg(program));
    let hex = |digits: &str| u64::from_str_radix(digits, 16).expect("hexadecimal");
    list.lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find_map(|fields| match fields[..] {
            [address, size, _, found] if found == name => Some((hex(address), hex(size))),
            _ => None,
        })
        .unwrap_or_else(|| panic!("no {name} in {list}"))
}

/// Function and `file:line` at an address, innermost first, as `addr2line -i` tells.
pub(super) fn addr2line(program: &Path, address: u64) -> Vec<(String, Option<String>)> {
    let text = run(Command::new("addr2line")
        .args(["-i", "-f", "-C", "-e"])
        .arg(program)
        .arg(format!("{address:#x}")));
    let lines: Vec<&str> = text.lines().collect();
    lines
        .chunks(2)
        .map(|pair| {
            let (line, _) = pair[1].split_once(" (").unwrap_or((pair[1], ""));
            let known = !line.ends_with('?') && !line.ends_with(":0");
            (pair[0].to_owned(), known.then(|| line.to_owned()))
        })
        .collect()
}

/// The file as a recording knows it.
pub(super) fn code_file(program: &Path) -> Arc<CodeFile> {
    let file = File::open(program).expect("opens");
    Arc::new(CodeFile {
        path: program.as_os_str().as_bytes().into(),
        device: Device::default(),
        inode: 0,
        build_id: headers(&file)
            .expect("ELF")
            .build_id
            .and_then(|bytes| BuildId::new(&bytes)),
    })
}
