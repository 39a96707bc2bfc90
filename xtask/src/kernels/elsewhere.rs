//! A recording is reported the same on another machine than the one it was made on.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    guest::{self, Step},
    outcome::{find, json},
};
use crate::command;

/// What is wrong with the guest's recording, reported on this machine; nothing if all is well.
pub(super) fn problem(steps: &[Step], fault_trace: &Path, folder: &Path) -> Option<String> {
    compare(steps, fault_trace, &folder.join("elsewhere"))
        .err()
        .map(|error| format!("its recording reported on this machine: {error:#}"))
}

fn compare(steps: &[Step], fault_trace: &Path, folder: &Path) -> Result<()> {
    let there = find(steps, guest::REPORT).and_then(json);
    let there = there.context("the guest made no report")?;
    let archive = find(steps, guest::ARCHIVE).context("the guest sent no recording")?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    unpack(&archive.output, folder)?;
    let mut report = Command::new(fault_trace);
    report.args(["report", "--format", "json"]);
    let here = command::stdout(report.arg(folder.join(guest::RECORDING_NAME)))?;
    let here: serde_json::Value = serde_json::from_str(&here)?;
    ensure!(here == there, "it differs");
    Ok(())
}

/// Unpacks an archive in base64.
fn unpack(text: &str, folder: &Path) -> Result<()> {
    let encoded = folder.join("archive");
    fs::write(&encoded, text.trim())?;
    let archive = Command::new("base64")
        .arg("--decode")
        .arg(&encoded)
        .output();
    let archive = archive.context("cannot run `base64`")?;
    ensure!(archive.status.success(), "the archive came damaged");
    let mut tar = Command::new("tar")
        .args(["--extract", "--file=-", "--directory"])
        .arg(folder)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot run `tar`")?;
    let mut input = tar.stdin.take().context("tar takes input")?;
    input.write_all(&archive.stdout)?;
    drop(input);
    ensure!(tar.wait()?.success(), "the archive came damaged");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, output: &str) -> Step {
        Step {
            name: name.to_owned(),
            output: output.to_owned(),
            status: Some(0),
        }
    }

    #[test]
    fn what_did_not_come_or_came_damaged_is_a_problem() {
        let folder = std::env::temp_dir().join(format!("elsewhere-{}", std::process::id()));
        let problem = |steps: &[Step]| problem(steps, Path::new("/bin/true"), &folder);
        assert!(problem(&[]).is_some());
        let damaged = [step(guest::REPORT, "{}"), step(guest::ARCHIVE, "*")];
        let text = problem(&damaged).expect("a problem");
        assert!(text.contains("damaged"), "{text}");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
