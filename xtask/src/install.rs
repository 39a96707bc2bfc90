//! Task `install`: a binary as it is shipped, where sudo finds it.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{
    build,
    command::{self, say},
    help,
    setup::Build,
    sudo,
    workspace::MAIN_PACKAGE,
};

/// Not ~/.cargo/bin: fault-trace needs root, and sudo does not look there.
const DEFAULT_ROOT: &str = "/usr/local";

pub(crate) fn task(args: &[OsString]) -> Result<ExitCode> {
    let root = parse(args)?;
    let build = Build::prepare()?;
    let binary = build::binary(&build, build::SHIPPED)?;
    let bin = root.join("bin");
    let to = bin.join(MAIN_PACKAGE);
    match copy(&binary, &bin) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !sudo::is_root() => {
            copy_as_root(&binary, &to)
        }
        copied => copied.with_context(|| format!("cannot install {}", to.display())),
    }?;
    say(&format!("installed {}", to.display()));
    Ok(ExitCode::SUCCESS)
}

fn parse(args: &[OsString]) -> Result<PathBuf> {
    match args {
        [] => Ok(DEFAULT_ROOT.into()),
        [flag] if flag == "--root" => Err(help::usage_error("`--root` needs a folder")),
        [flag, root] if flag == "--root" => Ok(root.into()),
        [flag, _, extra, ..] if flag == "--root" => Err(help::unexpected(extra)),
        [arg, ..] => match arg.to_str().and_then(|arg| arg.strip_prefix("--root=")) {
            Some(root) => help::no_arguments(&args[1..]).map(|()| root.into()),
            None => Err(help::unexpected(arg)),
        },
    }
}

/// Renamed into place, because a running binary cannot be written to.
fn copy(binary: &Path, bin: &Path) -> io::Result<()> {
    fs::create_dir_all(bin)?;
    let new = bin.join(format!(".{MAIN_PACKAGE}.new"));
    fs::copy(binary, &new)?;
    fs::rename(&new, bin.join(MAIN_PACKAGE))
}

fn copy_as_root(binary: &Path, to: &Path) -> Result<()> {
    let sudo = sudo::find().with_context(|| {
        format!(
            "you may not write {} and `sudo` is missing: install it, or give a folder of \
             yours with `--root DIR`",
            to.display()
        )
    })?;
    say(&format!("copying to {} with sudo ...", to.display()));
    command::run(
        Command::new(sudo)
            .args(["install", "-D", "-m", "755"])
            .args([binary, to]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(args: &[&str]) -> Option<PathBuf> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        parse(&args).ok()
    }

    #[test]
    fn root_is_given_or_the_default() {
        assert_eq!(root(&[]), Some(DEFAULT_ROOT.into()));
        assert_eq!(root(&["--root", "/opt"]), Some("/opt".into()));
        assert_eq!(root(&["--root=/opt"]), Some("/opt".into()));
    }

    #[test]
    fn anything_else_is_refused() {
        for args in [
            &["--root"][..],
            &["--root", "a", "b"],
            &["--root=a", "b"],
            &["x"],
        ] {
            assert_eq!(root(args), None, "{args:?}");
        }
    }
}
