//! The JSON that fault-trace prints.

use std::{path::Path, process::Output};

use serde_json::Value;

use super::{
    known::address::{PAGE, START},
    tracer::{run, text},
};

/// A report in JSON.
#[derive(Debug)]
pub(crate) struct Report(pub(crate) Value);

impl Report {
    /// The report that a successful run printed last; what a command prints comes before it.
    pub(crate) fn of(output: &Output) -> Self {
        assert!(output.status.success(), "{output:?}");
        Self::printed(output)
    }

    /// The report that a run printed, however it ended.
    pub(crate) fn printed(output: &Output) -> Self {
        let value = serde_json::from_slice(&output.stdout);
        Self(value.unwrap_or_else(|error| panic!("{error}: {output:?}")))
    }

    /// Runs fault-trace, successfully.
    pub(crate) fn of_run(arguments: &[&str]) -> Self {
        Self::of(&run(arguments))
    }

    /// A number, by JSON pointer.
    pub(crate) fn number(&self, pointer: &str) -> i64 {
        let value = self.0.pointer(pointer).and_then(Value::as_i64);
        value.unwrap_or_else(|| panic!("no number {pointer} in {:#}", self.0))
    }

    /// A number of the accounting.
    pub(crate) fn accounting(&self, name: &str) -> i64 {
        self.number(&format!("/accounting/{name}"))
    }

    /// How many faults of a class there were.
    pub(crate) fn class(&self, name: &str) -> i64 {
        let classes = self.0["classes"].as_array().expect("a list");
        let class = classes.iter().find(|class| class["class"] == name);
        class.map_or(0, |class| class["count"].as_i64().expect("a count"))
    }

    /// The classes that there were, by name.
    pub(crate) fn classes(&self) -> Vec<&str> {
        let classes = self.0["classes"].as_array().expect("a list");
        classes
            .iter()
            .filter_map(|class| class["class"].as_str())
            .collect()
    }

    /// The rows of all processes.
    pub(crate) fn processes(&self) -> &[Value] {
        self.0["processes"].as_array().expect("a list")
    }

    /// The row of a process.
    pub(crate) fn process(&self, pid: u32) -> &Value {
        let row = self
            .processes()
            .iter()
            .find(|process| process["pid"] == pid);
        row.unwrap_or_else(|| panic!("no process {pid} in {:#}", self.0))
    }

    /// What holds of every complete run, whatever else happened.
    pub(crate) fn assert_balanced(&self) {
        let of = |name| self.accounting(name);
        assert_eq!(
            of("started"),
            of("ended") + of("failed") + of("open"),
            "{self:#?}"
        );
        assert_eq!(self.0["accounting"]["adds_up"], true, "{self:#?}");
        assert_eq!(self.0["complete"], true, "{self:#?}");
        if self.0["options"]["records_faults"] == true {
            let emitted = of("recorded") + of("dropped") + of("filtered");
            assert_eq!(emitted, of("ended") + of("failed"), "{self:#?}");
        }
    }

    /// Every fault was seen that the kernel counted, and none was lost.
    pub(crate) fn assert_nothing_unexplained(&self) {
        self.assert_balanced();
        assert_eq!(self.accounting("unexplained"), 0, "{self:#?}");
        assert_eq!(self.accounting("dropped"), 0, "{self:#?}");
        let losses = self.0["losses"].as_object().expect("an object");
        // Names that a slow machine does not find before a run must end are no lost faults.
        let names = ["files_unread", "places_unread"];
        let faults = losses.keys().find(|loss| !names.contains(&loss.as_str()));
        assert_eq!(faults, None, "{self:#?}");
        for process in self.processes() {
            assert_eq!(process["unexplained"], 0, "{process:#}");
        }
    }
}

/// A recording's faults.
pub(crate) fn jsonl(recording: &Path) -> Vec<Value> {
    let output = run([
        "export".as_ref(),
        recording.as_os_str(),
        "--to".as_ref(),
        "jsonl".as_ref(),
    ]);
    assert!(output.status.success(), "{output:?}");
    let line = |line: &str| serde_json::from_str(line).expect("each line is JSON");
    text(&output.stdout).lines().map(line).collect()
}

/// Those in the first `pages` pages of `known`, with the page's number.
pub(crate) fn faults_in(faults: &[Value], pages: usize) -> Vec<(usize, &Value)> {
    let page = |fault: &Value| {
        let address = fault["address"].as_str()?.strip_prefix("0x")?;
        let address = usize::from_str_radix(address, 16).ok()?;
        Some(address.checked_sub(START)? / PAGE)
    };
    let numbered = faults
        .iter()
        .filter_map(|fault| Some((page(fault)?, fault)));
    numbered.filter(|(page, _)| *page < pages).collect()
}
