//! What a run says of itself: the hooks it had, and how sure each class could be. The proof holds it
//! to that.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

/// A transparent huge page, bytes.
const HUGE_BYTES: u64 = 2 << 20;

pub(super) struct Claims {
    /// `exact`, `inferred` or `impossible`, by class.
    best: BTreeMap<String, String>,
    has_rss_stat: bool,
    /// NUMA hints came while it ran, and look like `anon-zero` where no page moves.
    numa_hints: bool,
}

/// Where the faults of a group were.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) bytes: u64,
    pub(super) has_several_threads: bool,
}

impl Claims {
    pub(super) fn read(recording: &Path, numa_hints: bool) -> Self {
        let text = fs::read_to_string(recording.join("recording.json")).expect("recording.json");
        let recording: Value = serde_json::from_str(&text).expect("JSON");
        let run = &recording["run"];
        let classes = run["support"]["classes"].as_array();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let hooks = run["hooks"].as_array().expect("hooks");
        Self {
            best: classes
                .expect("classes")
                .iter()
                .map(|class| (text(&class["class"]), text(&class["best"])))
                .collect(),
            has_rss_stat: hooks.iter().any(|hook| hook == "rss_stat"),
            numa_hints,
        }
    }

    /// What is wrong with the confidence of the faults of one range, which were taken for `class`.
    pub(super) fn doubt(&self, class: &str, faults: &[&Value], place: Place) -> Option<String> {
        let inferred: Vec<&&Value> = faults
            .iter()
            .filter(|fault| fault["confidence"] == "inferred")
            .collect();
        let (all, inferred_count) = (faults.len(), inferred.len());
        match self.best.get(class).map(String::as_str) {
            Some("impossible") => Some(format!("{all} {class} are said to be impossible here")),
            Some("inferred") => (inferred_count < all).then(|| {
                let exact = all - inferred_count;
                format!("{exact} {class} claim to be exact, which nothing proves here")
            }),
            _ => {
                let doubted = inferred
                    .iter()
                    .filter(|fault| !self.may_be_doubted(class, fault, place))
                    .count();
                (doubted > allowed(class))
                    .then(|| format!("{doubted} {class} are inferred, not exact"))
            }
        }
    }

    /// Whether it is right to be unsure of this fault, though its class can be proven.
    fn may_be_doubted(&self, class: &str, fault: &Value, place: Place) -> bool {
        match class {
            // A NUMA hint or the huge zero page would look the same.
            "anon-zero" => self.numa_hints || place.bytes >= HUGE_BYTES,
            // The device answered before the thread slept: it may have been read-ahead. Or another
            // thread mapped the page first.
            "file-read" => {
                let slept = shows(fault, "slept-d") || shows(fault, "slept-s");
                !slept || (place.has_several_threads && !shows(fault, "rss-file"))
            }
            // No stable hook proves these.
            "file-wait" | "numa-hint" => true,
            // The huge zero page may have been there, or was allocated.
            "anon-huge" => true,
            _ => false,
        }
    }

    /// The classes that a fault of `class` may show as, inferred, where hooks are missing.
    pub(super) fn stand_ins(&self, class: &str) -> &'static [&'static str] {
        if self.has_rss_stat {
            return &[];
        }
        match class {
            // Found in the swap cache, or made anew; no device was read.
            "swap-in" => &["anon-zero", "anon-alloc"],
            // Whether the page to be copied was the file's or the process's own.
            "cow-file" => &["cow-anon"],
            "migration-wait" => &["file-wait", "file-read"],
            "anon-huge" => &["anon-zero"],
            _ => &[],
        }
    }
}

/// Whether a fault has a piece of evidence.
pub(super) fn shows(fault: &Value, evidence: &str) -> bool {
    let all = fault["evidence"].as_array();
    all.is_some_and(|all| all.iter().any(|one| one == evidence))
}

/// How many faults of a class that can be proven may be inferred in one range.
fn allowed(class: &str) -> usize {
    match class {
        // The last of a thread is closed by its exit.
        "kernel-efault" | "nofault-probe" => 1,
        _ => 0,
    }
}
