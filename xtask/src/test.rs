//! Task `test`: everything as the invoking user, then what needs root.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::Result;

use crate::{
    artifact::{self, Executable},
    command::{self, say},
    environment,
    setup::Build,
    sudo,
    workspace::{EBPF_PACKAGE, PRIVILEGED_TEST},
};

pub(crate) fn task(args: &[OsString]) -> Result<ExitCode> {
    let build = Build::prepare()?;
    // All at once, binaries that tests start included: what follows only runs.
    command::run(cargo(&build, "build").args(["--bins", "--examples", "--tests"]))?;

    // One failure must not hide the others.
    let mut failed = Vec::new();
    for (name, run) in [
        (
            "unprivileged tests",
            unprivileged as fn(&Build, &[OsString]) -> Result<()>,
        ),
        ("documentation tests", documentation),
        ("privileged tests", privileged),
    ] {
        say(&format!("{name} ..."));
        if let Err(error) = run(&build, args) {
            say(&format!("{error:#}"));
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::bail!("failed: {}", failed.join(", "));
}

/// The whole workspace in every step, so that all of them share one set of features.
fn cargo(build: &Build, subcommand: &str) -> Command {
    let mut cargo = build.cargo(subcommand);
    cargo.args(["--locked", "--workspace", "--exclude", EBPF_PACKAGE]);
    cargo
}

fn unprivileged(build: &Build, args: &[OsString]) -> Result<()> {
    let mut cargo = cargo(build, "test");
    cargo.args(["--no-fail-fast", "--lib", "--bins"]);
    for test in build
        .workspace
        .tests
        .iter()
        .filter(|name| *name != PRIVILEGED_TEST)
    {
        cargo.args(["--test", test]);
    }
    command::run(cargo.arg("--").args(args))
}

fn documentation(build: &Build, args: &[OsString]) -> Result<()> {
    command::run(cargo(build, "test").args(["--doc", "--"]).args(args))
}

fn privileged(build: &Build, args: &[OsString]) -> Result<()> {
    if !build
        .workspace
        .tests
        .iter()
        .any(|name| name == PRIVILEGED_TEST)
    {
        say("there are none");
        return Ok(());
    }
    let mut cargo = cargo(build, "test");
    cargo.args(["--test", PRIVILEGED_TEST]);
    if sudo::is_root() {
        return command::run(cargo.args(["--", SERIAL]).args(args));
    }
    let test = artifact::build(cargo.arg("--no-run"), "test", PRIVILEGED_TEST)?;
    match sudo::find_silent() {
        Some(sudo) => command::run(&mut as_root(Command::new(sudo), &test, args)),
        None => {
            say_skipped(&test);
            Ok(())
        }
    }
}

/// The tests count faults machine-wide: one at a time.
const SERIAL: &str = "--test-threads=1";

fn as_root(mut sudo: Command, test: &Executable, args: &[OsString]) -> Command {
    // As cargo would run it; sudo drops the environment.
    sudo.args(["--non-interactive", "env"])
        .arg(format!("CARGO_MANIFEST_DIR={}", test.package_dir.display()))
        .arg(&test.path)
        .arg(SERIAL)
        .args(args)
        .current_dir(&test.package_dir);
    environment::clean(&mut sudo);
    sudo
}

fn say_skipped(test: &Executable) {
    let rule = "*".repeat(72);
    say(&rule);
    say("WARNING: the privileged tests were SKIPPED: you are not root, and sudo is");
    say("missing or asks for a password. Run them with (no sudo if you become root)");
    say(&format!(
        "  cd {} && sudo {} {SERIAL}",
        test.package_dir.display(),
        test.path.display()
    ));
    say(&rule);
}
