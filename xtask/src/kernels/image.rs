//! The guest's root file system: busybox, our programs, their libraries, modules.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{modules, programs::Programs};
use crate::command;

/// What the scenarios need where it is not built in; zram's compressors differ between kernels.
const MODULES: [&str; 7] = ["zram", "lzo-rle", "lz4", "fuse", "loop", "xfs", "btrfs"];
const SIZE: &str = "768M";
const FOLDERS: [&str; 10] = [
    "bin", "dev", "mnt", "modules", "proc", "root", "run", "sys", "tmp", "var/tmp",
];

/// Makes the image for a kernel whose packages are unpacked in `kernel`, and returns its path.
pub(super) fn build(
    programs: &Programs,
    kernel: &Path,
    script: &str,
    folder: &Path,
) -> Result<PathBuf> {
    let root = folder.join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    for (program, name) in [
        (&programs.busybox, "busybox"),
        (&programs.fault_trace, "fault-trace"),
        (&programs.workloads, "workloads"),
        (&programs.privileged, "privileged"),
        (&programs.floor, "floor"),
        (&programs.touch, "touch"),
        (&programs.known, "known"),
    ] {
        let inside = Path::new("/bin").join(name);
        copy(program, &within(&root, &inside))?;
        for library in libraries(program) {
            copy(&library, &within(&root, &library))?;
        }
        // The tests start programs where they were built.
        let built = within(&root, program);
        if !built.exists() {
            fs::create_dir_all(built.parent().context("a program lies in a folder")?)?;
            symlink(&inside, &built)?;
        }
    }
    executable(&root.join("init"), include_bytes!("init.sh"))?;
    executable(&root.join("task"), script.as_bytes())?;
    add_modules(kernel, &root.join("modules"))?;
    let image = folder.join("root.img");
    if image.exists() {
        fs::remove_file(&image)?;
    }
    let mut mke2fs = Command::new(command::find("mke2fs").unwrap_or("/sbin/mke2fs".into()));
    mke2fs.args(["-q", "-t", "ext4", "-d"]);
    command::stdout(mke2fs.arg(&root).arg(&image).arg(SIZE))?;
    Ok(image)
}

fn within(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

fn executable(path: &Path, text: &[u8]) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text)?;
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The shared libraries of a program; none of a static one, which `ldd` refuses.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let answer = command::stdout(Command::new("ldd").arg(program));
    parse_libraries(&answer.unwrap_or_default())
}

fn parse_libraries(answer: &str) -> Vec<PathBuf> {
    answer
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect()
}

/// Puts the modules and what they depend on into `to`, and their order into `to/order`.
fn add_modules(kernel: &Path, to: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    find_modules(kernel, &mut files)?;
    let mut failed = None;
    let order = modules::load_order(&MODULES, &mut |name| {
        let module = read_module(files.get(name)?)
            .and_then(|module| {
                fs::write(to.join(format!("{name}.ko")), &module)?;
                Ok(module)
            })
            .map_err(|error| failed = Some(error))
            .ok()?;
        Some(modules::depends(&module))
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let lines: String = order.iter().map(|name| format!("{name}\n")).collect();
    fs::write(to.join("order"), lines)?;
    Ok(())
}

/// Every module's file below a folder, by the module's name.
fn find_modules(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find_modules(&entry.path(), files)?;
        } else if let Some(name) = modules::name_of_file(&entry.file_name().to_string_lossy()) {
            files.insert(name, entry.path());
        }
    }
    Ok(())
}

fn read_module(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    }
    let output = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(file)
        .output()
        .context("cannot run `xz`: install it (Debian: xz-utils)")?;
    anyhow::ensure!(output.status.success(), "xz cannot read {}", file.display());
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_files() {
        let answer = "\tlinux-vdso.so.1 (0x00007f9678945000)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f967733e000)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f9678947000)\n";
        assert_eq!(
            parse_libraries(answer),
            [
                Path::new("/lib/x86_64-linux-gnu/libc.so.6"),
                Path::new("/lib64/ld-linux-x86-64.so.2")
            ]
        );
        assert!(parse_libraries("\tnot a dynamic executable\n").is_empty());
    }
}
